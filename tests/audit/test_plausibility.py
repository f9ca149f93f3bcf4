import numpy as np
import pytest

from tfhealth.audit.plausibility import (
    class_agreement,
    compare_distributions,
    lesion_measurements,
    otsu_threshold,
    segment_lesion,
)
from tfhealth.data import phantom

SKIN, LESION = (220, 180, 160), (110, 60, 50)


def drawn(shape, size=64):
    """An image of skin with a lesion where `shape(y, x)` holds, and its outline."""
    y, x = np.mgrid[:size, :size]
    outline = shape(y, x)
    return np.where(outline[..., None], LESION, SKIN).astype(np.uint8), outline


def disc(y, x):
    return (y - 32) ** 2 + (x - 30) ** 2 < 15**2


def half_disc(y, x):
    return disc(y, x) & (y + 0.3 * x < 41)


def test_agreement_by_hand():
    y_prob = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9], [0.8, 0.2]])
    found = class_agreement(np.array([0, 0, 1, 1, 1]), y_prob)
    assert found.overall.value == pytest.approx(3 / 5)
    assert found.by_class[0].value == pytest.approx(1 / 2)
    assert found.by_class[1].value == pytest.approx(2 / 3)
    assert found.balanced == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.overall.low < 3 / 5 < found.overall.high
    with pytest.raises(ValueError, match="no examples"):
        class_agreement(np.array([], int), np.zeros((0, 2)))


def test_otsu_cuts_between_two_groups():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.2, 0.02, 300), rng.normal(0.8, 0.02, 900)])
    assert 0.3 < otsu_threshold(values) < 0.7


def test_measurements_of_a_drawn_disc():
    image, outline = drawn(disc)
    found = {name: values[0] for name, values in lesion_measurements(image[None]).items()}
    assert found["area"] == pytest.approx(outline.mean(), rel=0.1)  # the blur moves the edge
    assert found["asymmetry"] < 0.03
    assert found["red"] == pytest.approx(110 / 255, abs=0.03)
    assert found["contrast"] == pytest.approx((188.0 - 73.8) / 255, abs=0.03)
    assert found["variegation"] < 0.06


def test_what_is_asymmetric_or_of_two_colours_measures_so():
    image, _ = drawn(disc)
    image[:, 30:][disc(*np.mgrid[:64, :64])[:, 30:]] = (60, 40, 40)
    two_colours, round_ = lesion_measurements(image[None]), lesion_measurements(drawn(disc)[0][None])
    assert two_colours["variegation"][0] > 2 * round_["variegation"][0]
    wedge = lesion_measurements(drawn(lambda y, x: half_disc(y, x) & (x > 22) | (disc(y, x) & (x > 38)))[0][None])
    assert wedge["asymmetry"][0] > 3 * round_["asymmetry"][0] + 0.05


def test_a_dark_border_is_not_the_lesion():
    image, outline = drawn(disc)
    image[:5] = 0
    found = segment_lesion(image / 255)
    assert not found[:5].any()
    assert (found & outline).sum() / (found | outline).sum() > 0.85


def test_blank_image_has_no_measurements():
    found = lesion_measurements(np.full((1, 32, 32, 3), 200, np.uint8))
    assert all(np.isnan(values[0]) for values in found.values())


def test_segmentation_overlaps_the_phantom_s_own_masks():
    drawn_ones = phantom.generate(40, 64, seed=0)
    dice = []
    for image, mask in zip(drawn_ones.images, drawn_ones.masks, strict=True):
        found = segment_lesion(image / 255)
        dice.append(2 * (found & (mask > 0)).sum() / max(found.sum() + (mask > 0).sum(), 1))
    assert np.median(dice) > 0.8


def test_distributions_alike_and_apart():
    rng = np.random.default_rng(0)
    real = {"area": rng.normal(size=200), "red": rng.normal(size=200)}
    synthetic = {"area": rng.normal(size=150), "red": rng.normal(3, 1, 150)}
    synthetic["area"][:15] = np.nan
    area, red = compare_distributions(real, synthetic, draws=30)
    assert area["ks"] < 0.2
    assert area["synthetic_measured"] == pytest.approx(0.9)
    assert red["ks"] > 0.8
    assert 0 <= red["ks_low"] <= red["ks"] <= red["ks_high"] <= 1
    assert red["synthetic_median"] == pytest.approx(3, abs=0.4)


def test_a_measurement_that_no_image_has_is_undefined():
    (row,) = compare_distributions({"area": np.full(5, np.nan)}, {"area": np.ones(5)}, draws=5)
    assert np.isnan(row["ks"])
    assert row["real_measured"] == 0
