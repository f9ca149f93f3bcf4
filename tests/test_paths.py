import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from tfhealth.errors import UserError
from tfhealth.paths import Workspace, atomic_folder, atomic_path, keep_settings, only_one, read_json, write_json


def write_half(path):
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def write_half_folder(path):
    with atomic_folder(path) as temporary:
        (temporary / "file").write_text("half")
        raise RuntimeError


def test_file_appears_only_whole(tmp_path):
    with pytest.raises(RuntimeError):
        write_half(tmp_path / "result.txt")
    assert list(tmp_path.iterdir()) == []


def test_folder_appears_only_whole_and_what_a_killed_process_left_of_it_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".saved.{ended.pid}.partial").mkdir()
    with pytest.raises(RuntimeError):
        write_half_folder(tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(tmp_path / "saved") as temporary:
        (temporary / "file").write_text("whole")
    assert (tmp_path / "saved/file").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [tmp_path / "saved"]


def test_failed_rewrite_keeps_the_old_file(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        write_half(target)
    assert target.read_text() == "old"


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    abandoned = tmp_path / f".model.{ended.pid}.partial.keras"
    living = tmp_path / f".model.{os.getppid()}.partial.keras"
    for file in (abandoned, living):
        file.write_text("half")
    with atomic_path(tmp_path / "model.keras") as temporary:
        temporary.write_text("whole")
    assert sorted(tmp_path.iterdir()) == [living, tmp_path / "model.keras"]


def test_temporary_file_keeps_the_suffix_that_savers_look_at(tmp_path):
    with atomic_path(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras"
        temporary.touch()


def test_json_holds_numpy_values_and_writes_undefined_ones_as_null(tmp_path):
    write_json(tmp_path / "a.json", {"n": np.int64(3), "x": [np.float32(0.5), math.nan], "m": np.eye(2)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 3, "x": [0.5, None], "m": [[1, 0], [0, 1]]}


def test_missing_run_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"run `python -m tfhealth\.run part2` first"):
        read_json(tmp_path / "run.json", "python -m tfhealth.run part2")


def test_broken_json_says_what_to_delete(tmp_path):
    (tmp_path / "run.json").write_text('{"half":')
    with pytest.raises(UserError, match="delete it"):
        read_json(tmp_path / "run.json", "part2")


def test_settings_are_kept_and_others_refused(tmp_path):
    keep_settings(tmp_path / "settings.json", {"a": (1, 2), "b": 0.1})
    keep_settings(tmp_path / "settings.json", {"a": [1, 2], "b": 0.1})
    with pytest.raises(UserError, match=r"other settings \(b\)"):
        keep_settings(tmp_path / "settings.json", {"a": [1, 2], "b": 0.2})


def test_workspace_makes_the_three_folders_of_a_run(tmp_path):
    workspace = Workspace(tmp_path, "mine")
    assert workspace.exports("part2") == tmp_path / "exports" / "mine" / "part2"
    assert workspace.logs().is_dir()
    assert workspace.tuners("part2").is_dir()


HOLD = """
import sys, time
from pathlib import Path
from tfhealth.paths import Workspace, only_one
with only_one(Workspace(Path(sys.argv[1]), "mine"), "part2"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_process_of_a_command_is_refused_with_the_first_ones_id_until_that_has_ended(tmp_path):
    workspace = Workspace(tmp_path, "mine")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"held\n"
        with (
            pytest.raises(UserError, match=f"'mine' is being made by process {first.pid}"),
            only_one(workspace, "part2"),
        ):
            pass
        with only_one(workspace, "part1"), only_one(Workspace(tmp_path, "other"), "part2"):
            pass  # neither another command nor another run is kept waiting
        first.kill()
    with only_one(workspace, "part2"):
        pass
