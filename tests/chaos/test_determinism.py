"""`--deterministic`: two runs of all five parts, each part in a process of its own, leave the same bits."""

import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

PARTS = ("part1", "part2", "part3", "part4", "part5")
START = """
import sys
from tests import conftest, test_run_part1, test_run_part3, test_run_part4, test_run_part5
from tfhealth import config, config_part3, config_part4, config_part5, run

config.PART1["quick"], config.PART2["quick"] = test_run_part1.TINY, conftest.TINY
config_part3.PART3["quick"], config_part4.PART4["quick"] = test_run_part3.TINY, test_run_part4.TINY
config_part5.PART5["quick"] = test_run_part5.TINY
sys.exit(run.main([sys.argv[1], "--run", "tiny", "--workdir", sys.argv[2], "--deterministic", *sys.argv[3:]]))
"""
MORE = {"part4": ("--techniques", "int8,pqat,distill")}
ROOT = Path(__file__).parents[2]


def make(part: str, work: Path) -> None:
    command = [sys.executable, "-c", START, part, str(work), *MORE.get(part, ())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def bits(folder: Path) -> dict[str, bytes]:
    """Returns all that a part learned: name of a file and of an array in it -> its bytes."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.tflite")}
    for path in folder.rglob("*.npz"):
        with np.load(path) as arrays:
            found |= {f"{path.relative_to(folder)}/{name}": arrays[name].tobytes() for name in arrays.files}
    for path in folder.rglob("*.keras"):
        found |= {f"{path.relative_to(folder)}/{name}": value for name, value in weights(path).items()}
    return found


def weights(path: Path) -> dict[str, bytes]:
    """Returns the arrays of a .keras file, whose own bytes hold dates."""
    found = {}
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as member, h5py.File(member) as file:
        file.visititems(lambda name, item: found.update({name: item[()].tobytes()} if hasattr(item, "dtype") else {}))
    return found


@pytest.mark.slow
def test_every_part_leaves_the_same_bits_twice_in_a_row(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))
    for part in PARTS:
        for time in ("first", "second"):
            make(part, tmp_path / time)
        first, second = (bits(tmp_path / time / "exports/tiny" / part) for time in ("first", "second"))
        assert first, f"{part} left nothing to compare"
        assert first.keys() == second.keys()
        assert [name for name in first if first[name] != second[name]] == [], part
