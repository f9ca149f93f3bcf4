"""`all`: order, what a failure stops, what is not started again. No part is really run."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tfhealth.options import parser, steps
from tfhealth.parts import everything
from tfhealth.paths import Workspace
from tfhealth.provenance import read_record, recorded
from tfhealth.run import all_

NAMES = ["part1", "part2", "part3", "part4", "part5", "report"]


class Commands:
    """Stands in for the processes: leaves what a part leaves, and fails where it is told to."""

    def __init__(self, workspace, planned):
        self.workspace, self.planned = workspace, {step.arguments: step for step in planned}
        self.started, self.codes = [], {}

    def __call__(self, arguments):
        step = self.planned[tuple(arguments)]
        self.started.append(step.name)
        if code := self.codes.get(step.name, 0):
            return code
        exports = self.workspace.exports()
        with recorded(exports, step.folder, step.command, 0):
            (exports / step.folder).mkdir(exist_ok=True)
            (exports / step.folder / "findings.json").write_text("{}")
        return 0


@pytest.fixture
def commands(tmp_path):
    workspace = Workspace(tmp_path, "r")
    return Commands(workspace, planned(workspace))


def planned(workspace, *more):
    return steps(parser([all_]).parse_args(["all", "--workdir", str(workspace.root), *more]), workspace.run)


def go(commands, *more):
    commands.started.clear()
    todo = planned(commands.workspace, *more)
    commands.planned = {step.arguments: step for step in todo}
    return everything.run(commands.workspace, todo, commands)


def test_parts_run_in_the_order_of_their_dependencies_and_the_report_last(commands):
    assert go(commands) == 0
    assert commands.started == NAMES


def test_second_start_makes_only_the_report_again(commands):
    go(commands)
    assert go(commands) == 0
    assert commands.started == ["report"]


def test_failed_part_stops_only_what_needs_it_and_the_exit_code_is_1(commands, capsys):
    commands.codes = {"part2": 2}
    assert go(commands) == 1
    assert commands.started == ["part1", "part2", "report"]
    told = capsys.readouterr().err
    assert "part2: failed with exit code 2" in told
    assert "part3: left out: it needs part2" in told
    assert "Not done: part2, part3, part4, part5." in told


def test_start_after_a_failure_goes_on_from_there(commands):
    commands.codes = {"part4": 1}
    assert go(commands) == 1
    assert commands.started == NAMES
    commands.codes = {}
    assert go(commands) == 0
    assert commands.started == ["part4", "part5", "report"]  # Part 5 audits the files of Part 4


def test_other_options_are_another_command(commands):
    go(commands)
    assert go(commands, "--max-mb", "2") == 0
    assert commands.started == ["part4", "part5", "report"]


def test_part_without_its_findings_is_made_again(commands):
    go(commands)
    (commands.workspace.exports("part1") / "findings.json").unlink()
    go(commands)
    assert commands.started == ["part1", "report"]


def test_unfinished_record_is_no_finished_part(commands):
    go(commands)
    path = commands.workspace.exports("commands") / "part3.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": False}))
    go(commands)
    assert commands.started == ["part3", "report"]


def test_killed_part_is_told_by_its_signal(commands, capsys):
    commands.codes = {"part5": -signal.SIGKILL}
    assert go(commands) == 1
    assert "ended by signal 9 (out of memory?)" in capsys.readouterr().err


def test_interrupt_of_a_part_is_an_interrupt_of_all(commands):
    commands.codes = {"part1": 130}
    with pytest.raises(KeyboardInterrupt):
        go(commands)


def test_every_part_gets_the_options_that_it_knows(tmp_path):
    workspace = Workspace(tmp_path, "r")
    more = ["--text", "sms_spam", "--image", "ham10000", "--seed", "3", "--model", "gan", "--max-ms", "5", "--debug"]
    found = {step.name: step for step in planned(workspace, *more)}
    common = ("--seed", "3", "--workdir", str(tmp_path))
    assert found["part1"].arguments == ("part1", "--run", "r", *common, "--text", "sms_spam", "--debug")
    assert found["part3"].folder == "part3_gan"
    assert found["part3"].arguments[-5:] == ("--image", "ham10000", "--model", "gan", "--debug")
    assert "--max-ms" in found["part4"].arguments
    assert "--max-ms" not in found["part5"].arguments
    assert str(tmp_path) not in found["part1"].command


def test_process_returns_the_exit_code_of_its_command():
    assert everything.start_process(["part1", "--seed", "none"]) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems leave the process running")
def test_process_ends_when_its_parent_is_killed(tmp_path):
    child = "import pathlib, os, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    parent = (
        "import subprocess, sys\nfrom tfhealth.parts.everything import _end_with_parent\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], preexec_fn=_end_with_parent).wait()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=tmp_path, env=environment)
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    number = int((tmp_path / "pid").read_text())
    wait_for(lambda: not is_running(number))


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(number):
    """Whether the process is there and no zombie."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_steps_do_not_change_a_finished_record(commands):
    go(commands)
    before = read_record(commands.workspace.exports(), "part1")
    go(commands)
    assert replace(read_record(commands.workspace.exports(), "part1")) == before
