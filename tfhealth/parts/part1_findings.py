"""What Part 1's stages found, gathered for findings.json, the figures and TensorBoard."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tfhealth.audit.findings import Findings
from tfhealth.data.text_pipeline import TextFeed
from tfhealth.data.tokens import token_counts
from tfhealth.report.writing import data_values
from tfhealth.training.attention import attention_examples, attention_reach, reach_summary
from tfhealth.training.baseline import Baseline
from tfhealth.training.evaluate import Evaluation, scores_with_intervals, summary
from tfhealth.training.fit import sample_of
from tfhealth.training.latency import milliseconds
from tfhealth.training.metrics import classification_scores
from tfhealth.training.paired import mcnemar
from tfhealth.training.probes import Probe
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.training.tracking import write_embeddings, write_report
from tfhealth.tuning.grid import Grid

LABELS = {
    "tfidf": "TF-IDF, logistic regression",
    "lstm": "bidirectional LSTM",
    "transformer": "Transformer encoder",
    "pretrained": "pretrained encoder",
}
COMPARED = ("lstm", "transformer")


@dataclass(frozen=True)
class Finals:
    """The finalists of a family's grid, trained to the end: their rows as in Grid, and the run of the chosen one."""

    rows: list[dict]
    run: TrainingRun


@dataclass(frozen=True)
class Found:
    """What the stages found; by family, where it is a mapping ("lstm", "transformer", perhaps "pretrained")."""

    baseline: Baseline
    grids: Mapping[str, Grid]
    finals: Mapping[str, Finals]
    runs: Mapping[str, TrainingRun]
    probes: Mapping[str, Probe]
    models: Mapping[str, keras.Model]
    evaluations: Mapping[str, Evaluation]

    def test(self, family: str) -> Predictions:
        """Returns a family's predictions on the test split."""
        evaluation = self.evaluations[family]
        return evaluation.variants[evaluation.headline]


def collect_values(part, found: Found) -> dict:
    """Returns everything findings.json holds."""
    intervals = {"draws": part.config.bootstrap_draws, "seed": part.seed}
    names = part.bundle.card.class_names
    lstm, transformer = (found.test(family) for family in COMPARED)
    summaries = {family: summary(found.evaluations[family], names, **intervals) for family in COMPARED}
    paired = mcnemar(lstm.y_true, lstm.y_pred, transformer.y_pred)
    words = [len(text.split()) for text in part.texts.train.x.take(slice(None))]
    long = token_counts(part.tokenizer, part.texts.train.x.take(slice(None))) > part.sequence_length
    rows, finalists = (
        [{"family": family, **row} for family, table in tables.items() for row in table.rows]
        for tables in (found.grids, found.finals)
    )
    attended = sample_of(part.bundle.test, part.config.attention_texts, part.seed).x.take(slice(None))
    return {
        "data": data_values(part.bundle)
        | {
            "sequence_length": part.sequence_length,
            "vocabulary_size": part.bundle.vocabulary_size,
            "median_words": float(np.median(words)),
            "cut_share": float(np.mean(long)),
        },
        "models": {
            "tfidf": baseline_values(found.baseline, intervals),
            **{family: model_values(part, found, family, intervals) for family in found.runs},
        },
        "mcnemar": {
            "lstm_only": paired["first_only"],
            "transformer_only": paired["second_only"],
            "p_value": paired["p_value"],
        },
        "grid": {"trials": len(rows), "rows": rows, "finalists": finalists},
        "vanishing": {name: probe.ratios() for name, probe in found.probes.items()},
        "vanishing_steps": part.probe_steps,
        "attention": reach_summary(attention_reach(found.models["transformer"], attended)),
        "classes": {family: about["classes"] for family, about in summaries.items()},
        "confusion": {family: about["confusion"] for family, about in summaries.items()},
        "calibration": {
            family: {key: about[key] for key in ("temperature", "calibrated")} for family, about in summaries.items()
        },
    }


def baseline_values(baseline: Baseline, intervals: dict) -> dict:
    """Returns the comparison's entry of the bag of words."""
    accuracy = {
        name: classification_scores(predictions.y_true, predictions.y_prob)["accuracy"]
        for name, predictions in baseline.predictions.items()
    }
    return {
        "label": LABELS["tfidf"],
        "parameters": baseline.parameters,
        "seconds": baseline.seconds,
        "train_accuracy": accuracy["train"],
        "validation_accuracy": accuracy["validation"],
        "overfitting": accuracy["train"] - accuracy["validation"],
        "test": scores_with_intervals(baseline.predictions["test"], **intervals),
        "ms_per_document": baseline.ms_per_document,
    }


def model_values(part, found: Found, family: str, intervals: dict) -> dict:
    """Returns the comparison's entry of one family."""
    run, model = found.runs[family], found.models[family]
    one = part.bundle.test.x.take(slice(0, 1))
    if family == "pretrained":
        one = part.encoder_ids(part.texts.test.subset(np.arange(1)), part.encoder_length)
    accuracy = {name: run.metrics[f"{name}_accuracy"] for name in ("train", "validation")}
    return {
        "label": LABELS[family],
        "parameters": model.count_params(),
        "seconds": run.seconds,
        "epochs": len(run.history["val_loss"]),
        "best_epoch": run.best_epoch,
        "train_accuracy": accuracy["train"],
        "validation_accuracy": accuracy["validation"],
        "overfitting": accuracy["train"] - accuracy["validation"],
        "test": scores_with_intervals(found.test(family), **intervals),
        "ms_per_document": milliseconds(lambda: model.predict_on_batch(one)),
        **{name: run.config[name] for name in ("dropout", "l2", "early_stopping")},
    }


def collect_drawings(part, found: Found, *, shown: bool) -> dict:
    """Returns what only the figures need; attention on texts only where they may be `shown`."""
    test, runs = found.test("transformer"), {family: found.runs[family] for family in COMPARED}
    examples = None
    if shown:
        rows = np.random.default_rng(part.seed).permutation(len(test.y_true))[: part.config.texts_shown]
        tokens = part.bundle.test.x.take(rows)
        examples = attention_examples(found.models["transformer"], tokens, part.tokenizer.id_to_token)
        for example, row in zip(examples, rows, strict=True):
            true, predicted = int(test.y_true[row]), int(test.y_pred[row])
            named = {"true_name": true, "predicted_name": predicted}
            example |= {key: part.bundle.card.class_names[label] for key, label in named.items()}
            example["correct"] = true == predicted
    return {
        "histories": {family: run.history for family, run in runs.items()},
        "best_epochs": {family: run.best_epoch for family, run in runs.items()},
        "gradients": {name: probe.layers for name, probe in found.probes.items()},
        "time_steps": {name: probe.steps for name, probe in found.probes.items()},
        "ratios": {
            name: {stage: ratio["ratio"] for stage, ratio in probe.ratios().items()}
            for name, probe in found.probes.items()
        },
        "attention": examples,
    }


def log_report(part, folder: Path, findings: Findings, found: Found) -> None:
    """Puts figures, text, precision-recall curves and the test texts' vectors into TensorBoard."""
    test, model, names = found.test("transformer"), found.models["transformer"], part.bundle.card.class_names
    logs = part.workspace.logs("part1", "report")
    write_report(logs, folder, findings.figures, findings.text, test.y_true, test.y_prob, names)
    pooled = keras.Model(model.inputs[0], model.get_layer("pool").output)
    vectors = np.concatenate([pooled.predict_on_batch(rows) for rows in TextFeed(1).evaluation(part.bundle.test, 64)])
    labels = [names[label] for label in test.y_true]
    write_embeddings(part.workspace.logs("part1", "projector"), vectors, labels)
