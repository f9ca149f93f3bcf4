"""Images in .npz files, one's own and MedMNIST's: forms that are read, and forms that are refused."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tfhealth.data import cards
from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.image import ImageOptions, load_image_dataset
from tfhealth.errors import UserError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))


def sizes(bundle: DatasetBundle) -> list[int]:
    return [len(bundle.train), len(bundle.validation), len(bundle.test)]


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def arrays(path: Path, **changes: np.ndarray | None) -> str:
    """Writes x and y of 30 images; `changes` replaces or, with None, removes arrays."""
    x = np.random.default_rng(0).integers(0, 256, (30, 20, 20), dtype=np.uint8)
    content = {"x": x, "y": np.arange(30) % 3} | changes
    np.savez_compressed(path, **{name: array for name, array in content.items() if array is not None})
    return f"npz:{path}"


def test_npz_greyscale_gets_three_channels_and_is_resized(tmp_path):
    bundle = load_image_dataset(arrays(tmp_path / "a.npz"), ImageOptions(image_size=20))
    assert bundle.card.class_names == ("0", "1", "2")
    pixels = bundle.train.x.take(slice(None))
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    with np.load(tmp_path / "a.npz") as file:
        assert np.array_equal(pixels[..., 0], file["x"][bundle.train.x.indices])
    assert load_image_dataset(f"npz:{tmp_path / 'a.npz'}", ImageOptions(image_size=16)).train.x.shape[1:] == (16, 16, 3)


def test_npz_groups_and_string_labels_are_used(tmp_path):
    groups, labels = np.repeat(np.arange(15), 2), np.array(["cat", "dog", "dog"] * 10)
    spec = arrays(tmp_path / "a.npz", group=groups, y=labels)
    bundle = load_image_dataset(spec, ImageOptions(image_size=16))
    assert bundle.card.class_names == ("cat", "dog")
    assert set(bundle.train.group_ids) & {"0", "1", "2"}


def test_npz_with_pickled_objects_is_refused(tmp_path):
    spec = arrays(tmp_path / "a.npz", y=np.array([{"run": "code"}] * 30, dtype=object))
    with pytest.raises(UserError, match="y holds pickled Python objects"):
        load_image_dataset(spec, ImageOptions(image_size=16))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((30, 20, 20), np.float32)}, r"x is float32 \(30, 20, 20\), expected uint8"),
        ({"x": np.zeros((30, 400), np.uint8)}, r"x is uint8 \(30, 400\), expected"),
        ({"x": np.zeros((30, 20, 20, 2), np.uint8)}, r"\(30, 20, 20, 2\), expected"),
        ({"x": np.zeros((20, 20, 30), np.uint8).T}, "Fortran order"),
        ({"y": np.arange(29) % 3}, "x has 30 rows and y 29"),
        ({"y": np.linspace(0, 1, 30)}, r"y is float64 \(30,\), expected"),
        ({"y": np.zeros((30, 14), int)}, r"y is int64 \(30, 14\), expected"),
        ({"y": None}, "has no array 'y'; it has x"),
        ({"group": np.arange(29)}, r"group has shape \(29,\), expected \(30,\)"),
        ({"y": np.array([0, 1] * 14 + [0, 2])}, r"class '2' has 1 group\(s\)"),
        ({"y": np.zeros(30, int)}, "one class only"),
        ({"split": np.array(["train", "test"] * 15), "group": np.zeros(30, int)}, "two splits"),
    ],
)
def test_npz_of_another_form_says_what_was_found_and_what_is_wanted(tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as error:
        load_image_dataset(arrays(tmp_path / "a.npz", **changes), ImageOptions(image_size=16))
    one_line(error)


def test_npz_that_is_no_zip_is_one_line(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"\x93NUMPY")
    with pytest.raises(UserError, match="no zip file or truncated"):
        load_image_dataset(f"npz:{tmp_path / 'a.npz'}", ImageOptions(image_size=16))


def medmnist(path: Path, size: int = 28) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng, content = np.random.default_rng(1), {}
    for prefix, count in (("train", 21), ("val", 7), ("test", 14)):
        content[f"{prefix}_images"] = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        content[f"{prefix}_labels"] = (np.arange(count) % 7).reshape(-1, 1).astype(np.uint8)
    np.savez(path, **content)


def test_medmnist_keeps_the_official_split_and_warns_of_the_leak(tmp_path):
    medmnist(tmp_path / "medmnist" / "dermamnist_64.npz", 64)
    medmnist(tmp_path / "dermamnist.npz")
    bundle = load_image_dataset("medmnist:dermamnist", ImageOptions(data_dir=tmp_path, image_size=32))
    assert sizes(bundle) == [21, 7, 14]
    assert bundle.test.example_ids[0] == "test_images[0]"
    assert bundle.card.class_names[4] == "melanoma"
    notes = " ".join(bundle.card.notes)
    assert "leaks" in notes
    assert "enlarged" not in notes  # the 64 px file was taken
    enlarged = load_image_dataset("medmnist:dermamnist", ImageOptions(data_dir=tmp_path, image_size=96))
    assert "enlarged to 96 px" in " ".join(enlarged.card.notes)


def test_chestmnist_and_unknown_flags_are_one_line():
    with pytest.raises(UserError, match="several labels per image"):
        load_image_dataset("medmnist:chestmnist", ImageOptions())
    with pytest.raises(UserError, match="unknown MedMNIST flag 'nope': choose from pathmnist"):
        load_image_dataset("medmnist:nope", ImageOptions())


def test_medmnist_that_is_not_here_is_downloaded_and_checked(tmp_path, monkeypatch):
    folder = tmp_path / "publisher"
    medmnist(folder / "dermamnist.npz")
    monkeypatch.setattr(cards, "MEDMNIST_URL", folder.as_uri() + "/{file}")
    options = ImageOptions(data_dir=tmp_path / "data", image_size=28)
    with pytest.raises(UserError, match="its publisher says 0744692d530f8e62ec473284d019b0c7"):
        load_image_dataset("medmnist:dermamnist", options)
    md5 = hashlib.md5((folder / "dermamnist.npz").read_bytes()).hexdigest()
    monkeypatch.setitem(
        cards.MEDMNIST_TABLE, "dermamnist", (*cards.MEDMNIST_TABLE["dermamnist"][:3], " ".join([md5] * 4))
    )
    assert sizes(load_image_dataset("medmnist:dermamnist", options)) == [21, 7, 14]
    assert (tmp_path / "data" / "medmnist" / "dermamnist.npz").is_file()
