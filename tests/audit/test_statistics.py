import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.metrics import roc_auc_score

from tfhealth.audit.statistics import (
    binomial_interval,
    detectable,
    examples_needed,
    holm,
    normal_p_value,
    permutation_index,
    permutation_p_value,
    permutations_needed,
    range_interval,
    weighted_auc,
)

NAN = float("nan")


def test_holm_by_hand():
    # Smallest first: 0.01 * 4, 0.02 * 3, 0.03 * 2, 0.9 * 1, never falling.
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])


def test_holm_never_exceeds_one_and_does_not_count_what_is_undefined():
    assert holm([0.8, NAN, 0.6]) == pytest.approx([1.0, NAN, 1.0], nan_ok=True)
    assert holm([0.02, NAN]) == pytest.approx([0.02, NAN], nan_ok=True)
    assert len(holm([])) == 0


def test_fewest_permutations_just_let_the_smallest_p_value_pass():
    needed = permutations_needed(35)
    assert 35 / (needed + 1) <= 0.05 < 35 / needed


def test_weighted_auc_equals_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    positive, score = rng.random(150) < 0.4, rng.integers(0, 9, 150) / 9
    weights = rng.integers(0, 4, (20, 150)).astype(float)
    found = weighted_auc(positive, score, weights)
    expected = [roc_auc_score(positive, score, sample_weight=row) for row in weights]
    assert found == pytest.approx(expected, abs=1e-12)


def test_weighted_auc_of_distinct_scores_in_float32_equals_scikit_learn():
    rng = np.random.default_rng(1)
    positive, score = rng.random(150) < 0.4, rng.random(150)
    weights = rng.integers(0, 4, (5, 150)).astype(np.float32)
    expected = [roc_auc_score(positive, score, sample_weight=row) for row in weights]
    assert weighted_auc(positive, score, weights) == pytest.approx(expected, abs=1e-6)  # sums in float32


def test_weighted_auc_without_one_of_the_kinds_is_undefined():
    assert np.isnan(weighted_auc(np.array([True, True]), np.array([0.1, 0.2]), np.ones((1, 2))))
    assert np.isnan(weighted_auc(np.array([True, False]), np.array([0.1, 0.2]), np.array([[1.0, 0.0]])))


def test_permutation_moves_whole_groups_of_one_stratum_and_size():
    group_ids = np.array(["a", "b", "a", "c", "d", "e", "e", "f"])
    strata = np.array([0, 0, 0, 1, 1, 0, 0, 0])
    index = permutation_index(strata, group_ids, draws=300, seed=0)
    assert (np.sort(index, axis=1) == np.arange(8)).all()
    assert (strata[index] == strata).all()
    pairs = np.sort(index[:, [0, 2]], axis=1)  # of lesion a: its own images or both of e's
    assert {tuple(pair) for pair in pairs.tolist()} == {(0, 2), (5, 6)}
    assert {tuple(row) for row in index[:, [1, 7]].tolist()} == {(1, 7), (7, 1)}
    assert np.mean(index[:, 0] == 0) + np.mean(index[:, 0] == 2) == pytest.approx(0.5, abs=0.1)  # 3.5 standard errors


def test_p_value_counts_the_observed_and_ties():
    null = np.array([0.1, 0.2, 0.3, NAN])
    assert permutation_p_value(0.2, null) == pytest.approx(3 / 4)
    assert permutation_p_value(0.9, null) == pytest.approx(1 / 4)
    assert np.isnan(permutation_p_value(NAN, null))
    assert np.isnan(permutation_p_value(0.1, np.array([NAN])))


def test_p_values_are_uniform_when_labels_do_not_matter_though_examples_come_in_pairs():
    """Difference of two groups' means; images of one lesion share their value and label."""
    rng, p_values = np.random.default_rng(0), []
    for seed in range(150):
        value = np.repeat(rng.normal(size=60), 2)
        label = np.repeat(rng.random(60) < 0.4, 2)
        index = permutation_index(np.zeros(120), np.repeat(np.arange(60), 2), draws=199, seed=seed)

        def gap(labels, value=value):
            return np.abs((labels @ value) / labels.sum(-1) - (~labels @ value) / (~labels).sum(-1))

        p_values.append(permutation_p_value(gap(label), gap(label[index])))
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert np.mean(np.array(p_values) <= 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 150)


def test_permuting_images_apart_would_raise_false_alarms():
    """The oracle of the test above: what goes wrong when images of one lesion are exchanged one by one."""
    rng, alarms = np.random.default_rng(1), []
    for seed in range(100):
        value, label = np.repeat(rng.normal(size=30), 4), np.repeat(rng.random(30) < 0.4, 4)
        index = permutation_index(np.zeros(120), np.arange(120), draws=99, seed=seed)
        nulls = label[index]
        means = np.abs((nulls @ value) / nulls.sum(1) - (~nulls @ value) / (~nulls).sum(1))
        alarms.append(permutation_p_value(abs(value[label].mean() - value[~label].mean()), means) <= 0.05)
    assert np.mean(alarms) > 0.15


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.2])
def test_range_interval_holds_the_true_gap_about_as_often_as_it_says(gap):
    rng, held = np.random.default_rng(0), 0
    rates = np.array([0.8, 0.8, 0.8 - gap])
    excess = np.percentile(np.ptp(rng.binomial(100, 0.8, (5000, 3)) / 100, axis=1), 97.5)
    for _ in range(300):
        hits = rng.binomial(100, rates)
        drawn = rng.binomial(100, hits / 100, size=(400, 3)) / 100
        low, high = range_interval(np.ptp(hits / 100), np.ptp(drawn, axis=1), excess)
        held += low <= gap <= high
    assert held / 300 >= 0.90  # 0.95 less 4 standard errors


def test_range_interval_of_nothing_is_undefined():
    assert np.isnan(range_interval(NAN, np.array([0.1]))).all()
    assert np.isnan(range_interval(0.1, np.array([NAN]))).all()


def test_detectable_gap_is_found_in_four_of_five_samples():
    """Two groups of 200 with rates 0.8 and 0.8 - gap, planted at the size said to be detectable."""
    rng = np.random.default_rng(0)
    n, rate = 200, 0.8
    error = np.sqrt(2 * rate * (1 - rate) / n)
    null = np.abs(rng.binomial(n, rate, 20_000) - rng.binomial(n, rate, 20_000)) / n / error
    gap = detectable(null, 1.0, error, tests=1)
    again = np.abs(rng.binomial(n, rate, 20_000) - rng.binomial(n, rate - gap, 20_000)) / n / error
    assert np.mean(again >= np.quantile(null, 0.95, method="higher")) == pytest.approx(0.8, abs=0.04)


def test_more_comparisons_and_repeated_patients_make_only_larger_gaps_detectable():
    null = np.abs(np.random.default_rng(0).normal(size=5000))
    assert detectable(null, 1.0, 0.1, tests=20) > detectable(null, 1.0, 0.1, tests=1)
    assert detectable(null, 1.4, 0.1, tests=1) > detectable(null, 1.0, 0.1, tests=1)
    assert np.isnan(detectable(np.zeros(0), 1.0, 0.1, tests=1))
    assert np.isnan(detectable(null, NAN, NAN, tests=1))


def test_examples_needed_give_that_power():
    rng, gap, rate, share = np.random.default_rng(0), 0.15, 0.8, 0.25
    n = examples_needed(gap, rate, share)
    others = round(n / share) - n
    first, second = rng.binomial(n, rate - gap, 20_000) / n, rng.binomial(others, rate, 20_000) / others
    error = np.sqrt(rate * (1 - rate) * (1 / n + 1 / others))
    assert np.mean(np.abs(first - second) / error > 1.96) == pytest.approx(0.8, abs=0.05)
    with pytest.raises(ValueError, match="gap"):
        examples_needed(0.0, 0.5, 0.5)


def test_normal_p_value_of_no_change_is_one():
    assert normal_p_value(0.0, np.zeros(50)) == 1.0
    assert normal_p_value(1.96, np.random.default_rng(0).normal(size=20_000)) == pytest.approx(0.05, abs=0.005)
    assert np.isnan(normal_p_value(NAN, np.zeros(50)))


def test_binomial_interval_of_no_success_in_200():
    assert binomial_interval(0, 200) == pytest.approx((0.0, 1 - 0.025 ** (1 / 200)))
