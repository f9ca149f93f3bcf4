"""manifest.json: every file of a run with its size and SHA-256, and how and from what the run was made."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tfhealth.paths import read_json, write_json
from tfhealth.provenance import FOLDER, read_record

NAME = "manifest.json"


def write_manifest(exports: Path, data: Mapping[str, Mapping[str, str]]) -> Path:
    """Writes exports/<run>/manifest.json and returns its path.

    Args:
        exports: exports/<run>.
        data: data set -> file -> SHA-256.
    """
    commands = {
        path.stem: asdict(read_record(exports, path.stem)) for path in sorted((exports / FOLDER).glob("*.json"))
    }
    files = {name: {"bytes": path.stat().st_size, "sha256": _checksum(path)} for name, path in _files(exports).items()}
    write_json(exports / NAME, {"run": exports.name, "commands": commands, "data": data, "files": files})
    return exports / NAME


def differences(exports: Path, made_by: str) -> list[str]:
    """Returns one line for each file that is not as the manifest says; none if all are.

    Raises:
        UserError: there is no manifest; names the command that writes it.
    """
    listed, here = read_json(exports / NAME, made_by)["files"], _files(exports)
    found = []
    for name in sorted(listed.keys() | here.keys()):
        if name not in here:
            found.append(f"missing: {name}")
        elif name not in listed:
            found.append(f"not in the manifest: {name}")
        elif (size := here[name].stat().st_size) != listed[name]["bytes"]:
            found.append(f"changed: {name} ({size} bytes instead of {listed[name]['bytes']})")
        elif _checksum(here[name]) != listed[name]["sha256"]:
            found.append(f"changed: {name} (the same size, another SHA-256)")
    return found


def _files(exports: Path) -> dict[str, Path]:
    """Returns name below `exports` -> path; without the manifest and what is hidden, which are no results."""
    names = {path.relative_to(exports): path for path in sorted(exports.rglob("*")) if path.is_file()}
    hidden = {name for name in names if any(part.startswith(".") for part in name.parts)}
    return {name.as_posix(): path for name, path in names.items() if name not in hidden and name.as_posix() != NAME}


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
