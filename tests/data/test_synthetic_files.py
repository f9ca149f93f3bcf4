import numpy as np
from PIL import Image

from tfhealth.data.image_files import find_folder
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.synthetic_files import STATEMENT, file_name, is_marked, write_marked, write_synthetic_images

IMAGES = np.random.default_rng(0).integers(0, 255, (6, 16, 16, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 1, 0])


def test_every_file_carries_the_mark_and_the_pixels_unchanged(tmp_path):
    folder = tmp_path / "images"
    write_synthetic_images(folder, IMAGES, LABELS, ("nevus", "a/b"), {"made by": "VAE"})
    files = sorted(folder.rglob("*.png"))
    assert [file.parent.name for file in files] == ["a_b"] * 3 + ["nevus"] * 3
    assert all(is_marked(file) for file in files)
    with Image.open(folder / "nevus/synthetic_00001.png") as image:
        np.testing.assert_array_equal(np.asarray(image), IMAGES[2])
        assert image.text["synthetic"] == STATEMENT
        assert image.text["requested class"] == "nevus"
        assert image.text["made by"] == "VAE"


def test_image_without_the_mark_is_told_apart(tmp_path):
    Image.fromarray(IMAGES[0]).save(tmp_path / "photograph.png")
    write_marked(tmp_path / "made.png", IMAGES[0], {})
    assert not is_marked(tmp_path / "photograph.png")
    assert is_marked(tmp_path / "made.png")


def test_folder_that_stands_there_is_left_as_it_is(tmp_path):
    write_synthetic_images(tmp_path / "images", IMAGES, LABELS, ("a", "b"), {})
    write_synthetic_images(tmp_path / "images", 255 - IMAGES, LABELS, ("a", "b"), {})
    with Image.open(tmp_path / "images/a/synthetic_00000.png") as image:
        np.testing.assert_array_equal(np.asarray(image), IMAGES[0])


def test_written_folder_can_be_read_as_a_data_set(tmp_path):
    write_synthetic_images(tmp_path / "images", IMAGES, LABELS, ("nevus", "melanoma"), {})
    listing = find_folder(str(tmp_path / "images"), ImageOptions(image_size=16)).listing()
    assert listing.card.class_names == ("melanoma", "nevus")
    assert listing.count == 6


def test_names_that_no_file_system_takes_are_mended():
    assert file_name("a/b: c") == "a_b_ c"
    assert file_name("  ") == "_"
