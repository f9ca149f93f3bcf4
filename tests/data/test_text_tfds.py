"""TFDS text sets, prepared offline; the reading itself is tried on a stand-in, as TensorFlow takes long to import."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tfhealth.data import text_tfds
from tfhealth.data.dataset import DatasetCard
from tfhealth.data.text import TextOptions, load_text_dataset
from tfhealth.errors import UserError

CANARY = "zxcanary"  # stands in texts only
PREPARE_TFDS = """
import sys, numpy as np, tensorflow as tf, tensorflow_datasets as tfds
features = tfds.features.FeaturesDict({
    "text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["no", "yes"])})
rows = {split: tf.data.Dataset.from_tensor_slices(
            {"text": [f"{split} {i} café" for i in range(count)], "label": np.arange(count) % 2})
        for split, count in (("train", 32), ("test", 8))}
tfds.dataset_builders.store_as_tfds_dataset("tiny", "1.0.0", features, rows, data_dir=sys.argv[1])
"""
LOAD_TFDS = """
import sys
from pathlib import Path
from tfhealth.data.text import TextOptions, load_text_dataset
from tfhealth.errors import UserError
options = TextOptions(data_dir=Path(sys.argv[1]))
bundle = load_text_dataset("tfds:tiny", options)
print(bundle.card.class_names, len(bundle.train), len(bundle.validation), len(bundle.test))
print(sorted(bundle.test.x.take(slice(None)))[0])
try:
    load_text_dataset("tfds:no_such_set", options)
except UserError as error:
    print(error)
"""


@dataclass
class StandIn:
    """What `open_tfds` returns, its rows given."""

    given: list[tuple[str, str | None, Any, int]]
    input_key: str = "text"
    card: DatasetCard = field(
        default_factory=lambda: DatasetCard("tfds:x", "x", "text", ("no", "yes"), licence="", citation="")
    )

    def rows(self) -> Iterator[tuple[str, str | None, Any, int]]:
        yield from self.given


def opened(monkeypatch: pytest.MonkeyPatch, given: list[tuple[str, str | None, Any, int]]) -> None:
    monkeypatch.setattr(text_tfds, "open_tfds", lambda name, root, modality: StandIn(given))


def test_rows_without_a_label_are_left_out_and_counted(monkeypatch):
    given = [(f"train[{i}]", None, f"text {i}".encode(), i % 2) for i in range(20)] + [("train[20]", None, b"x", -1)]
    opened(monkeypatch, given)
    bundle = load_text_dataset("tfds:x", TextOptions())
    assert [len(bundle.train), len(bundle.validation), len(bundle.test)] == [14, 2, 4]
    assert bundle.card.notes == ("1 texts have no label and were left out.",)
    assert bundle.card.group_unit == "document"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{CANARY} \xe9".encode("latin-1"), r"tfds:x train\[0\], line 1: bytes that are not UTF-8"),
        ([1, 2], "tfds:x: 'text' is no text"),
    ],
)
def test_bad_row_is_named_without_its_text(monkeypatch, content, message):
    opened(monkeypatch, [("train[0]", None, content, 0)])
    with pytest.raises(UserError, match=message) as error:
        load_text_dataset("tfds:x", TextOptions())
    assert CANARY not in str(error.value)


@pytest.mark.slow
def test_tfds_set_prepared_offline_keeps_its_test_split_and_an_unknown_one_is_one_line(tmp_path):
    def run(code: str, *arguments: str) -> list[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    run(PREPARE_TFDS, str(tmp_path / "tfds"))
    counts, first, error = run(LOAD_TFDS, str(tmp_path))
    assert counts == "('no', 'yes') 28 4 8"
    assert first == "test 0 café"
    assert error.startswith("tfds:no_such_set is not in ")
