"""A multi-class model seen as yes-or-no questions: one against the rest, or malignant against benign."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfhealth.training.record import Predictions

SENSITIVITY = 0.90  # of the operating point; a screening test that misses more than 1 in 10 is seldom accepted


@dataclass(frozen=True)
class View:
    """k yes-or-no questions about the same n examples. Rates are of these; accuracy is of the answer as a whole.

    Attributes:
        name: "malignant", "one-vs-rest", ...
        classes: (k,) what each question asks for.
        positive, decided: (n, k) bool: the truth and the model's answer.
        score: (n, k) float the answer was made from; higher is more positive.
        correct: (n,) bool: the whole answer is right.
        confidence: (n,) probability the model gave to `outcome` being true. outcome: (n,) bool.
        threshold: at or above which a score is positive; NaN where the most probable class is the answer.
    """

    name: str
    classes: tuple[str, ...]
    positive: np.ndarray
    decided: np.ndarray
    score: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray
    outcome: np.ndarray
    threshold: float = float("nan")

    def __len__(self) -> int:
        return len(self.correct)

    def take(self, rows: np.ndarray) -> "View":
        """Returns the view of these examples; rows (m,) int or (n,) bool."""
        arrays = ("positive", "decided", "score", "correct", "confidence", "outcome")
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})


def positive_score(predictions: Predictions, class_ids: Sequence[int]) -> np.ndarray:
    """Returns (n,) float64 probability that the example is of any of these classes."""
    return predictions.y_prob[:, list(class_ids)].astype(float).sum(1)


def is_positive(predictions: Predictions, class_ids: Sequence[int]) -> np.ndarray:
    """Returns (n,) bool: the true class is one of these."""
    return np.isin(predictions.y_true, list(class_ids))


def operating_point(positive: np.ndarray, score: np.ndarray, sensitivity: float = SENSITIVITY) -> float:
    """Returns the highest threshold at which at least this share of the positives is found (score >= threshold).

    To be chosen on the validation split.

    Raises:
        ValueError: there is no positive, or sensitivity is not in (0, 1].
    """
    if not positive.any() or not 0 < sensitivity <= 1:
        raise ValueError(f"need a positive example and a sensitivity in (0, 1]; got {positive.sum()} and {sensitivity}")
    found = np.sort(score[positive])[::-1]
    return float(found[int(np.ceil(sensitivity * len(found) - 1e-9)) - 1])


def binary_view(predictions: Predictions, class_ids: Sequence[int], threshold: float, name: str) -> View:
    """Returns the view of one question: is it any of these classes, answered yes at or above the threshold?"""
    positive, score = is_positive(predictions, class_ids), positive_score(predictions, class_ids)
    return decided_view(positive, score >= threshold, score, name, threshold)


def decided_view(
    positive: np.ndarray, decided: np.ndarray, score: np.ndarray, name: str, threshold: float = float("nan")
) -> View:
    """Returns the view of one question whose answers (n,) bool were made in any way; score (n,) is a probability."""
    return View(
        name=name,
        classes=(name,),
        positive=positive[:, None],
        decided=decided[:, None],
        score=score[:, None],
        correct=positive == decided,
        confidence=score,
        outcome=positive,
        threshold=threshold,
    )


def one_vs_rest(predictions: Predictions, class_names: Sequence[str]) -> View:
    """Returns the view of one question per class; the most probable class is answered yes, all others no."""
    ids = np.arange(predictions.y_prob.shape[1])
    correct = predictions.y_pred == predictions.y_true
    return View(
        name="one-vs-rest",
        classes=tuple(class_names),
        positive=predictions.y_true[:, None] == ids,
        decided=predictions.y_pred[:, None] == ids,
        score=predictions.y_prob.astype(float),
        correct=correct,
        confidence=predictions.y_prob.max(1).astype(float),
        outcome=correct,
    )
