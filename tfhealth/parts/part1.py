"""Part 1, medical text: load, tune LSTM and Transformer, train, probe their gradients, evaluate, attend, report."""

import shutil
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import keras
import numpy as np
from tokenizers import Tokenizer

from tfhealth.config import PART1, Part1Config, TextTraining
from tfhealth.console import say
from tfhealth.data.dataset import DatasetBundle, Rows, Split
from tfhealth.data.splits import SPLIT_NAMES
from tfhealth.data.text import TextOptions, load_text_dataset, may_be_shown
from tfhealth.data.text_pipeline import TextFeed
from tfhealth.data.tokens import (
    PADDING_ID,
    encoder_ids,
    enough_steps,
    fit_tokenizer,
    save_tokenizer,
    token_counts,
    tokenize,
)
from tfhealth.models.encoder import Encoder, frozen_part, joined, load_encoder, trained_part
from tfhealth.models.text import BUILDERS
from tfhealth.parts.part1_findings import Finals, Found, collect_drawings, collect_values, log_report
from tfhealth.paths import Workspace, atomic_folder, keep_settings
from tfhealth.report import part1 as report
from tfhealth.training.baseline import fit_baseline
from tfhealth.training.evaluate import Evaluation, evaluate
from tfhealth.training.fit import sample_of, save_model, train
from tfhealth.training.probes import Probe, long_texts, probe
from tfhealth.training.record import TrainingRun
from tfhealth.training.states import keep_states
from tfhealth.training.tracking import write_hparams
from tfhealth.tuning.grid import Grid, grid_row, search_grid, stopped_and_not
from tfhealth.tuning.parallel import ALONE, Parallel
from tfhealth.tuning.trials import OBJECTIVE, Trial
from tfhealth.tuning.workers import Workers, train_each

FAMILIES = ("lstm", "transformer")
SHAPES = {"lstm": ("skip",), "transformer": ("num_layers", "num_heads", "context")}  # beside the width
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
    encoder: Encoder | None

    @property
    def probe_steps(self) -> int:
        """The tokens that a probe reads: at least half of the training texts have as many."""
        lengths = (self.bundle.train.x.take(slice(None)) != PADDING_ID).sum(1)
        return min(self.config.probe_steps, int(np.median(lengths)))

    @property
    def sequence_length(self) -> int:
        """The tokens of a text that are read."""
        return self.bundle.train.x.shape[1]

    @cached_property
    def encoder_length(self) -> int:
        """The tokens of a text that the pretrained encoder reads."""
        ids = self.encoder_ids(self.texts.train, self.config.encoder_length)
        return enough_steps((ids != self.encoder.tokenizer.pad_token_id).sum(1), self.config.encoder_length)

    def encoder_ids(self, split: Split, length: int) -> np.ndarray:
        """Returns (n, length) ids of the split's texts as the pretrained encoder wants them."""
        return encoder_ids(self.encoder.tokenizer, split.x.take(slice(None)), length)

    def build(self, family: str, training: TextTraining) -> keras.Model:
        """Returns the uncompiled model of a family."""
        model, sizes = getattr(self.config, family), self._sizes(family, self.sequence_length)
        shape = {name: getattr(model, name) for name in SHAPES[family]}
        return BUILDERS[family](*sizes, width=model.width, dropout=training.dropout, l2=training.l2, **shape)

    def build_probe(self, name: str, training: TextTraining) -> keras.Model:
        """Returns a classifier that reads in one direction and sees its last state alone.

        One layer; of a Transformer two, as the first one's states reach the last one's only through a second.
        """
        shape = {"num_layers": 2} if name == "transformer" else {"bidirectional": False}
        sizes = self._sizes(name, self.probe_steps)
        return BUILDERS[name](
            *sizes, width=self.config.probe_width, pooling="last", dropout=training.dropout, l2=training.l2, **shape
        )

    def _sizes(self, name: str, steps: int) -> tuple[int, ...]:
        between = (steps,) if name == "transformer" else ()  # only a Transformer has a fixed number of steps
        return (self.bundle.vocabulary_size, *between, self.bundle.num_classes)

    def train(
        self,
        name: str,
        build,
        training: TextTraining,
        splits: tuple[Split, Split],
        *,
        parallel: Parallel = ALONE,
        **more,
    ) -> TrainingRun:
        """Trains a model, or loads the run that stands there."""
        feed = TextFeed.of(training, self.bundle.num_classes)
        given = {"num_classes": self.bundle.num_classes, "seed": self.seed, **more}
        return parallel.train(
            partial(train, name, build, *splits, training, feed, **given),
            name,
            training.epochs,
            folder=self.workspace.exports("part1", name),
            log_dir=self.workspace.logs("part1", name),
        )

    def train_setting(
        self, name: str, family: str, config: TextTraining, stopped: TrainingRun | None = None, **more
    ) -> TrainingRun:
        """Trains a setting with early stopping, or, given that run, goes on from where it stopped."""
        splits, build = (self.bundle.train, self.bundle.validation), partial(self.build, family)
        if stopped is None:
            return self.train(name, build, config, splits, keep_state=True, **more)
        state = stopped.model_path.parent / "state.npz"
        found = stopped  # if its last epoch was its best, it would be the same without early stopping
        if stopped.best_epoch != config.epochs:
            found = self.train(name, build, config, splits, go_on_from=state, **more)
        state.unlink(missing_ok=True)  # it served this run alone
        return found

    def keep_as(self, family: str, name: str) -> TrainingRun:
        """Returns a copy of the finished run `name`, made with its curves where the family's run is looked for."""
        for place in (self.workspace.logs, self.workspace.exports):  # the seal, run.json, last
            if not (kept := place("part1") / family).exists():
                with atomic_folder(kept) as temporary:
                    shutil.copytree(place("part1", name), temporary, dirs_exist_ok=True)
        return TrainingRun.load(self.workspace.exports("part1", family), "the same command")


def run(
    workspace: Workspace,
    *,
    text: str,
    options: TextOptions,
    profile: str,
    seed: int,
    encoder: str | None = None,
    show_text: bool = False,
    workers: Workers | None = None,
    parallel: Parallel = ALONE,
) -> Path:
    """Runs the part and returns the folder with findings.json; stages that are finished are not done again.

    Args:
        encoder: a pretrained encoder to train as well, see models.encoder.load_encoder; None: none.
        show_text: let figures show texts that are not public.
        workers: who trains the grids and their finalists; None: this process.
        parallel: over how many replicas each finalist is trained, then one by one.
    """
    config = PART1[profile]
    parallel.check(config.lstm.training, config.transformer.training)
    options = replace(options, notes_size=config.notes_size, seed=seed)
    folder = workspace.exports("part1")
    lasting = {name: value for name, value in asdict(options).items() if name != "data_dir"}  # files may move
    say(f"Part 1: {text}, profile {profile}, seed {seed}")
    loaded, texts = None if encoder is None else load_encoder(encoder), load_text_dataset(text, options)
    keep_settings(
        folder / "settings.json", {"text": text, "encoder": encoder, "options": lasting, "config": asdict(config)}
    )
    part = token_stage(workspace, config, seed, texts, loaded)

    baseline = fit_baseline(part.texts, workspace.exports("part1", "baseline"))
    with (workers or Workers()).pool() as pool:
        grids = {family: grid_stage(part, family, pool) for family in FAMILIES}
        finals = {} if parallel.spreads else final_stages(part, grids, pool)
    finals = finals or final_stages(part, grids, None, parallel)  # the pool has given its cores back
    runs = {family: final.run for family, final in finals.items()}
    probes = {name: probe_stage(part, name) for name in PROBES}
    models = {family: keras.saving.load_model(run.model_path, compile=False) for family, run in runs.items()}
    feed = TextFeed(part.bundle.num_classes)
    evaluations = {name: evaluate(runs[name], models[name], feed, part.bundle, views=1) for name in FAMILIES}
    if part.encoder is not None:
        runs["pretrained"], models["pretrained"], evaluations["pretrained"] = encoder_stage(part)

    say("Writing findings, figures and TensorBoard pictures")
    found = Found(baseline, grids, finals, runs, probes, models, evaluations)
    values = collect_values(part, found)
    drawn = collect_drawings(part, found, shown=may_be_shown(text) or show_text)
    findings = report.write(folder, part.bundle, values, drawn)
    log_report(part, folder, findings, found)
    say(f"\n{findings.text}\n")
    print(folder)
    return folder


def token_stage(
    workspace: Workspace, config: Part1Config, seed: int, texts: DatasetBundle, encoder: Encoder | None
) -> Part1:
    """Learns the vocabulary from train, or reads the one that stands there, and tokenizes all."""
    train_texts, path = texts.train.x.take(slice(None)), workspace.exports("part1") / "tokenizer.json"
    if not path.exists():
        save_tokenizer(fit_tokenizer(train_texts, config.vocabulary_size), path)
    tokenizer = Tokenizer.from_file(str(path))
    length = enough_steps(token_counts(tokenizer, train_texts), config.sequence_length)
    bundle = tokenize(texts, tokenizer, length)
    return Part1(workspace, config, seed, texts, tokenizer, bundle, encoder)


def grid_stage(part: Part1, family: str, pool: Executor | None) -> Grid:
    """Searches dropout, L2 and early stopping of one family."""
    part = replace(part, encoder=None)  # no trial needs it, and each worker would get a copy
    base = replace(getattr(part.config, family).training, epochs=part.config.grid_epochs, consistency=0.0)

    def train_one(name: str, config: TextTraining, stopped: TrainingRun | None) -> TrainingRun:
        found = part.train_setting(f"grid/{family}/{name}", family, config, stopped)
        hparams = {"model": family} | {key: getattr(config, key) for key in ("dropout", "l2", "early_stopping")}
        scores = {key: found.metrics[key] for key in (OBJECTIVE, "validation_accuracy", "train_accuracy")}
        write_hparams(part.workspace.logs("part1", "grid", family, name), hparams, scores)
        return found

    folder = part.workspace.tuners("part1") / f"grid_{family}"
    return search_grid(base, part.config.dropouts, part.config.l2s, train_one, folder, pool=pool)


def final_stages(
    part: Part1, grids: dict[str, Grid], pool: Executor | None, parallel: Parallel = ALONE
) -> dict[str, Finals]:
    return {family: final_stage(part, family, grids[family], pool, parallel) for family in FAMILIES}


def final_stage(part: Part1, family: str, grid: Grid, pool: Executor | None, parallel: Parallel) -> Finals:
    """Trains finalists to the end, with early stopping and without; the one most accurate on validation is kept."""
    bare = replace(part, encoder=None)  # as in grid_stage

    def train_whole(name: str, config: TextTraining, stopped: TrainingRun | None = None) -> TrainingRun:
        more = {"parallel": parallel, "gradients": True}
        return bare.train_setting(f"finalists/{family}/{name}", family, config, stopped, **more)

    trainings = []
    for best in grid.finalists(part.config.finalists):
        setting = {"dropout": best.dropout, "l2": best.l2, "early_stopping": True}
        trainings.append((f"dropout_{best.dropout}", replace(getattr(part.config, family).training, **setting)))
    runs = train_each(pool, train_whole, trainings, f"{family} finalists")
    pairs = zip(trainings, runs, strict=True)
    stopped = [Trial(name, {"dropout": new.dropout, "l2": new.l2}, new, run) for (name, new), run in pairs]
    trials = stopped_and_not(stopped, train_whole, pool)
    chosen = min(trials, key=lambda t: (-t.run.metrics["validation_accuracy"], t.run.metrics[OBJECTIVE]))
    return Finals([grid_row(trial) for trial in trials], part.keep_as(family, chosen.run.name))


def probe_stage(part: Part1, name: str) -> Probe:
    """Measures how the gradient of one network fades with time, before and after training."""
    config, training = part.config, part.config.probe
    splits = tuple(long_texts(split, part.probe_steps) for split in (part.bundle.train, part.bundle.validation))
    folder, build = part.workspace.exports("part1", "probes", name), partial(part.build_probe, name)
    return probe(
        partial(build, training),
        lambda: part.train(f"probes/{name}", build, training, splits, gradients=True),
        sample_of(splits[0], config.probe_texts, part.seed),
        folder,
        seed=part.seed,
    )


def encoder_stage(part: Part1) -> tuple[TrainingRun, keras.Model, Evaluation]:
    """Trains the upper layers of a pretrained encoder on what its lower ones make of the texts, kept until evaluated.

    Returns the run, the whole classifier, from token ids to logits, and its evaluation.
    """
    config, folder = part.config, part.workspace.exports("part1", "pretrained")
    frozen = frozen_part(part.encoder, num_frozen := part.encoder.num_layers - config.encoder_layers)
    paths = {name: folder / f"states_{name}.npy" for name in SPLIT_NAMES}
    splits = {name: getattr(part.texts, name) for name in SPLIT_NAMES}
    if not (folder / "predictions_test.npz").exists():
        for name, split in splits.items():
            ids = Rows(part.encoder_ids(split, part.encoder_length))
            splits[name] = keep_states(frozen, replace(split, x=ids), paths[name])

    def build(training: TextTraining) -> keras.Model:
        more = {"dropout": training.dropout, "l2": training.l2}
        return trained_part(part.encoder, num_frozen, part.bundle.num_classes, **more)

    found = part.train("pretrained", build, config.encoder, (splits["train"], splits["validation"]), gradients=True)
    trained = keras.saving.load_model(found.model_path, compile=False)
    feed = TextFeed(part.bundle.num_classes)
    evaluation = evaluate(found, trained, feed, replace(part.texts, **splits), views=1)
    for path in paths.values():
        path.unlink(missing_ok=True)
    whole = joined(frozen, trained)
    if not (folder / "classifier.keras").exists():
        save_model(whole, folder / "classifier.keras")
    return found, whole, evaluation
