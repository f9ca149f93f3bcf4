import keras
import numpy as np
import pytest
import tensorflow as tf

from tfhealth.training.diffaugment import POLICIES, augment

IMAGES = tf.constant(np.random.default_rng(0).uniform(60, 190, (6, 16, 16, 3)), tf.float32)


@pytest.mark.parametrize("policy", POLICIES)
def test_augmentation_changes_each_image_its_own_way_and_lets_gradients_through(policy):
    same = tf.repeat(IMAGES[:1], 6, axis=0)
    with tf.GradientTape() as tape:
        tape.watch(same)
        changed = augment(same, (policy,), keras.random.SeedGenerator(0))
        total = tf.reduce_sum(changed**2)
    assert changed.shape == same.shape
    assert len(np.unique(changed.numpy().reshape(6, -1), axis=0)) >= 5  # two may draw the same shift
    assert np.abs(tape.gradient(total, same)).max() > 0


def test_shift_moves_at_most_an_eighth_of_the_side():
    dot = np.zeros((40, 16, 16, 3), np.float32)
    dot[:, 8, 8] = 255
    moved = augment(tf.constant(dot), ("translation",), keras.random.SeedGenerator(0)).numpy()
    places = np.array([np.argwhere(image[..., 0] == 255)[0] for image in moved])
    assert set(np.unique(places)) == {6, 7, 8, 9, 10}


def test_hole_is_grey_and_leaves_most_of_the_rest():
    cut = augment(IMAGES, ("cutout",), keras.random.SeedGenerator(0)).numpy()
    grey = (cut == 127.5).all(-1)
    assert 0 < grey.mean() <= 0.27  # a quarter at most, and one pixel of rounding
    np.testing.assert_array_equal(cut[~grey], IMAGES.numpy()[~grey])


def test_contrast_and_brightness_of_a_grey_image_stay_in_range():
    grey = tf.fill((50, 8, 8, 3), 127.5)
    changed = augment(grey, ("colour",), keras.random.SeedGenerator(0)).numpy()
    assert changed.min() >= 127.5 - 63.75 - 1e-3
    assert changed.max() <= 127.5 + 63.75 + 1e-3
