"""Where a run's files are, and how they get there whole: written beside their final name, then renamed."""

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tfhealth.errors import UserError


@dataclass(frozen=True)
class Workspace:
    """The three folders of one run below `root`: exports/<run>, logs/<run>, tuners/<run>."""

    root: Path
    run: str

    def exports(self, *parts: str) -> Path:
        return self._folder("exports", *parts)

    def logs(self, *parts: str) -> Path:
        return self._folder("logs", *parts)

    def tuners(self, *parts: str) -> Path:
        return self._folder("tuners", *parts)

    def _folder(self, room: str, *parts: str) -> Path:
        folder = self.root.joinpath(room, self.run, *parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@contextmanager
def only_one(workspace: Workspace, command: str) -> Iterator[None]:
    """Keeps other processes from the same command of the same run until the block ends, or this process, however.

    Raises:
        UserError: another process is at it; names its id.
    """
    exports = workspace.root / "exports"  # not the run's own folder: a command that is refused leaves none behind
    exports.mkdir(parents=True, exist_ok=True)
    lock, owner = (exports / f".{workspace.run}.{command}.{suffix}" for suffix in ("lock", "pid"))
    try:
        with FileLock(lock, timeout=0):
            owner.write_text(str(os.getpid()), encoding="utf-8")
            yield
    except Timeout:
        process = owner.read_text(encoding="utf-8") if owner.exists() else "unknown"
        raise UserError(
            f"{command} of run {workspace.run!r} is being made by process {process}: wait for it, stop it, or give "
            "this run a name of its own with --run NAME"
        ) from None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` (same suffix); renamed to `path` when the block ends without an error.

    A reader therefore sees the old file, the whole new file or none: never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As `atomic_path`, for a folder that does not stand there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    temporary.mkdir()
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(path: Path) -> None:
    """Removes temporary files and folders of `path` whose process was killed."""
    for temporary in path.parent.glob(f".{escape(path.stem)}.*.partial{escape(path.suffix)}"):
        process = temporary.name.removesuffix(path.suffix).split(".")[-2]
        if process.isdigit() and not _is_alive(int(process)):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # on Windows os.kill would end the process
    try:
        os.kill(process, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as JSON; NaN and infinities become null, because JSON has no word for them."""
    write_text(path, json.dumps(_plain(value), indent=1, allow_nan=False) + "\n")


def read_json(path: Path, made_by: str) -> Any:
    """Returns the file's content; a missing or broken file raises UserError naming the command that makes it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `{made_by}` first") from None
    except (ValueError, RecursionError) as error:  # no JSON, or not even UTF-8; or brackets without end
        raise UserError(f"{path} is not valid JSON ({error}): delete it and run `{made_by}`") from None


def keep_settings(path: Path, settings: Any) -> None:
    """Writes a run's settings on its first start; later starts must have the same, or finished stages would lie.

    Raises:
        UserError: the run stands there with other settings; names what differs.
    """
    plain = json.loads(json.dumps(_plain(settings)))
    if not path.exists():
        write_json(path, plain)
        return
    earlier = read_json(path, "the same command")
    changed = sorted(key for key in plain.keys() | earlier.keys() if plain.get(key) != earlier.get(key))
    if changed:
        raise UserError(
            f"{path.parent} was made with other settings ({', '.join(changed)}): give this run a name of its own "
            "with --run NAME, or delete that folder"
        )


def _plain(value: Any) -> Any:
    """Turns numpy scalars and arrays, tuples, paths and dict keys into what JSON holds."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy here
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
