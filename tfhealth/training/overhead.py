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

    The fastest round of each counts, as in Python's timeit.
    ratio = (tracked steps of an epoch + the write at its end) / (plain steps of an epoch).
    """
    path = folder / "tracking_cost.json"
    if not path.exists():
        write_json(path, _measure(build, feed, split, config, num_classes))
    return read_json(path, "the same command")


def time_tracking(
    build: Callable[[], keras.Model], feed: Feed, split: Split, config: TrainingConfig, num_classes: int
) -> dict[str, list[float]]:
    """Returns the seconds of each round: "plain" and "tracked" STEPS, and "write", at the end of an epoch.

    Two copies of the model train on the same batch in turns within one process, one of them tracked, so that a busy
    machine slows both.
    """
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
            seconds["plain"].append(seconds_of(lambda: _steps(models["plain"], batch, None)))
            seconds["tracked"].append(seconds_of(lambda: _steps(models["tracked"], batch, tracker)))
            seconds["write"].append(seconds_of(partial(tracker.on_epoch_end, epoch)))
        tracker.on_train_end()
    return {name: times[1:] for name, times in seconds.items()}


def epoch_seconds(plain: float, tracked: float, write: float, *, steps: int) -> tuple[float, float]:
    """Returns the seconds of an epoch of so many steps, plain and tracked, from a round of `time_tracking`."""
    return steps * plain / STEPS, steps * tracked / STEPS + write


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _measure(build, feed: Feed, split: Split, config: TrainingConfig, num_classes: int) -> dict:
    fastest = {name: min(times) for name, times in time_tracking(build, feed, split, config, num_classes).items()}
    steps = steps_per_epoch(split, config.batch_size)
    plain, tracked = epoch_seconds(**fastest, steps=steps)
    return {
        "ratio": tracked / plain,
        "step_seconds_plain": fastest["plain"] / STEPS,
        "step_seconds_tracked": fastest["tracked"] / STEPS,
        "write_seconds_per_epoch": fastest["write"],
        "steps_per_epoch": steps,
    }


def _steps(model: keras.Model, batch, tracker: GradientTracker | None) -> None:
    for step in range(STEPS):
        if tracker is not None:
            tracker.on_train_batch_begin(step)
        model.train_on_batch(*batch)
