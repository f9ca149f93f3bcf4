import csv

import pytest

from tfhealth.bench import baseline
from tfhealth.bench.ratio import Ratio
from tfhealth.parts import bench
from tfhealth.run import main


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Two measurements that take no time; returns what decides their ratios."""
    ratios = {"a": 1.0, "b": 2.0}

    def measure(name):
        return lambda _scratch: [Ratio.of(f"{name} / c", "s", [ratios[name]] * 2, [1.0, 1.0])]

    monkeypatch.setattr(bench, "MEASUREMENTS", {name: measure(name) for name in ratios})
    monkeypatch.setattr(baseline, "PATH", tmp_path / "baseline.json")
    return ratios


def start(tmp_path, *more):
    return main(["bench", "--workdir", str(tmp_path), *more])


def test_row_that_grew_fails_the_bench_and_one_that_shrank_does_not(measured, tmp_path, capsys):
    assert start(tmp_path, "--write-baseline") == 0
    assert start(tmp_path) == 0
    measured["a"] = 0.5
    assert start(tmp_path) == 0
    assert "better by 50%" in capsys.readouterr().out
    measured["b"] = 2.5
    assert start(tmp_path) == 1
    assert "WORSE by 25%" in capsys.readouterr().out
    with (tmp_path / "exports/bench/bench.csv").open(encoding="utf-8") as file:
        assert [row["verdict"] for row in csv.DictReader(file)] == ["better by 50%", "WORSE by 25%"]


def test_writing_a_part_of_the_baseline_keeps_the_rest_and_writing_all_keeps_nothing_old(measured, tmp_path):
    start(tmp_path, "--write-baseline")
    measured["a"] = 3.0
    start(tmp_path, "--only", "a", "--write-baseline")
    found = baseline.read_baseline(tmp_path / "baseline.json").ratios
    assert {name: row["ratio"] for name, row in found.items()} == {"a / c": 3.0, "b / c": 2.0}
    bench.MEASUREMENTS.pop("b")
    start(tmp_path, "--write-baseline")
    assert list(baseline.read_baseline(tmp_path / "baseline.json").ratios) == ["a / c"]


def test_unknown_measurement_is_named_with_those_there_are(measured, tmp_path, capsys):
    assert start(tmp_path, "--only", "a,z") == 2
    assert "--only z: choose from a, b" in capsys.readouterr().err
