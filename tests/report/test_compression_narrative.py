import copy

import pytest

from tfhealth.report.compression_narrative import best_of, part4_analysis

NAN = float("nan")


def row(name, *, smaller=3.7, faster=3.1, change=-0.002, failure="", model="resnet8_width32"):
    numbers = {"times_smaller": smaller, "times_faster": faster, "accuracy_change": change}
    numbers |= {"accuracy_change_low": change - 0.006, "accuracy_change_high": change + 0.004, "int8_dot_products": 1.0}
    if failure:
        numbers = dict.fromkeys(numbers, NAN)
    return {"name": name, "model": model, "technique": name.split(".")[0], "failure": failure, **numbers}


def group(name, change):
    ends = {"accuracy_change_low": change - 0.01, "accuracy_change_high": change + 0.01}
    return {"name": "student_int8.tflite", "feature": "age_band", "group": name, "accuracy_change": change, **ends}


VALUES = {
    "models": [{"label": "resnet8_width32", "test": {"accuracy": {"value": 0.791}}}],
    "artifacts": [
        row("float32.tflite", smaller=1.0, faster=1.0, change=0.0),
        row("int8.tflite"),
        row("student_int8.tflite", smaller=23.1, faster=11.2, change=-0.008),
        row("qat_int8.tflite", failure="refused"),
    ],
    "limits": {"max_mb": 1.0, "max_ms": 10.0, "max_drop": 0.01},
    "recommendation": {"name": "student_int8.tflite", "decided_by": [], "nearest": None},
    "pairs": [{"technique": "int8", "tflite_over_onnx": 0.63}],
    "subgroups": {"rows": [group("60-74", -0.021), group("30-44", 0.004)]},
}


def outcome(**changes):
    return {**copy.deepcopy(VALUES), **changes}


def chosen(name, decided_by=(), nearest=None):
    return {"name": name, "decided_by": list(decided_by), "nearest": nearest}


LONG_GROUP = {**group("pooled: brown / dark / intermediate / tan", -0.03), "feature": "skin_tone x age_band x sex"}
TWO_MODELS = {
    "models": [{"label": name, "test": {"accuracy": {"value": 0.45}}} for name in ("transformer", "lstm")],
    "artifacts": [
        row("transformer_float32.tflite", model="transformer"),
        row("transformer_int8.tflite", model="transformer", change=-0.2),
        row("transformer_dynamic.tflite", model="transformer"),
        row("lstm_int8.tflite", model="lstm", failure="the converter crashed (SIGSEGV)"),
    ],
    "recommendation": chosen("transformer_dynamic.tflite", ["max_drop"]),
    "subgroups": {"rows": []},
    "pairs": [],
}
OUTCOMES = {
    "usual": VALUES,
    "limit decided": outcome(recommendation=chosen("int8.tflite", ["max_drop"])),
    "two limits decided": outcome(recommendation=chosen("int8.tflite", ["max_drop", "max_mb"])),
    "reference is best": outcome(recommendation=chosen("float32.tflite", ["max_drop"])),
    "one limit leaves none": outcome(recommendation=chosen(None, ["max_mb"], "int8.tflite")),
    "all limits leave none": outcome(recommendation=chosen(None, [], "student_int8.tflite")),
    "three limits leave none": outcome(recommendation=chosen(None, VALUES["limits"], "student_int8.tflite")),
    "reference nearest": outcome(recommendation=chosen(None, ["max_ms"], "float32.tflite")),
    "all failed": outcome(
        artifacts=[row("float32.tflite", failure="no"), row("int8.tflite", failure="no")],
        recommendation=chosen(None),
        pairs=[],
    ),
    "int8 failed": outcome(
        artifacts=[
            row("float32.tflite"),
            row("int8.tflite", failure="crash"),
            row("student_int8.tflite", smaller=NAN, faster=NAN),
        ]
    ),
    "no groups": outcome(subgroups={"rows": []}, pairs=[]),
    "no group lost": outcome(subgroups={"rows": [group("60-74", 0.0)]}),
    "long group": outcome(subgroups={"rows": [LONG_GROUP]}),
    "two models": outcome(**TWO_MODELS),
    "old processor": outcome(artifacts=[{**made, "int8_dot_products": 0.0} for made in VALUES["artifacts"]]),
    "unknown processor": outcome(artifacts=[{**made, "int8_dot_products": NAN} for made in VALUES["artifacts"]]),
    "few": outcome(artifacts=VALUES["artifacts"][2:3], subgroups={"rows": [group("x", 0.1)]}, pairs=[]),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_text_has_100_to_150_words_whatever_was_found(name):
    text = part4_analysis(OUTCOMES[name])
    assert 100 <= len(text.split()) <= 150, text
    assert "nan" not in text.lower().split()
    assert "healthcare" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("usual", "student_int8.tflite was most effective: 23.1 times smaller (gzip) and 11.2 times as fast as"),
        ("usual", "none of them changed the choice"),
        ("old processor", "This processor lacks the 8-bit dot products of most phones"),
        ("usual", "became 3 files; 1 more failed"),
        ("limit decided", "the accuracy limit decided"),
        ("two limits decided", "the accuracy and the size limits decided"),
        ("reference is best", "No technique was effective: the uncompressed float32.tflite kept all limits"),
        ("one limit leaves none", "int8.tflite came nearest, though no file kept all limits"),
        ("one limit leaves none", "the size limit ruled all files out"),
        ("all limits leave none", "together they left no file"),
        ("all failed", "none is recommended"),
        ("int8 failed", "Full int8 quantization failed."),
        ("int8 failed", "undefined times smaller"),
        ("no group lost", "No subgroup lost accuracy."),
        ("two models", "transformer (test accuracy 0.450) and lstm (test accuracy 0.450) became 3 files"),
        ("two models", "as fast as transformer_float32.tflite"),
    ],
)
def test_other_findings_give_other_sentences(name, words):
    assert words in part4_analysis(OUTCOMES[name])


def test_loss_of_a_subgroup_is_called_indistinguishable_only_where_its_interval_holds_zero():
    clear, unclear = (outcome(subgroups={"rows": [group("60-74", change)]}, pairs=[]) for change in (-0.021, -0.004))
    assert "60-74 (age band), changed by -0.021 (95 % -0.031 to -0.011)." in part4_analysis(clear)
    assert "not distinguishable from none" in part4_analysis(unclear)


def test_best_is_the_recommended_or_else_the_nearest():
    assert best_of(VALUES)["name"] == "student_int8.tflite"
    assert best_of(OUTCOMES["one limit leaves none"])["name"] == "int8.tflite"
    assert best_of(OUTCOMES["all failed"]) is None
