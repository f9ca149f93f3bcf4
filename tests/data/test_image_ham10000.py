"""HAM10000 from its zips: lesions stay whole, masks lie on their images, bad archives are one line."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfhealth.data import cards
from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.image import ImageOptions, load_image_dataset
from tfhealth.errors import UserError

CLASSES = cards.HAM10000.card.class_names


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))


def picture(value: int = 100, width: int = 40, height: int = 30, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), (value, value // 2, value // 3), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def sizes(bundle: DatasetBundle) -> list[int]:
    return [len(bundle.train), len(bundle.validation), len(bundle.test)]


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def ham10000(root: Path, per_class: int = 10, **changes: bytes) -> ImageOptions:
    """Writes a tiny HAM10000; `changes` replaces the content of members, by image id."""
    folder = root / "ham10000"
    folder.mkdir(parents=True)
    lines = ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    names = ("HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip", "HAM10000_segmentations_lesion_tschandl.zip")
    one, two, masks = (zipfile.ZipFile(folder / name, "w") for name in names)
    mask = np.zeros((30, 40), np.uint8)
    mask[10:20, 15:25] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    with one, two, masks:
        for i in range(per_class * len(CLASSES)):
            image_id, age, sex = f"ISIC_{i:07d}", ("80.0", "", "45.0")[i % 3], ("male", "female", "unknown")[i % 3]
            lines.append(f"HAM_{i // 2:07d},{image_id},{CLASSES[i // per_class]},histo,{age},{sex},back")
            (one if i % 2 else two).writestr(f"{image_id}.jpg", changes.get(image_id, picture(200, kind="JPEG")))
            masks.writestr(f"masks/{image_id}_segmentation.png", buffer.getvalue())
        masks.writestr(f"__MACOSX/masks/._{image_id}_segmentation.png", b"resource fork")
    (folder / "HAM10000_metadata.csv").write_text("\n".join(lines) + "\n")
    return ImageOptions(data_dir=root, image_size=16)


def test_ham10000_is_split_by_lesion_with_all_its_features(tmp_path):
    bundle = load_image_dataset("ham10000", ham10000(tmp_path / "data"))
    assert bundle.card.class_names == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    assert sum(sizes(bundle)) == 70
    for split in (bundle.train, bundle.validation, bundle.test):
        assert set(split.y) == set(range(7))
        assert all(np.unique(split.group_ids, return_counts=True)[1] == 2)  # lesions are whole
    assert set(bundle.train.sensitive_features["age_band"]) == {"75+", "unknown", "45-59"}
    assert set(bundle.train.sensitive_features["sex"]) == {"male", "female", "unknown"}
    assert set(bundle.train.sensitive_features["localization"]) == {"back"}
    assert "70 images of 35 lesions" in bundle.card.notes[-1]


def test_ham10000_masks_and_boxes_are_cut_like_the_images(tmp_path):
    bundle = load_image_dataset("ham10000", ham10000(tmp_path / "data"))
    # 40x30 is cut to columns 5..35, then 30 -> 16: the lesion at columns 10..20, rows 10..20 lands on 5.3..10.7
    assert bundle.train.boxes[0].tolist() == [5, 5, 11, 11]
    assert bundle.train.masks.take(np.array([0]))[0].sum() == 32  # 6x6 without its corners, which are 4/9 inside


def test_ham10000_as_dataverse_exports_it_is_tab_separated_and_quoted(tmp_path):
    options = ham10000(tmp_path / "data")
    folder = tmp_path / "data" / "ham10000"
    text = (folder / "HAM10000_metadata.csv").read_text()
    quoted = "\n".join("\t".join(f'"{word}"' for word in line.split(",")) for line in text.splitlines())
    (folder / "HAM10000_metadata.csv").rename(tmp_path / "elsewhere")
    (folder / "HAM10000_metadata.tab").write_text(quoted)
    assert sum(sizes(load_image_dataset("ham10000", options))) == 70


def test_missing_ham10000_file_names_it_the_url_and_the_place(tmp_path):
    options = ham10000(tmp_path / "data")
    (tmp_path / "data" / "ham10000" / "HAM10000_images_part_2.zip").unlink()
    with pytest.raises(UserError) as error:
        load_image_dataset("ham10000", options)
    text = one_line(error)
    assert "HAM10000_images_part_2.zip not found" in text
    assert "https://doi.org/10.7910/DVN/DBW86T" in text
    assert str(tmp_path / "data" / "ham10000") in text


def test_truncated_and_non_image_members_are_counted_and_the_first_is_named(tmp_path):
    bad = {"ISIC_0000003": picture(kind="JPEG")[:-200], "ISIC_0000005": b"not an image"}
    with pytest.raises(UserError) as error:
        load_image_dataset("ham10000", ham10000(tmp_path / "data", **bad))
    assert "2 of 70 images cannot be used, the first is ISIC_0000003.jpg" in one_line(error)
    assert not list((tmp_path / "cache" / "prepared").iterdir())


@pytest.mark.parametrize("member", ["../outside.jpg", "/etc/outside.jpg", "a/../../b.jpg", "C:\\b.jpg", "..\\b.jpg"])
def test_zip_member_that_leaves_its_folder_is_refused(tmp_path, member):
    options = ham10000(tmp_path / "data")
    with zipfile.ZipFile(tmp_path / "data" / "ham10000" / "HAM10000_images_part_1.zip", "a") as file:
        file.writestr(member, picture())
    with pytest.raises(UserError, match="leads out of its folder"):
        load_image_dataset("ham10000", options)


def test_truncated_zip_is_one_line(tmp_path):
    options = ham10000(tmp_path / "data")
    path = tmp_path / "data" / "ham10000" / "HAM10000_images_part_1.zip"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="no zip file or truncated"):
        load_image_dataset("ham10000", options)
