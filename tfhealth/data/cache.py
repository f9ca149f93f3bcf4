"""The prepared cache: decoded images on disk, written once and whole, memory-mapped ever after.

Layout of `$TFHEALTH_CACHE` (else ~/.cache/tfhealth): prepared/<name>-<key>/ holds images.npy (n, height, width, 3)
uint8, masks.npy (n, height, width) uint8 in {0, 1} where the source has masks, table.npz (no pickles) and card.json.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.splits import SPLIT_NAMES
from tfhealth.errors import UserError
from tfhealth.paths import write_json

FORMAT_VERSION = 2  # raised whenever the same source would be prepared differently: old folders are then ignored
FEATURE_PREFIX = "features__"
SPLIT_PREFIX = "split__"
REMEMBERED_CHECKSUMS = 1000  # entries of checksums.json; the oldest go first
READ_BYTES = 2**20


def cache_root() -> Path:
    """Returns `$TFHEALTH_CACHE`, else ~/.cache/tfhealth; nothing is created."""
    return Path(os.environ.get("TFHEALTH_CACHE") or Path.home() / ".cache" / "tfhealth").expanduser()


def cache_key(facts: Mapping[str, Any]) -> str:
    """Returns 16 hex digits of the SHA-256 over `facts` (JSON values) and FORMAT_VERSION."""
    text = json.dumps({**facts, "format_version": FORMAT_VERSION}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def prepared_folder(name: str, key: str) -> Path:
    """Returns where the prepared form of the source `name` is, or will be."""
    return cache_root() / "prepared" / f"{re.sub(r'[^A-Za-z0-9_.]+', '-', name).strip('-')[:60]}-{key}"


def file_checksum(path: Path) -> str:
    """Returns the SHA-256 of a file; remembered by (absolute path, size, mtime) so that a big file is read once."""
    path = path.resolve()
    facts = path.stat()
    entry = f"{path}|{facts.st_size}|{facts.st_mtime_ns}"
    memory = cache_root() / "checksums.json"
    known = _read_checksums(memory)
    if entry not in known:
        with path.open("rb") as file:
            known[entry] = hashlib.file_digest(file, "sha256").hexdigest()
        write_json(memory, dict(list(known.items())[-REMEMBERED_CHECKSUMS:]))
    return known[entry]


def listing_checksum(root: Path, files: Iterable[Path]) -> str:
    """Returns the SHA-256 over path, size and mtime of many files (missing ones too), without reading them."""
    digest = hashlib.sha256()
    for path in sorted(files):
        facts = path.stat() if path.exists() else None
        known = (facts.st_size, facts.st_mtime_ns) if facts else "missing"
        digest.update(f"{os.path.relpath(path, root)}|{known}\n".encode())
    return digest.hexdigest()


class RowWriter:
    """Appends rows to an .npy file one by one, so that memory stays flat and the count need not be known before."""

    def __init__(self, path: Path, row_shape: tuple[int, ...]):
        self.row_shape = row_shape
        self.count = 0
        self._file = path.open("wb")
        self._header_bytes = self._write_header()

    def append(self, row: np.ndarray) -> None:
        if row.shape != self.row_shape or row.dtype != np.uint8:
            raise ValueError(f"a row is {row.dtype} {row.shape}, expected uint8 {self.row_shape}")
        self._file.write(np.ascontiguousarray(row).data)
        self.count += 1

    def finish(self) -> None:
        """Writes the final count into the header and closes the file."""
        self._file.seek(0)
        if self._write_header() != self._header_bytes:  # numpy reserves room for the first axis to grow
            raise RuntimeError("the .npy header changed its length")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        self._file.close()

    def _write_header(self) -> int:
        shape = (self.count, *self.row_shape)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return self._file.tell()


class PreparedWriter:
    """Context manager that writes one prepared folder beside its final place and moves it there whole in `finish`.

    Leaving the block without `finish`, by an error or otherwise, leaves nothing behind. Where another process was
    faster its folder is kept and this one is dropped: both hold the same.
    """

    def __init__(self, folder: Path, image_size: int, with_masks: bool):
        self.folder = folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(folder.parent)
            prefix = f".{socket.gethostname()}.{os.getpid()}."
            self._temporary = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=folder.parent))
        except OSError as error:
            raise UserError(f"cannot write to the cache {folder.parent} ({error}): set TFHEALTH_CACHE") from error
        self._temporary.chmod(0o755)  # mkdtemp makes it private, a cache may be shared
        self.images = RowWriter(self._temporary / "images.npy", (image_size, image_size, 3))
        self.masks = RowWriter(self._temporary / "masks.npy", (image_size, image_size)) if with_masks else None

    def __enter__(self) -> "PreparedWriter":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.images.close()
        if self.masks is not None:
            self.masks.close()
        shutil.rmtree(self._temporary, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is None:  # a failed write: the disk is full, most often
            raise UserError(f"cannot write the cache {self.folder.parent} ({error}): set TFHEALTH_CACHE") from error

    def finish(self, table: Mapping[str, np.ndarray], card: DatasetCard) -> None:
        """Adds the table and the card, and makes the folder visible under its final name."""
        self.images.finish()
        if self.masks is not None:
            self.masks.finish()
        np.savez(self._temporary / "table.npz", **table)
        write_json(self._temporary / "card.json", asdict(card))
        try:
            os.replace(self._temporary, self.folder)
        except OSError:
            if not self.folder.is_dir():  # not "another process was faster"
                raise


def table_columns(
    y: np.ndarray,
    group_ids: np.ndarray,
    example_ids: np.ndarray,
    positions: Mapping[str, np.ndarray],
    sensitive_features: Mapping[str, np.ndarray],
    boxes: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Returns the arrays of table.npz; `positions` is split name -> rows."""
    table = {"y": y.astype(np.int32), "group_ids": group_ids.astype(str), "example_ids": example_ids.astype(str)}
    table |= {SPLIT_PREFIX + name: positions[name].astype(np.int64) for name in SPLIT_NAMES}
    table |= {FEATURE_PREFIX + name: column.astype(str) for name, column in sensitive_features.items()}
    return table if boxes is None else table | {"boxes": boxes.astype(np.int32)}


def open_prepared(folder: Path) -> DatasetBundle:
    """Returns the data set of a prepared folder; images stay on disk until they are taken.

    Raises:
        UserError: files are missing or damaged.
    """
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
        masks = np.load(folder / "masks.npy", mmap_mode="r") if (folder / "masks.npy").exists() else None
        with np.load(folder / "table.npz") as file:
            table = {name: file[name] for name in file.files}
        card = _card(json.loads((folder / "card.json").read_text(encoding="utf-8")))
        splits = {name: _split(table, table[SPLIT_PREFIX + name], images, masks) for name in SPLIT_NAMES}
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"the prepared data in {folder} is damaged ({error}): delete it and run again") from error
    return DatasetBundle(card, **splits)


def _split(table: Mapping[str, np.ndarray], rows: np.ndarray, images: np.ndarray, masks: np.ndarray | None) -> Split:
    features = {
        name.removeprefix(FEATURE_PREFIX): column[rows]
        for name, column in table.items()
        if name.startswith(FEATURE_PREFIX)
    }
    return Split(
        x=Rows(images, rows),
        y=table["y"][rows],
        group_ids=table["group_ids"][rows],
        example_ids=table["example_ids"][rows],
        sensitive_features=features,
        masks=None if masks is None else Rows(masks, rows),
        boxes=table["boxes"][rows] if "boxes" in table else None,
    )


def _card(fields: Mapping[str, Any]) -> DatasetCard:
    return DatasetCard(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})


def _read_checksums(memory: Path) -> dict[str, str]:
    """Returns what is remembered; a missing or broken memory is an empty one, as all of it can be computed again."""
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remove_abandoned(folder: Path) -> None:
    """Removes the partial folders of processes of this machine that were killed."""
    for path in folder.glob(f".{socket.gethostname()}.*.partial"):
        pid = path.name.removeprefix(f".{socket.gethostname()}.").split(".")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
