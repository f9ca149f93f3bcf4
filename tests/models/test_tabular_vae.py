import keras
import numpy as np

from tfhealth.models.tabular_vae import decoder, encoder

SIZE = {"width": 8, "latent": 3}
CLASSES = np.eye(2, dtype=np.float32)


def test_encoder_and_decoder_fit_each_other():
    mean, log_variance = encoder(5, 2, **SIZE)([np.zeros((2, 5), np.float32), CLASSES])
    assert mean.shape == log_variance.shape == (2, 3)
    assert decoder(5, 2, **SIZE)([np.asarray(mean), CLASSES]).shape == (2, 5)


def test_posterior_starts_with_the_variance_of_the_prior():
    _, log_variance = encoder(5, 2, **SIZE)([np.ones((2, 5), np.float32), CLASSES])
    np.testing.assert_array_equal(log_variance, 0)


def test_both_models_use_the_class():
    keras.utils.set_random_seed(0)
    same = np.ones((2, 5), np.float32)
    mean, _ = encoder(5, 2, **SIZE)([same, CLASSES])
    made = decoder(5, 2, **SIZE)([same[:, :3], CLASSES])
    for found in (np.asarray(mean), np.asarray(made)):
        assert np.abs(found[0] - found[1]).max() > 0.05
