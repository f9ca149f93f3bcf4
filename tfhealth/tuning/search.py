"""The search for regularization: Bayesian trials, and then their best taken apart.

Each regularizer is trained alone at the best trial's value: that tells which one did the work, which a few
trials that vary all of them at once cannot.
"""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras_tuner
import numpy as np
from keras_tuner.oracles import BayesianOptimizationOracle

from tfhealth.config import TrainingConfig
from tfhealth.training.evaluate import log_loss_change, scores_with_intervals
from tfhealth.training.metrics import COVERAGE, interval
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.tuning.spaces import HYPERPARAMETERS
from tfhealth.tuning.trials import OBJECTIVE, Sample, TrainTrial, Trial, run_trials, trial_row
from tfhealth.tuning.workers import train_each

SCORES = (OBJECTIVE, "validation_accuracy", "validation_balanced_accuracy", "train_accuracy", "train_log_loss")


class SearchOracle(BayesianOptimizationOracle):
    """KerasTuner's Bayesian search, whose trials depend neither on the number of workers nor on restarts.

    KerasTuner's proposes random trials until enough have ended, and guided ones while others still run, so more workers
    make other trials. Here the first trials are random and may run side by side; a guided one waits for all before it.
    """

    def populate_space(self, trial_id):
        if len(self.trials) < self.num_initial_points:
            return self._random_populate_space()
        if self.ongoing_trials:
            return {"status": "IDLE", "values": None}
        return super().populate_space(trial_id)

    def get_state(self):
        random = self._random_state.get_state(legacy=False)
        random["state"]["key"] = random["state"]["key"].tolist()
        return {**super().get_state(), "random_state": random}

    def set_state(self, state):
        super().set_state(state)
        random = state["random_state"]
        random["state"]["key"] = np.array(random["state"]["key"], np.uint32)
        self._random_state.set_state(random)
        # In the order they were given out, which KerasTuner does not keep; without one it was killed while giving out.
        self.trials = {trial_id: self.trials[trial_id] for trial_id in self.start_order}


@dataclass(frozen=True)
class Search:
    """What the search found.

    Attributes:
        best: the config to go on with: that of the lowest validation loss, be it the defaults', a trial's or that of
            one regularizer alone.
        best_setting: what the best run that is not the defaults' is called.
        best_run: that run, at the search's number of epochs.
        before: the run with the default config.
        improved: whether `best_run` beat the defaults.
        rows: one per trial, in order: trial, hyperparameters, scores.
        alone: hyperparameter -> the run with the defaults but for this one, which has the best trial's value.
    """

    best: TrainingConfig
    best_setting: str
    best_run: TrainingRun
    before: TrainingRun
    improved: bool
    rows: list[dict]
    alone: dict[str, TrainingRun]

    def comparison(self, *, draws: int, seed: int) -> list[dict]:
        """Returns a row for the defaults, each regularizer alone and the best: validation scores, 95 % intervals."""
        settings = {"defaults": self.before} | {alone_name(name): run for name, run in self.alone.items()}
        settings |= {self.best_setting: self.best_run}
        rows = []
        for setting, run in settings.items():
            scores = scores_with_intervals(_validation(run), draws=draws, seed=seed)
            row = {"setting": setting, "train_balanced_accuracy": run.metrics["train_balanced_accuracy"]}
            for name, score in scores.items():
                row |= {name: score["value"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
            rows.append({**row, **{name: run.config[name] for name in HYPERPARAMETERS}})
        return rows

    def change(self, *, draws: int, seed: int) -> dict[str, float]:
        """Returns {"value", "low", "high"}: the best run's validation log loss less the defaults', in nats, paired.

        The run was chosen on these images, so the value flatters it.
        """
        return self._change(self.best_run, draws, seed, coverage=COVERAGE)

    def changes_alone(self, *, draws: int, seed: int) -> dict[str, dict]:
        """Returns hyperparameter -> {"value", "low", "high", "stronger"}: what it changed alone, as in `change`.

        The intervals are Bonferroni's: all of them together hold the true changes with 95 % probability. stronger:
        whether it was raised above its default. What another seed would change is not in the intervals.
        """
        coverage = 1 - (1 - COVERAGE) / max(len(self.alone), 1)
        return {
            name: {
                **self._change(run, draws, seed, coverage),
                "stronger": run.config[name] > self.before.config[name],
            }
            for name, run in self.alone.items()
        }

    def _change(self, run: TrainingRun, draws: int, seed: int, coverage: float) -> dict[str, float]:
        value, drawn = log_loss_change(_validation(self.before), _validation(run), draws=draws, seed=seed)
        low, high = interval(drawn, coverage)
        return {"value": value, "low": low, "high": high}

    def values(self, *, draws: int, seed: int) -> dict:
        """Returns what findings.json keeps of the search."""
        return {
            "objective": OBJECTIVE,
            "trials": len(self.rows),
            "improved": self.improved,
            "best_setting": self.best_setting,
            "before": _scores(self.before),
            "after": _scores(self.best_run),
            "best": asdict(self.best),
            "hyperparameters": HYPERPARAMETERS,
            "rows": self.rows,
            "comparison": self.comparison(draws=draws, seed=seed),
            "change": self.change(draws=draws, seed=seed),
            "alone": self.changes_alone(draws=draws, seed=seed),
        }


def search(
    defaults: TrainingConfig,
    before: TrainingRun,
    sample: Sample,
    train_trial: TrainTrial,
    *,
    max_trials: int,
    seed: int,
    directory: Path,
    pool: Executor | None = None,
) -> Search:
    """Searches, or goes on searching, and returns what was found.

    Args:
        defaults: the config of `before`.
        before: the finished run to beat, trained as the trials are.
        sample: hyperparameters -> config.
        train_trial: (trial name, config) -> finished run; called again for an unfinished trial after a restart.
        max_trials: number of trials in all, over all restarts.
        seed: of the search.
        directory: KerasTuner's folder; it holds the search's state.
        pool: trains side by side what need not wait for each other; None: one by one in this process.
    """
    space = keras_tuner.HyperParameters()
    sample(space)
    oracle = SearchOracle(
        keras_tuner.Objective(OBJECTIVE, "min"),
        max_trials=max_trials,
        num_initial_points=max(2, max_trials // 2),  # random first, then guided
        seed=seed + 1,  # KerasTuner takes 0 for "no seed"
        hyperparameters=space,
    )
    trials = run_trials(oracle, sample, train_trial, directory, total=max_trials, pool=pool)
    tried = {trial.name: trial for trial in trials}
    configs = one_at_a_time(defaults, _best(tried).config)
    alone = [(alone_name(name), config) for name, config in configs.items()]
    for (name, config), run in zip(alone, train_each(pool, train_trial, alone, "each alone"), strict=True):
        tried[name] = Trial(name, {}, config, run)
    best = _best(tried)
    improved = best.run.metrics[OBJECTIVE] < before.metrics[OBJECTIVE]
    return Search(
        best=best.config if improved else defaults,
        best_setting=best.name,
        best_run=best.run,
        before=before,
        improved=improved,
        rows=[trial_row(trial, SCORES) for trial in trials],
        alone={name: tried[alone_name(name)].run for name in HYPERPARAMETERS if alone_name(name) in tried},
    )


def _best(trials: Mapping[str, Trial]) -> Trial:
    return min(trials.values(), key=lambda trial: trial.run.metrics[OBJECTIVE])


def one_at_a_time(defaults: TrainingConfig, best: TrainingConfig) -> dict[str, TrainingConfig]:
    """Returns hyperparameter -> the defaults with this one set as in `best`, for all that differ."""
    return {
        name: replace(defaults, **{name: getattr(best, name)})
        for name in HYPERPARAMETERS
        if getattr(best, name) != getattr(defaults, name)
    }


def alone_name(hyperparameter: str) -> str:
    return f"{hyperparameter}_alone"


def _validation(run: TrainingRun) -> Predictions:
    return Predictions.load(run.predictions["validation"], "the same command")


def _scores(run: TrainingRun) -> dict:
    gap = run.metrics["train_balanced_accuracy"] - run.metrics["validation_balanced_accuracy"]
    return {**run.metrics, "gap": gap, "config": run.config}
