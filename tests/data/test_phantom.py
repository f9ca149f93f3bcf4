import time
from dataclasses import fields

import numpy as np
import pytest

from tfhealth.data.phantom import (
    BLOCK,
    CLASS_NAMES,
    CLASS_SHARES,
    DARKER_BELOW_ITA,
    Phantom,
    draw_scenes,
    generate,
    paint,
)

ALL = [field.name for field in fields(Phantom)]


@pytest.fixture(scope="module")
def plain():
    return generate(2000, 64, seed=0)


@pytest.fixture(scope="module")
def biased():
    return generate(2000, 64, seed=0, bias=1.0)


def srgb_to_lab(rgb):
    """CIE Lab (..., 3) of sRGB (..., 3) uint8, by the formulas of IEC 61966-2-1 and CIE 15: an independent way back."""
    v = rgb / 255
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def contrast_in_images(phantom):
    """Median L* of the skin minus mean L* of the lesion (n,), measured in the finished images."""
    contrast = []
    for image, mask in zip(phantom.images, phantom.masks, strict=True):
        lightness = srgb_to_lab(image)[..., 0]
        contrast.append(np.median(lightness[mask == 0]) - lightness[mask == 1].mean())
    return np.array(contrast)


@pytest.fixture(scope="module")
def plain_contrast(plain):
    return contrast_in_images(plain)


def first_rows(phantom):
    return np.unique(phantom.lesion_ids, return_index=True)[1]


def split_rows(phantom, num_train):
    """Train and test positions; images of one lesion are neighbours, so cutting between lesions groups by lesion."""
    cut = num_train
    while phantom.lesion_ids[cut] == phantom.lesion_ids[cut - 1]:
        cut += 1
    return slice(None, cut), slice(cut, None)


def test_same_arguments_give_the_same_images_and_other_seeds_others():
    one, same, other = generate(40, 28, 7), generate(40, 28, 7), generate(40, 28, 8)
    for name in ALL:
        assert np.array_equal(getattr(one, name), getattr(same, name)), name
    assert not np.array_equal(one.images, other.images)
    assert not set(one.lesion_ids) & set(other.lesion_ids)


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK + 5])
def test_smaller_count_gives_the_start_of_a_larger_one(count):
    few, many = generate(count, 32, 3), generate(3 * BLOCK, 32, 3)
    for name in ALL:
        assert np.array_equal(getattr(few, name), getattr(many, name)[:count]), name


def test_lesions_and_patients_do_not_depend_on_the_image_size():
    small, large = generate(20, 28, 1), generate(20, 128, 1)
    for name in ("y", "lesion_ids", "age", "sex", "ita"):
        assert np.array_equal(getattr(small, name), getattr(large, name)), name
    share = [phantom.masks.mean(axis=(1, 2)) for phantom in (small, large)]
    assert np.allclose(*share, atol=0.02)  # area as a fraction of the image; 0.02 is a border of half a pixel at 28


def test_columns_have_the_documented_shapes_and_types():
    phantom = generate(5, 48, 0)
    expected = {
        "images": ((5, 48, 48, 3), "uint8"),
        "masks": ((5, 48, 48), "uint8"),
        "boxes": ((5, 4), "int32"),
        "y": ((5,), "int32"),
        "age": ((5,), "int32"),
        "ita": ((5,), "float32"),
    }
    for name, (shape, dtype) in expected.items():
        assert (getattr(phantom, name).shape, str(getattr(phantom, name).dtype)) == (shape, dtype), name
    assert phantom.lesion_ids.dtype.kind == phantom.sex.dtype.kind == "U"


@pytest.mark.parametrize("arguments", [(0, 64, 0), (5, 15, 0), (5, 64, -1), (5, 64, 0, 1.1), (5, 64, 0, float("nan"))])
def test_argument_out_of_range_is_refused(arguments):
    with pytest.raises(ValueError, match="got count="):
        generate(*arguments)


@pytest.mark.parametrize("size", [16, 28, 64, 224])
def test_box_is_the_bounding_box_of_a_mask_that_lies_inside_the_image(size):
    phantom = generate(40, size, 2)
    for mask, (left, top, right, bottom) in zip(phantom.masks, phantom.boxes, strict=True):
        rows, columns = np.nonzero(mask)
        assert (left, top, right, bottom) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert set(np.unique(mask)) == {0, 1}
        if size >= 64:  # the margin is 0.02 of the side: a whole pixel from 50 pixels on
            assert mask[[0, -1]].sum() + mask[:, [0, -1]].sum() == 0


def test_images_of_one_lesion_share_its_class_and_patient_but_not_their_pixels(plain):
    assert 1.25 < len(plain.y) / len(first_rows(plain)) < 1.35
    again = np.flatnonzero(plain.lesion_ids[1:] == plain.lesion_ids[:-1]) + 1
    for name in ("y", "age", "sex", "ita"):
        column = getattr(plain, name)
        assert np.array_equal(column[again], column[again - 1]), name
    difference = np.abs(plain.images[again].astype(float) - plain.images[again - 1]).mean(axis=(1, 2, 3))
    assert difference.min() > 2  # levels of 255: each is another photograph


def test_stored_ita_is_that_of_the_clean_skin():
    errors, tones = [], []
    for block in range(10):
        scenes = draw_scenes(0, block, bias=0.0)
        lab, masks = paint(scenes, 64)
        for image, mask, ita in zip(lab, masks, scenes["ita"], strict=True):
            lightness, b = np.median(image[0][mask == 0]), np.median(image[2][mask == 0])
            errors.append(np.degrees(np.arctan2(lightness - 50, b)) - ita)
            tones.append(ita)
    assert np.abs(errors).max() < 4  # degrees; the mottling of the skin is about 1 L* unit
    assert min(tones) < -45
    assert max(tones) > 70


def test_ita_measured_in_the_finished_images_follows_the_stored_ita(plain):
    measured = []
    for image, mask in zip(plain.images[:300], plain.masks[:300], strict=True):
        lab = np.median(srgb_to_lab(image[16:48, 16:48][mask[16:48, 16:48] == 0]), axis=0)  # centre: evenly lit
        measured.append(np.degrees(np.arctan2(lab[0] - 50, lab[2])))
    error = np.array(measured) - plain.ita[:300]
    assert abs(np.median(error)) < 5  # degrees: the light falls off a little outwards
    assert np.corrcoef(measured, plain.ita[:300])[0, 1] > 0.97


def test_contrast_of_a_painted_lesion_is_the_drawn_one_in_every_class_and_tone():
    scenes = draw_scenes(0, 0, bias=0.0)
    without_mottle = {**scenes, "mottle": np.zeros_like(scenes["mottle"])}
    lab, masks = paint(without_mottle, 64)
    inside = masks.astype(bool)
    offset = [image[:, mask].mean(axis=1) - skin for image, mask, skin in zip(lab, inside, scenes["skin"], strict=True)]
    assert np.allclose(offset, scenes["tint"], atol=1e-3)  # float32 sums over some hundred pixels


def test_without_bias_contrast_does_not_depend_on_tone_class_age_or_sex(plain, plain_contrast):
    rows = first_rows(plain)
    contrast = plain_contrast[rows]
    limit = 4 / np.sqrt(len(rows))  # four standard errors of a correlation that is zero: 0.10
    for column in (plain.ita, plain.y == 1, plain.y == 2, plain.age, plain.sex == "male"):
        assert abs(np.corrcoef(contrast, column[rows])[0, 1]) < limit
    darker = plain.ita[rows] < DARKER_BELOW_ITA
    assert abs(contrast[darker].mean() - contrast[~darker].mean()) < 0.7  # of about 14 L* units


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_class_age_sex_and_tone_are_independent(plain, biased, bias):
    phantom = biased if bias else plain
    rows = first_rows(phantom)
    columns = [phantom.y == 1, phantom.y == 2, phantom.age, phantom.sex == "male", phantom.ita]
    correlation = np.corrcoef([column[rows].astype(float) for column in columns])
    correlation[[0, 1], [1, 0]] = 0  # two indicators of one variable
    assert np.abs(correlation - np.eye(5)).max() < 4 / np.sqrt(len(rows))
    assert np.allclose(np.bincount(phantom.y[rows]) / len(rows), CLASS_SHARES, atol=0.04)  # three standard errors
    assert len(CLASS_NAMES) == len(CLASS_SHARES)


def test_bias_lowers_contrast_and_share_of_darker_skin_and_nothing_else(plain, biased, plain_contrast):
    darker, darker_before = biased.ita < DARKER_BELOW_ITA, plain.ita < DARKER_BELOW_ITA
    contrast, before = contrast_in_images(biased), plain_contrast
    assert contrast[darker].mean() < 0.35 * before[darker_before].mean()  # planted: 0.2
    assert abs(contrast[~darker].mean() - before[~darker_before].mean()) < 0.5  # L* units
    assert darker_before.mean() == pytest.approx(78 / 125, abs=0.05)  # closed form: uniform on [-50, 75], cut at 28
    assert darker.mean() == pytest.approx(78 * 0.3 / (78 * 0.3 + 47), abs=0.05)  # the same with the rate times 0.3
    for name in ("y", "age", "sex", "lesion_ids", "masks"):
        assert np.array_equal(getattr(biased, name), getattr(plain, name)), name


def test_half_the_bias_lies_between_none_and_all(plain, biased):
    half = generate(2000, 16, seed=0, bias=0.5)
    shares = [(phantom.ita < DARKER_BELOW_ITA).mean() for phantom in (biased, half, plain)]
    assert shares[0] + 0.05 < shares[1] < shares[2] - 0.05


def test_generates_500_images_a_second_on_one_core():
    seconds = []
    for seed in range(3):
        start = time.process_time()  # time of all cores together, so that other processes do not count
        generate(320, 64, seed)
        seconds.append(time.process_time() - start)
    assert 320 / min(seconds) > 500


def test_linear_model_on_pixels_stays_under_065(plain):
    from sklearn.linear_model import LogisticRegression

    train, test = split_rows(plain, 1500)
    x = plain.images.reshape(2000, 32, 2, 32, 2, 3).mean(axis=(2, 4)).reshape(2000, -1) / 255  # to 32x32
    model = LogisticRegression(C=0.1, tol=0.01, max_iter=1000).fit(x[train], plain.y[train])
    assert model.score(x[test], plain.y[test]) < 0.65


def small_resnet(keras):
    """A ResNet of three basic blocks, 3x3 stride-2 stem, width 16: an oracle of its own, not the product's model."""
    layers = keras.layers

    def convolution(x, width, size, stride):
        x = layers.Conv2D(width, size, stride, "same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9)(x)

    inputs = layers.Input((64, 64, 3))
    x = layers.RandomFlip("horizontal_and_vertical")(layers.Rescaling(1 / 255, -0.5)(inputs))
    x = layers.ReLU()(convolution(x, 16, 3, 2))
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        y = layers.ReLU()(convolution(x, width, 3, stride))
        x = layers.ReLU()(convolution(y, width, 3, 1) + convolution(x, width, 1, stride))
    return keras.Model(inputs, layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.slow
def test_small_resnet_passes_085(plain):
    import keras

    keras.utils.set_random_seed(0)
    train, test = split_rows(plain, 1500)
    epochs, batch = 15, 32
    steps = epochs * 1500 // batch
    rate = keras.optimizers.schedules.CosineDecay(1e-4, steps - 60, warmup_target=4e-3, warmup_steps=60)
    model = small_resnet(keras)
    model.compile(keras.optimizers.AdamW(rate), "sparse_categorical_crossentropy")
    model.fit(plain.images[train], plain.y[train], batch_size=batch, epochs=epochs, verbose=0)
    y_prob = model.predict(plain.images[test], verbose=0)
    assert (y_prob.argmax(axis=1) == plain.y[test]).mean() > 0.85
