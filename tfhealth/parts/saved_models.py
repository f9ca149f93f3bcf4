"""What Parts 3 to 5 start from: the models that Part 2 or Part 1 saved, their data, and what they answer."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tokenizers import Tokenizer

import tfhealth.models.text  # noqa: F401  (its layers must be known when a model is read)
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.image import load_image_dataset
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.pipeline import Feed
from tfhealth.data.text import TextOptions, load_text_dataset
from tfhealth.data.text_pipeline import TextFeed
from tfhealth.data.tokens import enough_steps, token_counts, tokenize
from tfhealth.errors import UserError
from tfhealth.parts.part1 import FAMILIES
from tfhealth.paths import Workspace, read_json
from tfhealth.training.predict import predict_logits, predictions_of
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.tuning.trials import OBJECTIVE

SAME_ANSWER = 0.02  # two machines' probabilities differ by less; other data's do not


@dataclass(frozen=True)
class Source:
    """A Keras model that a part saved.

    Attributes:
        prefix: of the names of its techniques: "", "lstm_" or "transformer_".
        label: what it is called, e.g. "resnet8_width32".
        run: its training.
        model: inputs to logits.
        logits: (n, num_classes) on test. test, validation: its answers, one view each.
    """

    prefix: str
    label: str
    run: TrainingRun
    model: keras.Model
    logits: np.ndarray
    test: Predictions
    validation: Predictions

    @property
    def reference(self) -> str:
        """Name of the artifact that size and speed are compared with."""
        return f"{self.prefix}float32.tflite"


@dataclass(frozen=True)
class Loaded:
    """Data and models, before they are judged; of two the one that was better on validation comes first."""

    bundle: DatasetBundle
    feed: Feed
    sources: tuple[Source, ...]
    options: Mapping[str, Any]
    tokenizer: Path | None = None

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of every model file: artifacts of another one would lie."""
        return {source.label: hashlib.sha256(source.run.model_path.read_bytes()).hexdigest() for source in self.sources}


def load_images(workspace: Workspace, image: str, options: ImageOptions, command: str) -> Loaded:
    """Returns Part 2's final model and its data.

    Args:
        command: that makes it; UserError names it if the model is missing.
    """
    folder = _folder(workspace, "part2")
    settings = read_json(folder / "settings.json", command)
    made = TrainingRun.load(folder / "final", command)
    saved = settings["options"]
    options = replace(options, image_size=saved["image_size"], phantom_size=saved["phantom_size"])
    lasting = _same_data(settings, "image", image, options)
    bundle = load_image_dataset(image, options)
    feed = ImageFeed(bundle.num_classes)
    label = read_json(folder / "findings.json", command)["values"]["study"]["chosen"]
    return Loaded(bundle, feed, (_source("", label, made, feed, bundle, command),), lasting)


def load_texts(workspace: Workspace, text: str, options: TextOptions, command: str) -> Loaded:
    """Returns both models of Part 1, the one with the lower validation loss first, and their data as tokens.

    Both, because compression treats them differently: what of a recurrent loop cannot be quantized, an attention can.
    """
    folder = _folder(workspace, "part1")
    settings = read_json(folder / "settings.json", command)
    runs = {family: TrainingRun.load(folder / family, command) for family in FAMILIES}
    options = replace(options, notes_size=settings["options"]["notes_size"])
    lasting = _same_data(settings, "text", text, options)
    texts = load_text_dataset(text, options)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    counts = token_counts(tokenizer, texts.train.x.take(slice(None)))
    bundle = tokenize(texts, tokenizer, enough_steps(counts, settings["config"]["sequence_length"]))
    feed = TextFeed(bundle.num_classes)
    ordered = sorted(FAMILIES, key=lambda family: runs[family].metrics[OBJECTIVE])
    sources = tuple(_source(f"{name}_", name, runs[name], feed, bundle, command) for name in ordered)
    return Loaded(bundle, feed, sources, lasting, folder / "tokenizer.json")


def command_of(workspace: Workspace, part: str, name: str, profile: str, seed: int) -> str:
    """Returns the command that makes what Part 4 needs."""
    kind = {"part1": "text", "part2": "image"}[part]
    words = ["python", "-m", "tfhealth.run", part, f"--{kind}", name, "--profile", profile, "--seed", str(seed)]
    words += ["--run", workspace.run]
    if workspace.root != Path():
        words += ["--workdir", str(workspace.root)]
    return shlex.join(words)


def _folder(workspace: Workspace, part: str) -> Path:
    return workspace.root / "exports" / workspace.run / part  # `workspace.exports` would make it


def _same_data(settings: Mapping, kind: str, name: str, options) -> dict:
    """Returns the options that last; UserError if the model was made with others: test images could be training's."""
    lasting = {key: value for key, value in asdict(options).items() if key != "data_dir"}
    now = {kind: name, **lasting, "feature_columns": list(options.feature_columns)}
    before = {kind: settings[kind], **settings["options"]}
    changed = sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key))
    if changed:
        raise UserError(
            f"the model of this run was made with other options ({', '.join(changed)}): give this part the same, or "
            "name another run with --run"
        )
    return lasting


def _source(prefix: str, label: str, made: TrainingRun, feed: Feed, bundle: DatasetBundle, command: str) -> Source:
    if not made.model_path.exists():
        raise UserError(f"{made.model_path} is missing: run `{command}` first")
    model = keras.saving.load_model(made.model_path, compile=False)
    logits = predict_logits(model, feed, bundle.test)
    test = predictions_of(bundle.test, logits)
    saved = Predictions.load(made.model_path.parent / "predictions_test.npz", command)
    _check_answers(test, saved, bundle.test, command)
    validation = predictions_of(bundle.validation, predict_logits(model, feed, bundle.validation))
    return Source(prefix, label, made, model, logits, test, validation)


def _check_answers(now: Predictions, saved: Predictions, split: Split, command: str) -> None:
    same = np.array_equal(saved.example_ids, split.example_ids) and np.array_equal(saved.y_true, split.y)
    if not same or np.abs(now.y_prob - saved.y_prob).max() > SAME_ANSWER:
        raise UserError(
            f"the data or the model changed since `{command}` ended: its test predictions are not these. Name another "
            "run with --run and start it anew"
        )
