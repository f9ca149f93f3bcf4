"""A run that is killed with SIGKILL again and again ends with the findings of one that was left alone."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

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
TIMINGS = {"seconds", "tracking_cost", "ms_per_document"}


def without_timings(value):
    if isinstance(value, dict):
        return {key: without_timings(item) for key, item in value.items() if key not in TIMINGS}
    return [without_timings(item) for item in value] if isinstance(value, list) else value


def findings(workdir: Path) -> dict:
    return without_timings(json.loads((workdir / "exports/killed/part2/findings.json").read_text()))


def start(workdir: Path) -> subprocess.Popen:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", RUN, str(workdir)], **quiet)


@pytest.mark.slow
def test_run_killed_at_random_moments_ends_like_an_undisturbed_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))
    began = time.monotonic()
    assert start(tmp_path / "undisturbed").wait() == 0
    whole = time.monotonic() - began

    moments = np.random.default_rng(0).uniform(0.05, 0.6, KILLS) * whole
    for moment in moments:
        process = start(tmp_path / "disturbed")
        time.sleep(moment)
        process.kill()
        process.wait()
    assert start(tmp_path / "disturbed").wait() == 0
    assert findings(tmp_path / "disturbed") == findings(tmp_path / "undisturbed")
    assert not list((tmp_path / "disturbed").rglob("*.partial*"))
