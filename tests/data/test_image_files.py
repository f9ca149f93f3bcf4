"""Folders and tables of image files: classes, splits and groups as given, bad files named."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.image import ImageOptions, load_image_dataset
from tfhealth.errors import UserError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))


def picture(value: int = 100, width: int = 40, height: int = 30, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), (value, value // 2, value // 3), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def sizes(bundle: DatasetBundle) -> list[int]:
    return [len(bundle.train), len(bundle.validation), len(bundle.test)]


def folders(root: Path, *parts: str, count: int = 10) -> Path:
    for part in parts:
        (root / part).mkdir(parents=True)
        for i in range(count):
            (root / part / f"{i}.png").write_bytes(picture(10 * i))
    return root


def test_folder_of_classes_is_split(tmp_path):
    root = folders(tmp_path / "set", "benign", "malignant")
    (root / "benign" / ".DS_Store").write_bytes(b"hidden")
    bundle = load_image_dataset(f"folder:{root}", ImageOptions(image_size=16))
    assert bundle.card.class_names == ("benign", "malignant")
    assert sizes(bundle) == [14, 2, 4]
    assert bundle.train.example_ids[0].startswith("benign/")


def test_folder_with_a_split_level_keeps_its_split(tmp_path):
    root = folders(tmp_path / "set", "train/a", "train/b", "val/a", "val/b", "test/a", "test/b", count=4)
    bundle = load_image_dataset(f"folder:{root}", ImageOptions(image_size=16))
    assert sizes(bundle) == [8, 8, 8]
    assert all(name.startswith("test/") for name in bundle.test.example_ids)


def test_skipped_images_are_left_out_and_named_on_the_card(tmp_path):
    root = folders(tmp_path / "set", "a", "b")
    (root / "a" / "3.png").write_bytes(picture()[:40])
    (root / "b" / "notes.txt").write_text("not an image")
    with pytest.raises(UserError, match=r"2 of 21 images cannot be used, the first is .*3.png"):
        load_image_dataset(f"folder:{root}", ImageOptions(image_size=16))
    bundle = load_image_dataset(f"folder:{root}", ImageOptions(image_size=16, on_bad="skip"))
    assert sum(sizes(bundle)) == 19
    note = bundle.card.notes[-1]
    assert "2 of 21 images could not be used and were left out" in note
    assert "3.png" in note
    assert "notes.txt" in note


def test_changed_folder_is_prepared_again(tmp_path):
    root = folders(tmp_path / "set", "a", "b")
    load_image_dataset(f"folder:{root}", ImageOptions(image_size=16))
    (root / "a" / "new.png").write_bytes(picture())
    assert sum(sizes(load_image_dataset(f"folder:{root}", ImageOptions(image_size=16)))) == 21


@pytest.mark.parametrize(
    ("parts", "count", "message"),
    [
        ((), 0, "has no class folders"),
        (("a", "b"), 0, "is empty"),
        (("train/a", "train/b"), 4, "has only train"),
        (("a",), 4, "one class only, 'a'"),
    ],
)
def test_folder_that_is_no_data_set_is_one_line(tmp_path, parts, count, message):
    root = tmp_path / "set"
    root.mkdir()
    with pytest.raises(UserError, match=message):
        load_image_dataset(f"folder:{folders(root, *parts, count=count)}", ImageOptions(image_size=16))


def test_class_with_a_single_image_is_named(tmp_path):
    root = folders(tmp_path / "set", "common")
    folders(root, "rare", count=1)
    with pytest.raises(UserError, match=r"class 'rare' has 1 group\(s\), 1 example"):
        load_image_dataset(f"folder:{root}", ImageOptions(image_size=16))


def table(root: Path, rows: list[str], header: str = "file,dx,patient,fold,site") -> str:
    folders(root, "images")
    (root / "table.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8-sig")
    return f"csv:{root / 'table.csv'}"


CSV_OPTIONS = ImageOptions(image_size=16, image_column="file", label_column="dx", group_column="patient")


def test_csv_columns_give_label_group_and_features(tmp_path):
    rows = [f"images/{i}.png,{'mel' if i < 5 else 'nv'},p{i},,{'arm' if i % 2 else ''}" for i in range(10)]
    options = ImageOptions(**{**vars(CSV_OPTIONS), "feature_columns": ("site",)})
    bundle = load_image_dataset(table(tmp_path / "set", rows), options)
    assert bundle.card.class_names == ("mel", "nv")
    assert bundle.card.group_unit == "patient"
    assert set(bundle.train.sensitive_features["site"]) == {"arm", "unknown"}


def test_csv_with_a_split_column_keeps_it(tmp_path):
    folds = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    rows = [f"images/{i}.png,{'mel' if i % 2 else 'nv'},p{i},{folds[i]}," for i in range(10)]
    options = ImageOptions(**{**vars(CSV_OPTIONS), "split_column": "fold"})
    assert sizes(load_image_dataset(table(tmp_path / "set", rows), options)) == [6, 2, 2]


def test_csv_group_in_two_splits_is_refused(tmp_path):
    rows = [f"images/{i}.png,{'mel' if i % 2 else 'nv'},p{i % 3},{'test' if i > 6 else 'train'}," for i in range(10)]
    options = ImageOptions(**{**vars(CSV_OPTIONS), "split_column": "fold"})
    with pytest.raises(UserError, match=r"3 group\(s\), e.g. 'p0', would have to be in two splits"):
        load_image_dataset(table(tmp_path / "set", rows), options)


def test_csv_without_the_label_column_names_those_it_has(tmp_path):
    spec = table(tmp_path / "set", ["images/0.png,mel,p,,"])
    with pytest.raises(UserError, match="has no column 'diagnosis'; it has file, dx, patient, fold, site"):
        load_image_dataset(spec, ImageOptions(image_column="file", label_column="diagnosis"))


def test_csv_row_without_a_label_and_missing_file_are_named(tmp_path):
    rows = [f"images/{i}.png,{'mel' if i % 2 else 'nv'},p{i},," for i in range(10)]
    with pytest.raises(UserError, match=r"1 row\(s\) have no dx, e.g. 'images/x.png'"):
        load_image_dataset(table(tmp_path / "one", [*rows, "images/x.png,,p,,"]), CSV_OPTIONS)
    with pytest.raises(UserError, match=r"1 of 11 images cannot be used, the first is .*gone.png"):
        load_image_dataset(table(tmp_path / "two", [*rows, "images/gone.png,nv,p99,,"]), CSV_OPTIONS)
