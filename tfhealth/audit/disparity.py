"""Gaps between groups, each with an interval, a permutation p-value and what the sample could have detected.

With several questions (one-vs-rest) a gap is the largest over the questions: permuting labels gives this largest gap
its own null distribution, so that the number of classes needs no further correction. The p-value is of the
standardised contrast (audit/contrast.py), in which a small group's noise cannot hide a large group's gap.

Sources: Hardt, Price, Srebro 2016, arXiv:1610.02413 (equal opportunity, equalized odds); values are those of
fairlearn.metrics (equalized odds: the larger of the gaps in true and in false positive rate). Studentised permutation:
Chung and Romano 2013, "Exact and asymptotically robust permutation tests", Ann. Stat. 41(2).
"""

from collections.abc import Mapping

import numpy as np

from tfhealth.audit.comparison import Comparison
from tfhealth.audit.contrast import Levels, auc_variance, binomial_variance
from tfhealth.audit.groups import SUPPRESS_BELOW
from tfhealth.audit.rates import Rates, question_rates
from tfhealth.audit.statistics import (
    SIGNIFICANT,
    detectable,
    holm,
    permutation_p_value,
    range_interval,
)
from tfhealth.audit.views import View
from tfhealth.training.metrics import COVERAGE, interval
from tfhealth.training.weighted import ratio

EVERYONE = "everyone"
GAP_ENDS = ("gap_low", "gap_high")
# Measure -> the levels it is taken of. Labels are permuted among all examples for those AMONG_ALL, which compare groups
# whatever their cases (old people have more cancers), and within each true class for the others: like with like.
LEVELS_OF = {
    "demographic_parity_difference": "selection",
    "demographic_parity_ratio": "selection",
    "accuracy_difference": "correct",
    "equal_opportunity_difference": "recall",
    "equalized_odds_difference": "odds",
    "worst_group_recall": "mean_recall",
    "auc_difference": "auc",
}
AMONG_ALL = ("demographic_parity_difference", "demographic_parity_ratio", "accuracy_difference")
LARGER_IS_WORSE = {measure: measure not in ("demographic_parity_ratio", "worst_group_recall") for measure in LEVELS_OF}


def levels(by_group: list[Rates], view: View, comparison: Comparison) -> dict[str, Levels]:
    """Returns "selection", "correct", "recall", "odds", "mean_recall", "auc" of each group; those that the rates allow.

    Args:
        by_group: each group's rates (draws, k) and "correct" (draws, 1), the share of right answers, or some of them.
        view: of the audited examples, for the rates of everyone.
        comparison: the groups.
    """
    stacked = {name: np.stack([rates[name] for rates in by_group]) for name in by_group[0]}  # (groups, draws, k)
    counts, enough = comparison.counts, comparison.enough
    everyone = _everyone(view)
    found = {}
    for level, rate, among in (
        ("selection", "selection_rate", "all"),
        ("correct", "correct", "all"),
        ("recall", "recall", "positive"),
        ("specificity", "specificity", "negative"),
    ):
        if rate in stacked:
            allowed = np.broadcast_to(enough[among], stacked[rate].shape[::2])
            found[level] = Levels(stacked[rate], binomial_variance(everyone[rate], counts[among]), allowed)
    if "recall" in found:
        found |= {"odds": found["recall"].joined(found["specificity"]), "mean_recall": found["recall"].mean()}
    if "roc_auc" in stacked:
        variance = auc_variance(counts["positive"], counts["negative"])
        found["auc"] = Levels(stacked["roc_auc"], variance, enough["positive"] & enough["negative"]).mean()
    return found


def values_of(found: Mapping[str, Levels]) -> dict[str, np.ndarray]:
    """Returns measure -> (draws,), NaN where fewer than two groups can be compared; those that the levels allow."""
    values = {}
    for measure, level in LEVELS_OF.items():
        if level not in found:
            continue
        low, high = found[level].extremes()
        if measure == "demographic_parity_ratio":
            values[measure] = -_largest(-ratio(low, high))
        else:
            values[measure] = low[:, 0] if measure == "worst_group_recall" else _largest(high - low)
    return values


def contrasts_of(found: Mapping[str, Levels]) -> dict[str, np.ndarray]:
    """Returns measure -> (draws,) what is tested; larger is worse for all."""
    return {
        measure: found[level].shortfalls().max(0) if measure == "worst_group_recall" else found[level].contrasts()
        for measure, level in LEVELS_OF.items()
        if level in found
    }


def compared(by_group: list[Rates], questions: int) -> list[Rates]:
    """Returns from each group's rates, as `view_rates` gives them, what `levels` takes."""
    kept = ("selection_rate", "recall", "specificity", "roc_auc")
    return [
        {**{name: rates[name][:, -questions:] for name in kept}, "correct": rates["accuracy"][:, :1]}
        for rates in by_group
    ]


def permuted_levels(view: View, comparison: Comparison) -> dict[str, Levels]:
    """Returns the levels, (permutations,) draws, that chance alone makes in groups of these sizes."""
    found, groups = {}, range(len(comparison.grouping.names))
    for among, codes in comparison.permuted.items():
        if among == "all":
            answers = np.concatenate([view.decided, view.correct[:, None]], axis=1).astype(np.float32)
            by_group = []
            for code in groups:
                weights = (codes == code).astype(np.float32)
                shares = ratio(weights @ answers, weights.sum(1, keepdims=True))
                by_group.append({"selection_rate": shares[:, :-1], "correct": shares[:, -1:]})
        else:
            kept = ("recall", "specificity", "roc_auc")
            rates = [question_rates(view, (codes == code).astype(np.float32)) for code in groups]
            by_group = [{name: of_group[name] for name in kept} for of_group in rates]
        found |= levels(by_group, view, comparison)
    return found


def disparity_rows(view: View, comparison: Comparison, rates: list[Rates], drawn: list[Rates]) -> list[dict]:
    """Returns one row a measure.

    feature, measure, value, low, high; lowest, highest: the two groups of the clearest contrast (for worst_group_recall
    the group, and "everyone"), gap, gap_low, gap_high: between these two; p_value, undefined (why there is no value).
    "test", and "drawn" (draws,), the measure in the bootstrap samples, are taken out by `adjust`.

    Args:
        view: of the audited examples.
        comparison: its groups.
        rates: each group's rates (1, columns). drawn: in the bootstrap samples (draws, columns).
    """
    feature = comparison.grouping.feature
    if not comparison.grouping.comparable:
        reason = "fewer than two groups large enough"
        return [_undefined_row(feature, measure, reason) for measure in LEVELS_OF]
    observed, samples = (levels(compared(r, len(view.classes)), view, comparison) for r in (rates, drawn))
    nulls = permuted_levels(view, comparison)
    values, ranges, chance = values_of(observed), values_of(samples), values_of(nulls)
    tested, null_tested = contrasts_of(observed), contrasts_of(nulls)
    rows = []
    for measure, level in LEVELS_OF.items():
        value = float(values[measure][0])
        if not np.isfinite(value):
            reason = f"fewer than two groups with {SUPPRESS_BELOW} people below the line"
            rows.append(_undefined_row(feature, measure, reason))
            continue
        low, high = _interval(value, ranges[measure], chance[measure], measure)
        pair = (_shortfall if measure == "worst_group_recall" else _pair)(observed[level], samples[level], nulls[level])
        names = [comparison.grouping.names[code] if code is not None else EVERYONE for code in pair.pop("codes")]
        row = {"feature": feature, "measure": measure, "value": value, "low": low, "high": high}
        row |= {"lowest": names[0], "highest": names[1], **{name: pair.pop(name) for name in ("gap", *GAP_ENDS)}}
        p_value = permutation_p_value(float(tested[measure][0]), null_tested[measure])
        rows.append({**row, "p_value": p_value, "undefined": "", "drawn": ranges[measure]})
        rows[-1]["test"] = {**pair, "null": null_tested[measure]}
    return rows


def adjust(rows: list[dict]) -> list[dict]:
    """Returns the rows with p_holm, alarm (p_holm <= 0.05), tests, and detectable; one call is one family of tests.

    detectable: the smallest gap between the row's two groups that this sample would have flagged with 80 % power.
    """
    tests = int(sum(np.isfinite(row["p_value"]) for row in rows))
    adjusted = holm([row["p_value"] for row in rows])
    found = []
    for row, p in zip(rows, adjusted, strict=True):
        kept = {name: value for name, value in row.items() if name not in ("test", "drawn")}
        least = detectable(**row["test"], tests=tests) if row["test"] else np.nan
        found.append({**kept, "p_holm": float(p), "alarm": bool(p <= SIGNIFICANT), "tests": tests, "detectable": least})
    return found


def _pair(observed: Levels, samples: Levels, nulls: Levels) -> dict:
    """The clearest contrast between two groups: their codes, gap with interval, and the spread of its test."""
    codes = observed.clearest()
    if codes is None:  # all groups have exactly the same rate, or nothing varies
        return {"codes": (None, None), "gap": 0.0, "gap_low": 0.0, "gap_high": 0.0, "spread": np.nan, "error": np.nan}
    lower, higher, question = codes
    gap, drawn, null = (
        found.values[higher, :, question] - found.values[lower, :, question] for found in (observed, samples, nulls)
    )
    error = float(observed.error(lower, higher)[question])
    ends = dict(zip(GAP_ENDS, interval(drawn), strict=True))
    return {"codes": (lower, higher), "gap": float(gap[0]), **ends, "spread": float(null.std() / error), "error": error}


def _shortfall(observed: Levels, samples: Levels, nulls: Levels) -> dict:
    """The same for the group that lies furthest below everyone, for its size."""
    code = int(observed.shortfalls()[:, 0].argmax())
    error = float(np.sqrt(observed.variance[code, 0]))
    gap, drawn, null = (found.shortfalls()[code] for found in (observed, samples, nulls))  # in standard errors
    if not np.isfinite(gap[0]):
        return {"codes": (None, None), "gap": 0.0, "gap_low": 0.0, "gap_high": 0.0, "spread": np.nan, "error": np.nan}
    ends = dict(zip(GAP_ENDS, interval(drawn * error), strict=True))
    return {"codes": (code, None), "gap": float(gap[0] * error), **ends, "spread": float(null.std()), "error": error}


def _undefined_row(feature: str, measure: str, reason: str) -> dict:
    numbers = dict.fromkeys(("value", "low", "high", "gap", *GAP_ENDS, "p_value"), np.nan)
    names = {"lowest": "", "highest": "", "undefined": reason, "test": None, "drawn": None}
    return {"feature": feature, "measure": measure, **numbers, **names}


def _everyone(view: View) -> Rates:
    rates = question_rates(view, np.ones((1, len(view)), np.float32), ranking=False)
    return {**{name: np.nan_to_num(values[0]) for name, values in rates.items()}, "correct": view.correct.mean()}


def _interval(value: float, drawn: np.ndarray, null: np.ndarray, measure: str) -> tuple[float, float]:
    if LARGER_IS_WORSE[measure]:
        return range_interval(value, drawn, _excess(null))
    excess = _excess(1 - null) if measure.endswith("ratio") else 0.0  # chance lowers ratios and worst-group values
    low, high = range_interval(1 - value, 1 - drawn, excess)
    return 1 - high, 1 - low


def _excess(null: np.ndarray) -> float:
    null = null[np.isfinite(null)]
    return float(np.percentile(null, 50 * (1 + COVERAGE))) if len(null) else 0.0


def _largest(values: np.ndarray) -> np.ndarray:
    """Returns (draws,) largest defined value of each row; NaN where none is."""
    defined = np.isfinite(values)
    return np.where(defined.any(1), np.where(defined, values, -np.inf).max(1), np.nan)
