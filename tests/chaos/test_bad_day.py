"""What a run does on a full or closed disk, without its logs, under Ctrl-C and when the clock jumps back."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

RUN = """
import sys
import time
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
    bootstrap_draws=30,
)
if "clock" in sys.argv:
    real, start = time.time, time.time()
    time.time = lambda: real() - (86400 if real() > start + 15 else 0)
sys.exit(main(["part2", "--run", "bad_day", "--workdir", sys.argv[1]]))
"""
TRAINED = "exports/bad_day/part2/study/*/run.json"
needs_mount = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can mount a small disk")

pytestmark = pytest.mark.slow


def start(workdir: Path, *more: str) -> subprocess.Popen:
    environment = os.environ | {"TFHEALTH_CACHE": str(workdir.parent / "cache")}
    command = [sys.executable, "-c", RUN, str(workdir), *more]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(workdir: Path, pattern: str, process: subprocess.Popen) -> None:
    """Returns when a file of the pattern is there."""
    while not list(workdir.glob(pattern)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)


def last_words(error: str) -> str:
    """The last line, behind those of progress; no traceback among them."""
    assert "Traceback" not in error
    return error.strip().splitlines()[-1]


def finished(workdir: Path, *more: str) -> bool:
    process = start(workdir, *more)
    out, error = process.communicate()
    assert process.returncode == 0, (out, error)
    return (workdir / "exports/bad_day/part2/findings.json").exists()


@contextmanager
def small_disk(folder: Path, size: str):
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


@needs_mount
def test_full_disk_ends_with_one_line_and_with_more_space_the_run_goes_on(tmp_path):
    work = tmp_path / "work"
    with small_disk(work, "600k"):
        process = start(work)
        _, error = process.communicate()
        assert process.returncode == 2
        assert last_words(error).startswith("tfhealth: ")
        assert "No space left on device" in last_words(error)
        assert not list(work.rglob("*.partial*"))
        remount(work, "size=100m")
        assert finished(work)


@needs_mount
def test_disk_that_is_closed_to_writing_is_said_in_one_line(tmp_path):
    work = tmp_path / "work"
    with small_disk(work, "100m"):
        remount(work, "ro")
        process = start(work)
        _, error = process.communicate()
        assert process.returncode == 2
        assert last_words(error).startswith("tfhealth: ")
        assert "Read-only file system" in last_words(error)


def test_run_whose_logs_are_removed_meanwhile_ends_as_it_should(tmp_path):
    process = start(tmp_path / "work")
    wait_for(tmp_path / "work", TRAINED, process)
    shutil.rmtree(tmp_path / "work/logs")
    _, error = process.communicate()
    assert process.returncode == 0, error
    assert list((tmp_path / "work/logs").rglob("events.*"))


def test_ctrl_c_stops_within_five_seconds_and_the_run_goes_on(tmp_path):
    work = tmp_path / "work"
    process = start(work)
    wait_for(work, TRAINED, process)
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    _, error = process.communicate()
    assert time.monotonic() - pressed < 5
    assert process.returncode == 130
    assert last_words(error) == "tfhealth: interrupted; the same command goes on where this one stopped"
    before = {path: path.stat().st_mtime_ns for path in work.glob(TRAINED)}
    assert finished(work)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "trained again"


def test_clock_that_jumps_back_a_day_does_no_harm(tmp_path):
    assert finished(tmp_path / "work", "clock")
