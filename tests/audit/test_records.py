import numpy as np
import pytest
from scipy.stats import ks_2samp

from tfhealth.audit.records import association_gap, column_distances, shuffled_columns

NAN = float("nan")


def distances(real, synthetic, categorical):
    names = [f"c{i}" for i in range(real.shape[1])]
    return column_distances(real, synthetic, names, np.array(categorical), draws=10)


def test_distance_of_categories_by_hand_with_missing_as_one_of_them():
    """Shares 2/4, 1/4, missing 1/4 against 1/4, 1/4, 2/4: half of 1/4 + 0 + 1/4."""
    real, made = np.array([[0, 0, 1, NAN]]).T, np.array([[0, 1, NAN, NAN]]).T
    (row,) = distances(real, made, [True])
    assert row["distance"] == pytest.approx(0.25)
    assert (row["missing_real"], row["missing_synthetic"]) == (0.25, 0.5)


def test_distance_of_numbers_is_that_of_kolmogorov_and_smirnov_on_those_known():
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(50, 1)), rng.normal(0.5, 1, size=(80, 1))
    made[:10] = NAN
    (row,) = distances(real, made, [False])
    assert row["distance"] == pytest.approx(ks_2samp(real[:, 0], made[10:, 0]).statistic)
    assert 0 <= row["distance_low"] <= row["distance"] <= row["distance_high"] <= 1


def test_column_without_known_numbers_is_undefined():
    (row,) = distances(np.ones((5, 1)), np.full((5, 1), NAN), [False])
    assert np.isnan(row["distance"])


def test_association_gap_by_hand():
    """Two columns that are the same in one set and opposite in the other: correlations 1 and -1."""
    rising = np.arange(10.0)
    assert association_gap(np.column_stack([rising, rising]), np.column_stack([rising, -rising])) == pytest.approx(2)
    assert association_gap(np.column_stack([rising, rising]), np.column_stack([rising, np.ones(10)])) == pytest.approx(
        1
    )
    assert np.isnan(association_gap(rising[:, None], rising[:, None]))


def test_shuffled_columns_keep_every_column_and_lose_what_goes_together():
    values = np.arange(400.0)[:, None] * np.ones((1, 2))
    found = shuffled_columns(values, 0)
    np.testing.assert_array_equal(np.sort(found, axis=0), values)
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.2
