"""Observed frequency against predicted probability, group by group."""

import numpy as np

from tfhealth.audit.comparison import Comparison
from tfhealth.audit.groups import SUPPRESS_BELOW
from tfhealth.audit.views import View

BINS = 5  # equal-width on [0, 1]; a group of 100 would leave a finer grid's bins with a handful each


def reliability_curves(view: View, comparison: Comparison) -> list[dict]:
    """Returns per group feature, group, confidence, frequency and count, each (BINS,); NaN with under 10 people in it.

    Args:
        view: of the split that the comparison was made for; its confidence and outcome are compared.
        comparison: the groups.
    """
    audited, found = view.take(comparison.rows), []
    bins = np.minimum((np.clip(audited.confidence, 0, 1) * BINS).astype(int), BINS - 1)
    for name, members in zip(comparison.grouping.names, comparison.members, strict=True):
        rows = [members[bins[members] == number] for number in range(BINS)]
        enough = [len(np.unique(comparison.group_ids[own])) >= SUPPRESS_BELOW for own in rows]
        curve = {
            key: np.array(
                [column[own].mean() if seen else np.nan for own, seen in zip(rows, enough, strict=True)], float
            )
            for key, column in (("confidence", audited.confidence), ("frequency", audited.outcome))
        }
        count = np.array([len(own) if seen else np.nan for own, seen in zip(rows, enough, strict=True)], float)
        found.append({"feature": comparison.grouping.feature, "group": name, **curve, "count": count})
    return found
