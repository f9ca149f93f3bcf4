import numpy as np
import pytest
from scipy.stats import binom

from tfhealth.training.paired import mcnemar


def test_only_examples_that_one_got_right_count():
    y_true = np.zeros(20, int)
    first, second = np.zeros(20, int), np.zeros(20, int)
    first[:2] = 1  # wrong where second is right
    second[2:10] = 1
    second[18:], first[18:] = 1, 1  # both wrong
    found = mcnemar(y_true, first, second)
    assert (found["first_only"], found["second_only"]) == (8, 2)
    assert found["p_value"] == pytest.approx(2 * binom.cdf(2, 10, 0.5))


def test_equal_classifiers_cannot_be_told_apart():
    y_true = np.arange(5) % 2
    assert mcnemar(y_true, y_true, y_true)["p_value"] == 1


def test_exchanging_the_classifiers_exchanges_the_counts():
    rng = np.random.default_rng(0)
    y_true, first, second = rng.integers(0, 3, (3, 60))
    one, other = mcnemar(y_true, first, second), mcnemar(y_true, second, first)
    assert (one["first_only"], one["p_value"]) == (other["second_only"], other["p_value"])
