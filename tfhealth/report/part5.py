"""Part 5's findings, tables, figures, ethics report and recommendations, from finished audits."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tfhealth.audit.findings import Findings
from tfhealth.data.dataset import DatasetBundle
from tfhealth.paths import write_text
from tfhealth.report import fairness_figures as figures
from tfhealth.report.ethics import ethics_report
from tfhealth.report.wording import is_known
from tfhealth.report.writing import write_findings

ONE_QUESTION = ("recall", "specificity", "roc_auc")
ALL_CLASSES = ("accuracy", "recall", "roc_auc")
GAPS = ("demographic_parity_difference", "equal_opportunity_difference", "auc_difference")
MOST_PANELS = 3
Draw = Callable[[Path], None]


def write(folder: Path, bundle: DatasetBundle, values: Mapping[str, Any], drawn: Mapping[str, Any]) -> Findings:
    """Writes CSV tables, PNG figures, findings.json, the ethics report and the recommendations into `folder`.

    Args:
        values: everything that was found, ready for findings.json.
        drawn: what only tables and figures need, as parts.part5_findings.collect returns it.
    """
    tables = {
        "groups": drawn["groups"],
        "disparities": drawn["disparities"],
        "compression_groups": drawn["group_changes"],
        "compression_disparities": drawn["disparity_changes"],
        "mitigation": drawn["mitigation"],
        "mitigation_price": drawn["prices"],
    }
    kept = {name: value for name, value in values.items() if name != "undefined"}
    findings = write_findings(
        folder,
        "Part 5: fairness audit and ethics",
        bundle,
        values=kept,
        tables={name: rows for name, rows in tables.items() if rows},
        figures=_figures(folder, values, drawn),
        text=ethics_report(values),
        undefined=values["undefined"],
    )
    lines = "\n".join(f"{number}. {line}" for number, line in enumerate(values["recommendations"], 1))
    write_text(folder / "recommendations.md", f"# Recommendations\n\n{lines}\n")
    return findings


def _figures(folder: Path, values: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, str]:
    """Draws every figure; one that the data cannot fill is left out."""
    draw = {"groups": _main_rates(values, drawn)}
    if drawn["main_disparities"]:
        draw["gaps"] = partial(figures.gaps, drawn["main_disparities"], list(GAPS))
    if curves := _first_features(drawn["reliability"]):
        draw["reliability"] = partial(figures.reliability_by_group, curves)
    if change := _largest_change(values, drawn["group_changes"]):
        name, rows = change
        title = f"Change by group: {name} minus the Keras model"
        draw["compression"] = partial(figures.rates_by_group, rows, ["recall", "accuracy"], title=title)
    if drawn["mitigation"]:
        draw |= _mitigation_figures(values["mitigation"], drawn)
    for name, function in draw.items():
        function(folder / f"{name}.png")
    return {name: f"{name}.png" for name in draw}


def _main_rates(values: Mapping[str, Any], drawn: Mapping[str, Any]) -> Draw:
    view = values["view"]
    if is_known(view["threshold"]):
        title, rates = f"Finding {view['name']}, by group", ONE_QUESTION
    else:
        title, rates = "All classes, by group", ALL_CLASSES
    return partial(figures.rates_by_group, drawn["main_groups"], list(rates), title=title)


def _mitigation_figures(found: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, Draw]:
    feature = found["feature"].replace("_", " ")
    title = f"Change by {feature} with each mitigation, finding {found['question']}"
    rows, rates = _by_rate(drawn["mitigation"], "mitigation"), ["recall", "specificity", "balanced_accuracy"]
    names = {"gap_name": f"gap in recall by {feature}", "score_name": "balanced accuracy"}
    return {
        "mitigation": partial(figures.rates_by_group, rows, rates, title=title),
        "trade_off": partial(figures.trade_off, drawn["trade_off"], **names),
    }


def _first_features(curves: Sequence[Mapping]) -> list[Mapping]:
    """Returns the curves of the first features, as many as one page has panels for."""
    features = list(dict.fromkeys(curve["feature"] for curve in curves))[:MOST_PANELS]
    return [curve for curve in curves if curve["feature"] in features]


def _largest_change(values: Mapping[str, Any], changes: Sequence[Mapping]) -> tuple[str, list[dict]] | None:
    """Returns the file in which a group lost most, and its changes by group; None without one."""
    found = values["compression"]
    worst = found and (found["worst"] or found["largest"])
    if not worst:
        return None
    own = [row for row in changes if row["artifact"] == worst["artifact"]]
    return worst["artifact"], _by_rate(own, "feature")


def _by_rate(rows: Sequence[Mapping], heading: str) -> list[dict]:
    """Returns one row a group with each rate's change, from one row a group and rate; `heading` names the blocks."""
    found = {}
    for row in rows:
        own = found.setdefault((row[heading], row["group"]), {"feature": row[heading], "group": row["group"]})
        own |= {
            "units": row["units"],
            row["rate"]: row["change"],
            f"{row['rate']}_low": row["low"],
            f"{row['rate']}_high": row["high"],
        }
    return list(found.values())
