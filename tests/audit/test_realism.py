import numpy as np
import pytest
from scipy.linalg import sqrtm

from tfhealth.audit.realism import (
    Neighbourhoods,
    frechet_distance,
    kernel_distance,
    ms_ssim_diversity,
    neighbourhoods,
    neighbourhoods_with_intervals,
    with_interval,
)


def with_moments(rng, n, mean, deviation):
    """Rows whose sample mean and covariance are exactly `mean` and diag(deviation**2)."""
    x = rng.normal(size=(n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T)).T)
    return x * deviation + mean


def test_frechet_distance_of_two_normals_is_the_closed_form():
    """|m1 - m2|^2 + sum (s1 - s2)^2 for diagonal covariances."""
    rng = np.random.default_rng(0)
    first = with_moments(rng, 50, np.array([0.0, 1, 2]), np.array([1.0, 2, 3]))
    second = with_moments(rng, 80, np.array([1.0, 1, 0]), np.array([2.0, 2, 1]))
    assert frechet_distance(first, second) == pytest.approx(1 + 4 + 1 + 0 + 4, rel=1e-9)


@pytest.mark.parametrize("width", [4, 60])  # fewer and more columns than rows
def test_frechet_distance_equals_the_root_of_the_covariances_product(width):
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(2, width, width))
    first, second = (rng.normal(size=(40, width)) @ m + 1 for m in mixing)
    covariances = [np.cov(x.T) for x in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1])
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root.real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-3)  # sqrtm of a singular matrix is rough


def test_frechet_distance_to_itself_is_zero():
    x = np.random.default_rng(0).normal(size=(30, 50))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_by_hand():
    """One column: k(x, y) = (xy + 1)^3; real 0 and 1, synthetic 0 and 2."""
    real, synthetic = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    # within real k(0,1) = 1; within synthetic k(0,2) = 1; between: 1, 1, 1, 27
    assert kernel_distance(real, synthetic) == pytest.approx(1 + 1 - 2 * (1 + 1 + 1 + 27) / 4)


def test_kernel_distance_of_two_samples_of_one_distribution_is_zero_on_average():
    rng = np.random.default_rng(0)
    found = [kernel_distance(rng.normal(size=(40, 3)), rng.normal(size=(25, 3))) for _ in range(200)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(200)
    assert kernel_distance(rng.normal(size=(40, 3)), rng.normal(2, 1, (25, 3))) > 10 * np.std(found)


def test_neighbourhoods_by_hand():
    """On a line with k = 1: real 0, 1, 5 have radii 1, 1, 4; synthetic 0.5, 9 and 30 have 8.5, 8.5 and 21."""
    real, synthetic = np.array([[0.0], [1.0], [5.0]]), np.array([[0.5], [9.0], [30.0]])
    found = neighbourhoods(real, synthetic, k=1)
    assert found.precision == pytest.approx(2 / 3)  # 0.5 in two balls, 9 on the edge of 5's, 30 in none
    assert found.density == pytest.approx((2 + 1 + 0) / 3)
    assert found.coverage == pytest.approx(1.0)
    assert found.recall == pytest.approx(1.0)  # all within 8.5 of 0.5


def test_neighbourhoods_see_dropped_modes_as_recall_and_wild_points_as_precision():
    rng = np.random.default_rng(0)
    real = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(20, 1, (100, 2))])
    one_mode = rng.normal(0, 1, (200, 2))
    half_wild = np.concatenate([real[::2] + 0.01, rng.normal(-200, 1, (100, 2))])
    dropped, wild = neighbourhoods(real, one_mode), neighbourhoods(real, half_wild)
    assert dropped.recall < 0.55
    assert dropped.coverage < 0.55
    assert dropped.precision > 0.9
    assert wild.precision == pytest.approx(0.5, abs=0.02)


def test_too_few_points_for_neighbours_are_refused():
    with pytest.raises(ValueError, match="more than 5"):
        neighbourhoods(np.zeros((5, 2)), np.zeros((9, 2)))


def test_interval_of_a_mean_is_as_wide_as_the_standard_error_says():
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(size=(400, 1)), rng.normal(1, 1, (400, 1))
    found = with_interval(lambda r, s: float(s.mean() - r.mean()), real, synthetic, draws=2000)
    error = np.sqrt((real.var() + synthetic.var()) / 400)
    assert found.value == pytest.approx(synthetic.mean() - real.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)  # 2000 draws: about 3 %


def test_interval_holds_the_expected_frechet_distance_of_samples_of_that_size():
    rng, held = np.random.default_rng(0), 0
    samples = [(rng.normal(size=(60, 3)), rng.normal(0.5, 1.3, (60, 3))) for _ in range(100)]
    expected = np.mean([frechet_distance(*pair) for pair in samples])
    for seed, pair in enumerate(samples):
        found = with_interval(frechet_distance, *pair, draws=80, seed=seed)
        held += found.low <= expected <= found.high
    assert held >= 86  # 0.95 less 4 standard errors


def test_scores_of_neighbours_have_intervals_within_their_bounds():
    rng = np.random.default_rng(0)
    found = neighbourhoods_with_intervals(rng.normal(size=(80, 2)), rng.normal(size=(80, 2)), draws=30)
    assert tuple(found) == Neighbourhoods._fields
    for name, score in found.items():
        assert 0 <= score.low <= score.value <= score.high
        assert name == "density" or score.high <= 1


def test_one_repeated_image_has_no_diversity_and_noise_has_much():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 16, 16, 3)).astype(np.uint8)
    images[:6] = images[0]
    labels = np.array([0] * 6 + [1] * 5 + [2])
    found = ms_ssim_diversity(images, labels, pairs=8)
    assert found[0].value == pytest.approx(1, abs=1e-5)
    assert found[1].value < 0.3
    assert np.isnan(found[2].value)
