import pickle

import numpy as np

from tfhealth.data.dataset import Rows, Split
from tfhealth.data.orientations import ORIENTATIONS, in_all_orientations, oriented

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), np.uint8)
IDS = np.array(["a", "b", "c"])
SPLIT = Split(
    Rows(IMAGES), np.arange(3, dtype=np.int32), IDS, IDS, {"sex": np.array(["f", "m", "f"])}, Rows(IMAGES[..., 0])
)


def test_the_eight_orientations_of_an_image_differ_and_hold_the_same_pixels():
    laid = [oriented(IMAGES, orientation) for orientation in range(ORIENTATIONS)]
    assert np.array_equal(laid[0], IMAGES)
    assert len({images.tobytes() for images in laid}) == ORIENTATIONS
    assert len({np.sort(images, axis=None).tobytes() for images in laid}) == 1


def test_split_in_all_orientations_is_one_orientation_after_the_other_with_the_labels_of_its_images():
    turned = in_all_orientations(SPLIT)
    assert turned.x.shape == (24, 4, 4, 3)
    assert turned.y.tolist() == 8 * [0, 1, 2]
    assert turned.example_ids.tolist() == turned.group_ids.tolist() == 8 * ["a", "b", "c"]
    assert turned.sensitive_features["sex"].tolist() == 8 * ["f", "m", "f"]
    assert turned.masks is None  # they would not fit
    expected = np.concatenate([oriented(IMAGES, orientation) for orientation in range(ORIENTATIONS)])
    assert np.array_equal(turned.x.take(slice(None)), expected)
    assert np.array_equal(turned.x.take(slice(7, 19)), expected[7:19])  # a batch may hold several orientations


def test_oriented_rows_stay_so_in_a_subset_and_in_another_process():
    turned = in_all_orientations(SPLIT)
    some = np.array([23, 4, 0])
    expected = turned.x.take(some)
    assert np.array_equal(turned.subset(some).x.take(slice(None)), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(turned.x)).take(some), expected)
