"""The records' texts say what findings say, alarms and all."""

import pytest

from tfhealth.report.records_narrative import records_assessment, records_card, records_challenge


def ends(name, value):
    return {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}


def private_rows():
    """As parts.part3_private makes them."""
    granted = {"delta": 1e-5, "clip": 1.0, "noise": 4.2, "rate": 0.2, "steps": 200}
    scores = {"logistic_regression": 0.81, "membership_auc": 0.51}
    return [
        {"file": "records.csv", "epsilon": None, **scores, "membership_auc": 0.61},
        {"file": "records_epsilon_1.csv", "epsilon": 0.9999, **granted, **scores},
    ]


def values(*, flagged=False, distance=0.31, private=()):
    """As parts.part3_tabular makes them."""
    rates = {"value": 0.02, "low": 0.01, "high": 0.03}
    return {
        "data": {"name": "people", "title": "People", "licence": "CC0", "label": "illness", "train": 1234},
        "training": {"config": {"free_bits": 0.05}},
        "written": 1234,
        "collapse": {"active": 0.75},
        "private": list(private),
        "columns": [
            {"column": name, "kind": kind, "distance": far, "distance_between_real": near, "missing_real": gaps}
            for name, kind, far, near, gaps in (
                ("age", "numbers", distance, 0.07, 0.1),
                ("sex", "categories", 0.11, 0.08, 0.0),
            )
        ],
        "realism": [
            {"records": name, "frechet_distance": frechet, "association_gap": frechet / 10}
            for name, frechet in (("synthetic", 0.9), ("real training", 0.4), ("real, columns shuffled", 5.2))
        ],
        "usefulness": {
            "seeds": 3,
            "change": {"logistic regression": {}},
            "roc_auc": [
                {"classifier": "logistic regression", "trained_on": kind, "value": auc, "low": 0.8, "high": 1.0}
                for kind, auc in (("real", 0.95), ("synthetic", 0.93))
            ],
        },
        "privacy": {
            "alarms": 4 if flagged else 0,
            "tests": 5,
            "closest_record": {"share": 0.79, "expected": 0.78, "flagged": flagged},
            "memorisation": {"rate": rates, "baseline": rates},
            "membership": [{"attacker_has": "the model", **ends("auc", 0.56), "flagged": flagged}],
            "attacks": [
                {"attack": attack, "secret": secret, "attacks": n, "success": 0.61, "control": 0.58, "flagged": alarm}
                for attack, secret, n, alarm in (
                    ("attribute inference", "illness", 9, flagged),
                    ("singling out", "", 0, False),
                )
            ],
        },
    }


def test_challenge_counts_columns_and_gaps():
    row = records_challenge(values())
    assert "1 columns of numbers, 1 of categories, 1 with missing values; 1,234 training records" in row["seen"]
    assert "0.75 of the latent dimensions" in row["outcome"]


def test_assessment_puts_each_number_beside_its_yardstick():
    realistic, useful, private = records_assessment(values())
    assert "0.90; of real training records 0.40, of real columns that are shuffled 5.20" in realistic
    assert "age is farthest from real test records (distance 0.31; training records: 0.07)" in realistic
    assert "synthetic records reached 0.93 (95 % 0.80 to 1.00), on real ones 0.95" in useful
    assert "right on 0.61 of those trained on and on 0.58 of others" in private
    assert "singling out" not in private  # no description was unique


def test_column_without_a_distance_is_passed_over():
    assert "sex is farthest" in records_assessment(values(distance=float("nan")))[0]


@pytest.mark.parametrize(("flagged", "alarms"), [(True, 3), (False, 0)])
def test_alarms_stand_beside_what_raised_them(flagged, alarms):
    private = records_assessment(values(flagged=flagged))[2]
    assert private.count("alarm)") + private.count(", alarm") - private.count(", alarm)") == alarms
    assert f"{4 if flagged else 0} of 5 tests raised an alarm" in private


def test_card_says_what_the_records_are():
    card = records_card(values())
    for words in (
        "1,234 records",
        "They are of no patient",
        '"synthetic"',
        "conditional on illness",
        "No differential privacy in `records.csv`",
    ):
        assert words in card


def test_private_records_are_described_with_their_guarantee_and_what_it_leaves_open():
    card = records_card(values(private=private_rows()))
    assert "`records_epsilon_1.csv`" in card
    assert "noise multiplier 4.20, 200 batches, each record in one with a chance of 0.20" in card
    assert "(\u03b5 = 1.00, \u03b4 = 1e-05)-differential privacy" in card
    price = records_assessment(values(private=private_rows()))[-1]
    assert "no guarantee: logistic regression 0.81, membership inference with the model 0.61; \u03b5 = 1.00" in price
    assert len(records_assessment(values())) == 3
