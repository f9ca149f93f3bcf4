"""What Part 4 found, gathered for findings.json, the model card, the figures and TensorBoard."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from tfhealth.audit.findings import Findings
from tfhealth.audit.groups import grouping, people_ids, with_intersections
from tfhealth.compression.artifact import LATENCY, Artifact
from tfhealth.compression.benchmark import comparison_rows, subgroup_rows
from tfhealth.compression.recommendation import recommend
from tfhealth.parts.part4_techniques import Part4, distilled
from tfhealth.parts.saved_models import Source
from tfhealth.report.writing import data_values
from tfhealth.training.evaluate import scores_with_intervals
from tfhealth.training.record import Predictions
from tfhealth.training.tracking import write_hparams, write_report

NOT_SHOWN = ""  # of a group too small to speak of
ALONE = "fewer than two groups are large enough to compare"
LOGGED = ("gzip_mb", LATENCY, "accuracy", "accuracy_change", "max_abs_error", "top1_agreement")


def collect(
    part: Part4,
    artifacts: Mapping[str, Sequence[Artifact]],
    speed: Mapping[str, Mapping[str, float]],
    validation: Mapping[str, Mapping[str, float]],
    limits: Mapping[str, float],
) -> dict:
    """Returns everything findings.json holds.

    Args:
        artifacts: model -> its artifacts.
        speed: of `benchmark.measure_speed`.
        validation: artifact name -> its columns of validation.
        limits: max_mb, max_ms, max_drop.
    """
    intervals = {"draws": part.config.bootstrap_draws, "seed": part.seed}
    rows, groups, hidden, headline = [], [], [], part.headline.label
    for source in part.sources:
        own = artifacts[source.label]
        found = comparison_rows(own, source.test, speed, reference=source.reference, **intervals)
        rows += [{"model": source.label, **row, **validation[row["name"]]} for row in found]
        shown, hidden = audited(source.test, part.bundle.card.group_unit)
        groups += [row for row in subgroup_rows(own, shown, **intervals) if row["group"] != NOT_SHOWN]
    choice = recommend(
        # The limit of the drop is kept on validation: the test split chooses nothing.
        [row | {"accuracy_change": row["validation_accuracy_change"]} for row in rows if row["model"] == headline],
        **limits,
    )
    return {
        "data": data_values(part.bundle),
        "models": [_model_values(source, intervals) for source in part.sources],
        "artifacts": rows,
        "limits": dict(limits),
        "recommendation": asdict(choice),
        "pairs": runtime_pairs(rows),
        "distillation": _distillation_values(part, rows),
        "subgroups": {"hidden": hidden, "rows": groups},
    }


def audited(predictions: Predictions, group_unit: str) -> tuple[Predictions, list[dict]]:
    """Returns the predictions with the groups that are large enough to speak of, and the others, without a number.

    As in Part 5, crossed features among them: small groups are pooled, and NOT_SHOWN if even together they are small.
    A feature without two groups to compare is left out.
    """
    people = people_ids(predictions.group_ids, predictions.example_ids, group_unit)
    features, hidden = {}, []
    for feature, labels in with_intersections(predictions.sensitive_features).items():
        groups = grouping(feature, labels, people)
        hidden += [
            {"feature": feature, "group": group, "units": groups.left_out_units[group], "reason": reason}
            for group, reason in groups.left_out.items()
        ]
        if groups.comparable:
            features[feature] = np.array([*groups.names, NOT_SHOWN])[groups.codes]  # NOT_AUDITED is -1, the last
        else:
            hidden.append({"feature": feature, "group": "all", "units": "", "reason": ALONE})
    return replace(predictions, sensitive_features=features), hidden


def runtime_pairs(rows: Sequence[Mapping]) -> list[dict]:
    """Returns the networks that run in LiteRT and in ONNX Runtime: technique, both latencies in ms, their ratio."""
    by_name, pairs = {row["name"]: row for row in rows}, []
    for row in rows:
        other = by_name.get(f"{row['technique']}.onnx")
        if row["format"] == "tflite" and other is not None:
            pair = {"technique": row["technique"], "tflite_ms": row[LATENCY], "onnx_ms": other[LATENCY]}
            pairs.append(pair | {"tflite_over_onnx": row[LATENCY] / other[LATENCY]})
    return pairs


def log_report(part: Part4, findings: Findings, artifacts: Mapping[str, Sequence[Artifact]]) -> None:
    """Puts every file's numbers, the figures, the text and precision-recall curves into TensorBoard."""
    for row in findings.values["artifacts"]:
        hparams = {key: row[key] for key in ("model", "technique", "format")}
        scores = {name: row[name] for name in LOGGED if np.isfinite(row[name])}
        if scores:
            write_hparams(part.workspace.logs(part.folder.name, "artifacts", row["name"]), hparams, scores)
    choice = findings.values["recommendation"]
    best = choice["name"] or choice["nearest"]
    files = {artifact.name: artifact.predictions for artifact in artifacts[part.headline.label]}
    test = part.headline.test if best is None else Predictions.load(files[best], "the same command")
    logs, names = part.workspace.logs(part.folder.name, "report"), part.bundle.card.class_names
    write_report(logs, part.folder, findings.figures, findings.text, test.y_true, test.y_prob, names)


def _model_values(source: Source, intervals: dict) -> dict:
    return {
        "label": source.label,
        "parameters": source.run.parameters,
        "test": scores_with_intervals(source.test, **intervals),
        "validation_accuracy": float(np.mean(source.validation.y_pred == source.validation.y_true)),
    }


def _distillation_values(part: Part4, rows: Sequence[Mapping]) -> dict | None:
    """Returns the student's facts; None without one."""
    if not any(row["technique"] == "student" and not row["failure"] for row in rows):
        return None
    found = distilled(part, part.headline)
    return {
        "student": part.config.student.name,
        "parameters": found.run.parameters,
        "temperature": found.config.temperature,
        "mixing": found.config.mixing,
        "epochs": len(found.run.history["val_loss"]),
        "seconds": found.run.seconds,
        "trials": found.trials,
    }
