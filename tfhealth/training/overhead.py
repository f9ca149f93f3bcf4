"""What gradient tracking costs, measured where it is used."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras

from tfhealth.config import TrainingConfig
from tfhealth.data.dataset import Split
from tfhealth.data.pipeline import Feed, steps_per_epoch
from tfhealth.paths import read_json, write_json
from tfhealth.training.fit import compile_model
from tfhealth.training.gradients import GradientTracker

STEPS, ROUNDS = 10, 9  # steps in turn, rounds; the first round traces and is not counted


def measure_tracking_cost(
    build: Callable[[], keras.Model],
    feed: Feed,
    split: Split,
    config: TrainingConfig,
    num_classes: int,
    folder: Path,
) -> dict:
    """Returns {"ratio", "step_seconds_plain", ...}; measured once, kept in folder/tracking_cost.json.

    Two copies of the model train on the same batch in turns within one process, one of them tracked, so that a busy
    machine slows both; the fastest round of each counts, as in Python's timeit.
    ratio = (tracked steps of an epoch + the write at its end) / (plain steps of an epoch).
    """
    path = folder / "tracking_cost.json"
    if not path.exists():
        write_json(path, _measure(build, feed, split, config, num_classes))
    return read_json(path, "the same command")


def _measure(build, feed: Feed, split: Split, config: TrainingConfig, num_classes: int) -> dict:
    models = {"plain": build(), "tracked": build()}
    for model in models.values():
        compile_model(model, config, split, num_classes)
    batches = feed.training(split, batch_size=config.batch_size, seed=0, epochs=range(1))
    batch = next(batches.take(1).as_numpy_iterator())
    seconds: dict[str, list[float]] = {"plain": [], "tracked": [], "write": []}
    with tempfile.TemporaryDirectory() as log_dir:
        tracker = GradientTracker(log_dir)
        tracker.set_model(models["tracked"])
        tracker.on_train_begin()
        for epoch in range(ROUNDS):
            tracker.on_epoch_begin(epoch)
            seconds["plain"].append(_seconds_of(lambda: _steps(models["plain"], batch, None)))
            seconds["tracked"].append(_seconds_of(lambda: _steps(models["tracked"], batch, tracker)))
            seconds["write"].append(_seconds_of(partial(tracker.on_epoch_end, epoch)))
        tracker.on_train_end()
    plain, tracked, write = (min(times[1:]) for times in seconds.values())
    epoch_steps = steps_per_epoch(split, config.batch_size)
    return {
        "ratio": (epoch_steps * tracked / STEPS + write) / (epoch_steps * plain / STEPS),
        "step_seconds_plain": plain / STEPS,
        "step_seconds_tracked": tracked / STEPS,
        "write_seconds_per_epoch": write,
        "steps_per_epoch": epoch_steps,
    }


def _steps(model: keras.Model, batch, tracker: GradientTracker | None) -> None:
    for step in range(STEPS):
        if tracker is not None:
            tracker.on_train_batch_begin(step)
        model.train_on_batch(*batch)


def _seconds_of(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
