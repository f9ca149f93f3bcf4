"""Gaps between groups, each with an interval, a permutation p-value and what the sample could have detected.

With several questions (one-vs-rest) a gap is the largest over the questions: permuting labels gives this largest gap
its own null distribution, so that the number of classes needs no further correction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfhealth.audit.groups import SUPPRESS_BELOW, Grouping, units_in
from tfhealth.audit.rates import Rates, mean_over, question_rates, ratio
from tfhealth.audit.statistics import (
    SIGNIFICANT,
    detectable,
    holm,
    permutation_index,
    permutation_p_value,
    range_interval,
)
from tfhealth.audit.views import View
from tfhealth.training.metrics import COVERAGE

# Measure -> whether larger is worse. Labels are permuted among all examples for the first three, which compare groups
# whatever their cases, and within each true class for the others, which compare like with like.
LARGER_IS_WORSE = {
    "demographic_parity_difference": True,
    "demographic_parity_ratio": False,
    "accuracy_difference": True,
    "equal_opportunity_difference": True,
    "equalized_odds_difference": True,
    "worst_group_recall": False,
    "auc_difference": True,
}
AMONG_ALL = ("demographic_parity_difference", "demographic_parity_ratio", "accuracy_difference")
RATES_OF = {  # the rates whose extremes name the groups that a measure is about
    "demographic_parity_difference": ("selection_rate",),
    "demographic_parity_ratio": ("selection_rate",),
    "accuracy_difference": ("correct",),
    "equal_opportunity_difference": ("recall",),
    "equalized_odds_difference": ("recall", "specificity"),
    "worst_group_recall": ("recall",),
    "auc_difference": ("roc_auc",),
}


@dataclass(frozen=True)
class Comparison:
    """A grouping of the test split with all that does not depend on the model; made once, used for every artifact.

    Attributes:
        grouping: its groups.
        rows: (m,) positions of the audited examples; what follows is about these.
        positive: (m, k) bool truth.
        group_ids: (m,) patient or lesion.
        weights: (draws, m) float32, bootstrap.
        permutations: number of permutations.
        seed: of the permutations.
    """

    grouping: Grouping
    rows: np.ndarray
    positive: np.ndarray
    group_ids: np.ndarray
    weights: np.ndarray
    permutations: int
    seed: int

    @classmethod
    def of(
        cls,
        grouping: Grouping,
        positive: np.ndarray,
        group_ids: np.ndarray,
        weights: np.ndarray,
        *,
        permutations: int,
        seed: int,
    ) -> "Comparison":
        """Args as the attributes, but of all n examples."""
        rows = np.flatnonzero(grouping.codes >= 0)
        arrays = (positive[rows], np.asarray(group_ids)[rows], weights[:, rows])
        return cls(grouping, rows, *arrays, permutations=permutations, seed=seed)

    @cached_property
    def codes(self) -> np.ndarray:
        return self.grouping.codes[self.rows]

    @cached_property
    def members(self) -> list[np.ndarray]:
        """Positions of each group's examples."""
        return [np.flatnonzero(self.codes == code) for code in range(len(self.grouping.names))]

    @cached_property
    def permuted(self) -> dict[str, np.ndarray]:
        """(permutations, m) codes, permuted among all and within each true class."""
        single = self.positive.shape[1] == 1
        strata = {
            "all": np.zeros(len(self.rows), int),
            "class": self.positive[:, 0].astype(int) if single else self.positive.argmax(1),
        }
        return {
            name: self.codes[permutation_index(column, self.group_ids, draws=self.permutations, seed=self.seed)]
            for name, column in strata.items()
        }

    @cached_property
    def enough(self) -> dict[str, np.ndarray]:
        """Rate -> (groups, k) bool: SUPPRESS_BELOW or more people stand below the line of the fraction."""
        groups = len(self.grouping.names)
        positives, negatives = (
            units_in(self.codes, groups, chosen, self.group_ids) >= SUPPRESS_BELOW
            for chosen in (self.positive, ~self.positive)
        )
        all_of_it = np.ones_like(positives)
        return {
            "selection_rate": all_of_it,
            "recall": positives,
            "specificity": negatives,
            "roc_auc": positives & negatives,
        }


def measures(by_group: list[Rates], enough: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns measure -> (draws,), NaN where fewer than two groups can be compared; those that the rates allow.

    Args:
        by_group: each group's rates (draws, k), and "correct" (draws, 1): the share of right answers.
        enough: rate -> (groups, k) bool, whether a group may enter it.

    Sources: Hardt, Price, Srebro 2016, arXiv:1610.02413 (equal opportunity, equalized odds); the definitions are those
    of fairlearn.metrics (equalized odds: the larger of the gaps in true and in false positive rate).
    """
    stacked = {name: np.stack([rates[name] for rates in by_group]) for name in by_group[0]}  # (groups, draws, k)
    found = {}
    if "correct" in stacked:
        low, high = _extremes(stacked["correct"], np.ones((len(by_group), 1), bool))
        found["accuracy_difference"] = (high - low)[:, 0]
    if "selection_rate" in stacked:
        low, high = _extremes(stacked["selection_rate"], enough["selection_rate"])
        found["demographic_parity_difference"] = _largest(high - low)
        found["demographic_parity_ratio"] = -_largest(-ratio(low, high))
    if "recall" in stacked:
        gaps = []
        for name in ("recall", "specificity"):  # a gap in specificity is one in the false positive rate
            low, high = _extremes(stacked[name], enough[name])
            gaps.append(high - low)
        found["equal_opportunity_difference"] = _largest(gaps[0])
        found["equalized_odds_difference"] = _largest(np.concatenate(gaps, axis=1))
        found["worst_group_recall"] = _over_common(stacked["recall"], enough["recall"])[0]
    if "roc_auc" in stacked:
        low, high = _over_common(stacked["roc_auc"], enough["roc_auc"])
        found["auc_difference"] = high - low
    return found


def compared(by_group: list[Rates], questions: int) -> list[Rates]:
    """Returns from each group's rates, as `view_rates` gives them, what `measures` takes."""
    kept = ("selection_rate", "recall", "specificity", "roc_auc")
    return [
        {**{name: rates[name][:, -questions:] for name in kept}, "correct": rates["accuracy"][:, :1]}
        for rates in by_group
    ]


def permuted_measures(view: View, comparison: Comparison) -> dict[str, np.ndarray]:
    """Returns measure -> (permutations,): the gaps that chance alone makes between groups of these sizes."""
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
        found |= measures(by_group, comparison.enough)
    return found


def disparity_rows(view: View, comparison: Comparison, rates: list[Rates], drawn: list[Rates]) -> list[dict]:
    """Returns one row a measure: feature, measure, value, low, high, lowest, highest (group), p_value, undefined.

    "null" (permutations,) and "drawn" (draws,) are for `adjust`, which takes them out.

    Args:
        view: of the audited examples.
        comparison: its groups.
        rates: each group's rates (1, columns). drawn: in the bootstrap samples (draws, columns).
    """
    feature = comparison.grouping.feature
    if not comparison.grouping.comparable:
        nothing = {"value": np.nan, "low": np.nan, "high": np.nan, "lowest": "", "highest": "", "p_value": np.nan}
        empty = {"null": np.zeros(0), "drawn": np.zeros(0), "undefined": "fewer than two groups large enough"}
        return [{"feature": feature, "measure": name, **nothing, **empty} for name in LARGER_IS_WORSE]
    observed = compared(rates, len(view.classes))
    values = measures(observed, comparison.enough)
    samples = measures(compared(drawn, len(view.classes)), comparison.enough)
    nulls, rows = permuted_measures(view, comparison), []
    for name, worse in LARGER_IS_WORSE.items():
        value, (lowest, highest) = float(values[name][0]), _ends(name, observed, comparison)
        low, high = _interval(value, samples[name], nulls[name], name)
        p_value = permutation_p_value(value, nulls[name], larger_is_worse=worse)
        reason = "" if np.isfinite(value) else f"fewer than two groups with {SUPPRESS_BELOW} people below the line"
        row = {"feature": feature, "measure": name, "value": value, "low": low, "high": high, "lowest": lowest}
        row |= {"highest": highest, "p_value": p_value, "undefined": reason}
        rows.append({**row, "null": nulls[name], "drawn": samples[name]})
    return rows


def adjust(rows: list[dict]) -> list[dict]:
    """Returns the rows with p_holm, alarm (p_holm <= 0.05), tests and detectable; one call is one family of tests."""
    tests = int(sum(np.isfinite(row["p_value"]) for row in rows))
    adjusted = holm([row["p_value"] for row in rows])
    found = []
    for row, p in zip(rows, adjusted, strict=True):
        kept = {name: value for name, value in row.items() if name not in ("null", "drawn")}
        worse = LARGER_IS_WORSE[row["measure"]]
        least = detectable(row["null"], row["drawn"], tests=max(tests, 1), larger_is_worse=worse)
        alarm = bool(p <= SIGNIFICANT)
        found.append({**kept, "p_holm": float(p), "alarm": alarm, "tests": tests, "detectable": least})
    return found


def _interval(value: float, drawn: np.ndarray, null: np.ndarray, measure: str) -> tuple[float, float]:
    if LARGER_IS_WORSE[measure]:
        return range_interval(value, drawn, _excess(null))
    excess = _excess(1 - null) if measure.endswith("ratio") else 0.0  # chance lowers ratios and worst-group values
    low, high = range_interval(1 - value, 1 - drawn, excess)
    return 1 - high, 1 - low


def _excess(null: np.ndarray) -> float:
    null = null[np.isfinite(null)]
    return float(np.percentile(null, 50 * (1 + COVERAGE))) if len(null) else 0.0


def _extremes(values: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (lowest, highest) over the groups, each (draws, k); NaN with fewer than two groups."""
    usable = allowed[:, None, :] & np.isfinite(values)
    low, high = np.where(usable, values, np.inf).min(0), np.where(usable, values, -np.inf).max(0)
    compared = usable.sum(0) > 1
    return np.where(compared, low, np.nan), np.where(compared, high, np.nan)


def _over_common(values: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same, (draws,), of each group's mean over the questions that every comparable group can answer."""
    some = allowed.any(1)
    common = allowed[some].all(0) & some.any()
    means = mean_over(np.where((allowed & common)[:, None, :], values, np.nan))
    low, high = _extremes(means[..., None], some[:, None])
    return low[:, 0], high[:, 0]


def _largest(values: np.ndarray) -> np.ndarray:
    """Returns (draws,) largest defined value of each row; NaN where none is."""
    defined = np.isfinite(values)
    return np.where(defined.any(1), np.where(defined, values, -np.inf).max(1), np.nan)


def _ends(measure: str, observed: list[Rates], comparison: Comparison) -> tuple[str, str]:
    """Names of the groups with the lowest and the highest rate, of the rate and question whose gap is largest."""
    values = np.concatenate([[rates[name][0] for rates in observed] for name in RATES_OF[measure]], axis=1)
    allowed = [
        comparison.enough.get(name, np.ones((len(observed), observed[0][name].shape[1]), bool))
        for name in RATES_OF[measure]
    ]
    usable = np.isfinite(values) & np.concatenate(allowed, axis=1)  # (groups, questions of all rates)
    low, high = np.where(usable, values, np.inf), np.where(usable, values, -np.inf)
    gaps = np.where(usable.sum(0) > 1, high.max(0) - low.min(0), -np.inf)
    k = int(np.argmax(gaps))
    if not np.isfinite(gaps[k]):
        return "", ""
    return comparison.grouping.names[int(low[:, k].argmin())], comparison.grouping.names[int(high[:, k].argmax())]
