from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfhealth.config import PART2
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.tuning.study import choose_capacity, epochs_for


def run_with(folder, name, sure):
    """A run that gives the true class of each validation example the probability `sure` (n,)."""
    y_prob = np.stack([sure, 1 - sure], axis=1).astype(np.float32)
    ids = np.arange(len(sure)).astype(str)
    path = folder / f"{name}.npz"
    Predictions(np.zeros(len(sure), np.int32), y_prob, {}, ids, ids).save(path)
    metrics = {"validation_log_loss": float(-np.log(sure).mean())}
    return TrainingRun(name, {}, 0, {}, metrics, Path("model.keras"), 1.0, {}, 1, 1, {"validation": path})


def chosen(folder, **sure):
    runs = {name: run_with(folder, name, probabilities) for name, probabilities in sure.items()}
    return choose_capacity(runs, replace(PART2["quick"], bootstrap_draws=200), seed=0)


def test_the_smallest_of_equally_good_capacities_is_chosen(tmp_path):
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.2, 0.9, 200)
    as_good = np.clip(sure + rng.normal(0, 0.05, 200) + 0.001, 0.1, 0.99)
    assert chosen(tmp_path, small=sure, large=as_good) == "small"
    assert chosen(tmp_path, small=sure * 0.9, large=sure) == "large"  # steadily worse, far below its own spread
    assert chosen(tmp_path, small=sure * 0.9, middle=sure, large=sure * 0.9) == "middle"


@pytest.mark.parametrize("share", [1.0, 0.25, 0.0625])
def test_a_smaller_part_gets_more_epochs_and_yet_fewer_steps(share):
    epochs = epochs_for(share, 8)
    assert epochs == round(8 / share**0.5)
    assert epochs * share <= 8 <= epochs
