"""How every part's findings are written: findings.json, CSV tables and analysis.md, with the caveats that apply."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfhealth.audit.findings import Findings
from tfhealth.data.dataset import DatasetBundle
from tfhealth.paths import write_text
from tfhealth.report.tables import write_csv

RESEARCH = "Research software, not a medical device: no number here supports a decision about a patient."
SYNTHETIC = {
    "image": "The images are synthetic; nothing here is evidence about real skin.",
    "text": "The texts are synthetic; nothing here is evidence about real clinical notes.",
}


def write_findings(
    folder: Path,
    title: str,
    bundle: DatasetBundle,
    *,
    values: Mapping[str, Any],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    figures: Mapping[str, str],
    text: str,
    undefined: Mapping[str, str],
) -> Findings:
    """Writes the tables, findings.json and analysis.md into `folder`, which is named like the part.

    Args:
        title: heading of analysis.md.
        bundle: for the card's notes, which stand beside the numbers.
        values, text, undefined: as in Findings.
        tables: name -> rows.
        figures: name -> file name of a PNG that stands in `folder`.
    """
    for name, rows in tables.items():
        write_csv(folder / f"{name}.csv", rows)
    card = bundle.card
    findings = Findings(
        part=folder.name,
        values=values,
        tables={name: f"{name}.csv" for name in tables},
        figures=figures,
        undefined=undefined,
        caveats=(RESEARCH, *((SYNTHETIC[card.modality],) if card.synthetic else ()), *card.notes),
        text=text,
    )
    findings.save(folder)
    caveats = "\n".join(f"- {caveat}" for caveat in findings.caveats)
    write_text(folder / "analysis.md", f"# {title}\n\n{text}\n\n{caveats}\n")
    return findings


def data_values(bundle: DatasetBundle) -> dict:
    """Returns the facts about the data set that the report repeats."""
    sizes = {name: len(getattr(bundle, name)) for name in ("train", "validation", "test")}
    return {**asdict(bundle.card), **sizes}


def undefined_class_scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns "<class> <score>" -> why it has no value, for the rows of a table of scores by class."""
    return {
        f"{row['name']} {name}": f"no {'prediction' if name == 'precision' else 'test example'} of this class"
        for row in rows
        for name, value in row.items()
        if name != "name" and value != value and not name.endswith(("_low", "_high"))
    }
