import numpy as np
import pytest

from tfhealth.training.collapse import diagnose_collapse, mutual_information
from tfhealth.training.latents import fit_latents, prior_latents

RNG = np.random.default_rng(0)


def test_posterior_that_is_the_prior_has_no_active_dimension_and_no_information():
    found = diagnose_collapse(np.zeros((200, 4)), np.zeros((200, 4)), seed=0)
    assert found.active == found.active_by_variance == found.kl_total == 0
    assert found.mutual_information == pytest.approx(0, abs=1e-12)


def test_dimension_just_above_a_hundredth_of_a_nat_is_active_and_one_just_below_is_not():
    means = np.sqrt(2 * np.array([0.0101, 0.0099, 0.0]))  # KL of N(m, 1) is m^2 / 2
    found = diagnose_collapse(np.tile(means, (50, 1)), np.zeros((50, 3)), seed=0)
    assert found.active == pytest.approx(1 / 3)
    assert found.active_by_variance == 0  # it is the same for every image, so it tells nothing
    assert found.mutual_information == pytest.approx(0, abs=1e-9)
    assert found.marginal_kl == pytest.approx(found.kl_total)


def test_mutual_information_of_a_gaussian_channel_is_its_closed_form():
    # z = x + noise with x ~ N(0, 1), noise variance s2: I = log(1 + 1 / s2) / 2 a dimension.
    mean, noise = RNG.normal(size=(4000, 1)), 0.25
    found = mutual_information(mean, np.full_like(mean, np.log(noise)), seed=1)
    assert found == pytest.approx(np.log(1 + 1 / noise) / 2, abs=0.05)  # 4000 draws; standard error about 0.01


def test_mutual_information_of_far_apart_images_is_the_log_of_their_number():
    mean = np.arange(64.0)[:, None] * 100
    found = diagnose_collapse(mean, np.full_like(mean, -4.0), seed=0)
    assert found.mutual_information == pytest.approx(np.log(64), abs=1e-9)
    assert found.ceiling == pytest.approx(np.log(64))


def test_fitted_latents_have_the_mean_and_spread_of_their_class():
    labels = np.repeat([0, 1], 4000)
    mean = RNG.normal(size=(8000, 3)) * [1, 2, 0.5] + 5 * labels[:, None]
    latents = fit_latents(mean, np.full_like(mean, np.log(0.3)), labels, 2)
    drawn = latents.sample(np.ones(20000, int), np.random.default_rng(2))
    np.testing.assert_allclose(drawn.mean(0), 5, atol=0.1)
    np.testing.assert_allclose(drawn.var(0), [1.3, 4.3, 0.55], rtol=0.1)  # shrunk a little towards each other


def test_class_with_fewer_images_than_dimensions_can_be_sampled():
    latents = fit_latents(RNG.normal(size=(3, 40)), np.zeros((3, 40)), np.zeros(3, int), 1)
    assert np.isfinite(latents.sample(np.zeros(5, int), np.random.default_rng(0))).all()


def test_prior_latents_are_standard_normal():
    drawn = prior_latents(2, 3).sample(np.array([0, 1, 2] * 5000), np.random.default_rng(0))
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(2), atol=0.05)
