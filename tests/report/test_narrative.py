import copy

import pytest

from tfhealth.report.narrative import part2_analysis


def score(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def diagnosis(train, validation, verdict):
    gap = train - validation
    return {
        "train_score": train,
        "validation_score": validation,
        "gap": gap,
        "gap_interval": [gap - 0.03, gap + 0.03],
        "desired_score": 0.85,
        "tolerated_gap": 0.05,
        "verdict": verdict,
    }


SCORES = {name: score(0.7) for name in ("accuracy", "roc_auc", "balanced_accuracy", "expected_calibration_error")}
VALUES = {
    "data": {
        "title": "HAM10000 dermatoscopic images",
        "train": 7015,
        "validation": 999,
        "test": 2001,
        "synthetic": False,
        "group_unit": "lesion",
    },
    "study": {
        "chosen": "resnet18_width32",
        "fractions": [877, 1754, 3507, 7015],
        "diagnoses": {
            "resnet8_width16": diagnosis(0.50, 0.48, "high bias"),
            "resnet18_width32": diagnosis(0.95, 0.60, "high variance"),
            "resnet50_width24": diagnosis(0.99, 0.55, "high variance"),
        },
        "growth": {"from_examples": 3507, "to_examples": 7015, "change": 0.05, "low": 0.01, "high": 0.09},
    },
    "tuning": {
        "towards": "more",
        "trials": 6,
        "improved": True,
        "best_setting": "trial_03",
        "hyperparameters": ["dropout", "l2", "weight_decay", "augmentation"],
        "alone": {
            "dropout": {"value": -0.031, "low": -0.052, "high": -0.012, "stronger": True},
            "l2": {"value": 0.002, "low": -0.02, "high": 0.03, "stronger": True},
            "augmentation": {"value": -0.01, "low": -0.03, "high": 0.01, "stronger": False},
        },
        "before": {"validation_log_loss": 0.75, "gap": 0.35},
        "after": {"validation_log_loss": 0.68, "gap": 0.25},
        "change": {"value": -0.07, "low": -0.1, "high": -0.04},
    },
    "final": SCORES,
    "class_balanced": SCORES,
    "calibrated": SCORES,
    "final_diagnosis": diagnosis(0.93, 0.70, "high variance"),
    "temperature": 1.31,
    "focus": {"inside": score(0.6), "area": score(0.3)},
}


def text_with(change=lambda values: None):
    values = copy.deepcopy(VALUES)
    change(values)
    return part2_analysis(values)


def all_high_bias(values):
    for found in (*values["study"]["diagnoses"].values(), values["final_diagnosis"]):
        found["verdict"] = "high bias"
    values["tuning"]["towards"] = "less"


def no_trial_helped(values):
    values["tuning"]["improved"] = False


def no_growth(values):
    values["study"]["growth"] |= {"change": 0.0, "low": -0.03}


def undecided_change(values):
    values["tuning"]["change"] |= {"high": 0.01}


def nothing_alone_is_certain(values):
    values["tuning"]["alone"]["dropout"]["high"] = 0.001


def weaker_is_better(values):
    values["tuning"]["alone"]["augmentation"] |= {"value": -0.04, "high": -0.001}
    values["tuning"]["best_setting"] = "augmentation_alone"


def nothing_differs(values):
    values["tuning"]["alone"] = {}


def no_masks_and_no_verdict(values):
    values["focus"] = None
    for found in (*values["study"]["diagnoses"].values(), values["final_diagnosis"]):
        found["verdict"] = "neither"
    values["tuning"]["towards"] = "around"


CHANGES = [
    all_high_bias,
    no_trial_helped,
    no_growth,
    undecided_change,
    nothing_alone_is_certain,
    weaker_is_better,
    nothing_differs,
    no_masks_and_no_verdict,
]


@pytest.mark.parametrize("change", [lambda values: None, *CHANGES])
def test_text_keeps_its_length_whatever_the_outcome(change):
    assert 200 <= len(text_with(change).split()) <= 300


@pytest.mark.parametrize("change", CHANGES)
def test_another_outcome_gives_other_sentences(change):
    assert text_with(change) != text_with()


def test_regularizer_said_to_work_best_is_the_one_that_lowered_the_loss_most_alone():
    assert "stronger dropout worked best, moving that loss by -0.031 nats (-0.052 to -0.012" in text_with()
    assert "weaker augmentation worked best" in text_with(weaker_is_better)
    assert "the best setting (augmentation alone)" in text_with(weaker_is_better)


def test_no_regularizer_is_praised_when_the_interval_holds_zero():
    text = text_with(nothing_alone_is_certain)
    assert "No single regularizer clearly worked best" in text
    assert "indistinguishable from none" in text


def test_wording_never_calls_anything_proven_or_safe():
    text = text_with().lower()
    assert not {"proven", "safe", "guarantee"} & set(text.split())
