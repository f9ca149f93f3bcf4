import numpy as np
import pytest

from tfhealth.data.dataset import Rows, Split
from tfhealth.training import baseline
from tfhealth.training.baseline import fit_baseline


def split_of(texts, labels):
    ids = np.arange(len(texts)).astype(str)
    return Split(Rows(np.array(texts, object)), np.array(labels, np.int32), ids, ids)


TRAIN = split_of(["acute hepatitis", "chronic hepatitis", "eye pain", "eye swelling"] * 3, [0, 0, 2, 2] * 3)
VALIDATION = split_of(["hepatitis", "eye"], [0, 2])


def test_baseline_learns_words_and_gives_no_chance_to_a_class_it_never_saw(tmp_path):
    found = fit_baseline(TRAIN, VALIDATION, 3, tmp_path).predict(VALIDATION, 3)
    assert found.y_pred.tolist() == [0, 2]
    np.testing.assert_allclose(found.y_prob.sum(1), 1, atol=1e-6)
    assert (found.y_prob[:, 1] == 0).all()


def test_order_of_words_beyond_pairs_changes_nothing(tmp_path):
    fitted = fit_baseline(TRAIN, VALIDATION, 3, tmp_path)
    texts = split_of(["swelling zzz hepatitis", "hepatitis zzz swelling"], [0, 0])
    first, second = fitted.predict(texts, 3).y_prob
    np.testing.assert_allclose(first, second, atol=1e-7)


def test_fitted_baseline_is_read_not_fitted_again(tmp_path, monkeypatch):
    first = fit_baseline(TRAIN, VALIDATION, 3, tmp_path)
    monkeypatch.setattr(baseline, "_fit", lambda *_: pytest.fail("fitted again"))
    again = fit_baseline(TRAIN, VALIDATION, 3, tmp_path)
    assert (again.strength, again.parameters) == (first.strength, first.parameters)
    np.testing.assert_array_equal(again.predict(VALIDATION, 3).y_prob, first.predict(VALIDATION, 3).y_prob)
