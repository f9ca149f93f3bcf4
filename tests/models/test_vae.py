import keras
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from tfhealth.models.gan import discriminator, generator, hinge_losses
from tfhealth.models.vae import decoder, encoder, kl_by_dimension, stages

SIZE = {"width": 8, "latent": 5}
CLASSES = np.eye(3, dtype=np.float32)


@pytest.mark.parametrize("side", [8, 16, 64])
def test_encoder_and_decoder_fit_each_other_at_every_side(side):
    mean, log_variance = encoder(side, 3, **SIZE)([np.zeros((3, side, side, 3)), CLASSES])
    images = decoder(side, 3, **SIZE).predict_on_batch([np.asarray(mean), CLASSES])
    assert mean.shape == log_variance.shape == (3, 5)
    assert images.shape == (3, side, side, 3)
    assert keras.ops.min(images) >= 0
    assert keras.ops.max(images) <= 255


@pytest.mark.parametrize("side", [4, 20, 63])
def test_side_that_cannot_be_halved_is_refused(side):
    with pytest.raises(ValueError, match="power of two"):
        stages(side)


def test_kl_is_zero_for_the_prior_and_the_integral_otherwise():
    assert kl_by_dimension(np.zeros(1), np.zeros(1))[0] == 0
    q, p = norm(0.7, 0.4), norm()
    expected = quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -3, 4)[0]
    found = kl_by_dimension(np.array([0.7]), np.array([2 * np.log(0.4)]))[0]
    assert float(found) == pytest.approx(expected, abs=1e-5)  # float32


def test_decoder_and_discriminator_use_the_class():
    keras.utils.set_random_seed(0)
    z, same = np.ones((3, 5)), np.tile(CLASSES[:1], (3, 1))
    makes, judges = generator(16, 3, **SIZE), discriminator(16, 3, width=8)
    images = keras.ops.convert_to_numpy(makes([z, CLASSES]))
    assert np.abs(images[0] - images[1]).max() > 0.1
    np.testing.assert_allclose(*keras.ops.convert_to_numpy(makes([z, same]))[:2], atol=1e-3)  # of 255, float32
    grey = np.full((3, 16, 16, 3), 100.0)
    scores = keras.ops.convert_to_numpy(judges([grey, CLASSES]))
    assert scores.shape == (3, 1)
    assert len(np.unique(scores)) == 3


def test_spectral_norm_of_every_discriminator_kernel_comes_to_one():
    keras.utils.set_random_seed(0)
    model = discriminator(16, 3, width=8)
    images = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)
    for _ in range(60):  # power iterations
        model([images, CLASSES], training=True)
    kernels = [v.numpy() for v in model.trainable_variables if v.name == "kernel"]
    assert len(kernels) == 4
    for kernel in kernels:
        largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
        assert largest == pytest.approx(1, abs=0.02)  # the iteration converges slowly where two values are close


def test_hinge_losses_by_hand():
    real, fake = np.array([[2.0], [0.5]]), np.array([[-3.0], [0.0]])
    against, towards = hinge_losses(real, fake)
    assert float(against) == pytest.approx((0 + 0.5) / 2 + (0 + 1) / 2)
    assert float(towards) == pytest.approx(1.5)


def test_images_do_not_depend_on_the_others_of_their_batch():
    keras.utils.set_random_seed(0)
    z, makes = np.random.default_rng(0).normal(size=(3, 5)), decoder(16, 3, **SIZE)
    alone = makes([z[:1], CLASSES[:1]], training=True)
    np.testing.assert_allclose(makes([z, CLASSES], training=True)[:1], alone, atol=1e-2)  # of 255, float32
