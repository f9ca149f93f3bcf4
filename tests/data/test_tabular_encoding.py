from itertools import pairwise

import numpy as np
import pytest

from tfhealth.data.tabular import Column
from tfhealth.data.tabular_encoding import DECIMALS, LARGEST_SCORE, Encoding

RNG = np.random.default_rng(0)
COLUMNS = (Column("weight"), Column("sex", ("f", "m")), Column("age"), Column("empty", ()))


def table(count):
    weight = np.where(RNG.random(count) < 0.2, np.nan, RNG.lognormal(4, 0.3, count).round(2))
    sex = np.where(RNG.random(count) < 0.1, np.nan, RNG.integers(0, 2, count))
    return np.column_stack([weight, sex, RNG.integers(2, 18, count) * 5.0, np.full(count, np.nan)])


TRAIN = table(400)
ENCODING = Encoding.fit(TRAIN, COLUMNS)


def codes_of(vectors):
    ends = len(ENCODING.numeric) + np.cumsum([0, *(width for _, width in ENCODING.groups)])
    return np.stack([vectors[:, start:stop].argmax(1) for start, stop in pairwise(ends)], axis=1)


def test_groups_hold_categories_and_missing_as_one_of_them():
    """Two for the weight (known, missing), f, m and missing; ages are never missing; the empty column only is."""
    assert ENCODING.groups == ((0, 2), (1, 3), (3, 1))
    assert ENCODING.encode(TRAIN).shape == (400, ENCODING.width) == (400, 2 + 6)


def test_decoded_records_are_those_that_were_encoded():
    vectors = ENCODING.encode(TRAIN)
    found = ENCODING.decode(vectors[:, :2], codes_of(vectors))
    np.testing.assert_array_equal(found[:, 1:], TRAIN[:, 1:])
    np.testing.assert_array_equal(np.isnan(found[:, 0]), np.isnan(TRAIN[:, 0]))
    known = ~np.isnan(TRAIN[:, 0])
    inner = (
        known & (TRAIN[:, 0] < np.nanquantile(TRAIN[:, 0], 0.99)) & (TRAIN[:, 0] > np.nanquantile(TRAIN[:, 0], 0.01))
    )
    np.testing.assert_allclose(found[inner, 0], TRAIN[inner, 0], atol=0.011)  # two decimals, float32 scores


def test_scores_are_standard_normal():
    scores = ENCODING.encode(TRAIN)[~np.isnan(TRAIN[:, 0]), 0]
    assert scores.mean() == pytest.approx(0, abs=0.05)  # quantiles are interpolated
    assert scores.std() == pytest.approx(1, abs=0.05)


def test_no_score_leads_out_of_what_was_trained_on():
    wild = np.linspace(-50, 50, 2001)[:, None] * np.ones((1, 2))
    found = ENCODING.decode(wild, np.zeros((2001, 3), int))
    for column in (0, 2):
        assert np.nanmin(TRAIN[:, column]) <= found[:, column].min()
        assert found[:, column].max() <= np.nanmax(TRAIN[:, column])
    assert set(found[:, 2]) <= set(TRAIN[:, 2])  # few different ages: no others
    np.testing.assert_array_equal(found[:, 0], found[:, 0].round(2))


def test_what_training_has_not_is_bounded_or_empty():
    strange = np.array([[1e9, np.nan, np.nan, np.nan]])
    vector = Encoding.fit(TRAIN, COLUMNS).encode(strange)[0]
    assert vector[0] == LARGEST_SCORE
    assert vector[1] == 0  # an age is never missing in training: the median
    known = TRAIN[~np.isnan(TRAIN[:, 1])]
    assert Encoding.fit(known, COLUMNS).encode(strange)[0, 4:6].tolist() == [0, 0]  # neither f nor m


def test_encoding_depends_on_training_records_only():
    before = ENCODING.encode(TRAIN)
    ENCODING.encode(table(50) * 100)
    np.testing.assert_array_equal(ENCODING.encode(TRAIN), before)


def test_table_without_numbers_or_without_categories_is_encoded():
    only = Encoding.fit(TRAIN[:, 1:2], COLUMNS[1:2])
    assert only.encode(TRAIN[:5, 1:2]).shape == (5, 3)
    numbers = Encoding.fit(TRAIN[:, 2:3], COLUMNS[2:3])
    assert numbers.decode(np.zeros((4, 1)), np.zeros((4, 0), int)).shape == (4, 1)


def test_ranges_alone_know_the_ends_of_a_column_and_nothing_between():
    """Another table with the same ends, grid and gaps gives the same encoding; of quantiles it would not."""
    weight, other = np.linspace(0, 1, 401), np.linspace(0, 1, 401) ** 3
    first, second = (Encoding.fit(x[:, None].round(DECIMALS), COLUMNS[:1], ranges_only=True) for x in (weight, other))
    asked = np.array([[0.0], [0.3], [1.0]])
    np.testing.assert_array_equal(first.encode(asked), second.encode(asked))
    np.testing.assert_allclose(
        first.encode(asked)[:, 0], [-LARGEST_SCORE, -0.4 * LARGEST_SCORE, LARGEST_SCORE], rtol=1e-6
    )
    far = first.decode(np.array([[-9.0], [9.0], [0.0]]), np.zeros((3, 0), int))
    np.testing.assert_allclose(far[:, 0], [0.0, 1.0, 0.5])
