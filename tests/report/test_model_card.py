from tfhealth.report.model_card import model_card, table

NAN = float("nan")
INTERVAL = {"value": 0.79, "low": 0.77, "high": 0.81}
SCORES = ("accuracy", "balanced_accuracy", "roc_auc")
ROW = {"name": "int8.tflite", "model": "resnet8_width32", "failure": "", "size_mb": 0.332, "gzip_mb": 0.3}
ROW |= {"latency_p50_1_threads_ms": 0.33, "top1_agreement": 0.99, "max_abs_error": 0.4}
ROW |= {"validation_accuracy_change": -0.003, "validation_orientations": 8}
ROW |= {score: 0.788 for score in SCORES}
ROW |= {
    f"{score}_change{end}": value for score in SCORES for end, value in (("", -0.002), ("_low", -0.01), ("_high", 0))
}
FAILED = {"name": "int16.tflite", "model": "resnet8_width32", "failure": "Empty min|max"}
GROUP = {"name": "int8.tflite", "feature": "age_band", "group": "60-74", "count": 1234, "accuracy_before": 0.7}
GROUP |= {"accuracy_change": -0.021, "accuracy_change_low": -0.03, "accuracy_change_high": -0.01}
HIDDEN = {"feature": "age_band", "group": "0-29", "units": "<10", "reason": "suppressed (under 10)"}
VALUES = {
    "data": {
        "title": "Skin",
        "licence": "CC BY-NC 4.0",
        "citation": "Tschandl 2018",
        "url": "https://example.org",
        "synthetic": False,
        "modality": "image",
        "train": 7015,
        "validation": 999,
        "test": 2001,
        "group_unit": "lesion",
        "class_names": ["nevus", "melanoma"],
    },
    "models": [{"label": "resnet8_width32", "parameters": 309607, "test": dict.fromkeys(SCORES, INTERVAL)}],
    "artifacts": [ROW, FAILED],
    "recommendation": {"name": "int8.tflite", "nearest": None},
    "subgroups": {"rows": [GROUP, {**GROUP, "name": "other.tflite", "group": "elsewhere"}], "hidden": [HIDDEN]},
}


def test_card_holds_use_data_licence_metrics_groups_and_limits():
    card = model_card(VALUES, ["A caveat of the data."])
    for heading in ("Intended use", "Training data", "Files", "Metrics", "Metrics by subgroup", "Limits"):
        assert f"## {heading}\n" in card
    assert "Not a medical device" in card
    assert "licence CC BY-NC 4.0" in card
    assert "Validation accuracy changed by -0.003 (mean over 8 orientations of each image)." in card
    assert "| accuracy | 0.790 (0.770 to 0.810) | 0.788 | -0.002 (-0.010 to 0.000) |" in card
    assert "| age band | 60-74 | 1,234 | 0.700 | -0.021 (-0.030 to -0.010) |" in card
    assert "- A caveat of the data." in card


def test_card_says_where_the_processor_that_timed_int8_is_slow_at_it():
    assert "8-bit dot products" not in model_card({**VALUES, "artifacts": [{**ROW, "int8_dot_products": 1.0}]}, [])
    assert "8-bit dot products" in model_card({**VALUES, "artifacts": [{**ROW, "int8_dot_products": 0.0}]}, [])


def test_small_groups_have_no_number_and_other_files_no_group():
    card = model_card(VALUES, [])
    assert "| age band | 0-29 | <10 |  | suppressed (under 10) |" in card
    assert "elsewhere" not in card


def test_failed_file_is_listed_with_its_reason_and_the_recommended_is_bold():
    card = model_card(VALUES, [])
    assert "| int16.tflite |  |  |  |  | failed: Empty min/max |  |" in card
    assert "| **int8.tflite** | 0.332 | 0.300 | 0.330 | 0.788 | -0.002 (-0.010 to 0.000) | -0.003 |" in card


def test_card_of_a_run_in_which_all_failed_has_no_metrics():
    nothing = {**VALUES, "artifacts": [FAILED], "recommendation": {"name": None, "nearest": None}}
    card = model_card(nothing, [])
    assert "## Metrics" not in card
    assert "failed: Empty" in card


def test_card_says_so_where_no_subgroup_is_known():
    card = model_card({**VALUES, "subgroups": {"rows": [], "hidden": []}}, [])
    assert "differences between groups of patients are unknown" in card


def test_table_is_markdown():
    assert table(["a", "b"], [["1", 2]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
