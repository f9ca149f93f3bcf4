import numpy as np
import pytest

from tfhealth.data.dataset import Rows, Split
from tfhealth.parts.part3_judging import PIXELS, VIEWS, pixels_of, view_pixels, views_of
from tfhealth.parts.part3_sources import joined, split_of
from tfhealth.parts.part3_usefulness import rare_labels
from tfhealth.training.collapse import class_coverage

RNG = np.random.default_rng(0)


def test_rare_classes_are_filled_up_to_an_even_share_and_no_further_than_allowed():
    y = np.repeat([0, 1, 2], [200, 95, 5])
    np.testing.assert_array_equal(np.bincount(rare_labels(y, 3, most_added=4)), [0, 5, 20])
    assert len(rare_labels(np.repeat([0, 1], 50), 2, most_added=4)) == 0


def test_turned_copy_has_the_pixels_of_one_of_the_views():
    images = RNG.integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)
    known = view_pixels(split_of(images, np.zeros(2)))
    assert known.shape == (2 * VIEWS, 3 * PIXELS**2)
    copy = np.rot90(images[1:, :, ::-1], 3, (1, 2))
    distances = np.abs(known - pixels_of(copy)).max(1)
    assert np.flatnonzero(distances < 1e-6).tolist() == [VIEWS + int(np.argmin(distances[VIEWS:]))]
    np.testing.assert_array_equal(views_of(images)[1, np.argmin(distances) - VIEWS], copy[0])


def test_joined_split_holds_real_then_synthetic_rows():
    real = Split(
        Rows(np.zeros((2, 4, 4, 3), np.uint8)), np.array([0, 1], np.int32), *(np.array(["p", "q"]),) * 2, {"sex": "fm"}
    )
    both = joined(real, split_of(np.ones((1, 4, 4, 3), np.uint8), np.array([1])))
    assert both.y.tolist() == [0, 1, 1]
    assert both.group_ids.tolist() == ["p", "q", "synthetic-0"]
    assert both.x.take(slice(None)).max((1, 2, 3)).tolist() == [0, 0, 1]


@pytest.mark.parametrize(("y_pred", "covered"), [([0] * 4, 0.5), ([0, 0, 1, 0], 1.0)])
def test_class_coverage_counts_classes_that_are_recognised(y_pred, covered):
    assert class_coverage(np.array([0, 0, 1, 1]), np.array(y_pred), 2) == covered
