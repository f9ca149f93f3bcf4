from pathlib import Path

import pytest

from tfhealth.config import TrainingConfig
from tfhealth.training.record import TrainingRun
from tfhealth.tuning.grid import search_grid
from tfhealth.tuning.trials import OBJECTIVE

BASE = TrainingConfig(epochs=9)
DROPOUTS, L2S = (0.1, 0.3, 0.5), (0.0, 1e-5, 1e-4)


def made_up_run(name, config, goes_on_from):
    """A run whose loss is lowest at dropout 0.3 and l2 1e-5, and lower with early stopping; no training."""
    loss = abs(config.dropout - 0.3) + abs(config.l2 - 1e-5) + 0.1 * (goes_on_from is not None)
    metrics = {OBJECTIVE: loss, "train_accuracy": 0.9, "validation_accuracy": 0.7, "validation_f1_macro": 0.6}
    history = {"val_loss": [loss] * (9 if goes_on_from else 4)}
    return TrainingRun(name, {}, 0, history, metrics, Path("model.keras"), 1.0, {}, 1, 3)


def run_grid(folder, train_one=made_up_run):
    return search_grid(BASE, DROPOUTS, L2S, train_one, folder / "grid")


def test_every_pair_is_tried_once_with_and_once_without_early_stopping(tmp_path):
    found = run_grid(tmp_path)
    settings = [(row["dropout"], row["l2"], row["early_stopping"]) for row in found.rows]
    assert sorted(settings) == sorted((d, l2, on) for d in DROPOUTS for l2 in L2S for on in (True, False))
    for row in found.rows:
        assert row["gap"] == pytest.approx(0.2)
        assert row["epochs"] == (4 if row["early_stopping"] else 9)


def test_best_is_the_setting_with_the_lowest_validation_loss(tmp_path):
    best = run_grid(tmp_path).ranked[0]
    assert (best.dropout, best.l2, best.early_stopping) == (0.3, 1e-5, True)


def test_finalists_are_the_best_setting_of_each_of_the_best_rates(tmp_path):
    finalists = run_grid(tmp_path).finalists(9)
    assert [(config.dropout, config.l2) for config in finalists[:1]] == [(0.3, 1e-5)]
    assert {(config.dropout, config.l2) for config in finalists} == {(rate, 1e-5) for rate in DROPOUTS}
    assert run_grid(tmp_path).finalists(1) == finalists[:1]


def test_unstopped_run_goes_on_from_the_stopped_one_of_its_pair(tmp_path):
    calls = []

    def note(name, config, goes_on_from):
        calls.append((name, config.dropout, config.l2, config.early_stopping, goes_on_from and goes_on_from.name))
        return made_up_run(name, config, goes_on_from)

    run_grid(tmp_path, note)
    stopped = {name: (dropout, l2) for name, dropout, l2, on, _ in calls if on}
    for name, dropout, l2, on, goes_on_from in calls:
        if not on:
            assert name == f"{goes_on_from}_unstopped"
            assert stopped[goes_on_from] == (dropout, l2)


@pytest.mark.parametrize("dies_at", [1, 3, 9])
def test_interrupted_grid_goes_on_with_the_pairs_that_are_left(tmp_path, dies_at):
    trained = []

    def dies(name, config, goes_on_from):
        if len(trained) == dies_at:
            raise KeyboardInterrupt
        trained.append(name)
        return made_up_run(name, config, goes_on_from)

    with pytest.raises(KeyboardInterrupt):
        run_grid(tmp_path, dies)
    assert run_grid(tmp_path).rows == run_grid(tmp_path / "undisturbed").rows
