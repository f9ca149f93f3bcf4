"""Vanishing gradients: last-state classifiers of one direction, probed before and after a short training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tfhealth.data.dataset import Rows, Split
from tfhealth.paths import read_json, write_json
from tfhealth.training.record import TrainingRun
from tfhealth.training.time_gradients import hidden_state_gradients

STAGES = ("start", "end")  # of training


@dataclass(frozen=True)
class Probe:
    """One network: (time,) gradient norms at each stage, and the gradient norms of its layers during training."""

    steps: dict[str, np.ndarray]
    layers: list[dict]

    def ratios(self) -> dict[str, dict[str, float]]:
        """Returns stage -> the gradient at the first step over that at the last, and its log10."""
        found = {}
        for stage, norms in self.steps.items():
            ratio = norms[0] / norms[-1] if norms[-1] else float("nan")
            found[stage] = {"ratio": ratio, "log10_ratio": float(np.log10(ratio)) if ratio > 0 else float("nan")}
        return found


def long_texts(split: Split, steps: int) -> Split:
    """Returns the texts of at least `steps` tokens, cut to them: every step of every text is a token."""
    rows = split.x.take(slice(None))
    full = np.flatnonzero((rows[:, :steps] != 0).all(1))
    return Split(Rows(rows[full, :steps]), split.y[full], split.group_ids[full], split.example_ids[full])


def probe(
    build: Callable[[], keras.Model], train: Callable[[], TrainingRun], texts: Split, folder: Path, *, seed: int
) -> Probe:
    """Returns the probe, measured or, if it stands there, read from `folder`/time_gradients.json.

    Args:
        build: makes the untrained model, with the weights that `train` starts from if the seed is set.
        train: trains it, or loads the run, which holds gradients.json.
        texts: tokens without padding that the time steps' gradients are averaged over.
        folder: of the run.
        seed: of the weights.
    """
    path = folder / "time_gradients.json"
    if not path.exists():
        keras.utils.set_random_seed(seed)
        models = {"start": build(), "end": keras.saving.load_model(train().model_path, compile=False)}
        arrays = texts.x.take(slice(None)), texts.y
        write_json(path, {stage: hidden_state_gradients(model, *arrays) for stage, model in models.items()})
    steps = read_json(path, "the same command")
    layers = read_json(folder / "gradients.json", "the same command")
    return Probe({stage: np.array(steps[stage], float) for stage in STAGES}, layers)
