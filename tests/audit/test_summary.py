import numpy as np
import pytest

from tfhealth.audit.change import group_changes
from tfhealth.audit.comparison import Comparison
from tfhealth.audit.fairness import AuditSettings, ModelAudit, audit_model, comparisons
from tfhealth.audit.groups import grouping, with_intersections
from tfhealth.audit.oracle import Planted, plant
from tfhealth.audit.reliability import BINS, reliability_curves
from tfhealth.audit.summary import (
    collect_values,
    compression_values,
    errors_per_thousand,
    fairness_values,
    mitigation_values,
    overall_rates,
)
from tfhealth.audit.views import decided_view, one_vs_rest
from tfhealth.training.record import Predictions

SETTINGS = AuditSettings(draws=80, permutations=80)
VIEW, FEATURES, IDS = plant(Planted(examples=1000, gap=0.35), 3)
PREPARED = comparisons(FEATURES, VIEW.positive, IDS, SETTINGS)
AUDIT = audit_model(VIEW, PREPARED)


def test_errors_per_thousand_are_the_confusion_matrix_of_the_test_split():
    found = errors_per_thousand(VIEW, IDS, SETTINGS)
    positive, decided = VIEW.positive[:, 0], VIEW.decided[:, 0]
    assert found["false_negatives"]["value"] == pytest.approx(1000 * np.mean(positive & ~decided))
    assert found["false_positives"]["value"] == pytest.approx(1000 * np.mean(~positive & decided))
    assert found["positives"]["value"] == pytest.approx(1000 * positive.mean())
    assert found["predictive_value"] == pytest.approx(positive[decided].mean())
    assert found["false_negatives"]["low"] < found["false_negatives"]["value"] < found["false_negatives"]["high"]


def test_model_that_alarms_nobody_has_no_predictive_value():
    silent = decided_view(VIEW.positive[:, 0], np.zeros(len(VIEW), bool), VIEW.score[:, 0], "x")
    assert np.isnan(errors_per_thousand(silent, IDS, SETTINGS)["predictive_value"])


def test_of_several_classes_the_one_with_the_lowest_recall_among_the_countable_is_told():
    rng = np.random.default_rng(0)
    y_true = np.array([0] * 100 + [1] * 100 + [2] * 5, np.int32)
    wrong = np.concatenate([np.zeros(100, bool), np.arange(100) < 40, np.ones(5, bool)])
    answer = np.where(wrong, (y_true + 1) % 3, y_true)
    y_prob = 0.1 + 0.7 * np.eye(3)[answer] + rng.uniform(0, 1e-6, (205, 3))
    ids = np.arange(205).astype(str)
    found = Predictions(y_true, y_prob / y_prob.sum(1, keepdims=True), {}, ids, ids)
    assert errors_per_thousand(one_vs_rest(found, "abc"), ids, SETTINGS)["question"] == "b"


def test_overall_rates_are_those_of_everyone_with_intervals():
    found = overall_rates(VIEW, IDS, SETTINGS)
    recall = VIEW.decided[VIEW.positive].mean()
    assert found["recall"]["value"] == pytest.approx(recall)
    assert found["recall"]["low"] < recall < found["recall"]["high"]


def test_fairness_values_count_alarms_and_name_the_worst_group():
    found = fairness_values(AUDIT, PREPARED)
    assert found["features"] == [*FEATURES, "sex x age_band"]
    assert found["tests"] == 28
    assert found["alarms"] == sum(row["alarm"] for row in AUDIT.disparities) > 0
    assert (found["clearest"]["feature"], found["clearest"]["lowest"]) == ("skin_tone", "darker")
    assert found["worst"]["group"] == "darker"


def test_audit_without_features_has_nothing_clearest():
    empty = audit_model(VIEW, [])
    found = fairness_values(empty, [])
    assert found["clearest"] is None
    assert found["worst"] is None
    assert found["tests"] == 0


def test_group_to_collect_is_the_one_with_the_fewest_positives():
    found = collect_values(VIEW, PREPARED, 28)
    positives = {
        (feature, name): len(np.unique(IDS[(column == name) & VIEW.positive[:, 0]]))
        for feature, column in with_intersections(FEATURES).items()
        for name in np.unique(column)
    }
    assert found["have"] == min(positives.values())
    assert positives[found["feature"], found["group"]] == found["have"]
    assert found["more"] == max(0, found["needed"] - found["have"])


def test_without_groups_each_of_two_needs_the_same():
    found = collect_values(VIEW, [], 0)
    assert (found["group"], found["have"]) == ("", 0)
    assert found["more"] == found["needed"] > 0


def test_compression_names_the_artifact_with_the_largest_clear_fall():
    darker = FEATURES["skin_tone"] == "darker"
    decided = VIEW.decided[:, 0] & ~darker
    harmed = audit_model(decided_view(VIEW.positive[:, 0], decided, VIEW.score[:, 0], "positive"), PREPARED)
    changes = {"float16": group_changes(AUDIT, AUDIT), "int8": group_changes(AUDIT, harmed)}
    found = compression_values(changes)
    assert (found["artifacts"], found["harmed"]) == (2, 1)
    assert (found["worst"]["artifact"], found["worst"]["group"], found["worst"]["rate"]) == ("int8", "darker", "recall")
    same = compression_values({"float16": changes["float16"]})
    assert same == {"artifacts": 1, "harmed": 0, "worst": None, "largest": None}
    assert compression_values({}) is None


def test_mitigation_that_improves_clearly_comes_before_a_larger_unclear_gain():
    rows = {
        "clear": {"gain": 0.1, "improved": True},
        "unclear": {"gain": 0.3, "improved": False},
        "unmeasured": {"gain": np.nan, "improved": False},
    }
    found = mitigation_values(rows)
    assert (found["tried"], found["improved"], found["best"]["mitigation"]) == (3, 1, "clear")
    assert mitigation_values({}) is None
    assert mitigation_values({"unmeasured": rows["unmeasured"]})["best"] is None


def test_reliability_of_a_bin_with_under_ten_people_is_hidden():
    confidence = np.concatenate([np.full(60, 0.1), np.full(8, 0.9)])
    positive = np.concatenate([np.arange(60) < 6, np.ones(8, bool)])
    ids, labels = np.arange(68).astype(str), np.full(68, "all")
    view = decided_view(positive, confidence > 0.5, confidence, "x")
    weights = np.ones((1, 68), np.float32)
    comparison = Comparison.of(grouping("sex", labels, ids), view.positive, ids, weights, permutations=1, seed=0)
    (curve,) = reliability_curves(view, comparison)
    assert curve["frequency"] == pytest.approx([0.1, *[np.nan] * (BINS - 1)], nan_ok=True)
    assert curve["count"] == pytest.approx([60, *[np.nan] * (BINS - 1)], nan_ok=True)


def test_gap_in_errors_is_told_before_one_in_selection_that_case_mix_explains():
    def row(measure, p_value, alarm):
        return {"feature": "age", "measure": measure, "p_value": p_value, "alarm": alarm}

    parity, odds = "demographic_parity_difference", "equal_opportunity_difference"
    for rows, expected in (
        ([row(parity, 0.001, True), row(odds, 0.002, True)], odds),
        ([row(parity, 0.001, True), row(odds, 0.2, False)], parity),
        ([row(parity, 0.1, False), row(odds, 0.2, False)], odds),
    ):
        found = fairness_values(ModelAudit([], rows, {}, {}, {}, {}), [])
        assert found["clearest"]["measure"] == expected
