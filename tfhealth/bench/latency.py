"""Bench: one prediction of the file that is shipped, int8 against float32."""

from pathlib import Path

import numpy as np

from tfhealth.bench.ratio import Ratio
from tfhealth.compression.artifact import LATENCY, Artifact
from tfhealth.compression.benchmark import measure_speed
from tfhealth.compression.export import Conversion, about_images, export, save_for_conversion
from tfhealth.config import PART2
from tfhealth.data.dataset import DatasetCard
from tfhealth.errors import UserError
from tfhealth.models.resnet import BUILDERS

PRECISIONS = ("int8", "float32")
PROCESSES, TURNS = 5, 40  # rounds, and turns of both files in each
CLASSES, EXAMPLES, TIMED = 7, 16, 8
CARD = DatasetCard("noise", "Noise", "image", tuple("abcdefg"), "CC0-1.0", "")


def measure_latency(scratch: Path) -> list[Ratio]:
    """Returns the median milliseconds of one prediction, one thread, of Part 2's largest network with random weights.

    Both files take turns in a process without TensorFlow; each round is a process of its own.

    Raises:
        UserError: a conversion failed.
    """
    config = PART2["full"]
    capacity, side = config.capacities[-1], config.image_size
    rows = np.random.default_rng(0).integers(0, 256, (EXAMPLES, side, side, 3)).astype(np.float32)
    normalised = {"pixel_statistics": ([128.0] * 3, [74.0] * 3)}
    model = BUILDERS[capacity.builder]((side, side, 3), CLASSES, width=capacity.width, stem=capacity.stem, **normalised)
    save_for_conversion(model, scratch / "saved", rows[0])
    about = about_images(CARD, model=capacity.name, technique="bench", image_shape=rows.shape[1:], **normalised)
    wanted = [Conversion(name, "tflite", scratch / "saved", name, about) for name in PRECISIONS]
    if failures := export(wanted, rows, scratch):
        raise UserError(f"the bench's files could not be made: {failures}")
    files = [Artifact("bench", name, "tflite", path=scratch / f"{name}.tflite") for name in PRECISIONS]
    rounds = [measure_speed(files, rows[:TIMED], rounds=TURNS) for _ in range(PROCESSES)]
    int8, float32 = ([found[file.name][LATENCY] for found in rounds] for file in files)
    return [Ratio.of("prediction, int8 / float32 TFLite", "ms", int8, float32)]
