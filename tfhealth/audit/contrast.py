"""Rates of several groups side by side: their range, and their clearest contrast for the size of the groups.

The usual measures (audit/disparity.py) are ranges, which the noise of the smallest group decides. What is tested is
therefore the standardised contrast: the gap between two groups over its standard error if all groups had one rate. A
gap between two large groups then counts, although a small group lies further out by chance.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tfhealth.audit.rates import mean_over
from tfhealth.training.weighted import ratio


@dataclass(frozen=True)
class Levels:
    """A rate of g groups under several weightings.

    Attributes:
        values: (g, draws, q), q questions.
        variance: (g, q) of the rate, if every group had the same; a scale, so examples may be counted as independent.
        allowed: (g, q) bool, whether a group is large enough for a question.
    """

    values: np.ndarray
    variance: np.ndarray
    allowed: np.ndarray

    def joined(self, other: "Levels") -> "Levels":
        """Returns the questions of both."""
        return Levels(
            np.concatenate([self.values, other.values], axis=2),
            np.concatenate([self.variance, other.variance], axis=1),
            np.concatenate([self.allowed, other.allowed], axis=1),
        )

    def mean(self) -> "Levels":
        """Returns one question: each group's mean over the questions that all comparable groups can answer."""
        some = self.allowed.any(1)
        common = self.allowed[some].all(0) & some.any()
        values = mean_over(np.where((self.allowed & common)[:, None, :], self.values, np.nan))
        variance = np.where(common, self.variance, 0).sum(1) / max(common.sum(), 1) ** 2
        return Levels(values[..., None], variance[:, None], (some & common.any())[:, None])

    def extremes(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns (lowest, highest) over the groups, each (draws, q); NaN with fewer than two groups."""
        usable = self.allowed[:, None, :] & np.isfinite(self.values)
        low, high = np.where(usable, self.values, np.inf).min(0), np.where(usable, self.values, -np.inf).max(0)
        compared = usable.sum(0) > 1
        return np.where(compared, low, np.nan), np.where(compared, high, np.nan)

    def error(self, first: int, second: int) -> np.ndarray:
        """Returns (q,) standard error of the gap between two groups; infinite where it cannot be tested."""
        total = self.variance[first] + self.variance[second]
        usable = self.allowed[first] & self.allowed[second] & (total > 0)
        return np.sqrt(np.where(usable, total, np.inf))

    def contrasts(self) -> np.ndarray:
        """Returns (draws,) largest standardised gap between two groups, over all questions."""
        largest = np.zeros(self.values.shape[1])
        for first, second in combinations(range(len(self.values)), 2):
            gap = np.abs(self.values[first] - self.values[second]) / self.error(first, second)
            largest = np.maximum(largest, np.nan_to_num(gap).max(1))
        return largest

    def clearest(self) -> tuple[int, int, int] | None:
        """Returns (group with the lower rate, with the higher, question) of the largest contrast of the first draw."""
        best, found = 0.0, None
        for first, second in combinations(range(len(self.values)), 2):
            gap = (self.values[first, 0] - self.values[second, 0]) / self.error(first, second)
            question = int(np.argmax(np.nan_to_num(np.abs(gap))))
            if np.nan_to_num(abs(gap[question])) > best:
                best = abs(gap[question])
                found = (first, second, question) if gap[question] < 0 else (second, first, question)
        return found

    def shortfalls(self) -> np.ndarray:
        """Returns (g, draws) by how many standard errors each group lies below the precision-weighted mean of all.

        Of the first question; -inf where a group is too small.
        """
        usable = self.allowed[:, :1] & (self.variance[:, :1] > 0)
        precision = np.where(usable, 1 / np.where(usable, self.variance[:, :1], 1), 0)  # (g, 1)
        values = np.nan_to_num(self.values[..., 0])
        below = (ratio((precision * values).sum(0), precision.sum(0)) - values) * np.sqrt(precision)
        return np.where(usable, below, -np.inf)


def binomial_variance(rate: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Returns (g, q) variance of a share in groups of these counts (g, q), its expected value being rate (q,)."""
    return rate * (1 - rate) / np.maximum(count, 1)


def auc_variance(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Returns (g, q) variance of an AUC of 0.5, by the counts: a scale. Source: Mann and Whitney 1947."""
    return (1 / np.maximum(positives, 1) + 1 / np.maximum(negatives, 1)) / 12
