"""The audit's numbers against scikit-learn and Fairlearn, group by group."""

from functools import cache

import numpy as np
import pytest
from fairlearn import metrics as fair
from sklearn import metrics as sk

from tfhealth.audit.change import check_same_examples, disparity_changes, group_changes
from tfhealth.audit.disparity import LARGER_IS_WORSE
from tfhealth.audit.fairness import AuditSettings, audit_model, comparisons
from tfhealth.audit.groups import HIDDEN
from tfhealth.audit.rates import RATES, calibration, view_rates
from tfhealth.audit.views import binary_view, is_positive, one_vs_rest, operating_point, positive_score
from tfhealth.training.metrics import expected_calibration_error
from tfhealth.training.record import Predictions

CLASSES = ("mel", "nv", "bcc")
MALIGNANT = (0, 2)
SETTINGS = AuditSettings(draws=60, permutations=60)  # more are made where Holm's first step needs them


@cache
def predictions(seed=0, n=700):
    rng = np.random.default_rng(seed)
    data = np.random.default_rng(99)  # the same examples for every model
    person = np.sort(data.integers(0, n * 3 // 4, n))
    y_true = data.choice(3, n // 1, p=[0.25, 0.6, 0.15])[person].astype(np.int32)
    features = {
        "sex": data.choice(["female", "male"], n)[person],
        "tone": data.choice(["light", "tan", "dark", "black"], n, p=[0.6, 0.3, 0.07, 0.03])[person],
        "age_band": data.choice(["0-39", "40+"], n)[person],
        "site": np.full(n, "one"),
    }
    logits = 1.5 * np.eye(3)[y_true] + rng.normal(size=(n, 3))
    y_prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(y_true, y_prob.astype(np.float32), features, np.arange(n).astype(str), person.astype(str))


def malignant(found, threshold=0.4):
    return binary_view(found, MALIGNANT, threshold, "malignant")


@cache
def audited(kind, seed=0):
    found = predictions(seed)
    view = malignant(found) if kind == "binary" else one_vs_rest(found, CLASSES)
    prepared = comparisons(found.sensitive_features, view.positive, found.group_ids, SETTINGS)
    return view, prepared, audit_model(view, prepared)


def subset(view, prepared, row):
    comparison = next(c for c in prepared if c.grouping.feature == row["feature"])
    return comparison.rows[comparison.members[comparison.grouping.names.index(row["group"])]]


def by_scikit_learn(truth, answer, score):
    return {
        "accuracy": sk.accuracy_score(truth, answer),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, answer),
        "recall": sk.recall_score(truth, answer),
        "specificity": sk.recall_score(~truth, ~answer),
        "precision": sk.precision_score(truth, answer),
        "f1": sk.f1_score(truth, answer),
        "selection_rate": answer.mean(),
        "roc_auc": sk.roc_auc_score(truth, score),
        "expected_calibration_error": calibration(score, truth, np.ones((1, len(truth))))[0][0],
        "calibration_in_the_large": score.mean() - truth.mean(),
    }


@pytest.mark.parametrize("kind", ["binary", "one-vs-rest"])
def test_every_rate_of_every_group_equals_scikit_learn_on_that_subset(kind):
    view, prepared, audit = audited(kind)
    compared = 0
    for row in audit.groups:
        if "reason" in row or row["class"] == "all classes":
            continue
        rows, k = subset(view, prepared, row), view.classes.index(row["class"])
        expected = by_scikit_learn(view.positive[rows, k], view.decided[rows, k], view.score[rows, k])
        assert row["examples"] == len(rows)
        for name in RATES:
            if np.isfinite(row[name]):
                assert row[name] == pytest.approx(expected[name], abs=1e-9), (row["feature"], row["group"], name)
                compared += 1
            else:
                assert f"{row['feature']} / {row['group']} / {row['class']} / {name}" in audit.undefined
    assert compared > 80


def test_all_classes_together_equal_scikit_learn_on_that_subset():
    view, prepared, audit = audited("one-vs-rest")
    found = predictions()
    rows_of_all = [row for row in audit.groups if row["class"] == "all classes" and "reason" not in row]
    assert {row["feature"] for row in rows_of_all} == {"sex", "tone", "age_band", "site", "sex x age_band"}
    for row in rows_of_all:
        rows = subset(view, prepared, row)
        truth, answer, y_prob = found.y_true[rows], found.y_pred[rows], found.y_prob[rows].astype(float)
        assert row["accuracy"] == pytest.approx(sk.accuracy_score(truth, answer))
        assert row["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth, answer))
        assert row["f1"] == pytest.approx(sk.f1_score(truth, answer, average="macro"))
        y_prob /= y_prob.sum(1, keepdims=True)  # float32 rows do not sum to 1 closely enough for scikit-learn
        assert row["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, y_prob, multi_class="ovr"), abs=1e-4)
        error = expected_calibration_error(truth, found.y_prob[rows])
        assert row["expected_calibration_error"] == pytest.approx(error, abs=1e-6)
        assert np.isnan(row["selection_rate"])


@pytest.mark.parametrize("kind", ["binary", "one-vs-rest"])
def test_vectorised_rates_equal_metric_frames(kind):
    view, prepared, audit = audited(kind)
    for comparison in prepared:
        taken = view.take(comparison.rows)
        for members, rates in zip(comparison.members, audit.rates[comparison.grouping.feature], strict=True):
            again = view_rates(taken.take(members), np.ones((1, len(members))))
            for name in RATES:
                assert again[name] == pytest.approx(rates[name], abs=1e-9, nan_ok=True), name


def test_disparities_equal_fairlearns():
    view, prepared, audit = audited("binary")
    for comparison in prepared:
        if not comparison.grouping.comparable or not all(found.all() for found in comparison.enough.values()):
            continue
        taken, groups = view.take(comparison.rows), comparison.codes
        arrays = {"y_true": taken.positive[:, 0], "y_pred": taken.decided[:, 0], "sensitive_features": groups}
        expected = {
            "demographic_parity_difference": fair.demographic_parity_difference(**arrays),
            "demographic_parity_ratio": fair.demographic_parity_ratio(**arrays),
            "equal_opportunity_difference": fair.equal_opportunity_difference(**arrays),
            "equalized_odds_difference": fair.equalized_odds_difference(**arrays),
            "worst_group_recall": fair.MetricFrame(metrics=fair.true_positive_rate, **arrays).group_min(),
            "accuracy_difference": fair.MetricFrame(metrics=sk.accuracy_score, **arrays).difference(),
        }
        rows = {r["measure"]: r for r in audit.disparities if r["feature"] == comparison.grouping.feature}
        for name, value in expected.items():
            assert rows[name]["value"] == pytest.approx(value, abs=1e-6), name  # float32 sums
            assert rows[name]["low"] <= value <= rows[name]["high"]


def test_two_groups_of_the_clearest_contrast_are_named_with_their_gap():
    _, _, audit = audited("binary")
    rates = {r["group"]: r for r in audit.groups if r["feature"] == "sex"}
    recall = {group: row["recall"] for group, row in rates.items()}
    row = next(r for r in audit.disparities if (r["feature"], r["measure"]) == ("sex", "equal_opportunity_difference"))
    assert (row["lowest"], row["highest"]) == (min(recall, key=recall.get), max(recall, key=recall.get))
    assert row["gap"] == pytest.approx(row["value"]) == pytest.approx(max(recall.values()) - min(recall.values()))
    assert row["gap_low"] < row["gap"] < row["gap_high"]
    worst = next(r for r in audit.disparities if (r["feature"], r["measure"]) == ("sex", "worst_group_recall"))
    assert (worst["lowest"], worst["highest"]) == (row["lowest"], "everyone")
    assert worst["value"] == pytest.approx(min(recall.values()))


def test_noise_of_a_tiny_group_does_not_hide_the_gap_of_a_large_one():
    """One of 12 positives of the tiny group is missed, as often as among the many; a third of the large group's are."""
    rng = np.random.default_rng(0)
    tone = np.repeat(["tiny", "large", "many"], [40, 400, 800])
    positive = np.concatenate([np.arange(40) < 12, np.arange(400) < 120, np.arange(800) < 240])
    missed = rng.random(1240) < np.where(tone == "large", 0.30, 0.10)
    score = np.where(positive & ~missed, 0.9, 0.1)
    score[:12] = [0.1, 0.1, 0.1, 0.1, *[0.9] * 8]
    y_prob = np.stack([1 - score, score], axis=1)
    ids = np.arange(1240).astype(str)
    audit = audit_of(Predictions(positive.astype(np.int32), y_prob, {"tone": tone}, ids, ids))
    row = next(r for r in audit.disparities if r["measure"] == "equal_opportunity_difference")
    assert (row["lowest"], row["highest"]) == ("large", "many")
    assert row["alarm"]
    assert row["value"] > row["gap"] > row["detectable"]


def test_every_disparity_stands_in_the_table_and_a_lone_group_has_none():
    _, _, audit = audited("binary")
    assert len(audit.disparities) == len(LARGER_IS_WORSE) * 5
    lone = [row for row in audit.disparities if row["feature"] == "site"]
    assert all(np.isnan(row["value"]) and row["undefined"] and not row["alarm"] for row in lone)
    assert {row["tests"] for row in audit.disparities} == {len(LARGER_IS_WORSE) * 4}


def test_adjusted_p_values_can_reach_significance():
    _, prepared, audit = audited("binary")
    smallest = 1 / (prepared[0].permutations + 1)
    assert smallest * audit.disparities[0]["tests"] <= 0.05


def perfect(y_true, tone, n=200):
    y_prob = np.where(np.arange(2) == y_true[:, None], 0.9, 0.1).astype(np.float32)
    ids = np.arange(n).astype(str)
    return Predictions(y_true, y_prob, {"tone": tone}, ids, ids)


def audit_of(found):
    view = binary_view(found, (1,), 0.5, "sick")
    prepared = comparisons(found.sensitive_features, view.positive, found.group_ids, SETTINGS)
    return audit_model(view, prepared)


def test_group_without_positives_is_listed_as_undefined_and_makes_no_gap():
    tone = np.repeat(["dark", "light"], 100)
    y_true = np.where((tone == "light") & (np.arange(200) % 2 == 0), 1, 0).astype(np.int32)
    audit = audit_of(perfect(y_true, tone))
    dark = next(row for row in audit.groups if row["group"] == "dark")
    assert np.isnan(dark["recall"])
    assert audit.undefined["tone / dark / sick / recall"] == "no positive example of sick"
    row = next(r for r in audit.disparities if r["measure"] == "equalized_odds_difference")
    assert row["value"] == 0.0  # Fairlearn alone says 1.0 for this perfect classifier
    assert fair.equalized_odds_difference(y_true, y_true, sensitive_features=tone) == 1.0


def test_rates_over_fewer_than_ten_people_and_their_counts_are_hidden():
    tone = np.repeat(["dark", "light"], 100)
    y_true = np.where((tone == "light") & (np.arange(200) % 2 == 0), 1, 0).astype(np.int32)
    y_true[:6] = 1
    audit = audit_of(perfect(y_true, tone))
    dark = next(row for row in audit.groups if row["group"] == "dark")
    assert dark["positives"] == HIDDEN
    assert np.isnan(dark["recall"])
    assert np.isfinite(dark["specificity"])
    assert "fewer than 10" in audit.undefined["tone / dark / sick / recall"]


def test_few_negatives_are_not_recoverable_from_the_positives():
    tone = np.repeat(["dark", "light"], 100)
    y_true = (np.arange(200) % 2).astype(np.int32)
    y_true[:95] = 1
    y_true[95:100] = 0
    audit = audit_of(perfect(y_true, tone))
    assert next(row for row in audit.groups if row["group"] == "dark")["positives"] is None


def test_small_group_has_a_row_that_says_so_without_a_number():
    tone = np.array(["light"] * 180 + ["dark"] * 20)
    audit = audit_of(perfect((np.arange(200) % 2).astype(np.int32), tone))
    row = next(row for row in audit.groups if row["group"] == "dark")
    assert "too few to say" in row["reason"]
    assert not set(RATES) & set(row)
    assert audit.undefined["tone / dark"] == row["reason"]


def test_features_that_do_not_exist_give_an_empty_audit():
    found = predictions()
    view = malignant(found)
    audit = audit_model(view, comparisons({}, view.positive, found.group_ids, SETTINGS))
    assert audit.groups == audit.disparities == []


def test_operating_point_just_reaches_the_sensitivity():
    found = predictions()
    positive, score = is_positive(found, MALIGNANT), positive_score(found, MALIGNANT)
    threshold = operating_point(positive, score)
    assert np.mean(score[positive] >= threshold) >= 0.90
    assert np.mean(score[positive] > threshold) < 0.90
    with pytest.raises(ValueError, match="positive"):
        operating_point(np.zeros(3, bool), np.ones(3))


def test_model_compared_with_itself_has_not_changed():
    _, _, audit = audited("binary")
    assert all(
        row["change"] == row["low"] == row["high"] == 0 and not row["clear"] for row in group_changes(audit, audit)
    )
    assert all(row["change"] == 0 and not row["worse"] for row in disparity_changes(audit, audit))


def test_change_is_after_less_before_in_every_group():
    _, _, before = audited("binary")
    _, _, after = audited("binary", seed=1)
    first, second = ({(r["feature"], r["group"]): r for r in a.groups} for a in (before, after))
    rows = group_changes(before, after)
    assert len(rows) > 20
    for row in rows:
        key = row["feature"], row["group"]
        assert row["change"] == pytest.approx(second[key][row["rate"]] - first[key][row["rate"]])
        assert row["low"] < row["high"]
    gaps = disparity_changes(before, after)
    assert {row["measure"] for row in gaps} == set(LARGER_IS_WORSE)


def test_changes_of_several_classes_are_of_all_of_them_together():
    _, _, audit = audited("one-vs-rest")
    assert {row["class"] for row in group_changes(audit, audit)} == {"all classes"}


def test_paired_interval_is_narrower_than_that_of_two_samples():
    found = predictions()
    _, prepared, before = audited("binary")
    after = audit_model(malignant(found, 0.42), prepared)
    row = next(r for r in group_changes(before, after) if r["group"] == "female" and r["rate"] == "specificity")
    own = next(r for r in before.groups if r["group"] == "female")
    assert row["high"] - row["low"] < 0.6 * (own["specificity_high"] - own["specificity_low"])


def test_predictions_of_other_examples_cannot_be_paired():
    found = predictions()
    with pytest.raises(ValueError, match="same examples"):
        check_same_examples(found, predictions(n=600))
    check_same_examples(found, predictions(seed=1))


def test_lost_recall_of_one_group_is_clear_after_compression():
    found = predictions()
    female = found.sensitive_features["sex"] == "female"
    y_prob = found.y_prob.copy()
    y_prob[female & (found.y_true != 1)] = [0.05, 0.9, 0.05]
    view = malignant(Predictions(found.y_true, y_prob, found.sensitive_features, found.example_ids, found.group_ids))
    _, prepared, before = audited("binary")
    after = audit_model(view, prepared)
    rows = group_changes(before, after)
    clear = {row["group"] for row in rows if row["feature"] == "sex" and row["rate"] == "recall" and row["clear"]}
    assert clear == {"female"}
    gap = next(
        r
        for r in disparity_changes(before, after)
        if (r["feature"], r["measure"]) == ("sex", "equal_opportunity_difference")
    )
    assert gap["worse"]


def test_labels_of_people_with_unlike_numbers_of_examples_cannot_move_and_the_audit_can_tell():
    found = predictions()
    view = malignant(found)
    all_alike = comparisons({"sex": found.sensitive_features["sex"]}, view.positive, found.example_ids, SETTINGS)
    assert all_alike[0].exchangeable == 1.0
    person = np.repeat(np.arange(1, 38), np.arange(1, 38)).astype(str)[:700]  # 1, 2, 3, ... examples each
    all_unlike = comparisons({"sex": found.sensitive_features["sex"]}, view.positive, person, SETTINGS)
    assert all_unlike[0].exchangeable < 0.9


def test_case_mix_raises_an_alarm_for_selection_and_none_for_errors():
    """The old have twice the prevalence; in both groups 90 % of positives and 20 % of negatives are called back."""
    rng = np.random.default_rng(0)
    age = np.repeat(["old", "young"], 600)
    positive = rng.random(1200) < np.where(age == "old", 0.5, 0.25)
    score = np.clip(rng.normal(np.where(positive, 0.5 + 0.128, 0.5 - 0.084), 0.1), 0.01, 0.99)
    y_prob = np.stack([1 - score, score], axis=1)
    ids = np.arange(1200).astype(str)
    audit = audit_of(Predictions(positive.astype(np.int32), y_prob, {"age": age}, ids, ids))
    alarms = {row["measure"] for row in audit.disparities if row["alarm"]}
    assert {"demographic_parity_difference", "demographic_parity_ratio"} <= alarms
    assert not alarms - {"demographic_parity_difference", "demographic_parity_ratio", "accuracy_difference"}
