"""Part 4's findings, tables, figures, model card and text, from finished records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfhealth.audit.findings import Findings
from tfhealth.data.dataset import DatasetBundle
from tfhealth.paths import write_text
from tfhealth.report import compression_figures as figures
from tfhealth.report.compression_narrative import part4_analysis
from tfhealth.report.model_card import model_card
from tfhealth.report.writing import write_findings


def write(folder: Path, artifacts: Path, bundle: DatasetBundle, values: Mapping[str, Any]) -> Findings:
    """Writes CSV tables, PNG figures and findings.json into `folder`, the model card beside the files.

    Args:
        folder: the part's folder.
        artifacts: the folder of the files.
        bundle: for the card's facts.
        values: everything that was found, ready for findings.json.
    """
    findings = write_findings(
        folder,
        "Part 4: compression and deployment",
        bundle,
        values=values,
        tables=_tables(values),
        figures=_figures(folder, values),
        text=part4_analysis(values),
        undefined={row["name"]: row["failure"] for row in values["artifacts"] if row["failure"]},
    )
    write_text(artifacts / "model_card.md", model_card(values, findings.caveats))
    return findings


def _tables(values: Mapping[str, Any]) -> dict:
    groups = values["subgroups"]
    hidden = [{key: row[key] for key in ("feature", "group", "units", "reason")} for row in groups["hidden"]]
    tables = {"comparison": values["artifacts"], "subgroups": [*groups["rows"], *hidden]}
    if values["distillation"] is not None:
        tables["distillation"] = values["distillation"]["trials"]
    return tables


def _figures(folder: Path, values: Mapping[str, Any]) -> dict[str, str]:
    """Draws every figure; one that the data cannot fill is left out."""
    choice, made = values["recommendation"], [row for row in values["artifacts"] if not row["failure"]]
    best = choice["name"] or choice["nearest"]
    draw = {
        "comparison": lambda path: figures.comparison_table(values["artifacts"], choice["name"], path),
    }
    if made:
        draw["pareto"] = lambda path: figures.pareto(made, choice["name"], values["models"], path)
    groups = [row for row in values["subgroups"]["rows"] if row["name"] == best]
    if groups:
        draw["subgroups"] = lambda path: figures.subgroup_changes(groups, best, path)
    for name, function in draw.items():
        function(folder / f"{name}.png")
    return {name: f"{name}.png" for name in draw}
