from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tfhealth.config import ImageTraining
from tfhealth.training.diagnosis import Diagnosis
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.tuning.search import Search, one_at_a_time, search
from tfhealth.tuning.spaces import HYPERPARAMETERS, RANGES, direction, sample_config
from tfhealth.tuning.trials import OBJECTIVE

DEFAULTS = ImageTraining(epochs=1)


def made_up_run(name, config):
    """A run whose loss is lowest at dropout 0.3, without any training."""
    loss = 0.5 + abs(config.dropout - 0.3)
    scores = dict.fromkeys(("accuracy", "balanced_accuracy", "log_loss"), loss)
    metrics = {f"{split}_{key}": value for split in ("train", "validation") for key, value in scores.items()}
    return TrainingRun(name, asdict(config), 0, {}, metrics, Path("model.keras"), 1.0, {}, 1, 1)


def run_search(folder, train_trial=made_up_run, max_trials=8):
    sample = partial(sample_config, base=DEFAULTS, towards="more")
    before = made_up_run("defaults", DEFAULTS)
    return search(DEFAULTS, before, sample, train_trial, max_trials=max_trials, seed=0, directory=folder / "search")


def test_search_finds_a_better_setting_than_the_defaults(tmp_path):
    found = run_search(tmp_path)
    assert found.improved
    assert abs(found.best.dropout - 0.3) < 0.15
    assert len(found.rows) == 8
    every = [*(row[OBJECTIVE] for row in found.rows), *(run.metrics[OBJECTIVE] for run in found.alone.values())]
    assert found.best_run.metrics[OBJECTIVE] == min(every)


def test_interrupted_search_goes_on_with_the_trials_that_are_left(tmp_path):
    trained = []

    def dies_at_the_fourth(name, config):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(name)
        return made_up_run(name, config)

    with pytest.raises(KeyboardInterrupt):
        run_search(tmp_path, dies_at_the_fourth)
    resumed = run_search(tmp_path)
    assert [row["trial"] for row in resumed.rows] == [f"trial_{i:02d}" for i in range(8)]


def test_defaults_are_kept_when_no_trial_beats_them(tmp_path):
    def worse(name, config):
        run = made_up_run(name, config)
        return replace(run, metrics={**run.metrics, OBJECTIVE: 9.0 + config.dropout})

    found = run_search(tmp_path, worse)
    assert not found.improved
    assert found.best == DEFAULTS


def test_each_regularizer_is_trained_alone_at_the_best_trials_value(tmp_path):
    found = run_search(tmp_path)
    best_trial = min(found.rows, key=lambda row: row[OBJECTIVE])
    assert set(found.alone) == set(HYPERPARAMETERS)
    for name, run in found.alone.items():
        assert run.config[name] == best_trial[name]
        assert all(run.config[other] == getattr(DEFAULTS, other) for other in HYPERPARAMETERS if other != name)


def test_a_setting_like_the_default_is_not_trained_again():
    assert set(one_at_a_time(DEFAULTS, replace(DEFAULTS, l2=1e-4))) == {"l2"}


def test_changes_alone_are_wider_than_one_change_and_say_which_way_it_went(tmp_path):
    rng = np.random.default_rng(0)
    sure, ids = rng.uniform(0.2, 0.8, 80), np.arange(80).astype(str)

    def run_with(name, sure, **settings):
        y_prob = np.stack([sure, 1 - sure], axis=1).astype(np.float32)
        Predictions(np.zeros(80, np.int32), y_prob, {}, ids, ids).save(tmp_path / f"{name}.npz")
        run = made_up_run(name, replace(DEFAULTS, **settings))
        return replace(run, predictions={"validation": tmp_path / f"{name}.npz"})

    noisy = np.clip(sure + rng.normal(0, 0.1, 80), 0.1, 0.9)
    up, down = run_with("up", noisy, dropout=0.2), run_with("down", noisy, augmentation=0.1)
    found = Search(DEFAULTS, "up", up, run_with("before", sure), True, [], {"dropout": up, "augmentation": down})
    alone, one = found.changes_alone(draws=400, seed=0), found.change(draws=400, seed=0)
    assert alone["dropout"]["stronger"]
    assert not alone["augmentation"]["stronger"]
    assert alone["dropout"]["value"] == one["value"]
    assert alone["dropout"]["high"] - alone["dropout"]["low"] > one["high"] - one["low"]


def test_change_is_paired_so_a_steady_gain_on_noisy_examples_is_certain(tmp_path):
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.1, 0.8, 60)  # the probability of the true class differs widely between examples

    def run_with(name, factor):
        y_prob = np.stack([sure * factor, 1 - sure * factor], axis=1).astype(np.float32)
        ids = np.arange(60).astype(str)
        Predictions(np.zeros(60, np.int32), y_prob, {}, ids, ids).save(tmp_path / f"{name}.npz")
        run = made_up_run(name, DEFAULTS)
        return replace(run, predictions={"validation": tmp_path / f"{name}.npz"})

    before, after = run_with("before", 1.0), run_with("after", 1.2)
    change = Search(DEFAULTS, "after", after, before, True, [], {}).change(draws=100, seed=0)
    assert [change["low"], change["value"], change["high"]] == pytest.approx([-np.log(1.2)] * 3, abs=1e-5)


@pytest.mark.parametrize(
    ("high_bias", "high_variance", "towards"),
    [(True, False, "less"), (False, True, "more"), (True, True, "around"), (False, False, "around")],
)
def test_direction_follows_the_diagnosis(high_bias, high_variance, towards):
    nothing = (0.0, 1.0)
    diagnosis = Diagnosis(0.5, nothing, 0.5, nothing, 0.0, nothing, 0.85, 0.05, high_bias, high_variance)
    assert direction(diagnosis) == towards


def test_every_range_names_every_hyperparameter_and_a_field_of_the_config():
    for ranges in RANGES.values():
        assert tuple(ranges) == HYPERPARAMETERS
    assert all(hasattr(DEFAULTS, name) for name in HYPERPARAMETERS)


def test_more_regularization_allows_more_than_less():
    for name in HYPERPARAMETERS:
        assert RANGES["more"][name][-1] > RANGES["less"][name][-1]
        assert np.isfinite(RANGES["more"][name][-1])
