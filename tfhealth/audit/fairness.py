"""The audit: every group's rates from Fairlearn's MetricFrame, their intervals, and the gaps between groups.

One question's rates. accuracy: share of right answers. recall (sensitivity): of the positives, those found.
specificity: of the negatives, those let go. balanced_accuracy: mean of the two. precision: of those selected, the
positives. f1: their harmonic mean. selection_rate: share answered yes. roc_auc. expected_calibration_error:
|probability - frequency| over 15 bins. calibration_in_the_large: mean probability - frequency; above 0 the model
expects too many.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from fairlearn.metrics import MetricFrame

from tfhealth.audit.comparison import Comparison
from tfhealth.audit.disparity import LARGER_IS_WORSE, adjust, disparity_rows
from tfhealth.audit.groups import FEWEST, SUPPRESS_BELOW, Grouping, grouping, shown, units_in, with_intersections
from tfhealth.audit.rates import ALL_CLASSES, RATES, Rates, calibration, mean_over, view_rates
from tfhealth.audit.statistics import permutations_needed, range_interval, weighted_auc
from tfhealth.audit.views import View
from tfhealth.training.metrics import cluster_weights, interval

# What stands below the line of each rate's fraction: with none of it the rate is undefined, with few it is hidden.
BELOW_THE_LINE = {
    "recall": ("positive",),
    "f1": ("positive",),
    "specificity": ("negative",),
    "precision": ("selected",),
    "balanced_accuracy": ("positive", "negative"),
    "roc_auc": ("positive", "negative"),
}


@dataclass(frozen=True)
class AuditSettings:
    """draws: bootstrap samples. permutations: at least; more if Holm's first step needs them. seed: of both."""

    draws: int = 1000
    permutations: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class ModelAudit:
    """What was found about one model.

    Attributes:
        groups: one row per feature, group and class, see `group_rows`.
        disparities: one row per feature and measure, see disparity.py.
        undefined: "feature / group / class / rate" -> why it has no value.
        rates: feature -> per group its rates (1, columns); drawn: the same in the bootstrap samples (draws, columns).
            Questions of the view, after "all classes" where there are several.
        gaps: (feature, measure) -> (draws,) the disparity in the bootstrap samples.
    """

    groups: list[dict]
    disparities: list[dict]
    undefined: Mapping[str, str]
    rates: Mapping[str, list[Rates]]
    drawn: Mapping[str, list[Rates]]
    gaps: Mapping[tuple[str, str], np.ndarray]


def comparisons(
    features: Mapping[str, np.ndarray], positive: np.ndarray, group_ids: np.ndarray, settings: AuditSettings
) -> list[Comparison]:
    """Returns each feature's comparison, and that of sex x age band; shared by all models on the same examples.

    Args:
        features: name -> (n,) str.
        positive: (n, k) bool, the view's truth.
        group_ids: (n,) patient or lesion.
        settings: number of draws and the seed.
    """
    weights = cluster_weights(group_ids, draws=settings.draws, seed=settings.seed).astype(np.float32)
    groupings = [grouping(name, column, group_ids) for name, column in with_intersections(features).items()]
    tests = len(LARGER_IS_WORSE) * sum(found.comparable for found in groupings)
    permutations = max(settings.permutations, permutations_needed(max(tests, 1)))
    return [
        Comparison.of(found, positive, group_ids, weights, permutations=permutations, seed=settings.seed)
        for found in groupings
    ]


def audit_model(view: View, prepared: list[Comparison]) -> ModelAudit:
    """Returns the audit of one model; all its features and measures are one family in Holm's correction.

    Args:
        view: its answers on the examples that `comparisons` was made for.
        prepared: those comparisons.
    """
    groups, disparities, undefined, rates, drawn = [], [], {}, {}, {}
    for comparison in prepared:
        feature = comparison.grouping.feature
        audited = view.take(comparison.rows)
        rates[feature] = metric_frame_rates(audited, comparison)
        drawn[feature] = [
            view_rates(audited.take(rows), np.ascontiguousarray(comparison.weights[:, rows]))
            for rows in comparison.members
        ]
        rows, reasons = group_rows(audited, comparison, rates[feature], drawn[feature])
        groups, undefined = groups + rows, undefined | reasons
        disparities += disparity_rows(audited, comparison, rates[feature], drawn[feature])
    gaps = {(row["feature"], row["measure"]): row["drawn"] for row in disparities if row["drawn"] is not None}
    return ModelAudit(groups, adjust(disparities), undefined, rates, drawn, gaps)


def metric_frame_rates(view: View, comparison: Comparison) -> list[Rates]:
    """Returns each group's rates (1, columns) by MetricFrame, columns as in `view_rates`; NaN where undefined."""
    columns = [
        _frame(positive, decided, score, comparison)
        for positive, decided, score in zip(view.positive.T, view.decided.T, view.score.T, strict=True)
    ]
    by_group = {name: np.stack([frame[name] for frame in columns], axis=1) for name in RATES}  # (groups, k)
    if len(view.classes) > 1:
        together = {name: mean_over(values) for name, values in by_group.items()}
        whole = _frame(view.outcome, view.correct, view.confidence, comparison)
        names = ("expected_calibration_error", "calibration_in_the_large")
        together |= {name: whole[name] for name in names}
        together["accuracy"] = whole["selection_rate"]  # of "correct" as the answer: the share of right answers
        together["balanced_accuracy"] = together["recall"]
        together["selection_rate"] = np.full(len(comparison.grouping.names), np.nan)
        by_group = {name: np.concatenate([together[name][:, None], by_group[name]], axis=1) for name in RATES}
    return [
        {name: values[code : code + 1] for name, values in by_group.items()}
        for code in range(len(comparison.grouping.names))
    ]


def group_rows(
    view: View, comparison: Comparison, rates: list[Rates], drawn: list[Rates]
) -> tuple[list[dict], dict[str, str]]:
    """Returns the table's rows and why what is missing is missing.

    A row: feature, group, class, examples, units (distinct people or lesions), positives, and every rate with its
    _low and _high; counts under 10 are "<10" and rates over such counts NaN. Groups too small have a row without rates.
    """
    found, undefined, feature = [], {}, comparison.grouping.feature
    columns = ((ALL_CLASSES,) if len(view.classes) > 1 else ()) + view.classes
    counts = _unit_counts(view, comparison)
    for code, group in enumerate(comparison.grouping.names):
        for column, label in enumerate(columns):
            question = column - (len(columns) - len(view.classes))  # -1: all classes together
            row = {
                "feature": feature,
                "group": group,
                "class": label,
                **_row_counts(comparison, code, counts, question),
            }
            for name in RATES:
                reason = _why_not(name, label, {key: int(c[code, question]) for key, c in counts.items()}, question)
                value, ends = float(rates[code][name][0, column]), drawn[code][name][:, column]
                if reason or not np.isfinite(value):
                    undefined[f"{feature} / {group} / {label} / {name}"] = reason or "not defined for these examples"
                    value, low, high = np.nan, np.nan, np.nan
                elif name == "expected_calibration_error":
                    low, high = range_interval(value, ends)
                else:
                    low, high = interval(ends)
                row |= {name: value, f"{name}_low": low, f"{name}_high": high}
            found.append(row)
    for group, reason in comparison.grouping.left_out.items():
        row = {"feature": feature, "group": group, "class": columns[0], "examples": None}
        found.append({**row, "units": comparison.grouping.left_out_units[group], "positives": None, "reason": reason})
        undefined[f"{feature} / {group}"] = reason
    return found, undefined


def main_rows(rows: list[dict]) -> list[dict]:
    """Returns of `group_rows` those of all classes together, or of the only question."""
    several = any(row["class"] == ALL_CLASSES for row in rows)
    return [row for row in rows if not several or row["class"] == ALL_CLASSES]


def _frame(positive: np.ndarray, decided: np.ndarray, score: np.ndarray, comparison: Comparison) -> Rates:
    """Returns rate -> (groups,) of one question, taken group by group by MetricFrame."""
    grouped: Grouping = comparison.grouping
    if not grouped.names:
        return {name: np.zeros(0) for name in RATES}
    frame = MetricFrame(
        metrics=_METRICS,
        y_true=positive,
        y_pred=decided,
        sensitive_features=comparison.codes,
        sample_params={name: {"score": score} for name in _FROM_SCORE},
    )
    ordered = frame.by_group.loc[range(len(grouped.names))]
    return {name: ordered[name].to_numpy(float) for name in RATES}


def _unit_counts(view: View, comparison: Comparison) -> dict[str, np.ndarray]:
    """Returns distinct people, (groups, k), among the positive, the negative and the selected examples."""
    chosen = {"positive": view.positive, "negative": ~view.positive, "selected": view.decided}
    groups = len(comparison.grouping.names)
    return {name: units_in(comparison.codes, groups, which, comparison.group_ids) for name, which in chosen.items()}


def _row_counts(comparison: Comparison, code: int, counts: Mapping[str, np.ndarray], question: int) -> dict:
    """Counts of a row; positives are left out where they or the negatives are few: one follows from the other."""
    found = {"examples": len(comparison.members[code]), "units": int(comparison.grouping.units[code])}
    if question < 0:
        return {**found, "positives": None}
    positive, negative = int(counts["positive"][code, question]), int(counts["negative"][code, question])
    return {**found, "positives": shown(positive) if not 0 < negative < SUPPRESS_BELOW else None}


def _why_not(rate: str, label: str, counts: Mapping[str, int], question: int) -> str:
    """Returns why a rate has no value, "" where it has one."""
    if question < 0:
        return "no such rate for all classes together" if rate == "selection_rate" else ""
    for kind in BELOW_THE_LINE.get(rate, ()):
        if counts[kind] == 0:
            return f"no {kind} example of {label}"
        if counts[kind] < SUPPRESS_BELOW:
            return f"suppressed: fewer than {SUPPRESS_BELOW} {kind}"
    return ""


def _share(chosen: np.ndarray, among: np.ndarray) -> float:
    return float(chosen[among].mean()) if among.any() else float("nan")


# Metrics for MetricFrame, which hands over columns of a DataFrame. Fairlearn's own rates are 0, not NaN, for a group
# without positives, so none of them is used.


def _accuracy(y_true, y_pred) -> float:
    return float((_bool(y_true) == _bool(y_pred)).mean())


def _recall(y_true, y_pred) -> float:
    return _share(_bool(y_pred), _bool(y_true))


def _specificity(y_true, y_pred) -> float:
    return _share(~_bool(y_pred), ~_bool(y_true))


def _balanced_accuracy(y_true, y_pred) -> float:
    return (_recall(y_true, y_pred) + _specificity(y_true, y_pred)) / 2


def _precision(y_true, y_pred) -> float:
    return _share(_bool(y_true), _bool(y_pred))


def _f1(y_true, y_pred) -> float:
    positive, decided = _bool(y_true), _bool(y_pred)
    return float(2 * (positive & decided).sum() / (positive.sum() + decided.sum())) if positive.any() else float("nan")


def _selection_rate(_y_true, y_pred) -> float:
    return float(_bool(y_pred).mean())


def _roc_auc(y_true, _y_pred, score) -> float:
    return float(weighted_auc(_bool(y_true), np.asarray(score, float), np.ones((1, len(score))))[0])


def _calibration_error(y_true, _y_pred, score) -> float:
    return float(calibration(np.asarray(score, float), _bool(y_true), np.ones((1, len(score))))[0][0])


def _calibration_in_the_large(y_true, _y_pred, score) -> float:
    return float(np.mean(score) - _bool(y_true).mean())


def _bool(column) -> np.ndarray:
    return np.asarray(column, bool)


_METRICS = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "recall": _recall,
    "specificity": _specificity,
    "precision": _precision,
    "f1": _f1,
    "selection_rate": _selection_rate,
    "roc_auc": _roc_auc,
    "expected_calibration_error": _calibration_error,
    "calibration_in_the_large": _calibration_in_the_large,
}
_FROM_SCORE = ("roc_auc", "expected_calibration_error", "calibration_in_the_large")
GROUP_RULE = (
    f"Groups under {FEWEST} people are pooled or left out (NCHS Data Presentation Standards for Proportions, 2017); "
    f"counts under {SUPPRESS_BELOW}, and rates over so few, are not shown."
)
