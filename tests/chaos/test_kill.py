"""A run that is killed with SIGKILL again and again ends with the findings of one that was left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.timings import findings_without_timings

KILLS = 6
RUN = """
import sys
from dataclasses import replace

from tfhealth import config
from tfhealth.run import main

quick = config.PART2["quick"]
config.PART2["quick"] = replace(
    quick,
    image_size=32,
    phantom_size=300,
    capacities=quick.capacities[:2],
    size_fractions=(0.5, 1.0),
    final=replace(quick.final, epochs=4),
    bootstrap_draws=30,
)
sys.exit(main(["part2", "--run", "killed", "--workdir", sys.argv[1]]))
"""
ALL = "from tfhealth.run import main; import sys; sys.exit(main(['all', '--run', 'killed', '--workdir', sys.argv[1]]))"
KILLS_OF_ALL = 20
PARTS = ("part1", "part2", "part3", "part4", "part5")


def start(script: str, workdir: Path) -> subprocess.Popen:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", script, str(workdir)], **quiet, start_new_session=True)


def kill_at(moment: float, script: str, workdir: Path) -> None:
    """Starts it, and kills it with all its processes after so many seconds."""
    process = start(script, workdir)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def assert_same_findings(tmp_path: Path, part: str) -> None:
    paths = (tmp_path / run / f"exports/killed/{part}/findings.json" for run in ("disturbed", "undisturbed"))
    disturbed, undisturbed = map(findings_without_timings, paths)
    assert disturbed == undisturbed, part


def finished_trainings(workdir: Path) -> dict[Path, int]:
    """Returns the seal of each -> when it was written."""
    seals = [path for path in workdir.glob("exports/**/run.json") if ".partial" not in str(path)]
    return {path: path.stat().st_mtime_ns for path in seals}


@pytest.mark.slow
def test_run_killed_at_random_moments_ends_like_an_undisturbed_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))
    began = time.monotonic()
    assert start(RUN, tmp_path / "undisturbed").wait() == 0
    whole = time.monotonic() - began

    for moment in np.random.default_rng(0).uniform(0.05, 0.6, KILLS) * whole:
        kill_at(moment, RUN, tmp_path / "disturbed")
    assert start(RUN, tmp_path / "disturbed").wait() == 0
    assert_same_findings(tmp_path, "part2")
    assert not list((tmp_path / "disturbed").rglob("*.partial*"))


@pytest.mark.slow
def test_all_killed_twenty_times_ends_like_an_undisturbed_one_and_does_nothing_twice(tmp_path):
    began = time.monotonic()
    assert start(ALL, tmp_path / "undisturbed").wait() == 0
    whole = time.monotonic() - began

    seals = {}
    for moment in np.random.default_rng(0).uniform(0.01, 0.12, KILLS_OF_ALL) * whole:
        kill_at(moment, ALL, tmp_path / "disturbed")
        now = finished_trainings(tmp_path / "disturbed")
        assert now.items() >= seals.items(), "a finished training ran again"
        seals = now
    assert start(ALL, tmp_path / "disturbed").wait() == 0
    assert finished_trainings(tmp_path / "disturbed").items() >= seals.items(), "a finished training ran again"
    for part in PARTS:
        assert_same_findings(tmp_path, part)
    for leftover in ("*.partial*", "state.npz"):
        assert not list((tmp_path / "disturbed").rglob(leftover))
