"""Skin tone: colours with known L*a*b*, angles by hand, and an estimate on a drawn image."""

import math

import numpy as np
import pytest

from tfhealth.data.phantom import generate
from tfhealth.data.skin_tone import estimate_ita, grow, individual_typology_angle, ita_group, srgb_to_lab


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((119, 119, 119), (50.03, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_srgb_to_lab_gives_the_published_values_of_known_colours(rgb, lab):
    # From Lindbloom's CIE colour calculator, D65; it rounds to two decimals.
    assert srgb_to_lab(np.array(rgb, np.uint8)) == pytest.approx(lab, abs=0.02)


def test_srgb_to_lab_keeps_the_shape_of_an_image():
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    assert srgb_to_lab(image).shape == (4, 5, 3)
    assert srgb_to_lab(image)[2, 3] == pytest.approx(srgb_to_lab(image[2, 3]), abs=1e-4)  # float32


@pytest.mark.parametrize(
    ("lightness", "yellowness", "degrees"),
    [(70, 20, 45.0), (30, 20, -45.0), (50, 20, 0.0), (50 + 10 * math.sqrt(3), 10, 60.0), (70, 0, 90.0), (50, 0, 0.0)],
)
def test_ita_is_the_angle_over_the_lightness_of_50(lightness, yellowness, degrees):
    assert individual_typology_angle(lightness, yellowness) == pytest.approx(degrees, abs=1e-9)


def test_ita_of_bright_bluish_pixels_stays_light():
    assert individual_typology_angle(80, -5) > 90
    assert individual_typology_angle(20, -5) < -90


@pytest.mark.parametrize(
    ("ita", "group"),
    [
        (56, "very light"), (55, "light"), (42, "light"), (41, "intermediate"), (28, "tan"), (10, "brown"),
        (-29.9, "brown"), (-30, "dark"), (-80, "dark"), (math.nan, "unknown"),
    ],
)  # fmt: skip
def test_ita_groups_have_the_published_cut_offs(ita, group):
    assert ita_group(ita) == group


def test_estimate_ignores_lesion_rim_hair_and_noise():
    rng = np.random.default_rng(0)
    skin = np.array([224, 172, 140])
    image = np.clip(skin + rng.normal(0, 4, (60, 80, 1)), 0, 255).astype(np.uint8)
    image[20:40, 30:50] = (90, 50, 40)  # lesion
    image[:, 10:12] = (60, 40, 30)  # a hair
    image[:8] = 0  # the black rim
    mask = np.zeros((60, 80), np.uint8)
    mask[21:39, 31:49] = 1  # drawn a pixel too small
    lab = srgb_to_lab(skin.astype(np.uint8))
    expected = individual_typology_angle(float(lab[0]), float(lab[2]))
    assert estimate_ita(image, mask) == pytest.approx(expected, abs=1.0)  # degrees; the noise moves the median


def test_estimate_finds_the_skin_tone_that_the_phantom_was_drawn_with():
    drawn = generate(100, 64, seed=0)
    estimated = [estimate_ita(image, mask) for image, mask in zip(drawn.images, drawn.masks, strict=True)]
    # Measured on 400 images: correlation 0.998, mean error 3.1 degrees (light and vignette darken the photograph).
    assert np.corrcoef(estimated, drawn.ita)[0, 1] > 0.99
    assert np.mean(np.abs(estimated - drawn.ita)) < 4.5


def test_estimate_is_nan_where_the_lesion_fills_the_image():
    assert math.isnan(estimate_ita(np.full((60, 80, 3), 200, np.uint8), np.ones((60, 80), np.uint8)))


def test_grow_adds_pixels_to_every_side():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert np.argwhere(grow(mask, 2)).min() == 2
    assert np.argwhere(grow(mask, 2)).max() == 6
    assert grow(mask, 2).sum() == 25
