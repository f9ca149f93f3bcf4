"""Part 4, compression: take a trained model, compress it in many ways, export, measure every file, recommend one.

What it leaves in exports/<run>/part4/ (of Part 1's models: part4_text/), for later parts and for the phone:

    baseline/<model>_test.npz, <model>_validation.npz     Predictions of each Keras model, before compression
    artifacts/<technique>.<format>                        the files; <format> is tflite or onnx
    artifacts/<technique>.<format>.json                   Artifact: what was measured on it, or why it failed
    artifacts/<technique>.<format>.npz                    its Predictions on test, in the order of the baseline's
    artifacts/<technique>.<format>.validation.npz         its Predictions on validation
    artifacts/<...>.validation_orientations.npz           the same in all eight orientations, of those that keep limits
    artifacts/model_card.md, predict_image.py or tokenizer.json
    findings.json, comparison.csv, subgroups.csv, figures, analysis.md
    work/, distillation/                                  SavedModels and the student's trainings, so that a second
                                                          start does nothing twice
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from tfhealth.compression import predict_image
from tfhealth.compression.artifact import SUFFIX, Artifact
from tfhealth.compression.benchmark import measure, measure_speed, predict, with_latency
from tfhealth.compression.export import export
from tfhealth.config_part4 import PART4
from tfhealth.console import progress_bar, say
from tfhealth.data.dataset import Split
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.orientations import ORIENTATIONS, in_all_orientations
from tfhealth.data.text import TextOptions
from tfhealth.parts import part4_findings as findings
from tfhealth.parts.part4_techniques import (
    IMAGE_TECHNIQUES,
    TEXT_TECHNIQUES,
    Part4,
    chosen_techniques,
    example_rows,
    prepare,
    steps_of,
)
from tfhealth.parts.saved_models import Source, command_of, load_images, load_texts
from tfhealth.paths import Workspace, keep_settings, read_json, write_json, write_text
from tfhealth.report import part4 as report
from tfhealth.training.predict import predict_logits, predictions_of
from tfhealth.training.record import Predictions

FOLDERS = {"part2": "part4", "part1": "part4_text"}  # one run may hold both


def run(
    workspace: Workspace,
    *,
    source: str,
    name: str,
    options: ImageOptions | TextOptions,
    profile: str,
    seed: int,
    techniques: str | None,
    limits: Mapping[str, float | None],
) -> Path:
    """Runs the part and returns the folder with findings.json; stages that are finished are not done again.

    Args:
        source: "part2" or "part1": whose model.
        name: of the data set.
        options: of images or of texts, the same that the model was made with.
        techniques: names, separated by commas; None: the profile's.
        limits: max_mb, max_ms, max_drop of the recommended file; None: the profile's.
    """
    say(f"Part 4: the model of {source}, {name}, profile {profile}, seed {seed}")
    part = load_stage(workspace, source, name, options, profile, seed, techniques)
    made = export_stage(part)
    artifacts = measure_stage(part, made)
    speed = speed_stage(part, artifacts)
    artifacts = {own: [with_latency(artifact, speed) for artifact in found] for own, found in artifacts.items()}
    limits = {key: getattr(part.config, key) if limit is None else limit for key, limit in limits.items()}
    validation = validation_stage(part, artifacts, limits)

    say("Writing findings, figures and TensorBoard pictures")
    values = findings.collect(part, artifacts, speed, validation, limits)
    found = report.write(part.folder, part.artifacts, part.bundle, values)
    findings.log_report(part, found, artifacts)
    say(f"\n{found.text}\n")
    print(part.folder)
    return part.folder


def load_stage(workspace: Workspace, source, name, options, profile, seed, asked) -> Part4:
    """Finds the models, their data and settings; keeps the models' answers."""
    config = PART4[profile]
    default, known, load = {
        "part2": (config.techniques, IMAGE_TECHNIQUES, load_images),
        "part1": (config.text_techniques, TEXT_TECHNIQUES, load_texts),
    }[source]
    chosen = chosen_techniques(asked, default, known)
    loaded = load(workspace, name, replace(options, seed=seed), command_of(workspace, source, name, profile, seed))
    folder = workspace.exports(FOLDERS[source])
    free = ("techniques", "text_techniques", "max_mb", "max_ms", "max_drop")  # another start may have others
    lasting = {key: value for key, value in asdict(config).items() if key not in free}
    keep_settings(
        folder / "settings.json",
        {"name": name, "options": loaded.options, "config": lasting, "models": loaded.checksums},
    )
    for model in loaded.sources:
        for split, answers in (("test", model.test), ("validation", model.validation)):
            answers.save(folder / "baseline" / f"{model.label}_{split}.npz")
    return Part4(workspace, folder, config, seed, loaded.bundle, loaded.feed, chosen, loaded.sources, loaded.tokenizer)


def export_stage(part: Part4) -> list[tuple[Source, str, str]]:
    """Makes all files, records those that failed, and returns (source, technique, format) of each, in order."""
    examples = example_rows(part, part.bundle.train, part.config.examples)
    part.artifacts.mkdir(exist_ok=True)
    conversions, failures = prepare(part, examples)
    say(f"Exporting {len(conversions)} files")
    failures |= export(conversions, examples, part.artifacts)
    beside = Path(predict_image.__file__) if part.tokenizer is None else part.tokenizer
    write_text(part.artifacts / beside.name, beside.read_text(encoding="utf-8"))
    made = [
        (source, technique, kind)
        for source in part.sources
        for step in steps_of(part, source, examples)
        for technique, kind, _ in step.files
    ]
    for source, technique, kind in made:
        if reason := failures.get(f"{technique}.{kind}"):
            Artifact(source.run.name, technique, kind, failure=reason).save(part.artifacts)
    return made


def measure_stage(part: Part4, made: list[tuple[Source, str, str]]) -> dict[str, list[Artifact]]:
    """Runs every file on test and validation, one example at a time, and returns model -> its artifacts."""
    found = {source.label: [] for source in part.sources}
    with progress_bar("measuring", len(made)) as bar:
        for source, technique, kind in made:
            path = part.artifacts / f"{technique}.{kind}"
            bar.advance(0, path.name)
            record = path.with_name(path.name + SUFFIX)
            if record.exists() and not path.exists():  # it failed
                artifact = Artifact.load(record, "the same command")
            else:
                artifact = measure(source.run.name, path, part.feed, part.bundle.test, source.logits)
            if artifact.path is not None:
                predict(artifact, part.feed, part.bundle.validation, "validation")
            found[source.label].append(artifact)
            bar.advance()
    return found


def speed_stage(part: Part4, artifacts: Mapping[str, list[Artifact]]) -> dict:
    """Returns the speed of all files, taken in turns in one process; measured anew when there are other files."""
    files = [artifact for found in artifacts.values() for artifact in found]
    path, names = part.folder / "speed.json", sorted(file.name for file in files if file.path is not None)
    if path.exists():
        kept = read_json(path, "the same command")
        if sorted(kept) == names:
            return {name: {k: float("nan") if v is None else v for k, v in row.items()} for name, row in kept.items()}
    say("Timing all files in turns")
    rows = example_rows(part, part.bundle.test, part.config.timed)
    speed = measure_speed(files, rows, rounds=part.config.rounds)
    write_json(path, speed)
    return speed


def validation_stage(part: Part4, artifacts: Mapping[str, list[Artifact]], limits: Mapping[str, float]) -> dict:
    """Returns file name -> validation_accuracy_change, which the limit of the drop is for, and validation_orientations.

    The files differ by less than the chance in a thousand images. So a file of an image model that keeps the limits of
    size and latency is tried on all eight orientations of each image; the others cannot be recommended.
    """
    plain = part.bundle.validation
    turned = in_all_orientations(plain) if part.bundle.card.modality == "image" else None
    found = {}
    with progress_bar("validating", sum(map(len, artifacts.values()))) as bar:
        for source in part.sources:
            in_turned = None if turned is None else _baseline_answers(part, source, turned)
            for artifact in artifacts[source.label]:
                bar.advance(0, artifact.name)
                if artifact.path is None:
                    change, orientations = float("nan"), 0
                elif turned is not None and _is_small_and_fast(artifact, limits):
                    after = predict(artifact, part.feed, turned, "validation_orientations")
                    change, orientations = _accuracy(after) - _accuracy(in_turned), ORIENTATIONS
                else:
                    after = predict(artifact, part.feed, plain, "validation")
                    change, orientations = _accuracy(after) - _accuracy(source.validation), 1
                found[artifact.name] = {"validation_accuracy_change": change, "validation_orientations": orientations}
                bar.advance()
    return found


def _baseline_answers(part: Part4, source: Source, turned: Split) -> Predictions:
    """Returns the Keras model's answers on validation in all orientations, made or loaded."""
    path = part.folder / "baseline" / f"{source.label}_validation_orientations.npz"
    if not path.exists():
        predictions_of(turned, predict_logits(source.model, part.feed, turned)).save(path)
    return Predictions.load(path, "the same command")


def _is_small_and_fast(artifact: Artifact, limits: Mapping[str, float]) -> bool:
    return artifact.gzip_bytes <= 1e6 * limits["max_mb"] and artifact.latency_ms <= limits["max_ms"]


def _accuracy(predictions: Predictions) -> float:
    return float(np.mean(predictions.y_pred == predictions.y_true))
