"""The bias-variance study: every capacity on growing parts of the training split, and what that says."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass

import numpy as np

from tfhealth.config import Part2Config
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.training.diagnosis import RULE, Diagnosis, ScoreDraws, balanced_accuracy_draws, diagnose
from tfhealth.training.evaluate import log_loss_change
from tfhealth.training.metrics import groups_of, interval
from tfhealth.training.record import Predictions, TrainingRun
from tfhealth.tuning.workers import train_each

TrainOn = Callable[[str, str, Split], TrainingRun]  # (run name, capacity name, training split) -> finished run


@dataclass(frozen=True)
class StudyRow:
    """One training of the study: balanced accuracy on what it was trained on and on validation, 95 % intervals."""

    model: str
    examples: int
    parameters: int
    train_score: float
    train_low: float
    train_high: float
    validation_score: float
    validation_low: float
    validation_high: float
    validation_log_loss: float
    validation_roc_auc: float
    best_epoch: int
    seconds: float


@dataclass(frozen=True)
class Growth:
    """Change of the chosen capacity's validation score between the two largest parts, with its paired interval."""

    from_examples: int
    to_examples: int
    change: float
    low: float
    high: float


@dataclass(frozen=True)
class Study:
    """All trainings, the diagnosis of each capacity on the whole training split, and the capacity chosen.

    chosen: see `choose_capacity`.
    """

    rows: Sequence[StudyRow]
    runs: dict[str, TrainingRun]  # capacity -> its run on the whole training split
    diagnoses: dict[str, Diagnosis]
    chosen: str
    growth: Growth

    def row_dicts(self) -> list[dict]:
        return [asdict(row) for row in self.rows]

    def values(self) -> dict:
        """Returns what findings.json keeps of the study."""
        return {
            "rows": self.row_dicts(),
            "fractions": sorted({row.examples for row in self.rows}),
            "diagnoses": {name: diagnosis_values(diagnosis) for name, diagnosis in self.diagnoses.items()},
            "rule": RULE,
            "chosen": self.chosen,
            "growth": asdict(self.growth),
        }


def study_capacities(
    bundle: DatasetBundle, config: Part2Config, seed: int, train_on: TrainOn, *, pool: Executor | None = None
) -> Study:
    """Returns the study; `train_on` trains one capacity on one part of the training split, or loads it.

    The parts are nested, the smallest inside the next, and hold whole groups of every class. A pool trains them side by
    side; without one they are trained one by one in this process.
    """
    parts = {f: bundle.train.subset(nested_part(bundle.train, f, seed)) for f in config.size_fractions}
    trainings = [
        (f"{capacity.name}_{round(100 * fraction):03d}", capacity.name, part)
        for capacity in config.capacities
        for fraction, part in parts.items()
    ]
    trained = iter(train_each(pool, train_on, trainings, f"{len(trainings)} trainings"))
    rows, runs, diagnoses, growths = [], {}, {}, {}
    for capacity in config.capacities:
        history = []  # (examples, validation draws) of growing parts
        for part in parts.values():
            run = next(trained)
            draws = score_draws(run, config, seed)
            rows.append(_row(capacity.name, part, run, *draws))
            history.append((len(part), draws[1]))
        runs[capacity.name] = run
        diagnoses[capacity.name] = diagnose_run(run, config, seed)
        growths[capacity.name] = _growth(*history[-2:])
    chosen = choose_capacity(runs, config, seed)
    return Study(rows, runs, diagnoses, chosen, growths[chosen])


def choose_capacity(runs: Mapping[str, TrainingRun], config: Part2Config, seed: int) -> str:
    """Returns the first of `runs` whose validation log loss is within one standard error of the lowest.

    Runs come from small to large, so of capacities that the validation split can hardly tell apart the smallest wins.

    Source: Breiman, Friedman, Olshen, Stone 1984, "Classification and Regression Trees", sec. 3.4.3 (1 SE rule).
    """
    found = {name: Predictions.load(run.predictions["validation"], "the same command") for name, run in runs.items()}
    best = min(runs, key=lambda name: runs[name].metrics["validation_log_loss"])

    def is_close(name: str) -> bool:
        excess, drawn = log_loss_change(found[best], found[name], draws=config.bootstrap_draws, seed=seed)
        return excess <= drawn.std()

    return next(name for name in runs if is_close(name))


def _growth(smaller: tuple[int, ScoreDraws], larger: tuple[int, ScoreDraws]) -> Growth:
    """Both were scored on the same bootstrap samples of the validation split, so their draws pair up."""
    low, high = interval(larger[1].draws - smaller[1].draws)
    return Growth(smaller[0], larger[0], larger[1].score - smaller[1].score, low, high)


def nested_part(split: Split, fraction: float, seed: int) -> np.ndarray:
    """Returns sorted positions of about `fraction` of the split: whole groups, every class kept in its share.

    A smaller fraction's positions are among a larger one's (same seed), so a curve over sizes adds examples only.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    groups = groups_of(split.group_ids)
    label_of_group = np.array([np.bincount(split.y[rows]).argmax() for rows in groups])
    for label in np.unique(label_of_group):
        members = rng.permutation(np.flatnonzero(label_of_group == label))
        keep = max(1, round(fraction * len(members)))
        chosen += [groups[index] for index in members[:keep]]
    return np.sort(np.concatenate(chosen))


def epochs_for(share: float, epochs: int) -> int:
    """Returns the epochs for a part that holds this share of the training split, given those for all of it.

    With equal epochs a small part would get so few steps that its curve showed undertraining, not its size; with equal
    steps it would cost as much as the whole. The geometric mean of the two lies between.
    """
    return round(epochs / math.sqrt(share))


def diagnose_run(run: TrainingRun, config: Part2Config, seed: int) -> Diagnosis:
    """Returns the verdict on a finished run, from its saved training and validation predictions."""
    draws = score_draws(run, config, seed)
    return diagnose(*draws, desired_score=config.desired_score, tolerated_gap=config.tolerated_gap)


def diagnosis_values(diagnosis: Diagnosis) -> dict:
    """Returns what findings.json keeps of a diagnosis."""
    return {**asdict(diagnosis), "verdict": diagnosis.verdict}


def score_draws(run: TrainingRun, config: Part2Config, seed: int) -> list[ScoreDraws]:
    """Returns the balanced accuracy of a run on train and on validation, with bootstrap draws."""
    found = []
    for split in ("train", "validation"):
        saved = Predictions.load(run.predictions[split], "the same command")
        arrays = (saved.y_true, saved.y_pred, saved.group_ids)
        found.append(balanced_accuracy_draws(*arrays, draws=config.bootstrap_draws, seed=seed))
    return found


def _row(model: str, part: Split, run: TrainingRun, train: ScoreDraws, validation: ScoreDraws) -> StudyRow:
    train_low, train_high = interval(train.draws)
    validation_low, validation_high = interval(validation.draws)
    return StudyRow(
        model=model,
        examples=len(part),
        parameters=run.parameters,
        train_score=train.score,
        train_low=train_low,
        train_high=train_high,
        validation_score=validation.score,
        validation_low=validation_low,
        validation_high=validation_high,
        validation_log_loss=run.metrics["validation_log_loss"],
        validation_roc_auc=run.metrics["validation_roc_auc"],
        best_epoch=run.best_epoch,
        seconds=run.seconds,
    )
