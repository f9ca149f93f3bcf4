"""What compression did to each group: every artifact against the uncompressed model, on the same examples.

Paired: both are scored on the same bootstrap samples, so the difficulty that they share cancels out.
"""

import numpy as np

from tfhealth.audit.disparity import LARGER_IS_WORSE
from tfhealth.audit.fairness import ModelAudit, main_rows
from tfhealth.audit.statistics import SIGNIFICANT, holm, normal_p_value
from tfhealth.training.metrics import interval
from tfhealth.training.record import Predictions

CHANGED = ("accuracy", "recall", "specificity", "roc_auc", "calibration_in_the_large")


def check_same_examples(before: Predictions, after: Predictions) -> None:
    """Raises ValueError unless both answered the same examples in the same order."""
    if not np.array_equal(before.example_ids, after.example_ids) or not np.array_equal(before.y_true, after.y_true):
        raise ValueError("the two predictions are not of the same examples in the same order: nothing can be paired")


def group_changes(before: ModelAudit, after: ModelAudit) -> list[dict]:
    """Returns one row per feature, group, class and rate: before, after, change, low, high, p_value, p_holm, clear.

    The p-value is normal, of the bootstrap's standard error; Holm's correction is over all rows. "clear" is p_holm at
    or below 0.05. Of several classes it is all of them together. What either audit hides or cannot define has no row.
    """
    first, rows = {_key(row): row for row in before.groups}, []
    columns = _columns(after)
    for row in main_rows(after.groups):
        earlier = first.get(_key(row))
        for rate in CHANGED if earlier and "reason" not in row and "reason" not in earlier else ():
            code, column = columns[_key(row)]
            feature, value = row["feature"], row[rate] - earlier[rate]
            if not np.isfinite(value):
                continue
            drawn = [found.drawn[feature][code][rate][:, column] for found in (before, after)]
            difference = drawn[1] - drawn[0]
            low, high = interval(difference)
            rows.append(
                {
                    **{name: row[name] for name in ("feature", "group", "class", "units")},
                    **{"rate": rate, "before": earlier[rate], "after": row[rate], "change": value},
                    **{"low": low, "high": high, "p_value": normal_p_value(value, difference)},
                }
            )
    adjusted = holm([row["p_value"] for row in rows])
    return [{**row, "p_holm": float(p), "clear": bool(p <= SIGNIFICANT)} for row, p in zip(rows, adjusted, strict=True)]


def disparity_changes(before: ModelAudit, after: ModelAudit) -> list[dict]:
    """Returns one row per feature and measure: before, after, change, low, high (95 %, paired), worse.

    "worse" says that the interval leaves 0 on the unfair side. Intervals are not corrected for their number. What
    either audit cannot define has no row.
    """
    rows = []
    for first, second in zip(before.disparities, after.disparities, strict=True):
        key = first["feature"], first["measure"]
        if not np.isfinite(second["value"] - first["value"]):
            continue
        low, high = interval(after.gaps[key] - before.gaps[key])
        worse = bool(low > 0) if LARGER_IS_WORSE[key[1]] else bool(high < 0)
        row = {"feature": key[0], "measure": key[1], "before": first["value"], "after": second["value"]}
        rows.append({**row, "change": second["value"] - first["value"], "low": low, "high": high, "worse": worse})
    return rows


def _key(row: dict) -> tuple[str, str, str]:
    return row["feature"], row["group"], row["class"]


def _columns(audit: ModelAudit) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Returns (feature, group, class) -> (position of the group, of the class) in the audit's drawn rates."""
    found, groups, classes = {}, {}, {}
    for row in audit.groups:
        if "reason" in row:
            continue
        code = groups.setdefault(row["feature"], {}).setdefault(row["group"], len(groups[row["feature"]]))
        column = classes.setdefault(_key(row)[:2], {}).setdefault(row["class"], len(classes[_key(row)[:2]]))
        found[_key(row)] = code, column
    return found
