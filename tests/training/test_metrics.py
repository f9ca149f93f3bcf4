import numpy as np
import pytest
from sklearn import metrics as sk

from tfhealth.training.metrics import (
    bootstrap_intervals,
    class_scores,
    classification_scores,
    cluster_weights,
    confusion_counts,
    curves,
    expected_calibration_error,
    groups_of,
    interval,
)
from tfhealth.training.weighted import weighted_class_scores, weighted_scores


def predictions(n=400, k=4, seed=0):
    rng = np.random.default_rng(seed)
    y_prob = rng.dirichlet(np.ones(k), n)
    y_true = np.array([rng.choice(k, p=row) for row in y_prob])
    return y_true, y_prob


def test_calibration_error_by_hand_on_four_points():
    # Two bins of fifteen are filled: confidence 0.95 with accuracy 1/2, confidence 0.65 with accuracy 1.
    y_prob = np.array([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.65, 0.35]])
    y_true = np.array([0, 1, 0, 0])
    assert expected_calibration_error(y_true, y_prob) == pytest.approx((0.45 * 2 + 0.35 * 2) / 4)


def test_calibration_error_of_nothing_is_undefined():
    assert np.isnan(expected_calibration_error(np.array([], int), np.zeros((0, 2))))


def test_scores_equal_scikit_learn():
    y_true, y_prob = predictions()
    scores, y_pred = classification_scores(y_true, y_prob), y_prob.argmax(1)
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(y_true, y_pred))
    assert scores["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y_true, y_pred))
    assert scores["f1_macro"] == pytest.approx(sk.f1_score(y_true, y_pred, average="macro"))
    assert scores["roc_auc"] == pytest.approx(sk.roc_auc_score(y_true, y_prob, multi_class="ovr"))
    assert scores["log_loss"] == pytest.approx(sk.log_loss(y_true, y_prob))
    assert scores["expected_calibration_error"] == pytest.approx(expected_calibration_error(y_true, y_prob))
    onehot = np.eye(4)[y_true]
    assert scores["average_precision"] == pytest.approx(sk.average_precision_score(onehot, y_prob))


def test_absent_class_is_left_out_of_the_means_and_undefined_in_its_row():
    y_true, y_prob = predictions()
    y_true = np.where(y_true == 3, 0, y_true)
    assert np.isfinite(classification_scores(y_true, y_prob)["roc_auc"])
    row = class_scores(y_true, y_prob, "abcd")[3]
    assert row["support"] == 0
    assert all(np.isnan(row[name]) for name in ("recall", "f1", "roc_auc", "average_precision"))


def test_class_never_predicted_has_no_precision_but_recall_zero():
    row = class_scores(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]), "ab")[1]
    assert np.isnan(row["precision"])
    assert row["recall"] == 0


def test_probabilities_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        classification_scores(np.array([0]), np.array([[0.5, 0.1]]))


def test_label_out_of_range_is_refused():
    with pytest.raises(ValueError, match="outside"):
        classification_scores(np.array([2]), np.array([[0.5, 0.5]]))


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """Coverage of the accuracy over 200 data sets of known accuracy 0.8, groups of two identical examples."""
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        correct = np.repeat(rng.random(60) < 0.8, 2)
        y_prob = np.where(correct[:, None], [[0.9, 0.1]], [[0.1, 0.9]])
        groups = np.repeat(np.arange(60), 2)
        low, high = bootstrap_intervals(np.zeros(120, int), y_prob, groups, draws=200, seed=seed)["accuracy"]
        covered += low <= 0.8 <= high
    assert covered / 200 > 0.88  # 0.95 less the percentile method's shortfall at 60 groups and 4 binomial errors


def test_intervals_are_wider_when_examples_come_in_groups():
    y_true, y_prob = predictions(n=100)
    doubled = np.repeat(y_true, 4), np.repeat(y_prob, 4, axis=0)
    together = bootstrap_intervals(*doubled, np.repeat(np.arange(100), 4), draws=300)["accuracy"]
    apart = bootstrap_intervals(*doubled, np.arange(400), draws=300)["accuracy"]
    assert np.diff(together) > 1.5 * np.diff(apart)  # theory: 2 times


def test_weighted_scores_equal_those_of_the_examples_repeated():
    y_true, y_prob = predictions(n=60)
    y_prob = np.round(y_prob, 1) + 1e-9  # many ties
    y_prob /= y_prob.sum(1, keepdims=True)
    weights = cluster_weights(np.arange(60) // 3, draws=20, seed=0)
    found, by_class = weighted_scores(y_true, y_prob, weights), weighted_class_scores(y_true, y_prob, weights)
    for draw, counts in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(60), counts)
        for name, value in classification_scores(y_true[rows], y_prob[rows]).items():
            assert found[name][draw] == pytest.approx(value, nan_ok=True), name
        for label, row in enumerate(class_scores(y_true[rows], y_prob[rows], "abcd")):
            for name, values in by_class.items():
                assert values[draw, label] == pytest.approx(row[name], nan_ok=True), name


def test_ties_are_scored_as_scikit_learn_scores_them():
    rng = np.random.default_rng(0)
    y_true, score = rng.integers(0, 2, 200), rng.integers(0, 5, 200) / 5
    row = class_scores(y_true, np.stack([1 - score, score], axis=1), "ab")[1]
    assert row["roc_auc"] == pytest.approx(sk.roc_auc_score(y_true, score))
    assert row["average_precision"] == pytest.approx(sk.average_precision_score(y_true, score))


def test_bootstrap_draws_whole_groups():
    weights = cluster_weights(np.array(["a", "b", "a", "c"]), draws=50, seed=0)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()


def test_groups_hold_every_position_once():
    ids = np.array(["b", "a", "b", "c"])
    assert [rows.tolist() for rows in groups_of(ids)] == [[1], [0, 2], [3]]


def test_interval_of_undefined_values_is_undefined():
    assert np.isnan(interval([np.nan, np.nan])).all()


def test_confusion_rows_are_true_classes():
    assert confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_curves_leave_out_a_class_that_does_not_occur():
    rows = curves(np.array([0, 1, 0]), np.array([[0.8, 0.2, 0], [0.3, 0.7, 0], [0.6, 0.4, 0]]), "abc")
    assert [row["name"] for row in rows] == ["a", "b"]
    assert rows[0]["roc_auc"] == 1.0
