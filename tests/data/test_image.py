"""Image data sets by name: the phantom, the cache in front, and what all sources share."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfhealth.data import cards, image_source
from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.image import ImageOptions, describe_sources, load_image_dataset
from tfhealth.errors import UserError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))


def sizes(bundle: DatasetBundle) -> list[int]:
    return [len(bundle.train), len(bundle.validation), len(bundle.test)]


def test_phantom_has_masks_boxes_and_groups_and_says_it_is_synthetic():
    bundle = load_image_dataset("phantom", ImageOptions(phantom_size=120, image_size=32, phantom_bias=0.5))
    assert sum(sizes(bundle)) == 120
    assert bundle.train.x.shape[1:] == (32, 32, 3)
    assert set(bundle.train.sensitive_features) == {"sex", "age_band", "skin_tone"}
    assert bundle.card.synthetic
    assert "synthetic" in " ".join(bundle.card.notes)
    assert "bias of 0.5" in " ".join(bundle.card.notes)
    mask, box = bundle.train.masks.take(np.array([0]))[0], bundle.train.boxes[0]
    assert np.array_equal(image_source.mask_box(mask), box)


def test_phantom_made_in_chunks_has_distinct_images_and_groups(monkeypatch):
    monkeypatch.setattr("tfhealth.data.image.PHANTOM_CHUNK", 40)
    bundle = load_image_dataset("phantom", ImageOptions(phantom_size=80, image_size=16))
    rows = bundle.train.x.array.reshape(80, -1)
    assert len(np.unique(rows, axis=0)) == 80
    assert sum(sizes(bundle)) == 80


def test_second_opening_reads_the_cache_and_a_new_seed_does_not(monkeypatch):
    options = ImageOptions(phantom_size=60, image_size=16)
    first = load_image_dataset("phantom", options)
    monkeypatch.setattr("tfhealth.data.phantom.generate", None)  # would fail if called
    again = load_image_dataset("phantom", options)
    assert np.array_equal(first.test.x.take(slice(None)), again.test.x.take(slice(None)))
    with pytest.raises(TypeError):
        load_image_dataset("phantom", ImageOptions(phantom_size=60, image_size=16, seed=1))


@pytest.mark.parametrize("spec", ["ham1000", "folder:", "phantom:1", "medmnist", "", "zip:x"])
def test_unknown_spec_lists_those_that_exist(spec):
    with pytest.raises(UserError, match="choose from phantom, ham10000, medmnist:FLAG, npz:PATH"):
        load_image_dataset(spec, ImageOptions())


@pytest.mark.parametrize("spec", ["npz:gone.npz", "folder:gone", "csv:gone.csv"])
def test_path_that_is_not_there_is_named(spec):
    with pytest.raises(UserError, match=r"there is no (file|folder) gone"):
        load_image_dataset(spec, ImageOptions())


def test_sources_are_described_with_their_place_or_their_url(tmp_path):
    here = [f"ham10000/{file.name}" for file in cards.HAM10000.files] + ["medmnist/bloodmnist_64.npz"]
    for name in here:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = {row.name: row for row in describe_sources(tmp_path)}
    assert rows["phantom"].path == "embedded"
    assert rows["ham10000"].path == str(tmp_path / "ham10000")
    assert rows["medmnist:bloodmnist"].path == str(tmp_path / "medmnist" / "bloodmnist_64.npz")
    assert rows["medmnist:pathmnist"].path is None
    assert rows["medmnist:pathmnist"].url.startswith("https://zenodo.org/records/10519652/files/pathmnist.npz")
    assert rows["medmnist:dermamnist"].licence == "CC BY-NC 4.0"
    assert len(rows) == 13


def test_cards_agree_with_themselves():
    assert sum(cards.HAM10000.expected_counts.values()) == 10015
    for flag in cards.MEDMNIST_TABLE:
        facts = cards.medmnist_facts(flag)
        assert len(set(facts.card.class_names)) == len(facts.card.class_names) >= 2
        assert set(facts.card.positive_classes) <= set(facts.card.class_names)
        assert all(len(file.md5) == 32 for file in facts.files)


def test_opening_a_prepared_set_takes_under_a_second():
    options = ImageOptions(phantom_size=300, image_size=32)
    load_image_dataset("phantom", options)
    start = time.perf_counter()
    load_image_dataset("phantom", options)
    assert time.perf_counter() - start < 1


def test_decoding_turns_by_exif_and_scales_16_bit_grey():
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    half = np.zeros((32, 32, 3), np.uint8)
    half[:16] = 255
    Image.fromarray(half).save(buffer, "PNG", exif=exif)
    assert image_source.decode_image(buffer.getvalue(), 32)[31].min() == 255
    buffer = io.BytesIO()
    Image.fromarray(np.full((32, 32), 32896, np.uint16)).save(buffer, "PNG")
    assert image_source.decode_image(buffer.getvalue(), 16).max() == 128
