"""Are synthetic examples like real ones, and as varied? Distances between two sets of features, and their intervals.

A score alone says little: put beside it that of real held-out examples (the best there is) and of noise.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.metrics import pairwise_distances

from tfhealth.training.metrics import interval
from tfhealth.training.similarity import ms_ssim

BLOCK = 64  # pairs of images at a time: bounds the memory


class Interval(NamedTuple):
    """A score of the sample and the ends of its 95 % interval; NaN: undefined."""

    value: float
    low: float
    high: float


class Neighbourhoods(NamedTuple):
    """precision and recall of Kynkäänniemi et al., density and coverage of Naeem et al.; see `neighbourhoods`."""

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Returns the squared Fréchet distance of the two normal distributions with the samples' means and covariances.

    Never negative. It shrinks with more examples: compare only sets of the same size.
    The trace of the covariances' root is the sum of the singular values of a small product (of R factors), so neither
    a (d, d) root nor complex numbers come up. Time grows with d * min(n, d)**2: reduce raw pixels first.

    Args:
        real, synthetic: (n, d) features, n at least 2; the two n may differ.

    Source: Dowson and Landau 1982, eq. 4; as a judge of generators, Heusel et al. 2017, arXiv:1706.08500, eq. 6.
    """
    shift = real.mean(0) - synthetic.mean(0)
    factors = [_root_of_covariance(features) for features in (real, synthetic)]
    spread = sum(np.sum(factor**2) for factor in factors)
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    return float(max(shift @ shift + spread - 2 * shared, 0.0))


def kernel_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Returns the unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3 (KID).

    0 on average for two samples of one distribution, whatever their sizes, and so sometimes below 0.

    Args:
        real, synthetic: (n, d) features, n at least 2.

    Source: Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv:1801.01401, sec. 4 and eq. 4.
    """

    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    within = 0.0
    for features in (real, synthetic):
        similar = kernel(features, features)
        within += (similar.sum() - np.trace(similar)) / (len(features) * (len(features) - 1))
    return float(within - 2 * kernel(real, synthetic).mean())


def neighbourhoods(real: np.ndarray, synthetic: np.ndarray, k: int = 5) -> Neighbourhoods:
    """Returns precision, recall, density and coverage, with balls that reach to each point's k-th neighbour.

    precision: share of synthetic points in some ball of a real point (realism); recall: share of real points in some
    ball of a synthetic one (diversity); density: balls of real points around a synthetic one, over k, about 1 for the
    same distribution and above it where it is densest; coverage: share of real points with a synthetic one in their
    ball.

    Args:
        real, synthetic: (n, d) features, more than k each.
        k: neighbours, the point itself not counted.

    Raises:
        ValueError: k or fewer points.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1 and 2; Naeem et al. 2020, arXiv:2002.09797, eq. 3 and 4.
    """
    if min(len(real), len(synthetic)) <= k:
        raise ValueError(f"need more than {k} points, got {len(real)} real and {len(synthetic)} synthetic")
    between = pairwise_distances(real, synthetic)  # (real, synthetic)
    in_real = between <= _radii(real, k)[:, None]
    in_synthetic = between <= _radii(synthetic, k)[None, :]
    return Neighbourhoods(
        precision=float(in_real.any(0).mean()),
        recall=float(in_synthetic.any(1).mean()),
        density=float(in_real.sum() / (k * len(synthetic))),
        coverage=float(in_real.any(1).mean()),
    )


def with_interval(
    score: Callable[[np.ndarray, np.ndarray], float],
    real: np.ndarray,
    synthetic: np.ndarray,
    draws: int = 200,
    seed: int = 0,
) -> Interval:
    """Returns the score and its 95 % interval, from its spread over random halves of both sets.

    Not the bootstrap: a row drawn twice is its own nearest neighbour at distance 0, which breaks every score of
    neighbours, and repeated rows push Fréchet distances up. A half drawn without replacement varies about its own mean
    as the whole sample does about the truth (the delete-half jackknife), for scores of either kind; that mean, which
    fewer rows shift, is taken off. Example: `with_interval(lambda r, s: neighbourhoods(r, s).recall, real, made)`.

    Args:
        score: (real, synthetic) to a number.
        real, synthetic: (n, ...) rows.
        draws: halves drawn.
        seed: of the halves.

    Source: Shao and Wu 1989, "A General Theory for Jackknife Variance Estimation", sec. 3.
    """
    return _interval_about(score(real, synthetic), _halves(score, real, synthetic, draws, seed))


def neighbourhoods_with_intervals(
    real: np.ndarray, synthetic: np.ndarray, k: int = 5, draws: int = 100, seed: int = 0
) -> dict[str, Interval]:
    """Returns each score of `neighbourhoods` by name as `with_interval` would; they share the halves' distances."""

    def score(first, second):
        return neighbourhoods(first, second, k)

    found, drawn = score(real, synthetic), np.array(_halves(score, real, synthetic, draws, seed))
    highest = {"precision": 1.0, "recall": 1.0, "density": np.inf, "coverage": 1.0}
    intervals = (_interval_about(value, column) for value, column in zip(found, drawn.T, strict=True))
    return {
        name: Interval(value, max(low, 0.0), min(high, highest[name]))
        for name, (value, low, high) in zip(Neighbourhoods._fields, intervals, strict=True)
    }


def ms_ssim_diversity(images: np.ndarray, labels: np.ndarray, pairs: int = 200, seed: int = 0) -> dict[int, Interval]:
    """Returns class -> mean similarity of random pairs of its images: lower is more varied; compare with real images.

    A generator that draws one image a class has 1. At 64 px three scales of five fit (similarity.ms_ssim_scales).
    A class of fewer than two images is NaN. The interval is that of a mean of the pairs drawn; images that stand in
    several pairs make it a little narrow.

    Args:
        images: (n, height, width, channels) uint8.
        labels: (n,) int class ids.
        pairs: drawn from each class, at most; fewer where it has fewer different pairs.
        seed: of the pairs.

    Source: Odena, Olah, Shlens 2017, arXiv:1610.09585, sec. 4.2.
    """
    rng, found = np.random.default_rng(seed), {}
    for label in np.unique(labels):
        first, second = _random_pairs(np.flatnonzero(labels == label), pairs, rng)
        blocks = range(0, len(first), BLOCK)
        alike = [ms_ssim(images[first[at : at + BLOCK]], images[second[at : at + BLOCK]]) for at in blocks]
        found[int(label)] = _mean_interval(np.concatenate(alike)) if alike else Interval(np.nan, np.nan, np.nan)
    return found


def _root_of_covariance(features: np.ndarray) -> np.ndarray:
    """Returns (m, d) R with R^T R the covariance, m = min(n, d)."""
    centred = np.asarray(features, np.float64) - features.mean(0, dtype=np.float64)
    return np.linalg.qr(centred, mode="r") / np.sqrt(len(features) - 1)


def _radii(points: np.ndarray, k: int) -> np.ndarray:
    """Returns (n,) the distance of each point to its k-th neighbour among the others."""
    distances = pairwise_distances(points)
    np.fill_diagonal(distances, np.inf)
    return np.partition(distances, k - 1, axis=1)[:, k - 1]


def _halves(score: Callable, real: np.ndarray, synthetic: np.ndarray, draws: int, seed: int) -> list:
    rng = np.random.default_rng(seed)

    def half(rows):
        return rows[rng.permutation(len(rows))[: len(rows) // 2]]

    return [score(half(real), half(synthetic)) for _ in range(draws)]


def _interval_about(value: float, drawn) -> Interval:
    low, high = interval(np.asarray(drawn) - np.mean(drawn))
    return Interval(float(value), float(value + low), float(value + high))


def _random_pairs(members: np.ndarray, pairs: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two ends of different random pairs."""
    count = len(members) * (len(members) - 1) // 2
    chosen = rng.choice(count, min(pairs, count), replace=False)
    first, second = np.triu_indices(len(members), 1)
    return members[first[chosen]], members[second[chosen]]


def _mean_interval(values: np.ndarray) -> Interval:
    """Normal interval of a mean."""
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Interval(float(values.mean()), float(values.mean() - half), float(values.mean() + half))
