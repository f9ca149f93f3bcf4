"""Part 2's findings, tables, figures and text, from finished records; and their pictures in TensorBoard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfhealth.audit.findings import Findings
from tfhealth.data.dataset import DatasetBundle
from tfhealth.report import figures, image_figures
from tfhealth.report.narrative import part2_analysis
from tfhealth.report.writing import undefined_class_scores, write_findings

SCORES_COMPARED = ("accuracy", "balanced_accuracy", "roc_auc")


def write(folder: Path, bundle: DatasetBundle, values: Mapping[str, Any], drawn: Mapping[str, Any]) -> Findings:
    """Writes CSV tables, PNG figures and findings.json into `folder` and returns the findings.

    Args:
        folder: the part's folder.
        bundle: for the card's facts.
        values: everything that was found, ready for findings.json.
        drawn: what only figures need: histories, best_epochs, curves, gradients, examples, samples.
    """
    return write_findings(
        folder,
        "Part 2: medical images",
        bundle,
        values=values,
        tables=_tables(values),
        figures=_figures(folder, bundle, values, drawn),
        text=part2_analysis(values),
        undefined=undefined_class_scores(values["classes"]),
    )


def comparison_rows(values: Mapping[str, Any]) -> list[dict]:
    """Returns the rows of comparison.csv: every model of the study on validation, then the final one on test."""
    rows = [
        {
            "model": row["model"],
            "stage": "study",
            "split": "validation",
            "training_images": row["examples"],
            "parameters": row["parameters"],
            "seconds": row["seconds"],
            "balanced_accuracy": row["validation_score"],
            "balanced_accuracy_low": row["validation_low"],
            "balanced_accuracy_high": row["validation_high"],
            "roc_auc": row["validation_roc_auc"],
        }
        for row in values["study"]["rows"]
    ]
    for variant in values["variants"]:
        scores = values[variant]
        row = {
            "model": values["study"]["chosen"],
            "stage": f"final, {variant.replace('_', ' ')}",
            "split": "test",
            "training_images": values["data"]["train"],
            "parameters": values["training"]["parameters"],
            "seconds": values["training"]["seconds"],
        }
        for name, score in scores.items():
            row |= {name: score["value"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
        rows.append(row)
    return rows


def _tables(values: Mapping[str, Any]) -> dict[str, Sequence[Mapping[str, Any]]]:
    return {
        "comparison": comparison_rows(values),
        "learning_curves": values["study"]["rows"],
        "tuning": values["tuning"]["rows"],
        "regularization": values["tuning"]["comparison"],
        "classes": values["classes"],
    }


def _figures(
    folder: Path, bundle: DatasetBundle, values: Mapping[str, Any], drawn: Mapping[str, Any]
) -> dict[str, str]:
    """Draws every figure; one that the data cannot fill is left out."""
    names, tuning = bundle.card.class_names, values["tuning"]
    before = {key: values["reliability"]["before"][key] for key in ("confidence", "accuracy", "count", "error")}
    draw = {
        "data": lambda path: image_figures.image_rows(drawn["samples"], path, "Sample images by class"),
        "learning_curves": lambda path: figures.learning_curves(drawn["histories"], drawn["best_epochs"], path),
        "sample_size": lambda path: figures.sample_size_curves(values["study"]["rows"], path),
        "tuning": lambda path: figures.tuning_trials(
            tuning["rows"], tuning["hyperparameters"], tuning["objective"], path
        ),
        "regularization": lambda path: figures.before_after(drawn["regularization"], list(SCORES_COMPARED), path),
        "confusion_matrix": lambda path: image_figures.confusion_matrix(values["confusion"], names, path),
        "roc_pr": lambda path: image_figures.roc_and_precision_recall(drawn["curves"], path),
        "reliability": lambda path: image_figures.reliability(before, values["reliability"]["after"], path),
        "classes": lambda path: figures.class_scores(values["classes"], path),
        "predictions": lambda path: image_figures.predictions_grid(drawn["examples"], path),
        "gradient_norms": lambda path: figures.gradient_norms(drawn["gradients"], path),
    }
    for name, function in draw.items():
        function(folder / f"{name}.png")
    return {name: f"{name}.png" for name in draw}
