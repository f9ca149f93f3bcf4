"""The oracle of the records' judgement: a generator that copies is flagged, one that samples fresh data is not."""

import numpy as np
import pytest

from tfhealth.config_part3 import TABULAR
from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.tabular import Column, Records
from tfhealth.data.tabular_encoding import Encoding
from tfhealth.parts.part3_tabular import privacy, vectors

CARD = DatasetCard("people", "people", "table", ("a", "b"), "none", "none")
COLUMNS = (Column("weight"), Column("height"), Column("place", tuple("abcdefgh")), Column("job", tuple("uvwxyz")))
LABELS = np.arange(300, dtype=np.int32) % 2


def people(n, seed):
    """Two numbers and two categories, with gaps, none of which tells much of another."""
    rng = np.random.default_rng(seed)
    y = LABELS[:n]
    numbers = rng.normal(size=(n, 2)) + y[:, None]
    x = np.column_stack([numbers, rng.integers(0, 8, n), rng.integers(0, 6, n)])
    x[rng.random(x.shape) < 0.05] = np.nan
    ids = np.array([f"{seed}-{i}" for i in range(n)])
    return Split(Rows(x), y, ids, ids)


RECORDS = Records(DatasetBundle(CARD, people(300, 1), people(40, 2), people(150, 3)), COLUMNS, "class")
TRAIN = RECORDS.bundle.train.x.take(slice(None))
ENCODING = Encoding.fit(TRAIN, COLUMNS)


def judged(made, seed=0):
    return privacy(RECORDS, ENCODING, made, TABULAR["quick"], seed)


def test_generator_that_copies_its_training_set_is_flagged_by_every_test():
    found = judged(TRAIN)
    assert found["closest_record"]["flagged"]
    assert found["memorisation"]["flagged"]
    assert all(row["flagged"] for row in found["membership"])
    assert {row["secret"] for row in found["attacks"] if row["flagged"]} >= {"weight", "height", "place", "job", ""}
    assert found["alarms"] >= 8


def test_generator_that_copies_a_part_with_a_little_noise_is_flagged():
    made = people(300, 9).x.take(slice(None))
    made[:150] = TRAIN[:150]
    made[:150, :2] += np.random.default_rng(0).normal(0, 0.01, (150, 2))
    found = judged(made)
    assert found["closest_record"]["flagged"]
    assert found["memorisation"]["flagged"]


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_generator_that_samples_fresh_people_is_not_flagged(seed):
    found = judged(people(300, seed).x.take(slice(None)))
    assert not found["closest_record"]["flagged"]
    assert not found["memorisation"]["flagged"]
    assert found["alarms"] <= 1  # of nine tests, each raises one by chance in 2.5 to 5 % of draws


def test_distance_is_one_between_two_categories_or_labels():
    rows = np.array([[0.0, 0, 2, 1], [0.0, 0, 3, 1], [0.0, 0, 2, 1]])
    found = vectors(RECORDS, ENCODING, rows, np.array([0, 0, 1]))
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(1)
    assert np.linalg.norm(found[0] - found[2]) == pytest.approx(1)
