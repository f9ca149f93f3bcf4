import keras
import numpy as np

from tfhealth.models.vae import decoder
from tfhealth.training.latents import prior_latents
from tfhealth.training.synthesis import BLOCK, Generator, first_fitting, interpolate

keras.utils.set_random_seed(0)
DECODER = decoder(8, 2, width=4, latent=3)
PLAIN = Generator(DECODER, prior_latents(3, 2))


def brightness_guide():
    """A guide for which an image is of class 1 if it is brighter than 120."""
    images = keras.Input((None, None, 3))
    mean = keras.layers.GlobalAveragePooling2D()(images)
    logit = keras.layers.Dense(2, kernel_initializer="zeros")
    model = keras.Model(images, logit(mean))
    logit.set_weights([np.array([[0, 1 / 3]] * 3, np.float32), np.array([0, -120.0], np.float32)])
    return model


def test_first_candidate_that_fits_is_kept_else_the_nearest():
    logits = np.array([[[2, 1], [1, 2], [0, 9]], [[5, 1], [3, 2], [4, 0]]], float)
    np.testing.assert_array_equal(first_fitting(logits, np.array([1, 1])), [1, 1])
    np.testing.assert_array_equal(first_fitting(logits, np.array([0, 0])), [0, 0])


def test_chosen_images_are_of_the_class_asked_for_more_often_than_others():
    labels = np.arange(40) % 2
    guided = Generator(DECODER, PLAIN.latents, brightness_guide(), candidates=8)

    def agreement(generator):
        images, _ = generator.make(labels, 0)
        return np.mean((images.mean((1, 2, 3)) > 120) == labels)

    assert agreement(guided) > agreement(PLAIN)


def test_same_seed_makes_the_same_images_and_another_seed_others():
    labels = np.zeros(3, int)
    first, again, other = (PLAIN.make(labels, seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_images_come_with_the_very_z_they_are_made_of_also_beyond_one_block():
    labels = np.arange(BLOCK + 5) % 2
    images, z = Generator(DECODER, PLAIN.latents, brightness_guide(), candidates=2).make(labels, 0)
    made = keras.ops.convert_to_numpy(DECODER.predict_on_batch([z, np.eye(2, dtype=np.float32)[labels]]))
    assert images.shape == (BLOCK + 5, 8, 8, 3)
    np.testing.assert_allclose(images, made, atol=0.51)  # rounding, float32


def test_interpolation_starts_and_ends_at_its_two_images():
    labels = np.array([[0, 1], [1, 1]])
    images, z = PLAIN.make(labels.ravel(), 3)
    lines = interpolate(PLAIN, z.reshape(2, 2, 3), labels, 5)
    assert lines.shape == (2, 5, 8, 8, 3)
    np.testing.assert_allclose(lines[:, 0], images[::2], atol=1)  # rounding
    np.testing.assert_allclose(lines[:, -1], images[1::2], atol=1)
