"""Bench: memory of a streamed training, and what deterministic operations cost; each training is a process."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

from tfhealth.bench.own_process import WAYS
from tfhealth.bench.ratio import Ratio, in_turns

IMAGES, SIDE = 10_000, 64  # 0.12 GB of pixels, 0.49 GB as an array of float32
ROUNDS = 3


def measure_processes(scratch: Path) -> list[Ratio]:
    """Returns the peak of memory, streamed against an array, and the step with --deterministic against without."""
    path, found = scratch / "images.npy", {way: [] for way in WAYS}
    block = np.random.default_rng(0).integers(0, 256, (500, SIDE, SIDE, 3), dtype=np.uint8)
    np.save(path, np.tile(block, (IMAGES // len(block), 1, 1, 1)))

    def train(way: str) -> float:
        command = [sys.executable, "-m", "tfhealth.bench.own_process", way, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[way].append(json.loads(done.stdout.splitlines()[-1]))
        return found[way][-1]["step_ms"]

    steps = in_turns({way: partial(train, way) for way in WAYS}, ROUNDS, warm_up=0)
    peaks = {way: [training["peak_mb"] for training in trainings] for way, trainings in found.items()}
    return [
        Ratio.of("peak memory, streamed / bare Keras fit", "MB", peaks["streamed"], peaks["bare"]),
        Ratio.of("training step, --deterministic / without", "ms", steps["deterministic"], steps["streamed"]),
    ]
