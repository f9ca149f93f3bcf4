"""The whole grid of dropout and L2, each with and without early stopping, by KerasTuner."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.oracles import GridSearchOracle

from tfhealth.config import TrainingConfig
from tfhealth.training.record import TrainingRun
from tfhealth.tuning.trials import OBJECTIVE, Trial, run_trials, trial_row
from tfhealth.tuning.workers import train_each

SCORES = (OBJECTIVE, "train_accuracy", "validation_accuracy", "validation_f1_macro")

# (run name, config, the stopped run to go on from or None) -> finished run
TrainOne = Callable[[str, TrainingConfig, TrainingRun | None], TrainingRun]


class GridOracle(GridSearchOracle):
    """KerasTuner's grid, which can be resumed: its own dies with a KeyError (keras-team/keras-tuner#1055).

    And the next pair can be had while the one before is in training: its own waits, in case a trial brought a
    hyperparameter that nobody knew of.
    """

    def populate_space(self, trial_id):
        found = super().populate_space(trial_id)
        if found["status"] == "RUNNING":
            self._populate_next.append(trial_id)
        return found

    def set_state(self, state):
        super().set_state(state)
        # Without one that KerasTuner was killed while giving out: its pair is given out again.
        self.trials = {trial_id: self.trials[trial_id] for trial_id in self.start_order}
        previous = None
        for trial_id in self.start_order:  # the grid has one order, and trials started in it
            self._ordered_ids.insert(trial_id, previous)
            previous = trial_id
        self._populate_next = list(self.start_order)


@dataclass(frozen=True)
class Grid:
    """What the grid found.

    Attributes:
        rows: two per trial, early stopping on and off: trial, dropout, l2, early_stopping, scores, gap (train less
            validation accuracy), epochs (trained), best_epoch (whose weights were kept), seconds.
        ranked: the configs of the rows, lowest validation loss first.
    """

    rows: list[dict[str, Any]]
    ranked: list[TrainingConfig]

    def finalists(self, number: int) -> list[TrainingConfig]:
        """Returns the best config of each dropout rate, of the `number` best rates.

        Short trials favour weak dropout, which learns faster and overfits later; so several rates have to be trained to
        the end before one is chosen, as in successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943).
        """
        by_rate: dict[float, TrainingConfig] = {}
        for config in self.ranked:
            by_rate.setdefault(config.dropout, config)
        return list(by_rate.values())[:number]


def search_grid(
    base: TrainingConfig,
    dropouts: Sequence[float],
    l2s: Sequence[float],
    train_one: TrainOne,
    directory: Path,
    *,
    pool: Executor | None = None,
) -> Grid:
    """Trains every pair of dropout and L2, or what is left of them, and returns the table.

    A pair is trained until early stopping ends it; then the same training goes on to its last epoch, which is what it
    would have been without early stopping.

    Args:
        base: all other settings.
        dropouts, l2s: the values, the first of each tried first.
        train_one: trains a config under a name, from the start or on from where a stopped run is.
        directory: KerasTuner's folder.
        pool: trains side by side; None: one by one in this process.
    """

    def sample(hp: keras_tuner.HyperParameters) -> TrainingConfig:
        dropout, l2 = hp.Choice("dropout", list(dropouts)), hp.Choice("l2", list(l2s))
        return replace(base, dropout=dropout, l2=l2, early_stopping=True)

    def train_stopped(name: str, config: TrainingConfig) -> TrainingRun:
        return train_one(name, config, None)

    total = len(dropouts) * len(l2s)
    space = keras_tuner.HyperParameters()
    sample(space)
    oracle = GridOracle(keras_tuner.Objective(OBJECTIVE, "min"), hyperparameters=space)
    trials = run_trials(oracle, sample, train_stopped, directory, total=total, pool=pool)
    tried = stopped_and_not(trials, train_one, pool)
    ranked = sorted(tried, key=lambda trial: trial.run.metrics[OBJECTIVE])
    return Grid([grid_row(trial) for trial in tried], [trial.config for trial in ranked])


def stopped_and_not(trials: Sequence[Trial], train_one: TrainOne, pool: Executor | None = None) -> list[Trial]:
    """Returns each trial, which early stopping ended, and after it the same training gone on to its last epoch."""
    configs = [replace(trial.config, early_stopping=False) for trial in trials]
    on = [(f"{trial.name}_unstopped", config, trial.run) for trial, config in zip(trials, configs, strict=True)]
    found, runs = [], train_each(pool, train_one, on, f"{len(on)} without early stopping")
    for trial, config, run in zip(trials, configs, runs, strict=True):
        found += [trial, replace(trial, config=config, run=run)]
    return found


def grid_row(trial: Trial) -> dict[str, Any]:
    """Returns a trial as a row of the table; see Grid."""
    metrics = trial.run.metrics
    return {
        **trial_row(trial, SCORES),
        "early_stopping": trial.config.early_stopping,
        "gap": metrics["train_accuracy"] - metrics["validation_accuracy"],
        "epochs": len(trial.run.history["val_loss"]),
        "best_epoch": trial.run.best_epoch,
        "seconds": trial.run.seconds,
    }
