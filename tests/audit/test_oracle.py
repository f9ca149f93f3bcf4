"""The audit's error rates, measured on predictions whose gaps are known."""

from dataclasses import replace

import numpy as np
import pytest

from tfhealth.audit.oracle import Planted, alarm_rates, alarms, plant
from tfhealth.audit.statistics import binomial_interval

NONE = Planted()
GAP = Planted(gap=0.18)
SMALL_GAP = Planted(examples=600, gap=0.40)  # quick to test; larger because the sample is smaller


def test_planted_rates_are_those_that_were_asked_for():
    planted = Planted(examples=60_000, gap=0.2)
    view, features, group_ids = plant(planted, seed=0)
    darker = features["skin_tone"] == "darker"
    found = view.decided[view.positive[:, 0] & darker].mean(), view.decided[view.positive[:, 0] & ~darker].mean()
    assert found == pytest.approx((0.7, 0.9), abs=0.02)  # 4 standard errors of 5,400 examples that come in pairs
    assert view.decided[~view.positive[:, 0]].mean() == pytest.approx(0.2, abs=0.01)
    assert len(np.unique(group_ids)) == pytest.approx(60_000 / 1.34, rel=0.01)


def test_same_seed_gives_the_same_predictions_and_another_seed_others():
    first, again, other = (plant(NONE, seed)[0].score for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_planted_gap_is_flagged_on_its_feature_in_nearly_every_draw():
    rates = alarm_rates(SMALL_GAP, draws=12, permutations=420, seed=1000)
    assert rates["planted"]["value"] >= 10 / 12  # at a power of 0.95, 9 or fewer of 12 have a probability of 0.002


def test_without_a_gap_alarms_are_rare():
    rates = alarm_rates(replace(SMALL_GAP, gap=0.0), draws=20, permutations=420, seed=2000)
    assert rates["any"]["value"] <= 4 / 20  # at 5 %, 5 or more of 20 have a probability of 0.003


def test_gap_too_small_for_the_sample_is_mostly_missed():
    rates = alarm_rates(replace(GAP, gap=0.03, examples=400), draws=10, permutations=500, seed=3000)
    assert rates["planted"]["value"] <= 0.5


def test_alarms_name_the_measures_that_the_gap_moves():
    raised = {key for key, alarm in alarms(replace(GAP, gap=0.35), 5, permutations=500).items() if alarm}
    assert {("skin_tone", "equal_opportunity_difference"), ("skin_tone", "worst_group_recall")} <= raised
    assert not {key for key in raised if key[0] != "skin_tone"}


@pytest.mark.slow
def test_power_is_95_percent_at_the_planted_size_and_false_alarms_at_most_5_percent_in_200_draws():
    power = alarm_rates(GAP, draws=200, permutations=1000, seed=10_000)["planted"]
    false = alarm_rates(NONE, draws=200, permutations=1000, seed=20_000)["any"]
    print(f"power {power}, false alarms {false}")
    assert power["value"] >= 0.95
    assert false["value"] <= 0.05
    assert (false["low"], false["high"]) == binomial_interval(round(false["value"] * 200), 200)
