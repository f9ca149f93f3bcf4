"""TFDS sets opened on a stand-in for TFDS: splits, classes and rows. Those TFDS itself prepares are slow tests."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfhealth.data import tfds_sets
from tfhealth.errors import UserError

LABEL = SimpleNamespace(names=["no", "yes"])


class StandIn:
    """A builder with `counts` rows of each split."""

    def __init__(self, counts: dict[str, int], keys: tuple[str, ...] | None = None, **features: object):
        self.info = SimpleNamespace(
            features=features or {"text": object(), "label": LABEL},
            supervised_keys=keys,
            splits={name: SimpleNamespace(num_examples=count) for name, count in counts.items()},
            full_name="x/1.0.0",
            redistribution_info=SimpleNamespace(license=None),
            citation="A\n  paper",
            homepage="https://x",
        )

    def as_dataset(self, split: str, shuffle_files: bool) -> list[dict]:
        assert not shuffle_files
        keys = self.info.supervised_keys or ("text", "label")
        return [{keys[0]: b"a", keys[1]: i % 2} for i in range(self.info.splits[split].num_examples)]


def opened(monkeypatch: pytest.MonkeyPatch, builder: StandIn) -> tfds_sets.TFDSSet:
    monkeypatch.setattr(tfds_sets, "prepare_tfds", lambda name, root: builder)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", SimpleNamespace(as_numpy=lambda rows: rows))
    return tfds_sets.open_tfds("x", Path("root"), "text")


@pytest.mark.parametrize(
    ("counts", "used"),
    [
        ({"train": 2, "test": 1, "extra": 5}, {"train": "train", "test": "test"}),
        ({"train": 2, "dev": 1}, {"train": "train", "dev": "validation"}),
        ({"train": 2}, {"train": None}),
        ({"train": 2, "extra": 5}, {"train": None, "extra": None}),
    ],
)
def test_splits_are_kept_where_one_is_held_out_and_else_all_are_pooled(monkeypatch, counts, used):
    found = opened(monkeypatch, StandIn(counts))
    assert found.splits == used
    assert found.count == sum(counts[name] for name in used)


def test_rows_come_with_their_place_split_and_label(monkeypatch):
    found = opened(monkeypatch, StandIn({"train": 2, "test": 1}, ("body", "kind"), body=object(), kind=LABEL))
    assert list(found.rows()) == [
        ("train[0]", "train", b"a", 0),
        ("train[1]", "train", b"a", 1),
        ("test[0]", "test", b"a", 0),
    ]
    assert found.input_key == "body"
    assert found.card.class_names == ("no", "yes")
    assert found.card.citation == "A paper"
    assert found.card.licence == "see the data set's page"


@pytest.mark.parametrize("features", [{"text": object()}, {"text": object(), "label": object()}, {"label": LABEL}])
def test_set_without_text_or_class_label_is_one_line(monkeypatch, features):
    with pytest.raises(UserError, match="tfds:x is no text classification set: its features are"):
        opened(monkeypatch, StandIn({"train": 2}, **features))


def test_folder_is_that_of_the_name_without_config_and_version():
    for name in ("glue", "glue/cola", "glue/cola:2.0.0", "glue:2.0.0"):
        assert tfds_sets.tfds_folder(name, Path("root")) == Path("root/glue")
