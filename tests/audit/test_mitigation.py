from dataclasses import replace

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, equalized_odds_difference, true_positive_rate

from tfhealth.audit.comparison import Comparison
from tfhealth.audit.groups import grouping
from tfhealth.audit.mitigation import (
    LARGEST_WEIGHT,
    OTHERS,
    Scored,
    apply_group_platt,
    decide_by_group,
    fit_group_platt,
    fitted_groups,
    group_balanced_weights,
    group_thresholds,
    optimize_thresholds,
    reduce_gap,
)
from tfhealth.audit.oracle import Planted, plant
from tfhealth.audit.recalibration import apply_group_temperatures, fit_group_temperatures
from tfhealth.audit.tradeoff import EVERYONE, before_after_rows, price
from tfhealth.audit.views import decided_view, operating_point
from tfhealth.training.metrics import cluster_weights
from tfhealth.training.record import Predictions

PLANTED = Planted(examples=4000, gap=0.3)


def scored(seed):
    view, features, _ = plant(PLANTED, seed)
    return Scored(view.positive[:, 0], view.score[:, 0], features["skin_tone"])


def sensitivity(split, decided, group):
    return decided[split.positive & (split.groups == group)].mean()


def test_group_thresholds_reach_the_sensitivity_in_every_group_of_validation():
    validation = scored(0)
    thresholds = group_thresholds(validation)
    decided = decide_by_group(validation, thresholds)
    for group in ("lighter", "darker"):
        assert 0.90 <= sensitivity(validation, decided, group) < 0.905
    assert thresholds["darker"] < thresholds["lighter"]


def test_group_without_a_threshold_of_its_own_gets_everyones():
    test = Scored(np.array([True, True]), np.array([0.4, 0.6]), np.array(["new", "new"]))
    assert decide_by_group(test, {OTHERS: 0.5, "lighter": 0.1}).tolist() == [False, True]


def test_threshold_optimizer_lessens_the_planted_gap_on_test():
    validation, test = scored(0), scored(1)
    threshold = operating_point(validation.positive, validation.score)
    after = optimize_thresholds(validation, test, threshold, seed=0)
    gaps = [
        equalized_odds_difference(test.positive, decided, sensitive_features=test.groups)
        for decided in (test.score >= threshold, after)
    ]
    assert gaps[1] < 0.5 * gaps[0]


def test_threshold_optimizer_decides_unseen_and_one_sided_groups_at_the_common_threshold():
    validation, test = scored(0), scored(1)
    validation.groups[:5], test.groups[:40] = "tiny", "unseen"
    decided = optimize_thresholds(validation, test, 0.5, seed=0)
    assert "tiny" not in fitted_groups(validation)
    assert np.array_equal(decided[:40], test.score[:40] >= 0.5)


def test_threshold_optimizer_with_a_single_group_changes_nothing():
    validation = scored(0)
    alone = replace(validation, groups=np.full(len(validation.score), "all"))
    assert np.array_equal(optimize_thresholds(alone, alone, 0.5, seed=0), alone.score >= 0.5)


def embedding(seed, n=1500):
    """Two numbers: one tells the classes apart among the many, the other among the few."""
    rng = np.random.default_rng(seed)
    positive, few = rng.random(n) < 0.4, rng.random(n) < 0.25
    signal = np.where(positive, 1.5, -0.5)
    x = rng.normal(size=(n, 3)) * 0.8
    x[:, 0] += np.where(few, -0.5, signal)
    x[:, 1] += np.where(few, signal, 0.0)
    return x, Scored(positive, np.zeros(n), np.where(few, "few", "many"))


def test_exponentiated_gradient_lessens_the_gap_in_sensitivity_of_a_biased_embedding():
    (x, train), (x_test, test) = embedding(0), embedding(1)
    found = reduce_gap(x, train, x_test, seed=0, max_iter=15)
    gaps = [
        MetricFrame(
            metrics=true_positive_rate, y_true=test.positive, y_pred=decided, sensitive_features=test.groups
        ).difference()
        for decided in (found.before_decided, found.after_decided)
    ]
    assert gaps[1] < gaps[0] - 0.1
    assert ((found.after_score >= 0) & (found.after_score <= 1 + 1e-9)).all()


def test_group_platt_mends_a_group_whose_odds_are_off():
    rng = np.random.default_rng(0)
    true_probability = rng.uniform(0.02, 0.98, 8000)
    positive, groups = rng.random(8000) < true_probability, np.where(rng.random(8000) < 0.3, "shifted", "right")
    logit = np.log(true_probability / (1 - true_probability)) - np.where(groups == "shifted", 1.0, 0.0)
    split = Scored(positive, 1 / (1 + np.exp(-logit)), groups)
    parameters = fit_group_platt(split)
    assert parameters["shifted"] == pytest.approx((1.0, 1.0), abs=0.15)  # 3 standard errors of 2,400 examples
    assert parameters["right"] == pytest.approx((1.0, 0.0), abs=0.12)
    again = apply_group_platt(split, parameters)
    for group in ("shifted", "right"):
        assert again[groups == group].mean() == pytest.approx(positive[groups == group].mean(), abs=1e-3)


def predictions(seed=0, n=600):
    rng = np.random.default_rng(seed)
    y_prob = rng.dirichlet(np.ones(3), n)
    y_true = np.array([rng.choice(3, p=row) for row in y_prob], np.int32)
    group = np.where(rng.random(n) < 0.4, "sure", "honest")
    sharp = y_prob**3 / (y_prob**3).sum(1, keepdims=True)  # temperature 1/3: three times too sure
    y_prob = np.where((group == "sure")[:, None], sharp, y_prob).astype(np.float32)
    ids = np.arange(n).astype(str)
    return Predictions(y_true, y_prob, {"group": group}, ids, ids)


def test_group_temperatures_find_the_group_that_is_too_sure_and_change_no_answer():
    found = predictions(n=3000)
    temperatures = fit_group_temperatures(found, "group")
    assert temperatures["sure"] == pytest.approx(3.0, rel=0.15)
    assert temperatures["honest"] == pytest.approx(1.0, rel=0.15)
    after = apply_group_temperatures(found, "group", temperatures)
    assert np.array_equal(after.y_pred, found.y_pred)


def test_group_too_small_for_a_temperature_gets_everyones():
    found = predictions()
    found.sensitive_features["group"][:5] = "few"
    temperatures = fit_group_temperatures(found, "group")
    assert "few" not in temperatures
    after = apply_group_temperatures(found, "group", {OTHERS: 1.0})
    assert after.y_prob == pytest.approx(found.y_prob, abs=1e-5)  # float32 logs


def test_group_balanced_weights_let_the_groups_of_a_class_weigh_the_same_and_leave_classes_as_they_were():
    rng = np.random.default_rng(0)
    y, groups = rng.choice(2, 1000, p=[0.8, 0.2]), rng.choice(["a", "b"], 1000, p=[0.8, 0.2])
    weights = group_balanced_weights(y, groups)
    for label in (0, 1):
        sums = [weights[(y == label) & (groups == group)].sum() for group in "ab"]
        assert sums[0] == pytest.approx(sums[1])
        assert sum(sums) == pytest.approx(np.sum(y == label))


def test_weight_of_a_tiny_group_is_bounded():
    groups = np.array(["a"] * 999 + ["b"])
    weights = group_balanced_weights(np.zeros(1000, int), groups)
    assert weights[-1] / weights[0] == pytest.approx(LARGEST_WEIGHT / (1000 / (2 * 999)))
    assert weights.mean() == pytest.approx(1.0)


def judged(seed=1):
    view, features, group_ids = plant(PLANTED, seed)
    weights = cluster_weights(group_ids, draws=200, seed=0).astype(np.float32)
    found = grouping("skin_tone", features["skin_tone"], group_ids)
    return view, Comparison.of(found, view.positive, group_ids, weights, permutations=10, seed=0), features


def test_table_shows_the_worst_groups_gain_and_what_the_others_pay():
    view, comparison, features = judged()
    test = Scored(view.positive[:, 0], view.score[:, 0], features["skin_tone"])
    decided = decide_by_group(test, group_thresholds(scored(0)))
    rows = before_after_rows(
        "group thresholds", view, decided_view(test.positive, decided, test.score, "x"), comparison
    )
    found = price(rows)
    assert found["worst_group"] == "darker"
    assert found["gain"] == pytest.approx(found["worst_after"] - found["worst_before"])
    assert found["improved"]
    assert found["gain_low"] < found["gain"] < found["gain_high"]
    specificity = price(rows, "specificity")
    darker = next(row for row in rows if row["group"] == "darker" and row["rate"] == "specificity")
    assert darker["change"] < 0  # more of the darker group's negatives are called back: the price
    assert specificity["payer"] in ("", "lighter", "darker")


def test_no_mitigation_changes_nothing_and_claims_nothing():
    view, comparison, _ = judged()
    rows = before_after_rows("none", view, view, comparison)
    assert all(row["change"] == row["low"] == row["high"] == 0 for row in rows)
    assert {row["group"] for row in rows} == {"lighter", "darker", EVERYONE}
    found = price(rows)
    assert not found["improved"]
    assert found["payer"] == ""


def test_price_without_any_rate_is_undefined():
    assert np.isnan(price([])["gain"])
