"""The oracle of this room: a generator that copies its training set is flagged, one that samples fresh data is not."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfhealth.audit.privacy import (
    closest_record,
    membership_inference,
    memorisation_rate,
    nearest_distance,
    true_positive_rate,
)


def people(rng, count):
    return rng.normal(size=(count, 4)) @ np.diag([3, 1, 1, 0.2])


def test_nearest_distance_by_hand():
    assert nearest_distance(np.array([[0.0, 0], [3, 4]]), np.array([[0.0, 1], [3, 4]])) == pytest.approx([1, 0])


def test_closest_record_by_hand():
    """Synthetic 0 is closest to the trained 0.1; 5 lies between the trained 4 and the held-out 6; 9 is at 9."""
    train, heldout = np.array([[0.1], [4.0]]), np.array([[6.0], [9.0]])
    found = closest_record(train, heldout, np.array([[0.0], [5.0], [9.0]]), draws=20)
    assert found.share == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.expected == 0.5
    assert found.to_train == pytest.approx(1.0)  # of 0.1, 1, 5
    assert found.to_heldout == pytest.approx(1.0)  # of 6, 1, 0


def test_generator_that_copies_is_flagged_and_fresh_data_are_not():
    rng = np.random.default_rng(0)
    train, heldout, fresh = people(rng, 200), people(rng, 80), people(rng, 200)
    copies = train[rng.integers(0, 200, 150)] + rng.normal(0, 0.02, (150, 4))
    assert closest_record(train, heldout, copies).flagged
    assert memorisation_rate(train, heldout, copies).flagged
    assert memorisation_rate(train, heldout, copies).rate.value > 0.5
    assert not closest_record(train, heldout, fresh).flagged
    assert not memorisation_rate(train, heldout, fresh).flagged


def test_a_few_copies_among_fresh_data_raise_the_memorisation_rate():
    rng = np.random.default_rng(1)
    train, heldout, fresh = people(rng, 300), people(rng, 300), people(rng, 300)
    some = np.concatenate([fresh[30:], train[:30]])
    assert memorisation_rate(train, heldout, some).rate.value >= 0.1
    assert memorisation_rate(train, heldout, some).flagged


def test_fresh_data_are_flagged_as_rarely_as_the_level_says():
    rng, alarms = np.random.default_rng(2), 0
    for seed in range(200):
        alarms += closest_record(people(rng, 60), people(rng, 25), people(rng, 60), draws=99, seed=seed).flagged
    assert alarms / 200 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


def test_ties_of_coarse_tables_do_not_raise_an_alarm():
    rng = np.random.default_rng(3)
    train, heldout, fresh = (rng.integers(0, 3, (n, 2)).astype(float) for n in (200, 60, 100))
    found = closest_record(train, heldout, fresh)
    assert not found.flagged
    assert found.share == pytest.approx(found.expected, abs=0.1)
    assert not memorisation_rate(train, heldout, fresh).flagged


def test_membership_scores_that_guess_and_that_know():
    rng = np.random.default_rng(0)
    members, others = rng.normal(size=400), rng.normal(size=400)
    guess, sure = membership_inference(members, others, draws=200), membership_inference(members + 9, others, draws=200)
    assert guess.auc == pytest.approx(roc_auc_score([1] * 400 + [0] * 400, np.append(members, others)))
    assert guess.auc_interval[0] < 0.5 < guess.auc_interval[1]
    assert not guess.flagged
    assert sure.flagged
    assert sure.tpr_at_1_percent_fpr == 1
    assert guess.tpr_interval[0] <= guess.tpr_at_1_percent_fpr <= guess.tpr_interval[1]


def test_true_positive_rate_at_one_percent_allows_one_false_alarm_in_a_hundred():
    others = np.arange(100.0)  # one may be above the threshold: it is 98
    assert true_positive_rate(np.array([97.0, 98.0, 98.5, 200.0]), others) == pytest.approx(0.5)
    assert true_positive_rate(np.array([97.0, 98.5, 99.5, 200.0]), others[-50:]) == pytest.approx(0.5)  # none may


def test_an_attack_that_is_sure_of_a_few_shows_at_the_low_rate_and_not_in_the_area():
    rng = np.random.default_rng(4)
    members, others = rng.normal(size=500), rng.normal(size=500)
    members[:25] += 20
    found = membership_inference(members, others, draws=200)
    assert found.auc < 0.6
    assert found.tpr_at_1_percent_fpr >= 0.05
