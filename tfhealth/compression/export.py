"""Models -> files for a phone: TFLite and ONNX, each with its metadata; a technique that fails gives its reason."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import tfhealth
from tfhealth.compression.normalization import convolved
from tfhealth.compression.packaging import About, pack_onnx, pack_tflite
from tfhealth.data.dataset import DatasetCard
from tfhealth.paths import atomic_folder, atomic_path

SECONDS = 600  # that one conversion may take
LICENCE = "Apache-2.0"
NOTICE = "Research software, not a medical device: no output supports a decision about a patient."
PACK = {"tflite": pack_tflite, "onnx": pack_onnx}


@dataclass(frozen=True)
class Conversion:
    """One file to make.

    Attributes:
        technique: of the artifact, e.g. "pruned80_int8".
        format: "tflite" or "onnx".
        source: folder of the SavedModel, from `save_for_conversion` here or in `twin`.
        precision: a key of conversion.TFLITE or conversion.ONNX.
        about: what the file says of itself, from `about_images` or `about_texts`.
    """

    technique: str
    format: str
    source: Path
    precision: str
    about: About

    def path(self, folder: Path) -> Path:
        return folder / f"{self.technique}.{self.format}"


def save_for_conversion(model: keras.Model, folder: Path, example: np.ndarray) -> None:
    """Writes a SavedModel with one signature, of batch 1 and the shape and type of `example`, a row of the input.

    `folder` must not stand there yet; it appears whole or not at all.
    """
    model = convolved(model)
    tensor = model.inputs[0]
    spec = keras.InputSpec(shape=(1, *example.shape), dtype=str(example.dtype), name=tensor.name)
    with atomic_folder(folder) as temporary:
        model.export(temporary, input_signature=[spec], verbose=False)


def export(conversions: Sequence[Conversion], examples: np.ndarray, folder: Path) -> dict[str, str]:
    """Makes the files that `folder` does not hold yet, and returns "technique.format" -> why, for those that failed.

    Args:
        conversions: what to make.
        examples: (n, ...) rows of the training split, as the model takes them, for the ranges of activations.
        folder: gets <technique>.<format>.
    """
    failures = {}
    left = [conversion for conversion in conversions if not conversion.path(folder).exists()]
    with tempfile.TemporaryDirectory() as scratch:
        np.save(Path(scratch, "examples.npy"), examples)
        while left:
            reason = _convert(left, Path(scratch))
            made = [conversion for conversion in left if _raw(conversion, scratch).exists()]
            for conversion in made:
                packed = PACK[conversion.format](_raw(conversion, scratch).read_bytes(), conversion.about)
                with atomic_path(conversion.path(folder)) as temporary:
                    temporary.write_bytes(packed)
            left = left[len(made) :]
            if left:  # the first of them ended the process
                failures[left[0].path(folder).name] = reason
                left = left[1:]
    return failures


def about_images(card: DatasetCard, *, model: str, technique: str, image_shape, pixel_statistics) -> dict:
    """Returns all that is needed to feed the file an image, and where it comes from.

    Args:
        card: of the training data.
        model, technique: names.
        image_shape: (height, width, channels).
        pixel_statistics: (mean, standard deviation) per channel that the model itself normalises with; None: it does
            not.
    """
    mean, deviation = pixel_statistics or (None, None)
    height, width, channels = image_shape
    image = {
        "kind": "image",
        "height": height,
        "width": width,
        "channels": channels,
        "order": "RGB" if channels == 3 else "grey",
        "range": [0, 255],
        "crop": "the centred square of the short side",
        "resize": "bicubic, antialiased (Pillow's BICUBIC)",
        "quantization": "as the input tensor says: q = round(pixel / scale) + zero_point",
    }
    normalization = {"done_by": "model", "mean": mean, "standard_deviation": deviation}
    return {**_about(card, model, technique), "input": image, "normalization": normalization}


def about_texts(card: DatasetCard, *, model: str, technique: str, sequence_length: int, tokenizer: str) -> dict:
    """As `about_images`, for token ids.

    Args:
        tokenizer: name of the file beside the model that turns a text into ids (the package `tokenizers` reads it).
    """
    text = {"kind": "tokens", "sequence_length": sequence_length, "padding_id": 0, "tokenizer": tokenizer}
    return {**_about(card, model, technique), "input": text}


def _about(card: DatasetCard, model: str, technique: str) -> dict:
    return {
        "made_by": f"tfhealth {tfhealth.__version__}",
        "model": model,
        "technique": technique,
        "labels": list(card.class_names),
        "output": "logits, one a label; softmax gives probabilities",
        "training_data": {
            "name": card.title or card.name,
            "licence": card.licence,
            "citation": card.citation,
            "url": card.url,
            "synthetic": card.synthetic,
        },
        "licence": LICENCE,
        "notice": NOTICE,
    }


def _raw(conversion: Conversion, scratch) -> Path:
    return Path(scratch, f"{conversion.technique}.{conversion.format}")


def _convert(conversions: Sequence[Conversion], scratch: Path) -> str:
    """Runs the converter on all, and returns why it stopped early, if it did."""
    jobs = [
        {
            "format": conversion.format,
            "precision": conversion.precision,
            "source": str(conversion.source),
            "examples": str(scratch / "examples.npy"),
            "path": str(_raw(conversion, scratch)),
        }
        for conversion in conversions
    ]
    (scratch / "jobs.json").write_text(json.dumps({"conversions": jobs}), encoding="utf-8")
    command = [sys.executable, "-m", "tfhealth.compression.conversion", str(scratch / "jobs.json")]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS * len(jobs)
        )
    except subprocess.TimeoutExpired:
        return f"the converter took longer than {SECONDS * len(jobs)} s"
    if done.returncode < 0:
        return f"the converter crashed ({signal.Signals(-done.returncode).name})"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"the converter ended with code {done.returncode}"
