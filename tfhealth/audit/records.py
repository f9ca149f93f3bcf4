"""Are synthetic records like real ones? Column by column, and how columns go together."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import ks_2samp

from tfhealth.audit.realism import Interval, with_interval


def column_distances(
    real: np.ndarray,
    synthetic: np.ndarray,
    names: Sequence[str],
    categorical: np.ndarray,
    *,
    draws: int = 100,
    seed: int = 0,
) -> list[dict]:
    """Returns one row a column: name, kind, the distance of its two distributions, and the share missing in each.

    distance: of numbers that are known, the largest gap between the cumulative distributions (Kolmogorov-Smirnov); of
    categories, missing as one of them, half the sum of the gaps between their shares (total variation); 0 to 1, with
    distance_low and distance_high (95 %, see `realism.with_interval`), NaN without known numbers. It shrinks with more
    records: put beside it the distance between two real sets of the same sizes.

    Args:
        real, synthetic: (n, columns) numbers or category codes, NaN missing; at least 2 rows.
        names, categorical: of the columns.
        draws, seed: of the intervals.
    """
    rows = []
    for name, is_category, *pair in zip(names, categorical, real.T, synthetic.T, strict=True):
        sets = pair if is_category else [values[~np.isnan(values)] for values in pair]
        undefined = min(map(len, sets)) < 2
        score = _total_variation if is_category else _largest_gap
        found = Interval(*[np.nan] * 3) if undefined else with_interval(score, *sets, draws, seed)
        rows.append(
            {
                "column": name,
                "kind": "categories" if is_category else "numbers",
                "distance": found.value,
                "distance_low": max(found.low, 0.0),
                "distance_high": min(found.high, 1.0),
                "missing_real": float(np.isnan(pair[0]).mean()),
                "missing_synthetic": float(np.isnan(pair[1]).mean()),
            }
        )
    return rows


def association_gap(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Returns the mean absolute difference of the correlations of all pairs of features; NaN without a pair.

    A feature that does not vary goes with nothing: its correlations count as 0.

    Args:
        real, synthetic: (n, d) features, categories one-hot.
    """
    upper = np.triu_indices(real.shape[1], 1)
    gaps = np.abs(_correlations(real) - _correlations(synthetic))[upper]
    return float(gaps.mean()) if len(gaps) else float("nan")


def shuffled_columns(values: np.ndarray, seed: int) -> np.ndarray:
    """Returns the rows with each column in a random order of its own: every column right, nothing goes together."""
    return np.random.default_rng(seed).permuted(values, axis=0)


def _total_variation(real: np.ndarray, synthetic: np.ndarray) -> float:
    both = np.nan_to_num(np.concatenate([real, synthetic]), nan=-1)
    codes = np.unique(both, return_inverse=True)[1]
    shares = [np.bincount(own, minlength=codes.max() + 1) / len(own) for own in np.split(codes, [len(real)])]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _largest_gap(real: np.ndarray, synthetic: np.ndarray) -> float:
    return float(ks_2samp(real, synthetic, method="asymp").statistic)


def _correlations(features: np.ndarray) -> np.ndarray:
    centred = np.asarray(features, np.float64) - features.mean(0, dtype=np.float64)
    spread = np.sqrt((centred**2).sum(0))
    return (centred.T @ centred) / np.maximum(np.outer(spread, spread), 1e-12)
