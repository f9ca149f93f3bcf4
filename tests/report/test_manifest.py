"""manifest.json and what `verify` finds."""

import json

import pytest

from tfhealth.errors import UserError
from tfhealth.provenance import recorded
from tfhealth.report.manifest import differences, write_manifest


@pytest.fixture
def run(tmp_path):
    (tmp_path / "part2").mkdir()
    (tmp_path / "part2" / "a.txt").write_text("abc")
    (tmp_path / "part2" / "b.txt").write_text("b")
    (tmp_path / ".hidden").write_text("no result")
    with recorded(tmp_path, "part2", "python -m tfhealth.run part2", 7):
        pass
    write_manifest(tmp_path, {"phantom": {"phantom.py": "0" * 64}})
    return tmp_path


def test_manifest_holds_sizes_checksums_commands_seeds_versions_and_data(run):
    found = json.loads((run / "manifest.json").read_text())
    sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert found["files"]["part2/a.txt"] == {"bytes": 3, "sha256": sha256_of_abc}
    assert set(found["files"]) == {"part2/a.txt", "part2/b.txt", "commands/part2.json"}
    assert found["commands"]["part2"]["seed"] == 7
    assert found["commands"]["part2"]["versions"]["numpy"]
    assert found["data"] == {"phantom": {"phantom.py": "0" * 64}}


def test_untouched_run_has_no_difference(run):
    assert differences(run, "") == []


def test_every_file_that_differs_is_named(run):
    (run / "part2" / "a.txt").write_text("abd")
    (run / "part2" / "b.txt").unlink()
    (run / "new.txt").write_text("")
    assert differences(run, "") == [
        "not in the manifest: new.txt",
        "changed: part2/a.txt (the same size, another SHA-256)",
        "missing: part2/b.txt",
    ]


def test_missing_manifest_names_the_command_that_writes_it(tmp_path):
    with pytest.raises(UserError, match=r"run `python -m tfhealth\.run report` first"):
        differences(tmp_path, "python -m tfhealth.run report")
