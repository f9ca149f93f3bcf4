import copy
import itertools
import re

import numpy as np
import pytest

from tfhealth.report.ethics import FEWEST_WORDS, MOST_WORDS, ethics_report
from tfhealth.report.recommendations import recommendations

NAN = float("nan")
HEADINGS = ["Privacy", "Fairness", "Transparency and explainability", "Clinical validation", "Dual-use risks"]


def score(value, half_width=0.03):
    return {"value": value, "low": value - half_width, "high": value + half_width}


def count(value, half_width=11.0):
    return score(value, half_width)


GAP = {
    "feature": "skin_tone",
    "measure": "equal_opportunity_difference",
    "value": 0.183,
    "low": 0.052,
    "high": 0.311,
    "lowest": "pooled: brown / dark",
    "highest": "very light",
    "gap": 0.157,
    "gap_low": 0.061,
    "gap_high": 0.252,
    "p_value": 0.001,
    "p_holm": 0.035,
    "alarm": True,
    "tests": 35,
    "detectable": 0.172,
}
CHANGE = {"artifact": "int8", "feature": "sex", "group": "female", "class": "malignant", "rate": "recall"}
CHANGE |= {"before": 0.91, "after": 0.84, "change": -0.07, "low": -0.11, "high": -0.029, "clear": True}
PRICE = {
    "mitigation": "group thresholds",
    "rate": "recall",
    "worst_group": "dark",
    "worst_before": 0.71,
    "worst_after": 0.88,
    "gain": 0.17,
    "gain_low": 0.08,
    "gain_high": 0.26,
    "improved": True,
    "new_worst_group": "light",
    "new_worst": 0.86,
    "payer": "light",
    "paid": -0.041,
    "balanced_accuracy_change": -0.013,
    "accuracy_change": -0.024,
}
RECOGNISED = score(0.0134, 0.004) | {"false_positive_rate": 0.01}
VALUES = {
    "data": {
        "title": "HAM10000: dermatoscopic images of pigmented skin lesions",
        "modality": "image",
        "synthetic": False,
        "group_unit": "lesion",
        "train": 7015,
        "validation": 999,
        "test": 2001,
    },
    "view": {"name": "malignant", "threshold": 0.0817, "sensitivity": 0.9},
    "limits": {"minimum_group": 30, "suppressed_below": 10, "power": 0.8, "level": 0.05, "per": 1000, "gap": 0.1},
    "overall": {"recall": score(0.887), "expected_calibration_error": score(0.034, 0.01), "roc_auc": score(0.94)},
    "per_1000": {
        "question": "malignant",
        "per": 1000,
        "positives": count(196.0),
        "false_negatives": count(22.0),
        "false_positives": count(163.0),
        "selected": count(337.0),
        "predictive_value": 0.516,
    },
    "fairness": {
        "features": ["sex", "age_band", "skin_tone", "localization", "sex x age_band"],
        "tests": 35,
        "alarms": 2,
        "clearest": GAP,
        "worst": {"feature": "skin_tone", "group": "dark", "recall": 0.71, "recall_low": 0.55, "recall_high": 0.86},
        "too_few": 3,
        "proxies": [],
    },
    "collect": {
        "feature": "skin_tone",
        "group": "dark",
        "have": 21,
        "needed": 1180,
        "more": 1159,
        "gap": 0.1,
        "power": 0.8,
        "question": "malignant",
    },
    "compression": {"artifacts": 12, "harmed": 1, "worst": CHANGE, "largest": CHANGE},
    "mitigation": {"tried": 4, "improved": 2, "best": PRICE},
    "oracle": {"planted": score(0.985) | {"draws": 200}, "any": score(0.035) | {"draws": 200}},
    "privacy": {"attack_auc": score(0.561) | {"chance": 0.5, "recognised": RECOGNISED}},
    "explanation": {"inside": score(0.61), "area": score(0.28)},
}


def changed(*changes):
    values = copy.deepcopy(VALUES)
    for change in changes:
        change(values)
    return values


def as_is(values):
    pass


def phantom(values):
    values["data"] |= {"title": "Dermoscopy phantom", "synthetic": True, "train": 840}
    values["view"]["name"] = values["per_1000"]["question"] = values["collect"]["question"] = "melanoma"


def long_names(values):
    values["data"]["title"] = "A data set whose title goes on and on until nobody reads it any further than here"
    for row in (values["fairness"]["clearest"], values["fairness"]["worst"], values["collect"]):
        if row:
            for key in ("lowest", "highest", "group"):
                row[key] = "a group that is called by many words indeed, and then some"


def notes(values):
    values["data"] |= {"title": "Clinical notes", "modality": "text", "synthetic": True, "group_unit": "patient"}
    values["view"] |= {"name": "one-vs-rest", "threshold": NAN}
    values["per_1000"]["question"] = values["collect"]["question"] = "circulatory"
    values["explanation"] = None


def real_text(values):
    notes(values)
    values["data"]["synthetic"] = False


def no_features(values):
    empty = {"features": [], "tests": 0, "alarms": 0, "clearest": None, "worst": None, "too_few": 0}
    values["fairness"] |= empty | {"proxies": ["image brightness", "lesion contrast"]}
    values["collect"] |= {"feature": "", "group": "", "have": 0, "needed": 310, "more": 310}
    values["mitigation"] = None


def no_features_and_no_proxies(values):
    no_features(values)
    values["fairness"]["proxies"] = []


def no_alarm(values):
    values["fairness"]["alarms"] = 0
    values["fairness"]["clearest"] |= {"alarm": False, "p_holm": 0.4}


def not_even_detectable(values):
    no_alarm(values)
    values["fairness"]["clearest"]["detectable"] = NAN


def nothing_comparable(values):
    values["fairness"] |= {"tests": 0, "alarms": 0, "clearest": None, "worst": None}


def nothing_optional(values):
    for name in ("compression", "mitigation", "oracle", "privacy", "explanation"):
        values[name] = None


def nothing_optional_not_even_the_keys(values):
    for name in ("compression", "mitigation", "oracle", "privacy", "explanation"):
        del values[name]


def harmless_compression(values):
    values["compression"] |= {"harmed": 0, "worst": None}


def compression_without_a_fall(values):
    values["compression"] |= {"harmed": 0, "worst": None, "largest": None}


def mitigations_in_vain(values):
    values["mitigation"] = {"tried": 4, "improved": 0, "best": PRICE | {"improved": False, "payer": "", "paid": 0.0}}


def mitigations_unmeasured(values):
    values["mitigation"] = {"tried": 4, "improved": 0, "best": None}


def enough_cases(values):
    values["collect"] |= {"have": 1300, "more": 0}


def undefined_scores(values):
    values["overall"]["expected_calibration_error"] = {"value": NAN, "low": NAN, "high": NAN}
    values["per_1000"] |= {"predictive_value": NAN, "false_negatives": {"value": NAN, "low": NAN, "high": NAN}}


def saved_and_read_again(values):
    """NaN is null in findings.json."""
    undefined_scores(values)
    values["view"]["threshold"] = None
    values["per_1000"] |= {"predictive_value": None, "false_negatives": {"value": None, "low": None, "high": None}}


DATA = (as_is, phantom, notes, real_text, long_names)
GROUPS = (
    as_is,
    no_alarm,
    not_even_detectable,
    nothing_comparable,
    no_features,
    no_features_and_no_proxies,
)
PARTS = (
    as_is,
    nothing_optional,
    nothing_optional_not_even_the_keys,
    harmless_compression,
    compression_without_a_fall,
    mitigations_in_vain,
    mitigations_unmeasured,
)
SCORES = (as_is, enough_cases, undefined_scores, saved_and_read_again)
CHANGES = {*DATA, *GROUPS, *PARTS, *SCORES} - {as_is, nothing_optional_not_even_the_keys, not_even_detectable}
ALL = list(itertools.product(DATA, GROUPS, PARTS, SCORES))


def words(text):
    return len(text.split())


def name(changes):
    return "-".join(change.__name__ for change in changes)


def test_text_has_400_to_600_words_and_the_five_headings_whatever_the_findings():
    assert len(ALL) == 840
    for changes in ALL:
        text = ethics_report(changed(*changes))
        assert FEWEST_WORDS <= words(text) <= MOST_WORDS, (name(changes), words(text))
        assert re.findall(r"### (.*)", text) == HEADINGS
        assert "nan" not in text.lower().split(), name(changes)
        assert "None" not in text.replace("None of", ""), name(changes)
        assert not re.search(r"\s[.,;]|\.\.|\(\)|  ", text), name(changes)


def test_two_to_four_recommendations_each_with_a_number():
    for changes in ALL:
        found = recommendations(changed(*changes))
        assert 2 <= len(found) <= 4, name(changes)
        assert all(re.search(r"\d", text) for text in found), found
        assert all(text.endswith(".") and not re.search(r"\bnan\b|None ", text) for text in found), found


def numbers_in(values):
    if isinstance(values, dict):
        for value in values.values():
            yield from numbers_in(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from numbers_in(value)
    elif isinstance(values, int | float | np.number) and not isinstance(values, bool) and values == values:
        yield float(values)


def stands_in(printed, known):
    percent = printed.endswith("%")
    text = printed.rstrip(" %").replace(",", "")
    decimals = len(text.partition(".")[2])
    scale = 100 if percent else 1
    return any(
        abs(abs(scale * value) - abs(float(text))) <= 0.5 * 10**-decimals + 1e-9 or float(f"{value:.2g}") == float(text)
        for value in known
    )


@pytest.mark.parametrize("data", DATA, ids=lambda change: change.__name__)
def test_every_number_in_the_text_stands_in_the_values(data):
    for changes in itertools.product((data,), GROUPS, PARTS, SCORES):
        values = changed(*changes)
        known = list(numbers_in(values))
        text = "\n".join([ethics_report(values), *recommendations(values)])
        text = text.replace("HAM10000", "").replace("95 %", "").replace("int8", "")
        for printed in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?: ?%)?", text):
            printed = printed.rstrip(",")
            assert stands_in(printed, known), (printed, name(changes))


@pytest.mark.parametrize("change", sorted(CHANGES, key=lambda c: c.__name__), ids=lambda change: change.__name__)
def test_another_outcome_gives_another_text(change):
    values = changed(change)
    both = ethics_report(values), recommendations(values)
    assert both != (ethics_report(VALUES), recommendations(VALUES))


def test_wording_assesses_and_never_calls_a_model_fair_or_free_of_bias():
    for changes in ALL[::3]:
        text = (ethics_report(changed(*changes)) + " ".join(recommendations(changed(*changes)))).lower()
        for claim in (
            "unbiased",
            "fair model",
            "debias",
            "bias-free",
            "is fair",
            "no bias",
            "fixes",
            "proven",
            "safe ",
        ):
            assert claim not in text, claim


def test_errors_are_told_per_thousand_patients_with_what_they_mean():
    text = ethics_report(VALUES)
    assert "of 1,000 patients like those tested, 196 would be malignant: 22 of them missed (11 to 33)" in text
    assert "163 others alarmed in vain (152 to 174)" in text
    assert "A false negative sends someone home" in text


def test_alarm_names_the_gap_its_size_and_its_groups():
    text = ethics_report(VALUES)
    assert "2 of 35 comparisons" in text
    assert (
        "equal opportunity difference by skin tone, 0.16 (95 % 0.06 to 0.25, corrected p 0.035) between pooled" in text
    )


def test_no_alarm_is_not_called_absence_and_tells_what_could_have_been_seen():
    text = ethics_report(changed(no_alarm))
    assert "No comparison raised an alarm" in text
    assert "only beyond 0.17 would this sample have shown it with 80 % power" in text
    assert "not a gap that is absent" in text


def test_data_without_sensitive_features_lists_biases_and_how_to_test_for_them():
    for data in (as_is, notes):
        text = ethics_report(changed(data, no_features))
        assert "not evidence that all groups are served alike" in text
        assert "Likely for" in text
        assert "To test for them" in text


def test_artifact_that_harmed_a_group_is_not_to_be_shipped():
    assert any(
        text.startswith("Do not ship int8: female changed by -0.07 in recall") for text in recommendations(VALUES)
    )
    assert not any("Do not ship" in text for text in recommendations(changed(harmless_compression)))


def test_collecting_names_group_number_and_power():
    assert recommendations(VALUES)[0].startswith("Collect 1,159 more malignant cases of dark (skin tone)")
    assert "80 % power" in recommendations(VALUES)[0]
