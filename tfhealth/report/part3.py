"""Part 3's findings, tables, figures, card and texts, from finished records."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfhealth.audit.findings import Findings
from tfhealth.data.dataset import DatasetBundle
from tfhealth.paths import write_text
from tfhealth.report import figures, image_figures, records_figures
from tfhealth.report import synthesis_figures as synthesis
from tfhealth.report.records_narrative import guarantee, records_assessment, records_card, records_challenge
from tfhealth.report.synthesis_card import synthetic_data_card
from tfhealth.report.synthesis_narrative import assessment, challenges, part3_reflection
from tfhealth.report.writing import write_findings

REALISM = ("frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage")
USES = {
    "real": "real",
    "augmented": "real + synthetic of rare classes",
    "synthetic": "synthetic",
    "real_on_synthetic": "real, tested on synthetic",
}


def write(folder: Path, bundle: DatasetBundle, values: Mapping[str, Any], drawn: Mapping[str, Any]) -> Findings:
    """Writes CSV tables, PNG figures, texts and findings.json into `folder`, the card into its synthetic/.

    Args:
        folder: the part's folder.
        bundle: for the card's facts.
        values: everything that was found, ready for findings.json.
        drawn: what only figures need: histories, samples, classes, interpolations, reconstructions.
    """
    rows = [*challenges(values), records_challenge(values["records"])]
    notes = (*bundle.card.notes, *values["records"]["data"]["notes"])
    findings = write_findings(
        folder,
        "Part 3: synthetic medical data",
        replace(bundle, card=replace(bundle.card, notes=notes)),
        values=values,
        tables={**_tables(values), "challenges": rows},
        figures=_figures(folder, values, drawn) | _record_figures(folder, values["records"], drawn["records"]),
        text=part3_reflection(values),
        undefined={},
    )
    told = {"The samples": assessment(values), "The patient records": records_assessment(values["records"])}
    write_text(folder / "challenges.md", _challenges_text(rows, told))
    card = synthetic_data_card(values, findings.caveats) + "\n" + records_card(values["records"])
    write_text(folder / "synthetic" / "card.md", card)
    return findings


def _tables(values: Mapping[str, Any]) -> dict[str, Sequence[Mapping[str, Any]]]:
    agreement = {
        name: values["plausibility"][key]["by_class"]
        for name, key in (("synthetic", "agreement_each"), ("real", "agreement_real"))
    }
    return {
        "realism": values["realism"],
        "diversity": values["diversity"],
        "agreement": [
            {"images": kind, "class": name, "agreement": row["value"], "low": row["low"], "high": row["high"]}
            for kind, rows in agreement.items()
            for name, row in rows.items()
        ],
        "lesions": [
            {"compared": kind, **row}
            for kind, key in (("synthetic", "lesions"), ("real held-out", "lesions_real"))
            for row in values["plausibility"][key]
        ],
        "membership": values["privacy"]["membership"],
        "usefulness": [
            {"trained_on": name, **{key: row[key] for key in ("value", "low", "high")}}
            for name, row in values["usefulness"]["balanced_accuracy"].items()
        ],
        "useful_classes": values["usefulness"]["classes"],
        "records_columns": values["records"]["columns"],
        "records_realism": values["records"]["realism"],
        "records_usefulness": [
            {name: cell for name, cell in row.items() if name != "by_seed"}
            for row in values["records"]["usefulness"]["roc_auc"]
        ],
        "records_membership": values["records"]["privacy"]["membership"],
        "records_attacks": values["records"]["privacy"]["attacks"],
        **({"records_private": values["records"]["private"]} if values["records"]["private"] else {}),
    }


def _figures(folder: Path, values: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, str]:
    """Draws every figure; one that the model cannot fill is left out."""
    features = [row for row in values["realism"] if row["space"] == "classifier features" and row["images"] != "noise"]
    used = values["usefulness"]["balanced_accuracy"]
    draw = {
        "samples": lambda path: synthesis.samples_and_nearest(**drawn["samples"], path=path),
        "classes": lambda path: image_figures.image_rows(drawn["classes"], path, "Synthetic images by requested class"),
        "interpolations": lambda path: image_figures.image_rows(
            drawn["interpolations"], path, "From one synthetic image to another in equal steps of z"
        ),
        "losses": lambda path: synthesis.loss_curves(drawn["histories"], path),
        "realism": lambda path: figures.before_after(
            [{"name": row["images"], **{s: _triple(row, s) for s in REALISM}} for row in features],
            list(REALISM),
            path,
            "Likeness to real test images, in the features of Part 2's classifier, 95 % intervals",
        ),
        "usefulness": lambda path: figures.before_after(
            [
                {"name": USES[name], "balanced_accuracy": (row["value"], row["low"], row["high"])}
                for name, row in used.items()
            ],
            ["balanced_accuracy"],
            path,
            f"Balanced accuracy by training images, mean of {values['usefulness']['seeds']} seeds, 95 % intervals",
        ),
    }
    if values["reconstruction"]:
        draw["reconstructions"] = lambda path: image_figures.image_rows(
            drawn["reconstructions"], path, "Test images and their reconstructions"
        )
        kl = {name: found["collapse"]["kl"] for name, found in values["reconstruction"].items()}
        draw["collapse"] = lambda path: synthesis.kl_by_dimension(kl, path)
    for name, function in draw.items():
        function(folder / f"{name}.png")
    return {name: f"{name}.png" for name in draw}


def _record_figures(folder: Path, values: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, str]:
    """Draws the figures of the synthetic records."""
    scores = {}  # trained on -> classifier -> triple
    for row in values["usefulness"]["roc_auc"]:
        scores.setdefault(row["trained_on"], {})[row["classifier"]] = (row["value"], row["low"], row["high"])
    attacks = [row for row in values["privacy"]["attacks"] if row["attacks"]]
    draw = {
        "records_losses": lambda path: synthesis.loss_curves(
            drawn["histories"], path, "Patient records: loss by epoch (reconstruction: negative log-likelihood in nats)"
        ),
        "records_columns": lambda path: records_figures.distributions(drawn["columns"], path),
        "records_usefulness": lambda path: figures.before_after(
            [{"name": f"{kind} records", **triples} for kind, triples in scores.items()],
            list(values["usefulness"]["change"]),
            path,
            "ROC AUC on real test records by what was trained on, 95 % intervals",
        ),
        "records_attacks": lambda path: figures.before_after(
            [
                {"name": row["secret"] or row["attack"], **{s: _triple(row, s) for s in ("success", "control")}}
                for row in attacks
            ],
            ["success", "control"],
            path,
            "Guessing an attribute, singling out: people trained on (success), others (control)",
        ),
    }
    if values["private"]:
        classifiers = [name.replace(" ", "_") for name in values["usefulness"]["change"]]
        shown = [*classifiers, "membership_auc"]
        rows = [{"name": guarantee(row), **{s: _triple(row, s) for s in shown}} for row in values["private"]]
        draw["records_private"] = lambda path: figures.before_after(
            rows, shown, path, "Records with differential privacy: ROC AUC of use and of an attack, 95 % intervals"
        )
    for name, function in draw.items():
        function(folder / f"{name}.png")
    return {name: f"{name}.png" for name in draw}


def _challenges_text(rows: Sequence[Mapping[str, str]], assessed: Mapping[str, Sequence[str]]) -> str:
    parts = [
        f"## {row['challenge']}\n\n- Seen: {row['seen']}\n- Done: {row['done']}\n- Outcome: {row['outcome']}\n"
        for row in rows
    ]
    told = [f"## {name}\n\n" + "\n".join(f"- {s}" for s in sentences) + "\n" for name, sentences in assessed.items()]
    return "\n".join(["# Part 3: challenges and strategies, and the samples\n", *parts, *told])


def _triple(row: Mapping[str, Any], score: str) -> tuple[float, float, float]:
    return row[score], row[f"{score}_low"], row[f"{score}_high"]
