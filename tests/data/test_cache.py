"""The prepared cache: whole or not there, opened without reading, keyed by everything that changes it."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from tfhealth.data import cache
from tfhealth.data.cache import PreparedWriter, RowWriter, cache_key, file_checksum, open_prepared, table_columns
from tfhealth.data.dataset import DatasetCard
from tfhealth.errors import UserError

CARD = DatasetCard("demo", "Demo", "image", ("a", "b"), "CC0", "none", notes=("one", "two"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))


def write(writer: PreparedWriter, count: int = 12, seed: int = 0) -> np.ndarray:
    """Fills a folder with random images and returns them."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    for image in images:
        writer.images.append(image)
        if writer.masks is not None:
            writer.masks.append((image[..., 0] > 99).astype(np.uint8))
    ids = np.array([f"e{i}" for i in range(count)])
    positions = dict(
        zip(("train", "validation", "test"), np.split(np.arange(count), [count - 4, count - 2]), strict=True)
    )
    sex = np.where(np.arange(count) % 2, "female", "male")
    writer.finish(table_columns(np.arange(count) % 2, ids, ids, positions, {"sex": sex}), CARD)
    return images


def test_prepared_data_come_back_as_they_were_written():
    folder = cache.prepared_folder("demo:x/y", "k")
    with PreparedWriter(folder, 8, with_masks=True) as writer:
        images = write(writer)
    bundle = open_prepared(folder)
    assert bundle.card == CARD
    assert isinstance(bundle.train.x.array, np.memmap)
    assert np.array_equal(bundle.test.x.take(slice(None)), images[10:])
    assert np.array_equal(bundle.test.masks.take(slice(None)), images[10:, ..., 0] > 99)
    assert bundle.test.sensitive_features["sex"].tolist() == ["male", "female"]
    assert bundle.validation.example_ids.tolist() == ["e8", "e9"]


def test_prepared_folder_without_masks_has_none():
    folder = cache.prepared_folder("demo", "k")
    with PreparedWriter(folder, 8, with_masks=False) as writer:
        write(writer)
    assert open_prepared(folder).train.masks is None


@pytest.mark.parametrize("count", [0, 1, 9, 10, 1234])
def test_row_writer_makes_an_npy_of_any_length(tmp_path, count):
    writer = RowWriter(tmp_path / "rows.npy", (2, 3))
    for i in range(count):
        writer.append(np.full((2, 3), i % 256, np.uint8))
    writer.finish()
    rows = np.load(tmp_path / "rows.npy", mmap_mode=None if count == 0 else "r")
    assert rows.shape == (count, 2, 3)
    assert rows[:, 1, 2].tolist() == [i % 256 for i in range(count)]


def test_interrupted_preparation_leaves_nothing_behind():
    folder = cache.prepared_folder("demo", "k")

    def interrupted() -> None:
        with PreparedWriter(folder, 8, with_masks=False) as writer:
            writer.images.append(np.zeros((8, 8, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(folder.parent.iterdir()) == []


def test_partial_folder_of_a_killed_process_is_removed_and_that_of_a_live_one_kept(tmp_path):
    folder = cache.prepared_folder("demo", "k")
    folder.parent.mkdir(parents=True)
    host = cache.socket.gethostname()
    dead, live = folder.parent / f".{host}.999999999.x.partial", folder.parent / f".{host}.{os.getpid()}.x.partial"
    dead.mkdir()
    live.mkdir()
    with PreparedWriter(folder, 8, with_masks=False) as writer:
        write(writer)
    assert sorted(folder.parent.iterdir()) == sorted([live, folder])


def test_second_of_two_preparations_keeps_the_first_one():
    folder = cache.prepared_folder("demo", "k")
    with PreparedWriter(folder, 8, with_masks=False) as slow:
        with PreparedWriter(folder, 8, with_masks=False) as fast:
            first = write(fast, seed=1)
        write(slow, seed=2)
    assert np.array_equal(open_prepared(folder).test.x.take(slice(None)), first[10:])
    assert list(folder.parent.iterdir()) == [folder]


def test_damaged_folder_is_one_line_that_says_what_to_do():
    folder = cache.prepared_folder("demo", "k")
    with PreparedWriter(folder, 8, with_masks=False) as writer:
        write(writer)
    (folder / "table.npz").write_bytes(b"PK not a zip")
    with pytest.raises(UserError, match=r"damaged .*: delete it and run again$"):
        open_prepared(folder)


def test_key_depends_on_each_fact_and_not_on_their_order(monkeypatch):
    key = cache_key({"size": 64, "seed": 0})
    assert key == cache_key({"seed": 0, "size": 64})
    assert key != cache_key({"size": 64, "seed": 1})
    monkeypatch.setattr(cache, "FORMAT_VERSION", cache.FORMAT_VERSION + 1)
    assert key != cache_key({"size": 64, "seed": 0})


def test_checksum_is_remembered_until_the_file_changes(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(b"abc")
    first = file_checksum(path)
    assert first == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of "abc", FIPS 180
    memory = cache.cache_root() / "checksums.json"
    known = json.loads(memory.read_text())
    memory.write_text(json.dumps(dict.fromkeys(known, "remembered")))
    assert file_checksum(path) == "remembered"
    path.write_bytes(b"abd")
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1))
    assert file_checksum(path) not in (first, "remembered")


def test_broken_checksum_memory_is_made_again(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(b"abc")
    first = file_checksum(path)
    (cache.cache_root() / "checksums.json").write_text("{half")
    assert file_checksum(path) == first


def test_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set TFHEALTH_CACHE"):
        PreparedWriter(cache.prepared_folder("demo", "k"), 8, with_masks=False)
