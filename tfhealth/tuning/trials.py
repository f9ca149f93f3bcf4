"""KerasTuner around `train`: every trial is a TrainingRun, so a killed search goes on inside its trial."""

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import keras_tuner

from tfhealth.config import TrainingConfig
from tfhealth.console import progress_bar
from tfhealth.training.record import TrainingRun

OBJECTIVE = "validation_log_loss"  # smoother than accuracy on a small validation split, and it rewards calibration

Sample = Callable[[keras_tuner.HyperParameters], TrainingConfig]
TrainTrial = Callable[[str, TrainingConfig], TrainingRun]


@dataclass(frozen=True)
class Trial:
    """One finished trial: what it is called, what was set, and the run that came of it."""

    name: str
    hyperparameters: dict[str, Any]
    config: TrainingConfig
    run: TrainingRun


class TrainingTuner(keras_tuner.Tuner):
    """A search whose trials are run by a function of ours instead of KerasTuner's own fit loop."""

    def __init__(self, oracle: keras_tuner.Oracle, sample: Sample, train_trial: TrainTrial, directory: Path):
        oracle.verbose = 0
        self.sample, self.train_trial = sample, train_trial
        self.runs: dict[str, TrainingRun] = {}
        with redirect_stdout(StringIO()):  # it prints "Reloading Tuner from ..."
            super().__init__(oracle=oracle, directory=str(directory.parent), project_name=directory.name)

    def run_trial(self, trial, *args, **kwargs):
        """Trains one trial; returns its validation and train scores."""
        return self.run_of(trial).metrics

    def run_of(self, trial) -> TrainingRun:
        """Returns the trial's run, which is on disk if an earlier start trained it."""
        name = trial_name(trial)
        if name not in self.runs:
            self.runs[name] = self.train_trial(name, self.sample(trial.hyperparameters))
        return self.runs[name]

    def load_model(self, trial):
        raise NotImplementedError("models are kept by their TrainingRun")

    def search_on(self, pool: Executor, total: int) -> None:
        """Runs the search, or what is left of it, on a pool: each trial starts as soon as the oracle gives it out.

        The oracle stays in this process. Its trials in flight are on disk, and a later start gives them out first.

        Args:
            pool: what runs them.
            total: number of trials, for the progress bar.
        """
        running: dict[Future, Any] = {}
        askers = (f"worker{number}" for number in itertools.count())  # the oracle gives each one trial at a time
        self.save()
        with progress_bar(f"{total} trials", total) as bar:
            bar.advance(sum(trial.status == "COMPLETED" for trial in self.oracle.trials.values()))
            while True:
                while (trial := self.oracle.create_trial(next(askers))).status == "RUNNING":
                    config = self.sample(trial.hyperparameters)
                    running[pool.submit(self.train_trial, trial_name(trial), config)] = trial
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    self._finish(running.pop(future), future.result())
                    bar.advance()

    def _finish(self, trial, run: TrainingRun) -> None:
        self.runs[trial_name(trial)] = run
        self.oracle.update_trial(trial.trial_id, run.metrics)
        trial.status = "COMPLETED"
        self.oracle.end_trial(trial)


def run_trials(
    oracle: keras_tuner.Oracle,
    sample: Sample,
    train_trial: TrainTrial,
    directory: Path,
    *,
    total: int,
    pool: Executor | None = None,
) -> list[Trial]:
    """Runs the search, or what is left of it, and returns every trial in order.

    Args:
        oracle: KerasTuner's, with OBJECTIVE and the space that `sample` draws from.
        sample: hyperparameters -> config.
        train_trial: (trial name, config) -> finished run; called once per trial in each process.
        directory: KerasTuner's folder; it holds the search's state.
        total: number of trials.
        pool: runs trials side by side; None: one by one in this process.
    """
    tuner = TrainingTuner(oracle, sample, train_trial, directory)
    if pool is None:
        tuner.search()
    else:
        tuner.search_on(pool, total)
    finished = [trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"]
    return [
        Trial(
            name=trial_name(trial),
            hyperparameters=dict(trial.hyperparameters.values),
            config=sample(trial.hyperparameters),
            run=tuner.run_of(trial),
        )
        for trial in sorted(finished, key=lambda trial: int(trial.trial_id))
    ]


def trial_name(trial) -> str:
    return f"trial_{int(trial.trial_id):02d}"


def trial_row(trial: Trial, scores: Iterable[str]) -> dict[str, Any]:
    """Returns a row of the table of trials."""
    return {"trial": trial.name, **trial.hyperparameters, **{name: trial.run.metrics[name] for name in scores}}
