import numpy as np
import pytest
import tensorflow as tf

from tfhealth.training.similarity import ms_ssim, ms_ssim_scales


def pictures(side, count=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize(("side", "scales"), [(8, 1), (16, 1), (32, 2), (64, 3), (160, 4), (161, 5), (500, 5)])
def test_as_many_scales_are_used_as_the_window_fits(side, scales):
    assert ms_ssim_scales(side) == scales


@pytest.mark.parametrize("side", [8, 9, 16, 21, 64])
def test_equal_images_are_alike_and_noise_is_not(side):
    images = pictures(side)
    assert ms_ssim(images, images) == pytest.approx(np.ones(3), abs=1e-5)
    assert ms_ssim(images, pictures(side, seed=1)).max() < 0.5


def test_at_full_size_it_is_the_library_s_own():
    first, second = pictures(176, 2), (pictures(176, 2) // 2 + pictures(176, 2, seed=1) // 2).astype(np.uint8)
    assert ms_ssim(first, second) == pytest.approx(tf.image.ssim_multiscale(first, second, 255).numpy(), abs=1e-4)
