"""Before and after a mitigation: what the worst group gains and what every other group pays."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfhealth.audit.comparison import Comparison
from tfhealth.audit.groups import SUPPRESS_BELOW, units_in
from tfhealth.audit.rates import Rates, calibration_rates, question_rates
from tfhealth.audit.views import View
from tfhealth.training.metrics import interval

PRICED = ("recall", "specificity", "balanced_accuracy", "accuracy", "selection_rate", "calibration_in_the_large")
EVERYONE = "everyone"


def before_after_rows(name: str, before: View, after: View, comparison: Comparison) -> list[dict]:
    """Returns one row per group and rate, and for everyone: mitigation, feature, group, units, rate, before, after...

    "change" has low and high (95 %, paired: both on the same bootstrap samples). Rates over fewer than 10 people are
    left out.

    Args:
        name: of the mitigation.
        before, after: one question each, on the examples that the comparison was made for.
        comparison: the groups.
    """
    views = [view.take(comparison.rows) for view in (before, after)]
    groups, rows = comparison.grouping.names, []
    few = _few(views[0], comparison)
    everyone = np.arange(len(comparison.rows))
    units = [*map(int, comparison.grouping.units), len(np.unique(comparison.group_ids))]
    for code, (group, members) in enumerate(zip((*groups, EVERYONE), (*comparison.members, everyone), strict=True)):
        one, weights = np.ones((1, len(members)), np.float32), np.ascontiguousarray(comparison.weights[:, members])
        values = [_rates(view.take(members), one) for view in views]
        drawn = [_rates(view.take(members), weights) for view in views]
        for rate in PRICED:
            first, second = (float(found[rate][0, 0]) for found in values)
            if (group != EVERYONE and rate in few[code]) or not np.isfinite(second - first):
                continue
            low, high = interval((drawn[1][rate] - drawn[0][rate])[:, 0])
            row = {"mitigation": name, "feature": comparison.grouping.feature, "group": group, "units": units[code]}
            rows.append(
                {
                    **row,
                    "rate": rate,
                    "before": first,
                    "after": second,
                    "change": second - first,
                    "low": low,
                    "high": high,
                }
            )
    return rows


def price(rows: Sequence[Mapping], rate: str = "recall") -> dict:
    """Returns what a mitigation did to one rate: the worst group's gain, and the price.

    "worst_group" (before), "worst_before", "worst_after" (of that same group), "gain" with "gain_low", "gain_high";
    "new_worst_group", "new_worst" (after; it may be another one); "payer", "paid": the other group that lost most in
    this rate (paid <= 0; "" and 0 if none lost); "balanced_accuracy_change", "accuracy_change": of everyone.
    "improved" says that the gain's interval leaves 0. NaN and "" where no group has the rate.

    Args:
        rows: of `before_after_rows` for one mitigation.
        rate: one of PRICED in which more is better.
    """
    own = [row for row in rows if row["rate"] == rate and row["group"] != EVERYONE]
    everyone = {row["rate"]: row["change"] for row in rows if row["group"] == EVERYONE}
    costs = {f"{name}_change": everyone.get(name, np.nan) for name in ("balanced_accuracy", "accuracy")}
    if not own:
        keys = ("worst_before", "worst_after", "gain", "gain_low", "gain_high", "new_worst", "paid")
        words = {"worst_group": "", "new_worst_group": "", "payer": "", "improved": False}
        return {"rate": rate, **dict.fromkeys(keys, np.nan), **words, **costs}
    worst, new_worst = (min(own, key=lambda row: row[when]) for when in ("before", "after"))
    others = [row for row in own if row is not worst and row["change"] < 0]
    payer = min(others, key=lambda row: row["change"], default={"group": "", "change": 0.0})
    return {
        "rate": rate,
        "worst_group": worst["group"],
        "worst_before": worst["before"],
        "worst_after": worst["after"],
        "gain": worst["change"],
        "gain_low": worst["low"],
        "gain_high": worst["high"],
        "improved": bool(worst["low"] > 0),
        "new_worst_group": new_worst["group"],
        "new_worst": new_worst["after"],
        "payer": payer["group"],
        "paid": payer["change"],
        **costs,
    }


def _rates(view: View, weights: np.ndarray) -> Rates:
    return {**question_rates(view, weights, ranking=False), **calibration_rates(view, weights)}


def _few(view: View, comparison: Comparison) -> list[set[str]]:
    """Returns per group the rates that have fewer than SUPPRESS_BELOW people below the line."""
    counts = [
        units_in(comparison.codes, len(comparison.grouping.names), chosen, comparison.group_ids)[:, 0]
        for chosen in (view.positive, ~view.positive)
    ]
    found = []
    for positives, negatives in zip(*counts, strict=True):
        few = {"recall", "balanced_accuracy"} if positives < SUPPRESS_BELOW else set()
        found.append(few | ({"specificity", "balanced_accuracy"} if negatives < SUPPRESS_BELOW else set()))
    return found
