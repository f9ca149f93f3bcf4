import pytest

from tfhealth.compression.recommendation import recommend

LIMITS = {"max_mb": 2.0, "max_ms": 5.0, "max_drop": 0.01}


def row(name, mb, ms, change, failure=""):
    return {
        "name": name,
        "gzip_mb": mb,
        "latency_p50_1_threads_ms": ms,
        "accuracy_change": change,
        "failure": failure,
    }


FLOAT = row("float32.tflite", 10.0, 4.0, 0.0)
INT8 = row("int8.tflite", 1.5, 1.0, -0.002)
STUDENT = row("student_int8.tflite", 0.2, 0.3, -0.03)


def test_fastest_that_keeps_all_limits_is_chosen_and_the_limit_that_ruled_out_a_faster_one_is_named():
    found = recommend([FLOAT, INT8, STUDENT], **LIMITS)
    assert found.name == "int8.tflite"
    assert found.decided_by == ("max_drop",)
    assert found.exceeded == {"float32.tflite": ("max_mb",), "student_int8.tflite": ("max_drop",)}


def test_no_limit_decides_when_the_best_of_all_keeps_them():
    found = recommend([FLOAT, INT8, STUDENT], **{**LIMITS, "max_drop": 0.05})
    assert (found.name, found.decided_by) == ("student_int8.tflite", ())


def test_of_equally_fast_ones_the_smallest_is_chosen():
    pruned = row("pruned_int8.tflite", 0.5, 1.05, -0.002)
    assert recommend([INT8, pruned], **LIMITS).name == "pruned_int8.tflite"
    slower = row("pruned_int8.tflite", 0.5, 1.2, -0.002)
    assert recommend([INT8, slower], **LIMITS).name == "int8.tflite"


@pytest.mark.parametrize("limit", LIMITS)
def test_limit_that_nothing_keeps_is_to_blame_and_the_nearest_is_named(limit):
    found = recommend([INT8, row("float16.tflite", 1.9, 4.0, -0.005)], **{**LIMITS, limit: 1e-4})
    assert found.name is None
    assert found.decided_by == (limit,)
    assert found.nearest == "int8.tflite"


def test_a_gain_in_accuracy_keeps_a_limit_of_no_drop():
    assert recommend([row("int8.tflite", 1.0, 1.0, 0.001)], **{**LIMITS, "max_drop": 0.0}).name == "int8.tflite"


def test_failed_artifacts_are_left_out():
    nan = float("nan")
    failed = row("lstm_int8.tflite", nan, nan, nan, failure="the converter crashed")
    assert recommend([failed, INT8], **LIMITS).name == "int8.tflite"
    nothing = recommend([failed], **LIMITS)
    assert (nothing.name, nothing.nearest) == (None, None)
