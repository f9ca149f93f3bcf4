import math

import pytest

from tfhealth.bench.baseline import PATH, Baseline, judge, read_baseline, write_baseline
from tfhealth.bench.ratio import Ratio
from tfhealth.bench.table import lines


def row(ratio, low=None, high=None, name="a / b", target=None):
    return Ratio(name, "s", ratio, 1.0, ratio, low or ratio, high or ratio, 5, target)


BEFORE = Baseline({"a / b": {"ratio": 1.0, "low": 0.9, "high": 1.1}}, 0.0, {}, {})


@pytest.mark.parametrize(
    ("now", "text", "flagged"),
    [
        (row(1.19), "", False),
        (row(1.21), "WORSE by 21%", True),
        (row(math.nan), "WORSE by nan%", True),
        (row(0.5, 0.4, 0.6), "better by 50%", False),
        (row(0.5, 0.4, 0.95), "", False),  # one round was as slow as the baseline's fastest
        (row(0.85), "", False),
        (row(9.0, name="c / d"), "new", False),
        (row(1.0, target=0.9), "OVER 0.9 s", True),
        (row(1.0, target=1.0), "", False),
    ],
)
def test_row_is_flagged_if_more_than_20_percent_worse_or_over_its_target(now, text, flagged):
    verdict = judge(now, BEFORE)
    assert (verdict.text, verdict.flagged) == (text, flagged)


def test_without_a_baseline_every_row_is_new(tmp_path):
    assert read_baseline(tmp_path / "none.json") is None
    assert judge(row(1.0), None).text == "new"


def test_written_baseline_is_read_again_with_the_rows_that_are_kept(tmp_path):
    path = tmp_path / "baseline.json"
    write_baseline(path, [row(1.23456, 1.0, 2.0)], 0.3, BEFORE.ratios | {"c / d": {"ratio": 2, "low": 1, "high": 3}})
    found = read_baseline(path)
    assert found.ratios == {
        "a / b": {"ratio": 1.235, "low": 1.0, "high": 2.0},
        "c / d": {"ratio": 2, "low": 1, "high": 3},
    }
    assert found.load == 0.3
    assert found.versions["keras"]
    assert judge(row(1.23456), found).text == ""


def test_committed_baseline_lies_beside_the_package():
    assert PATH.parts[-2:] == ("benchmarks", "baseline.json")
    assert (PATH.parents[1] / "setup.cfg").exists()


def test_table_has_a_line_for_each_row_with_numbers_of_three_digits_and_what_is_said_of_it():
    header, first, second = lines([row(2.0), row(123.456, name="a longer name / b")], BEFORE)
    assert header.split()[:3] == ["ours", "/", "reference"]
    assert first.split() == [
        "a",
        "/",
        "b",
        "2.00",
        "1.00",
        "s",
        "2.00",
        "2.00",
        "2.00",
        "5",
        "1.00",
        "WORSE",
        "by",
        "100%",
    ]
    assert second.endswith("new")
    assert "123" in second
    assert first.index("s  ") == second.index("s  ")
