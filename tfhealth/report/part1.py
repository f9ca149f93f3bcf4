"""Part 1's findings, tables, figures and text, from finished records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfhealth.audit.findings import Findings
from tfhealth.data.dataset import DatasetBundle
from tfhealth.report import figures, image_figures, text_figures
from tfhealth.report.text_narrative import part1_analysis
from tfhealth.report.writing import undefined_class_scores, write_findings

SCORES_COMPARED = ("accuracy", "f1_macro", "roc_auc")
FAMILIES = {"lstm": "LSTM", "transformer": "Transformer"}
MOST_CLASSES = 12  # that a confusion matrix can show


def write(folder: Path, bundle: DatasetBundle, values: Mapping[str, Any], drawn: Mapping[str, Any]) -> Findings:
    """Writes CSV tables, PNG figures and findings.json into `folder` and returns the findings.

    Args:
        folder: the part's folder.
        bundle: for the card's facts.
        values: everything that was found, ready for findings.json.
        drawn: what only figures need: histories, best_epochs, curves, gradients, time_steps, attention (examples; None:
            the texts must not be shown).
    """
    undefined = {
        f"{FAMILIES[family]}: {score}": reason
        for family, rows in values["classes"].items()
        for score, reason in undefined_class_scores(rows).items()
    }
    return write_findings(
        folder,
        "Part 1: medical text",
        bundle,
        values=values,
        tables=_tables(values),
        figures=_figures(folder, bundle, values, drawn),
        text=part1_analysis(values),
        undefined=undefined,
    )


def comparison_rows(values: Mapping[str, Any]) -> list[dict]:
    """Returns the rows of comparison.csv: one a model, scores on the test split with their intervals."""
    rows = []
    for model in values["models"].values():
        row = {name: model.get(name) for name in ("label", "parameters", "seconds", "epochs", "best_epoch")}
        row |= {name: model[name] for name in ("train_accuracy", "validation_accuracy", "overfitting")}
        for name, score in model["test"].items():
            row |= {
                f"test_{name}": score["value"],
                f"test_{name}_low": score["low"],
                f"test_{name}_high": score["high"],
            }
        rows.append(row | {name: model.get(name) for name in ("ms_per_document", "dropout", "l2", "early_stopping")})
    return rows


def _tables(values: Mapping[str, Any]) -> dict[str, Sequence[Mapping[str, Any]]]:
    gradients = [
        {"model": name, "stage": stage, **ratio}
        for name, stages in values["vanishing"].items()
        for stage, ratio in stages.items()
    ]
    classes = [{"model": name, **row} for name, rows in values["classes"].items() for row in rows]
    return {
        "comparison": comparison_rows(values),
        "regularization": values["grid"]["rows"],
        "finalists": values["grid"]["finalists"],
        "gradients": gradients,
        "classes": classes,
    }


def _figures(
    folder: Path, bundle: DatasetBundle, values: Mapping[str, Any], drawn: Mapping[str, Any]
) -> dict[str, str]:
    """Draws every figure; one that the data cannot fill, or may not, is left out."""
    names, models = bundle.card.class_names, values["models"]
    histories = {FAMILIES[name]: history for name, history in drawn["histories"].items()}
    best_epochs = {FAMILIES[name]: epoch for name, epoch in drawn["best_epochs"].items()}
    scores = [
        {"name": model["label"]}
        | {s: tuple(model["test"][s][k] for k in ("value", "low", "high")) for s in SCORES_COMPARED}
        for model in models.values()
    ]
    draw = {
        "learning_curves": lambda path: figures.learning_curves(histories, best_epochs, path),
        "regularization": lambda path: text_figures.regularization_grid(values["grid"]["rows"], path),
        "comparison": lambda path: figures.before_after(scores, list(SCORES_COMPARED), path),
        "gradient_norms": lambda path: text_figures.gradient_norms_by_model(drawn["gradients"], path),
        "time_steps": lambda path: text_figures.time_step_gradients(drawn["time_steps"], drawn["ratios"], path),
        "attention_distance": lambda path: text_figures.attention_distance(values["attention"]["layers"], path),
    }
    if drawn["attention"] is not None:
        draw["attention"] = lambda path: text_figures.attention_by_token(drawn["attention"], path)
    for family, title in FAMILIES.items() if len(names) <= MOST_CLASSES else ():
        counts = values["confusion"][family]
        draw[f"confusion_{title.lower()}"] = lambda path, counts=counts: image_figures.confusion_matrix(
            counts, names, path
        )
    for name, function in draw.items():
        function(folder / f"{name}.png")
    return {name: f"{name}.png" for name in draw}
