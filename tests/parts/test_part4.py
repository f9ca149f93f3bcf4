import numpy as np
import pytest

from tfhealth.errors import UserError
from tfhealth.parts.part4_findings import ALONE, NOT_SHOWN, audited, runtime_pairs
from tfhealth.parts.part4_techniques import IMAGE_TECHNIQUES, TEXT_TECHNIQUES, chosen_techniques
from tfhealth.parts.saved_models import command_of
from tfhealth.paths import Workspace
from tfhealth.training.record import Predictions

SEX = np.repeat(["female", "male"], 50)
TONE = np.repeat(["light", "dark", "brown", "tan"], [60, 36, 3, 1])


def predictions(**features):
    n, ids = 100, np.arange(100).astype(str)
    return Predictions(np.zeros(n, np.int32), np.full((n, 2), 0.5, np.float32), features, ids, ids)


def test_groups_too_small_to_speak_of_are_pooled_or_lose_their_name():
    shown, hidden = audited(predictions(sex=SEX, skin_tone=TONE), "patient")
    assert set(shown.sensitive_features["sex"]) == {"female", "male"}
    tones = set(shown.sensitive_features["skin_tone"]) - {NOT_SHOWN}
    assert tones == {"light", "pooled: brown / dark / tan"}  # four people alone could be worked out from the total
    assert hidden == []


def test_small_groups_without_a_larger_one_to_join_are_counted_without_a_number():
    labels = np.repeat(["a", "b", "unknown"], [46, 46, 8])
    shown, hidden = audited(predictions(tone=labels), "patient")
    assert set(shown.sensitive_features["tone"]) == {"a", "b", NOT_SHOWN}
    assert [(row["group"], row["units"]) for row in hidden] == [("unknown", "<10")]


def test_feature_with_one_group_to_speak_of_is_left_out_and_said_so():
    shown, hidden = audited(predictions(sex=np.repeat(["female", "male"], [95, 5])), "patient")
    assert "sex" not in shown.sensitive_features
    assert hidden[-1] == {"feature": "sex", "group": "all", "units": "", "reason": ALONE}


def test_pairs_are_the_networks_that_two_runtimes_share():
    def row(technique, kind, ms):
        name = f"{technique}.{kind}"
        return {"name": name, "technique": technique, "format": kind, "latency_p50_1_threads_ms": ms}

    rows = [row("int8", "tflite", 0.3), row("int8", "onnx", 0.6), row("dynamic", "tflite", 0.4)]
    assert runtime_pairs(rows) == [{"technique": "int8", "tflite_ms": 0.3, "onnx_ms": 0.6, "tflite_over_onnx": 0.5}]


def test_techniques_are_those_asked_for_or_the_profiles():
    assert chosen_techniques(None, ("int8",), IMAGE_TECHNIQUES) == ("int8",)
    assert chosen_techniques("prune, int8", ("int8",), IMAGE_TECHNIQUES) == ("prune", "int8")
    assert chosen_techniques("", ("int8",), IMAGE_TECHNIQUES) == ()
    with pytest.raises(UserError, match="'prune' is unknown for this model: choose from float16"):
        chosen_techniques("prune", ("int8",), TEXT_TECHNIQUES)


def test_command_that_makes_the_model_names_its_run_and_folder(tmp_path):
    command = command_of(Workspace(tmp_path, "mine"), "part1", "csv:a b.csv", "full", 3)
    assert command.startswith("python -m tfhealth.run part1 --text 'csv:a b.csv' --profile full --seed 3 --run mine")
    assert command.endswith(f"--workdir {tmp_path}")
