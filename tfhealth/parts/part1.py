"""Part 1, medical text: load, tune LSTM and Transformer, train, probe their gradients, evaluate, attend, report."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from tokenizers import Tokenizer

from tfhealth.config import PART1, Part1Config, TextTraining
from tfhealth.console import say
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.text import TextOptions, load_text_dataset, may_be_shown
from tfhealth.data.text_pipeline import TextFeed
from tfhealth.data.tokens import fit_tokenizer, save_tokenizer, token_counts, tokenize
from tfhealth.models.text import BUILDERS
from tfhealth.paths import Workspace, keep_settings
from tfhealth.report import part1 as report
from tfhealth.report.writing import data_values
from tfhealth.training.attention import attention_examples, attention_reach, reach_summary
from tfhealth.training.baseline import Baseline, fit_baseline
from tfhealth.training.evaluate import Evaluation, evaluate, scores_with_intervals, summary
from tfhealth.training.fit import sample_of, train
from tfhealth.training.latency import milliseconds
from tfhealth.training.metrics import classification_scores
from tfhealth.training.paired import mcnemar
from tfhealth.training.probes import Probe, long_texts, probe
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.training.tracking import write_embeddings, write_hparams, write_report
from tfhealth.tuning.grid import Grid, search_grid
from tfhealth.tuning.trials import OBJECTIVE

FAMILIES = ("lstm", "transformer")
LABELS = {
    "tfidf": "TF-IDF, logistic regression",
    "lstm": "bidirectional LSTM",
    "transformer": "Transformer encoder",
}
PROBES = ("rnn", "lstm", "gru", "transformer")


@dataclass(frozen=True)
class Part1:
    """What the stages share: the run's folders, its settings, its texts and the same as tokens."""

    workspace: Workspace
    config: Part1Config
    seed: int
    texts: DatasetBundle
    tokenizer: Tokenizer
    bundle: DatasetBundle

    def build(self, family: str, training: TextTraining) -> keras.Model:
        """Returns the uncompiled model of a family."""
        model, shape = getattr(self.config, family), {}
        if family == "transformer":
            shape = {"num_layers": model.num_layers, "num_heads": model.num_heads}
        sizes = self._sizes(family, self.config.sequence_length)
        return BUILDERS[family](*sizes, width=model.width, dropout=training.dropout, l2=training.l2, **shape)

    def build_probe(self, name: str, training: TextTraining) -> keras.Model:
        """Returns a classifier of one layer that reads in one direction and sees its last state alone."""
        shape = {"num_layers": 1} if name == "transformer" else {"bidirectional": False}
        sizes = self._sizes(name, self.config.probe_steps)
        return BUILDERS[name](
            *sizes, width=self.config.probe_width, pooling="last", dropout=training.dropout, l2=training.l2, **shape
        )

    def _sizes(self, name: str, steps: int) -> tuple[int, ...]:
        between = (steps,) if name == "transformer" else ()  # only a Transformer has a fixed number of steps
        return (self.bundle.vocabulary_size, *between, self.bundle.num_classes)

    def train(self, name: str, build, training: TextTraining, splits: tuple[Split, Split], **more) -> TrainingRun:
        """Trains a model, or loads the run that stands there."""
        return train(
            name,
            build,
            *splits,
            training,
            TextFeed(self.bundle.num_classes, training.token_dropout),
            num_classes=self.bundle.num_classes,
            seed=self.seed,
            folder=self.workspace.exports("part1", name),
            log_dir=self.workspace.logs("part1", name),
            **more,
        )


def run(workspace: Workspace, *, text: str, options: TextOptions, profile: str, seed: int, show_text: bool) -> Path:
    """Runs the part and returns the folder with findings.json; stages that are finished are not done again."""
    config = PART1[profile]
    options = replace(options, notes_size=config.notes_size, seed=seed)
    folder = workspace.exports("part1")
    lasting = {name: value for name, value in asdict(options).items() if name != "data_dir"}  # files may move
    keep_settings(folder / "settings.json", {"text": text, "options": lasting, "config": asdict(config)})
    say(f"Part 1: {text}, profile {profile}, seed {seed}")
    part = load_stage(workspace, config, seed, text, options)

    baseline = fit_baseline(part.texts.train, part.texts.validation, part.bundle.num_classes, folder)
    grids = {family: grid_stage(part, family) for family in FAMILIES}
    runs = {family: final_stage(part, family, grids[family]) for family in FAMILIES}
    probes = {name: probe_stage(part, name) for name in PROBES}
    models = {family: keras.saving.load_model(run.model_path, compile=False) for family, run in runs.items()}
    feed = TextFeed(part.bundle.num_classes)
    evaluations = {name: evaluate(runs[name], models[name], feed, part.bundle, views=1) for name in FAMILIES}

    say("Writing findings, figures and TensorBoard pictures")
    values = collect_values(part, baseline, grids, runs, probes, models, evaluations)
    shown = may_be_shown(text) or show_text
    drawn = collect_drawings(part, runs, probes, models["transformer"], evaluations, shown=shown)
    findings = report.write(folder, part.bundle, values, drawn)
    log_report(part, folder, findings, models["transformer"], evaluations["transformer"])
    say(f"\n{findings.text}\n")
    print(folder)
    return folder


def load_stage(workspace: Workspace, config: Part1Config, seed: int, text: str, options: TextOptions) -> Part1:
    """Reads the texts, learns the vocabulary from train, and tokenizes all."""
    texts = load_text_dataset(text, options)
    tokenizer = fit_tokenizer(texts.train.x.take(slice(None)), config.vocabulary_size)
    save_tokenizer(tokenizer, workspace.exports("part1") / "tokenizer.json")
    return Part1(workspace, config, seed, texts, tokenizer, tokenize(texts, tokenizer, config.sequence_length))


def grid_stage(part: Part1, family: str) -> Grid:
    """Searches dropout, L2 and early stopping of one family."""
    base = replace(getattr(part.config, family).training, epochs=part.config.grid_epochs)

    def train_one(name: str, config: TextTraining, stopped: str | None) -> TrainingRun:
        state = None if stopped is None else part.workspace.exports("part1", "grid", family, stopped) / "state.npz"
        splits, build = (part.bundle.train, part.bundle.validation), partial(part.build, family)
        more = {"go_on_from": state, "keep_state": stopped is None}
        found = part.train(f"grid/{family}/{name}", build, config, splits, **more)
        hparams = {"model": family} | {key: getattr(config, key) for key in ("dropout", "l2", "early_stopping")}
        scores = {key: found.metrics[key] for key in (OBJECTIVE, "validation_accuracy", "train_accuracy")}
        write_hparams(part.workspace.logs("part1", "grid", family, name), hparams, scores)
        return found

    return search_grid(
        base, part.config.dropouts, part.config.l2s, train_one, part.workspace.tuners("part1") / f"grid_{family}"
    )


def final_stage(part: Part1, family: str, grid: Grid) -> TrainingRun:
    """Trains a family with the setting that its grid found, for all its epochs."""
    best = {name: getattr(grid.best, name) for name in ("dropout", "l2", "early_stopping")}
    training = replace(getattr(part.config, family).training, **best)
    splits = part.bundle.train, part.bundle.validation
    return part.train(family, partial(part.build, family), training, splits, gradients=True)


def probe_stage(part: Part1, name: str) -> Probe:
    """Measures how the gradient of one network fades with time, before and after training."""
    config, training = part.config, part.config.probe
    splits = tuple(long_texts(split, config.probe_steps) for split in (part.bundle.train, part.bundle.validation))
    folder, build = part.workspace.exports("part1", "probes", name), partial(part.build_probe, name)
    return probe(
        partial(build, training),
        lambda: part.train(f"probes/{name}", build, training, splits, gradients=True),
        sample_of(splits[0], config.probe_texts, part.seed),
        folder,
        seed=part.seed,
    )


def collect_values(part: Part1, baseline: Baseline, grids, runs, probes, models, evaluations) -> dict:
    """Returns everything findings.json holds."""
    intervals = {"draws": part.config.bootstrap_draws, "seed": part.seed}
    names = part.bundle.card.class_names
    tests = {family: evaluation.variants[evaluation.headline] for family, evaluation in evaluations.items()}
    summaries = {family: summary(evaluation, names, **intervals) for family, evaluation in evaluations.items()}
    paired = mcnemar(tests["lstm"].y_true, tests["lstm"].y_pred, tests["transformer"].y_pred)
    words = [len(text.split()) for text in part.texts.train.x.take(slice(None))]
    long = token_counts(part.tokenizer, part.texts.train.x.take(slice(None))) > part.config.sequence_length
    rows = [{"family": family, **row} for family, grid in grids.items() for row in grid.rows]
    attended = sample_of(part.bundle.test, part.config.attention_texts, part.seed).x.take(slice(None))
    return {
        "data": data_values(part.bundle)
        | {
            "sequence_length": part.config.sequence_length,
            "vocabulary_size": part.bundle.vocabulary_size,
            "median_words": float(np.median(words)),
            "cut_share": float(np.mean(long)),
        },
        "models": {
            "tfidf": baseline_values(part, baseline, intervals),
            **{name: model_values(part, name, runs[name], models[name], tests[name], intervals) for name in FAMILIES},
        },
        "mcnemar": {
            "lstm_only": paired["first_only"],
            "transformer_only": paired["second_only"],
            "p_value": paired["p_value"],
        },
        "grid": {"trials": len(rows), "rows": rows},
        "vanishing": {name: found.ratios() for name, found in probes.items()},
        "vanishing_steps": part.config.probe_steps,
        "attention": reach_summary(attention_reach(models["transformer"], attended)),
        "classes": {family: found["classes"] for family, found in summaries.items()},
        "confusion": {family: found["confusion"] for family, found in summaries.items()},
        "calibration": {
            family: {key: found[key] for key in ("temperature", "calibrated")} for family, found in summaries.items()
        },
    }


def baseline_values(part: Part1, baseline: Baseline, intervals: dict) -> dict:
    """Returns the comparison's entry of the bag of words."""
    found = {
        name: baseline.predict(getattr(part.texts, name), part.bundle.num_classes)
        for name in ("train", "validation", "test")
    }
    accuracy = {
        name: classification_scores(predictions.y_true, predictions.y_prob)["accuracy"]
        for name, predictions in found.items()
    }
    one = part.texts.test.x.take(slice(0, 1))
    return {
        "label": LABELS["tfidf"],
        "parameters": baseline.parameters,
        "seconds": baseline.seconds,
        "train_accuracy": accuracy["train"],
        "validation_accuracy": accuracy["validation"],
        "overfitting": accuracy["train"] - accuracy["validation"],
        "test": scores_with_intervals(found["test"], **intervals),
        "ms_per_document": milliseconds(lambda: baseline.pipeline.predict_proba(one)),
    }


def model_values(part: Part1, family: str, run: TrainingRun, model, test: Predictions, intervals: dict) -> dict:
    """Returns the comparison's entry of one family."""
    one = part.bundle.test.x.take(slice(0, 1))
    accuracy = {name: run.metrics[f"{name}_accuracy"] for name in ("train", "validation")}
    return {
        "label": LABELS[family],
        "parameters": run.parameters,
        "seconds": run.seconds,
        "epochs": len(run.history["val_loss"]),
        "best_epoch": run.best_epoch,
        "train_accuracy": accuracy["train"],
        "validation_accuracy": accuracy["validation"],
        "overfitting": accuracy["train"] - accuracy["validation"],
        "test": scores_with_intervals(test, **intervals),
        "ms_per_document": milliseconds(lambda: model.predict_on_batch(one)),
        **{name: run.config[name] for name in ("dropout", "l2", "early_stopping")},
    }


def collect_drawings(part: Part1, runs, probes, transformer, evaluations, *, shown: bool) -> dict:
    """Returns what only the figures need; attention on texts only where they may be `shown`."""
    evaluation = evaluations["transformer"]
    test = evaluation.variants[evaluation.headline]
    examples = None
    if shown:
        rows = np.random.default_rng(part.seed).choice(len(test.y_true), part.config.texts_shown, replace=False)
        tokens = part.bundle.test.x.take(rows)
        examples = attention_examples(transformer, tokens, part.tokenizer.id_to_token)
        for example, row in zip(examples, rows, strict=True):
            true, predicted = int(test.y_true[row]), int(test.y_pred[row])
            named = {"true_name": true, "predicted_name": predicted}
            example |= {key: part.bundle.card.class_names[label] for key, label in named.items()}
            example["correct"] = true == predicted
    return {
        "histories": {family: run.history for family, run in runs.items()},
        "best_epochs": {family: run.best_epoch for family, run in runs.items()},
        "gradients": {name: found.layers for name, found in probes.items()},
        "time_steps": {name: found.steps for name, found in probes.items()},
        "ratios": {
            name: {stage: ratio["ratio"] for stage, ratio in found.ratios().items()} for name, found in probes.items()
        },
        "attention": examples,
    }


def log_report(part: Part1, folder: Path, findings, model: keras.Model, evaluation: Evaluation) -> None:
    """Puts figures, text, precision-recall curves and the test texts' vectors into TensorBoard."""
    test, names = evaluation.variants[evaluation.headline], part.bundle.card.class_names
    logs = part.workspace.logs("part1", "report")
    write_report(logs, folder, findings.figures, findings.text, test.y_true, test.y_prob, names)
    pooled = keras.Model(model.inputs[0], model.get_layer("pool").output)
    vectors = np.concatenate([pooled.predict_on_batch(rows) for rows in TextFeed(1).evaluation(part.bundle.test, 64)])
    labels = [names[label] for label in test.y_true]
    write_embeddings(part.workspace.logs("part1", "projector"), vectors, labels)
