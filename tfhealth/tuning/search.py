"""KerasTuner around `train`: every trial is a TrainingRun, so a killed search goes on inside its trial."""

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

import keras_tuner
import numpy as np
from keras_tuner.oracles import BayesianOptimizationOracle
from scipy.stats import rankdata, spearmanr

from tfhealth.config import TrainingConfig
from tfhealth.training.evaluate import log_loss_change, scores_with_intervals
from tfhealth.training.metrics import interval
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.tuning.spaces import HYPERPARAMETERS

OBJECTIVE = "validation_log_loss"  # smoother than accuracy on a small validation split, and it rewards calibration

SHUFFLES = 5000

Sample = Callable[[keras_tuner.HyperParameters], TrainingConfig]
TrainTrial = Callable[[str, TrainingConfig], TrainingRun]


class TrainingTuner(keras_tuner.Tuner):
    """Bayesian search whose trials are run by a function of ours instead of KerasTuner's own fit loop."""

    def __init__(self, sample: Sample, train_trial: TrainTrial, *, max_trials: int, seed: int, directory: Path):
        space = keras_tuner.HyperParameters()
        sample(space)
        oracle = BayesianOptimizationOracle(
            keras_tuner.Objective(OBJECTIVE, "min"),
            max_trials=max_trials,
            num_initial_points=max(2, max_trials // 2),  # random first, then guided
            seed=seed + 1,  # KerasTuner takes 0 for "no seed"
            hyperparameters=space,
        )
        oracle.verbose = 0
        self.sample, self.train_trial = sample, train_trial
        with redirect_stdout(sys.stderr):  # it prints "Reloading Tuner from ..."
            super().__init__(oracle=oracle, directory=str(directory), project_name="search")

    def run_trial(self, trial, *args, **kwargs):
        """Trains one trial; returns its validation and train scores."""
        return self.train_trial(trial_name(trial), self.sample(trial.hyperparameters)).metrics

    def load_model(self, trial):
        raise NotImplementedError("models are kept by their TrainingRun")


@dataclass(frozen=True)
class Search:
    """What the search found.

    Attributes:
        best: the config to go on with: the best trial's, or the defaults if no trial beat them.
        best_run: its run, at the search's number of epochs.
        before: the run with the default config.
        improved: whether a trial beat the defaults.
        rows: one per trial, in order: trial, hyperparameters, scores.
        effects: hyperparameter -> Spearman's rank correlation of its value with OBJECTIVE over the trials, or NaN.
        chance: how often shuffled trials have a correlation as strong as the strongest of `effects`; 1 if undefined.
    """

    best: TrainingConfig
    best_run: TrainingRun
    before: TrainingRun
    improved: bool
    rows: list[dict]
    effects: dict[str, float]
    chance: float

    def comparison(self, *, draws: int, seed: int) -> list[dict]:
        """Returns one row for the defaults and one for the best trial: validation scores with 95 % intervals."""
        rows = []
        for setting, run in (("defaults", self.before), ("best trial", self.best_run)):
            scores = scores_with_intervals(_validation(run), draws=draws, seed=seed)
            row = {"setting": setting, "train_balanced_accuracy": run.metrics["train_balanced_accuracy"]}
            for name, score in scores.items():
                row |= {name: score["value"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
            rows.append({**row, **{name: run.config[name] for name in HYPERPARAMETERS}})
        return rows

    def change(self, *, draws: int, seed: int) -> dict[str, float]:
        """Returns {"value", "low", "high"}: the best trial's validation log loss less the defaults', in nats, paired.

        The trial was chosen on these images, so the value flatters it.
        """
        value, drawn = log_loss_change(_validation(self.before), _validation(self.best_run), draws=draws, seed=seed)
        low, high = interval(drawn)
        return {"value": value, "low": low, "high": high}

    def values(self) -> dict:
        """Returns what findings.json keeps of the search."""
        return {
            "objective": OBJECTIVE,
            "trials": len(self.rows),
            "improved": self.improved,
            "before": _scores(self.before),
            "after": _scores(self.best_run),
            "best": asdict(self.best),
            "effects": self.effects,
            "chance": self.chance,
            "rows": self.rows,
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
    """
    runs: dict[str, TrainingRun] = {}
    configs: dict[str, TrainingConfig] = {}

    def remember(name: str, config: TrainingConfig) -> TrainingRun:
        configs[name], runs[name] = config, train_trial(name, config)
        return runs[name]

    tuner = TrainingTuner(sample, remember, max_trials=max_trials, seed=seed, directory=directory)
    tuner.search()
    finished = [trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"]
    trials = sorted(finished, key=lambda trial: int(trial.trial_id))
    for trial in trials:  # those of an earlier start: train_trial finds them done
        if trial_name(trial) not in runs:
            remember(trial_name(trial), sample(trial.hyperparameters))
    rows = [_row(trial, runs[trial_name(trial)]) for trial in trials]
    best = min(runs, key=lambda name: runs[name].metrics[OBJECTIVE])
    names = list(trials[0].hyperparameters.values)
    improved = runs[best].metrics[OBJECTIVE] < before.metrics[OBJECTIVE]
    return Search(
        best=configs[best] if improved else defaults,
        best_run=runs[best],
        before=before,
        improved=improved,
        rows=rows,
        effects={name: _rank_correlation(rows, name) for name in names},
        chance=chance_of_strongest(rows, names, seed),
    )


def trial_name(trial) -> str:
    return f"trial_{int(trial.trial_id):02d}"


def _validation(run: TrainingRun) -> Predictions:
    return Predictions.load(run.predictions["validation"], "the same command")


def _scores(run: TrainingRun) -> dict:
    gap = run.metrics["train_balanced_accuracy"] - run.metrics["validation_balanced_accuracy"]
    return {**run.metrics, "gap": gap, "config": run.config}


def _row(trial, run: TrainingRun) -> dict:
    scores = (OBJECTIVE, "validation_accuracy", "validation_balanced_accuracy", "train_accuracy", "train_log_loss")
    return {"trial": trial_name(trial), **trial.hyperparameters.values} | {name: run.metrics[name] for name in scores}


def _rank_correlation(rows: list[dict], name: str) -> float:
    values = np.array([(row[name], row[OBJECTIVE]) for row in rows])
    if len(rows) < 3 or (np.ptp(values, axis=0) == 0).any():
        return float("nan")
    return float(spearmanr(values).statistic)


def chance_of_strongest(rows: list[dict], names: list[str], seed: int) -> float:
    """Returns the share of shuffles of the trials' scores whose strongest correlation reaches the one observed.

    The strongest of several correlations over a few trials is large by chance alone; shuffling shows how large.

    Source: Westfall and Young 1993, "Resampling-Based Multiple Testing" (max statistic).
    """
    if len(rows) < 3:
        return 1.0
    values = rankdata([[row[name] for name in names] for row in rows], axis=0)
    scores = rankdata([row[OBJECTIVE] for row in rows])
    values = values[:, np.ptp(values, axis=0) > 0]
    if not values.shape[1] or not np.ptp(scores):
        return 1.0
    values = (values - values.mean(0)) / values.std(0)
    scores = (scores - scores.mean()) / scores.std()
    rng = np.random.default_rng(seed)
    shuffled = np.stack([scores, *(rng.permutation(scores) for _ in range(SHUFFLES))])
    strongest = np.abs(shuffled @ values / len(rows)).max(1)
    return float(np.mean(strongest >= strongest[0] - 1e-9))
