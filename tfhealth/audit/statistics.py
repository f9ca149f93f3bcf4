"""The audit's statistics: permutations, Holm, intervals, what a sample can detect. numpy and scipy only.

Weights, permutations and bootstrap draws are all (draws, n) arrays, so that thousands of them cost a few matrix
products instead of a loop.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest, norm

from tfhealth.training.metrics import COVERAGE

SIGNIFICANT = 0.05  # Holm-adjusted p at or below it: an alarm
POWER = 0.80  # of the smallest gap that a sample can detect; Cohen 1988, sec. 2.4


def weighted_auc(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns (draws,) area under the ROC curve for each weighting; NaN where only one kind has weight.

    The chance that a positive scores above a negative, ties counting half (Mann-Whitney), by one cumulative sum over
    the negatives.

    Args:
        positive: (n,) bool.
        score: (n,) float.
        weights: (draws, n) how often each example counts.
    """
    negatives, positives = (rows[np.argsort(score[rows])] for rows in map(np.flatnonzero, (~positive, positive)))
    below = np.zeros((len(weights), len(negatives) + 1), weights.dtype)
    np.cumsum(weights[:, negatives], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(score[negatives], score[positives], side) for side in ("left", "right"))
    chosen = weights[:, positives]
    beaten = below[:, first] if (first == last).all() else (below[:, first] + below[:, last]) / 2
    wins = np.einsum("ij,ij->i", chosen, beaten)
    pairs = chosen.sum(1, dtype=float) * below[:, -1]
    return np.where(pairs > 0, wins / np.where(pairs > 0, pairs, 1), np.nan)


def permutation_index(strata: np.ndarray, group_ids: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Returns (draws, n) int32: `labels[index]` are labels as they could have fallen if they did not matter.

    Exchanged are whole patients or lesions of one stratum and of the same number of examples in it, each with all its
    labels: examples of one patient are not independent, and a label that differs between the images of one lesion
    (skin tone as estimated) stays with its companions. A lone patient of its size keeps its labels, which costs power
    but not validity.

    Args:
        strata: (n,) what is held fixed: all equal for demographic parity, the true class for error rates, because
            under "the decision depends on the class alone" labels are exchangeable among examples of one class only.
        group_ids: (n,) patient or lesion.
        draws: number of permutations.
        seed: of the permutations.

    Source: Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses", ch. 3 and 7 (blocks).
    """
    rng = np.random.default_rng(seed)
    index = np.tile(np.arange(len(strata), dtype=np.int32), (draws, 1))
    units = np.unique(np.stack([_codes(strata), _codes(group_ids)]), axis=1, return_inverse=True)[1].ravel()
    order = np.argsort(units, kind="stable")
    sizes = np.bincount(units)
    starts = np.cumsum(sizes) - sizes
    stratum_of = _codes(strata)[order[starts]]
    blocks = {}
    for unit, key in enumerate(zip(stratum_of.tolist(), sizes.tolist(), strict=True)):
        blocks.setdefault(key, []).append(unit)
    for (_, size), members in blocks.items():
        rows = order[starts[members][:, None] + np.arange(size)].astype(np.int32)  # (members, size)
        drawn = rng.permuted(np.tile(np.arange(len(members)), (draws, 1)), axis=1)  # (draws, members)
        index[:, rows.ravel()] = rows[drawn].reshape(draws, -1)
    return index


def permutation_p_value(observed: float, null: np.ndarray) -> float:
    """Returns the share of permutations at least as extreme as what was observed, itself counted; NaN if undefined.

    Source: Phipson and Smyth 2010, "Permutation P-values Should Never Be Zero", eq. 2.
    """
    null = null[np.isfinite(null)]
    if not np.isfinite(observed) or not len(null):
        return float("nan")
    extreme = null >= observed - 1e-5 * max(abs(observed), 1)  # float32 sums in another order must count as ties
    return float((1 + extreme.sum()) / (1 + len(null)))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Returns p-values adjusted for their number, in the given order; NaN (undefined) is no comparison.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    p = np.asarray(p_values, float)
    adjusted, tested = np.full(len(p), np.nan), np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def permutations_needed(tests: int, level: float = SIGNIFICANT) -> int:
    """Returns how few permutations let the smallest possible p-value pass Holm's first step among `tests`."""
    return int(np.ceil(tests / level)) - 1


def range_interval(value: float, drawn: np.ndarray, excess: float = 0.0) -> tuple[float, float]:
    """Returns a 95 % interval, in [0, 1], for a measure that chance only makes larger; (NaN, NaN) if undefined.

    Percentiles of a gap would never reach 0; reflecting them about the value (the basic bootstrap) corrects this but
    ends too early near 0. Each end is therefore the outer one of the two, and the lower one at least `excess` below the
    value, which inverts the permutation test: with no gap at all the interval reaches 0 in 97.5 % of samples.

    Args:
        value: of the sample.
        drawn: (draws,) in bootstrap samples.
        excess: what chance alone makes in 97.5 % of permutations.

    Source: Davison and Hinkley 1997, "Bootstrap Methods and their Application", eq. 5.6 and 5.18.
    """
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(drawn):
        return float("nan"), float("nan")
    lower, upper = np.percentile(drawn, [50 * (1 - COVERAGE), 50 * (1 + COVERAGE)])
    ends = min(lower, 2 * value - upper, value - excess), max(upper, 2 * value - lower)
    return float(np.clip(ends[0], 0, 1)), float(np.clip(ends[1], 0, 1))


def detectable(null: np.ndarray, spread: float, error: float, *, tests: int) -> float:
    """Returns the smallest gap that a test would have flagged with 80 % power; NaN if undefined.

    The test's own critical value (from the permutations, at Bonferroni's level, which Holm's first step demands) plus
    the normal quantile of the power, in standard errors of the gap. Repeated patients count through the permutations.

    Args:
        null: (permutations,) what is tested, in standard errors, with permuted labels.
        spread: standard deviation of the gap with permuted labels, in standard errors (1 for independent examples).
        error: standard error of the gap.
        tests: number of comparisons.
    """
    null = null[np.isfinite(null)]
    if not len(null) or not np.isfinite(spread * error):
        return float("nan")
    critical = np.quantile(null, 1 - SIGNIFICANT / tests, method="higher")
    return float((critical + norm.ppf(POWER) * spread) * error)


def examples_needed(gap: float, rate: float, share: float, *, tests: int = 1) -> int:
    """Returns how many examples of a group would show a gap in a rate against all others with 80 % power.

    Args:
        gap: absolute difference in the rate, in (0, 1].
        rate: of all, in [0, 1].
        share: of the group among all, in (0, 1).
        tests: number of comparisons (Bonferroni).

    Source: Fleiss, Levin, Paik 2003, "Statistical Methods for Rates and Proportions", sec. 4.2, equal variances.
    """
    if not 0 < gap <= 1 or not 0 < share < 1:
        raise ValueError(f"need gap in (0, 1] and share in (0, 1); got {gap} and {share}")
    z = norm.ppf(1 - SIGNIFICANT / tests / 2) + norm.ppf(POWER)
    variance = max(rate * (1 - rate), 1e-4) * (1 + share / (1 - share))
    return int(np.ceil(z**2 * variance / gap**2))


def normal_p_value(value: float, drawn: np.ndarray) -> float:
    """Returns the two-sided p-value of value = 0 with the bootstrap's standard error; 1 if nothing varies.

    Finer than the share of draws beyond 0, which a correction for many comparisons would need by the ten thousand.
    """
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(drawn) < 2:
        return float("nan")
    error = drawn.std(ddof=1)
    if error <= 1e-12:
        return 1.0 if abs(value) <= 1e-12 else 0.0
    return float(2 * norm.sf(abs(value) / error))


def binomial_interval(successes: int, trials: int) -> tuple[float, float]:
    """Returns the exact 95 % interval of a share. Source: Clopper and Pearson 1934."""
    found = binomtest(successes, trials).proportion_ci(COVERAGE, method="exact")
    return float(found.low), float(found.high)


def _codes(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].ravel()
