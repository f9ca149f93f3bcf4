"""The audit's tables brought down to what the text says: the worst group, the clearest gap, errors per 1,000."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfhealth.audit.comparison import Comparison
from tfhealth.audit.disparity import AMONG_ALL
from tfhealth.audit.fairness import GROUP_RULE, AuditSettings, ModelAudit, main_rows
from tfhealth.audit.groups import FEWEST, SUPPRESS_BELOW
from tfhealth.audit.rates import view_rates
from tfhealth.audit.statistics import POWER, SIGNIFICANT, examples_needed
from tfhealth.audit.views import View
from tfhealth.training.metrics import cluster_weights, interval

PER = 1000  # patients
GAP_WORTH_KNOWING = 0.10  # in sensitivity: one more missed case in ten; smaller ones need samples seldom to be had
LIMITS = {
    "minimum_group": FEWEST,
    "suppressed_below": SUPPRESS_BELOW,
    "power": POWER,
    "level": SIGNIFICANT,
    "per": PER,
    "gap": GAP_WORTH_KNOWING,
    "rule": GROUP_RULE,
}
Score = dict[str, float]


def overall_rates(view: View, group_ids: np.ndarray, settings: AuditSettings) -> dict[str, Score]:
    """Returns rate -> value, low, high of everyone together; with several questions of "all classes"."""
    point = view_rates(view, np.ones((1, len(view))))
    drawn = view_rates(view, _weights(group_ids, settings))
    return {name: _score(values[0, 0], drawn[name][:, 0]) for name, values in point.items()}


def errors_per_thousand(view: View, group_ids: np.ndarray, settings: AuditSettings) -> dict:
    """Returns what happens among 1,000 patients like those of the test split, for one question.

    "question", "per", "predictive_value" (share of the positive answers that are right), and value, low, high of
    "positives", "false_negatives", "false_positives" and "selected". With several questions it is the class with the
    lowest recall among those with SUPPRESS_BELOW or more people.

    Args:
        view: of the test split. group_ids: (n,) patient or lesion. settings: draws and seed.
    """
    k = _hardest(view, group_ids)
    positive, decided = view.positive[:, k], view.decided[:, k]
    columns = {
        "positives": positive,
        "false_negatives": positive & ~decided,
        "false_positives": ~positive & decided,
        "selected": decided,
    }
    weights = _weights(group_ids, settings)
    shares = {name: (column.mean(), weights @ column / weights.sum(1)) for name, column in columns.items()}
    scores = {name: _score(PER * value, PER * drawn) for name, (value, drawn) in shares.items()}
    selected = int(decided.sum())
    found = float(positive[decided].mean()) if selected else float("nan")
    return {"question": view.classes[k], "per": PER, "predictive_value": found, **scores}


def fairness_values(audit: ModelAudit, prepared: Sequence[Comparison]) -> dict:
    """Returns what the text says about gaps.

    "features" audited, "tests", "alarms" (count), "clearest" (the disparity row with the smallest p-value: alarms
    first, then measures that compare like with like; None without any), "worst" (feature, group, class, recall,
    recall_low, recall_high, units, of groups that can be compared; None), "too_few" (groups without a number),
    "permutations", "exchangeable" (smallest share of examples whose labels could move when permuted: near 0 the tests
    had no power).
    """
    tested = [row for row in audit.disparities if np.isfinite(row["p_value"])]
    comparable = {c.grouping.feature for c in prepared if c.grouping.comparable}
    whole = [row for row in main_rows(audit.groups) if row["feature"] in comparable and "reason" not in row]
    whole = [row for row in whole if np.isfinite(row["recall"])]
    worst = min(whole, key=lambda row: row["recall"], default=None)
    keys = ("feature", "group", "class", "recall", "recall_low", "recall_high", "units")
    return {
        "features": [c.grouping.feature for c in prepared],
        "tests": len(tested),
        "alarms": sum(row["alarm"] for row in tested),
        "clearest": dict(min(tested, key=_clarity)) if tested else None,
        "worst": None if worst is None else {key: worst[key] for key in keys},
        "too_few": sum("reason" in row for row in audit.groups),
        "exchangeable": min((c.exchangeable for c in prepared if c.grouping.comparable), default=0.0),
        "permutations": max((c.permutations for c in prepared), default=0),
    }


def collect_values(view: View, prepared: Sequence[Comparison], tests: int) -> dict:
    """Returns how many more positives of which group would show a gap of GAP_WORTH_KNOWING in sensitivity.

    "feature", "group", "have", "needed", "more", "gap", "power", "question": of the audited group with the fewest
    positives (people or lesions), if its share of them stays as it is. Without groups: feature and group "", have 0,
    and what each of two equally large groups would need.

    Args:
        view: of the test split. prepared: its comparisons. tests: comparisons to correct for.
    """
    recalls = view_rates(view, np.ones((1, len(view))))["recall"][0, -len(view.classes) :]
    k = int(view.positive.sum(0).argmax())  # of several classes the one there is most to say about
    found = {"feature": "", "group": "", "have": 0}
    share, fewest = 0.5, np.inf
    for comparison in prepared if tests else ():
        positives = comparison.positive[:, k]
        everyone = len(np.unique(comparison.group_ids[positives]))
        for name, members in zip(comparison.grouping.names, comparison.members, strict=True):
            have = len(np.unique(comparison.group_ids[members][positives[members]]))
            if comparison.grouping.comparable and SUPPRESS_BELOW <= have < fewest:
                found = {"feature": comparison.grouping.feature, "group": name, "have": have}
                share, fewest = min(have / everyone, 0.5), have
    needed = examples_needed(GAP_WORTH_KNOWING, float(recalls[k]), share, tests=max(tests, 1))
    more = max(0, needed - found["have"])
    details = {"gap": GAP_WORTH_KNOWING, "power": POWER, "question": view.classes[k]}
    return {**found, "needed": needed, "more": more, **details}


def compression_values(changes: Mapping[str, Sequence[Mapping]]) -> dict | None:
    """Returns what compression did to the groups; None without artifacts.

    "artifacts" (count), "harmed" (count: a group's recall or accuracy clearly fell), "worst" (artifact and the row of
    the largest clear fall; None) and "largest" (artifact and the row of the largest fall, clear or not; None).

    Args:
        changes: artifact -> rows of change.group_changes.
    """
    if not changes:
        return None
    falls = [
        {"artifact": name, **row}
        for name, rows in changes.items()
        for row in rows
        if row["rate"] in ("recall", "accuracy") and row["change"] < 0
    ]
    clear = [row for row in falls if row["clear"]]
    return {
        "artifacts": len(changes),
        "harmed": len({row["artifact"] for row in clear}),
        "worst": min(clear, key=lambda row: row["change"], default=None),
        "largest": min(falls, key=lambda row: row["change"], default=None),
    }


def mitigation_values(prices: Mapping[str, Mapping]) -> dict | None:
    """Returns "tried", "improved" (counts) and "best" (name and price of the largest gain, improved before others).

    Args:
        prices: mitigation -> what tradeoff.price returned; those without a gain count as not improved.
    """
    if not prices:
        return None
    rows = [{"mitigation": name, **row} for name, row in prices.items() if np.isfinite(row["gain"])]
    best = max(rows, key=lambda row: (row["improved"], row["gain"]), default=None)
    return {"tried": len(prices), "improved": sum(row["improved"] for row in rows), "best": best}


def _clarity(row: Mapping) -> tuple[bool, bool, float]:
    """Order of disparities: a gap in selection follows from case mix alone, one in errors does not."""
    return not row["alarm"], row["measure"] in AMONG_ALL, row["p_value"]


def _hardest(view: View, group_ids: np.ndarray) -> int:
    recalls = view_rates(view, np.ones((1, len(view))))["recall"][0, -len(view.classes) :]
    people = np.array([len(np.unique(group_ids[column])) for column in view.positive.T])
    usable = np.where((people >= SUPPRESS_BELOW) & np.isfinite(recalls), recalls, np.inf)
    return int(np.argmin(usable))


def _weights(group_ids: np.ndarray, settings: AuditSettings) -> np.ndarray:
    return cluster_weights(group_ids, draws=settings.draws, seed=settings.seed)


def _score(value: float, drawn: np.ndarray) -> Score:
    low, high = interval(drawn)
    return {"value": float(value), "low": low, "high": high}
