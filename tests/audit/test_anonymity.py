import numpy as np
import pytest

from tfhealth.audit.anonymity import attribute_inference, column_spans, gower_nearest, singling_out

NAN = float("nan")
KINDS = (False, False, True, True)


def patients(rng, count):
    """Two numbers and two categories, none of which tells the last one."""
    numbers = rng.normal(size=(count, 2))
    return np.column_stack([numbers, rng.integers(0, 5, count), rng.integers(0, 4, count)]).astype(float)


def test_gower_distance_by_hand():
    """Spans 10 and 1 of the numbers; a category differs or not; missing is like missing only."""
    rows = np.array([[0.0, 0.0, 1.0], [10.0, 0.0, 2.0], [NAN, 0.5, 2.0]])
    people = np.array([[1.0, 0.1, 1.0], [9.0, 0.2, 2.0], [NAN, 0.0, 2.0]])
    found = gower_nearest(people, rows, np.array([False, False, True]), np.array([10.0, 1.0, 1.0]))
    assert found.tolist() == [0, 1, 2]


def test_spans_skip_what_is_missing_and_are_never_zero():
    assert column_spans(np.array([[1.0, NAN, 3], [NAN, NAN, 3], [4, NAN, 3]])).tolist() == [3, 1, 1]


def test_attributes_are_inferred_from_copies_and_not_from_fresh_data():
    rng = np.random.default_rng(0)
    train, heldout, fresh = (patients(rng, 250) for _ in range(3))
    copied = attribute_inference(train, heldout, train, KINDS, 3)
    honest = attribute_inference(train, heldout, fresh, KINDS, 3)
    assert copied.success.value == 1
    assert copied.risk.low > 0.9
    assert copied.flagged
    assert not honest.flagged
    assert honest.control.value == pytest.approx(0.25, abs=0.11)  # a guess among four, 4 standard errors
    assert honest.risk.low < 0 < honest.risk.high


def test_what_is_true_of_everyone_is_no_leak():
    """The secret follows from another column in all people alike: attacks succeed, on strangers as well."""
    rng = np.random.default_rng(1)
    sets = [patients(rng, 200) for _ in range(3)]
    for people in sets:
        people[:, 3] = people[:, 2]
        people[:, :2] *= 0.01
        people[0, :2] = 1
    found = attribute_inference(*sets, KINDS, 3)
    assert found.success.value > 0.9
    assert not found.flagged


def test_a_number_is_right_within_a_twentieth_of_its_range():
    rng = np.random.default_rng(2)
    train, heldout = patients(rng, 200), patients(rng, 200)
    near = train.copy()
    near[:, 0] += 0.04 * column_spans(train)[0]
    far = train.copy()
    far[:, 0] += 0.06 * column_spans(train)[0]
    assert attribute_inference(train, heldout, near, KINDS, 0).success.value == 1
    assert attribute_inference(train, heldout, far, KINDS, 0).success.value == 0


def test_people_are_singled_out_by_copies_and_not_by_fresh_data():
    rng = np.random.default_rng(3)
    train, heldout, fresh = (patients(rng, 250) for _ in range(3))
    copied = singling_out(train, heldout, train, KINDS, attacks=200)
    honest = singling_out(train, heldout, fresh, KINDS, attacks=200)
    assert copied.success.value == 1  # what is unique in a copy is unique in the original
    assert copied.flagged
    assert not honest.flagged
    assert honest.attacks == 200


def test_fresh_data_single_out_as_rarely_as_the_level_says():
    rng, alarms = np.random.default_rng(4), 0
    for seed in range(100):
        alarms += singling_out(*(patients(rng, 40) for _ in range(3)), KINDS, attacks=20, seed=seed).flagged
    assert alarms / 100 < 0.025 + 4 * np.sqrt(0.025 * 0.975 / 100)


def test_a_table_of_equal_rows_singles_no_one_out():
    rows = np.ones((50, 4))
    found = singling_out(rows, rows, rows, KINDS, attacks=10)
    assert found.attacks == 0
    assert np.isnan(found.risk.value)
