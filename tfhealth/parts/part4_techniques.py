"""Part 4's techniques: steps that each leave a SavedModel, and the files that are made of it.

Beside the float32 file, which all others are compared with and which is always made:

    float16, dynamic, int8, int16   of the model as it is, after training
    onnx                            float32 and int8 for ONNX Runtime, of the model and of the student
    prune, prune_2_of_4, cluster    fine-tuned; float32, to see what gzip makes of it, and int8
    qat, pqat                       trained with int8 rounding; pqat goes on from the sparsest pruned model
    distill                         a small student; float32 and int8
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tfhealth.compression import twin as twins
from tfhealth.compression.artifact import SUFFIX, Artifact
from tfhealth.compression.distill import Distillation, distill
from tfhealth.compression.export import Conversion, about_images, about_texts, save_for_conversion
from tfhealth.config import DistillationTraining
from tfhealth.config_part4 import Part4Config
from tfhealth.console import say
from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.image_pipeline import ImageFeed, pixel_statistics
from tfhealth.data.pipeline import Feed
from tfhealth.errors import UserError
from tfhealth.models.resnet import BUILDERS
from tfhealth.parts.saved_models import Source
from tfhealth.paths import Workspace
from tfhealth.training.fit import sample_of, save_model

TEXT_TECHNIQUES = ("float16", "dynamic", "int8", "int16", "onnx")
IMAGE_TECHNIQUES = (*TEXT_TECHNIQUES, "prune", "prune_2_of_4", "cluster", "qat", "pqat", "distill")
FILES = {  # technique -> (end of the artifact's name, format, precision)
    **{name: ((name, "tflite", name),) for name in ("float16", "dynamic", "int8", "int16")},
    "onnx": (("float32", "onnx", "float32"), ("int8", "onnx", "int8")),
}
BOTH = (("", "tflite", "float32"), ("_int8", "tflite", "int8"))
TRAINED = (("", "tflite", "trained_int8"),)
CHECKED = 8  # images on which a twin is compared with its model


@dataclass(frozen=True)
class Part4:
    """What the stages share: the run's folders, its settings, its data and the models, the headline's first."""

    workspace: Workspace
    folder: Path
    config: Part4Config
    seed: int
    bundle: DatasetBundle
    feed: Feed
    techniques: tuple[str, ...]
    sources: tuple[Source, ...]
    tokenizer: Path | None = None

    @property
    def artifacts(self) -> Path:
        """The folder of the files for the phone and of their predictions."""
        return self.folder / "artifacts"

    @property
    def headline(self) -> Source:
        """The only model, or of two the one that was better on validation: choosing between them is not the test's."""
        return self.sources[0]


@dataclass(frozen=True)
class Step:
    """One SavedModel, and the files to make of it.

    Attributes:
        name: of the SavedModel's folder.
        make: writes it.
        files: (technique, format, precision) of each.
    """

    name: str
    make: Callable[[Path], None]
    files: tuple[tuple[str, str, str], ...]


def chosen_techniques(asked: str | None, default: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names that `--techniques` lists, or the default; UserError for one that is not known."""
    if asked is None:
        return default
    names = tuple(name.strip() for name in asked.split(",") if name.strip())
    for name in names:
        if name not in known:
            raise UserError(f"technique {name!r} is unknown for this model: choose from {', '.join(known)}")
    return names


def prepare(part: Part4, examples: np.ndarray) -> tuple[list[Conversion], dict[str, str]]:
    """Makes every SavedModel that a file without a record needs.

    Args:
        examples: (n, ...) rows of train, as the models take them.

    Returns:
        The files to make, and "technique.format" -> reason for those of a step that failed.
    """
    conversions, failures = [], {}
    for source in part.sources:
        for step in steps_of(part, source, examples):
            missing = [file for file in step.files if not is_finished(part, *file[:2])]
            saved = part.folder / "work" / step.name
            try:
                if missing and not saved.exists():
                    say(f"{step.name}: preparing")
                    keras.utils.set_random_seed(part.seed)
                    step.make(saved)
            except (ValueError, RuntimeError) as error:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
                failures |= {f"{technique}.{kind}": reason for technique, kind, _ in missing}
                continue
            conversions += [
                Conversion(technique, kind, saved, precision, _about(part, source, technique))
                for technique, kind, precision in missing
            ]
    return conversions, failures


def is_finished(part: Part4, technique: str, kind: str) -> bool:
    """Returns whether a file was made and measured, or its failure recorded; deleting the record tries it again."""
    record = part.artifacts / f"{technique}.{kind}{SUFFIX}"
    if not record.exists():
        return False
    found = Artifact.load(record, "the same command")
    return bool(found.failure) or found.path.exists()


def steps_of(part: Part4, source: Source, examples: np.ndarray) -> list[Step]:
    """Returns the steps that the chosen techniques ask for, the model as it is first."""
    chosen, prefix, config = part.techniques, source.prefix, part.config
    after = [file for name in chosen if name in FILES for file in FILES[name]]
    files = tuple(
        (prefix + end, kind, precision) for end, kind, precision in (("float32", "tflite", "float32"), *after)
    )
    steps = [Step(f"{prefix}model", partial(save_for_conversion, source.model, example=examples[0]), files)]
    tune, clusters = partial(_save_tuned, part, source, examples), partial(twins.cluster, clusters=config.clusters)
    sparsest = f"{pruned_name(config.sparsities[-1])}_qat_int8"
    student = (*BOTH, *((f"_{end}", kind, precision) for end, kind, precision in FILES["onnx"] if "onnx" in chosen))
    tuned = {
        "prune": [
            _step(pruned_name(share), partial(_save_pruned, part, source, examples, share), BOTH)
            for share in config.sparsities
        ],
        "prune_2_of_4": [_step("pruned2of4", partial(tune, twins.prune_2_of_4), BOTH)],
        "cluster": [_step(f"clustered{config.clusters}", partial(tune, clusters), BOTH)],
        "qat": [_step("qat_int8", partial(_save_quantized, part, source, examples), TRAINED)],
        "pqat": [_step(sparsest, partial(_save_quantized_sparse, part, source, examples), TRAINED)],
        "distill": [_step("student", partial(_save_student, part, source, examples), student)],
    }
    return steps + [step for name in chosen for step in tuned.get(name, ())]


def pruned_name(sparsity: float) -> str:
    return f"pruned{round(100 * sparsity)}"


def distilled(part: Part4, source: Source) -> Distillation:
    """Returns the student, trained or loaded; its temperature and mixing weight are chosen on validation."""
    config = part.config

    def build(training: DistillationTraining) -> keras.Model:
        return BUILDERS[config.student.builder](
            (None, None, part.bundle.train.x.shape[-1]),
            part.bundle.num_classes,
            width=config.student.width,
            stem=config.student.stem,
            dropout=training.dropout,
            l2=training.l2,
            pixel_statistics=pixel_statistics(part.bundle.train),
        )

    return distill(
        source.model,
        build,
        part.bundle,
        lambda training: ImageFeed.of(training, part.bundle.num_classes),
        config.distillation,
        temperatures=config.temperatures,
        mixings=config.mixings,
        trial=config.trial,
        seed=part.seed,
        folder=part.folder / "distillation",
        log_dir=part.workspace.logs(part.folder.name, "distillation"),
    )


def example_rows(part: Part4, split, count: int) -> np.ndarray:
    """Returns up to `count` random rows (n, ...) of a split, as the models take them."""
    return next(iter(part.feed.evaluation(sample_of(split, count, part.seed), count)))


def _step(name: str, make: Callable[[Path], None], files) -> Step:
    return Step(name, make, tuple((name + end, kind, precision) for end, kind, precision in files))


def _about(part: Part4, source: Source, technique: str) -> dict:
    shape = part.bundle.train.x.shape[1:]
    if part.tokenizer is None:
        model = f"{part.config.student.name} (student)" if technique.startswith("student") else source.label
        statistics = pixel_statistics(part.bundle.train)
        return about_images(
            part.bundle.card, model=model, technique=technique, image_shape=shape, pixel_statistics=statistics
        )
    return about_texts(
        part.bundle.card,
        model=source.label,
        technique=technique,
        sequence_length=shape[0],
        tokenizer=part.tokenizer.name,
    )


def _tuning(part: Part4) -> dict:
    """Returns the batches of all epochs and what else a twin is fine-tuned with."""
    tune = part.config.tune
    batches = ImageFeed.of(tune, part.bundle.num_classes).training(
        part.bundle.train, batch_size=tune.batch_size, seed=part.seed, epochs=range(tune.epochs)
    )
    return {"batches": batches, "epochs": tune.epochs, "learning_rate": tune.learning_rate}


def _tuned(part: Part4, model: keras.Model, examples: np.ndarray, function) -> keras.Model:
    """Returns a Keras 3 model of the same layers, with the weights that a technique left in the twin."""
    twin = function(twins.twin_of(model, examples[:CHECKED]), **_tuning(part))
    done = keras.models.clone_model(model)
    twins.copy_weights(twin, done)
    return done


def _pruned(part: Part4, source: Source, examples: np.ndarray, sparsity: float) -> keras.Model:
    """Returns the pruned model, made or loaded."""
    path = part.folder / "work" / f"{pruned_name(sparsity)}.keras"
    if not path.exists():
        save_model(_tuned(part, source.model, examples, partial(twins.prune, sparsity=sparsity)), path)
    return keras.saving.load_model(path, compile=False)


def _save_pruned(part: Part4, source: Source, examples: np.ndarray, sparsity: float, folder: Path) -> None:
    save_for_conversion(_pruned(part, source, examples, sparsity), folder, examples[0])


def _save_tuned(part: Part4, source: Source, examples: np.ndarray, function, folder: Path) -> None:
    save_for_conversion(_tuned(part, source.model, examples, function), folder, examples[0])


def _save_quantized(part: Part4, source: Source, examples: np.ndarray, folder: Path) -> None:
    twin = twins.twin_of(source.model, examples[:CHECKED])
    twins.save_for_conversion(twins.train_quantized(twin, **_tuning(part)), folder)


def _save_quantized_sparse(part: Part4, source: Source, examples: np.ndarray, folder: Path) -> None:
    sparse = _pruned(part, source, examples, part.config.sparsities[-1])
    twin = twins.twin_of(sparse, examples[:CHECKED])
    twins.save_for_conversion(twins.train_quantized_sparse(twin, **_tuning(part)), folder)


def _save_student(part: Part4, source: Source, examples: np.ndarray, folder: Path) -> None:
    student = keras.saving.load_model(distilled(part, source).run.model_path, compile=False)
    save_for_conversion(student, folder, examples[0])
