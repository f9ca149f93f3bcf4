"""Text data sets by name: the embedded notes, what all sources share, and where each is or can be had."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tfhealth.data import text_cards, text_source
from tfhealth.data.text import TextOptions, describe_text_sources, find_text_source, load_text_dataset
from tfhealth.data.text_source import Document
from tfhealth.errors import UserError


def documents(texts: Sequence[str], labels: Sequence[int]) -> list[Document]:
    return [Document(f"d{i}", f"d{i}", labels[i], text) for i, text in enumerate(texts)]


def test_notes_are_synthetic_and_their_categories_cross_no_split():
    bundle = load_text_dataset("notes", TextOptions(notes_size=300, notes_bias=0.5))
    assert len(bundle.train) + len(bundle.validation) + len(bundle.test) == 300
    assert set(bundle.train.sensitive_features) == {"age_band", "sex", "ethnicity", "insurance"}
    assert bundle.train.x.dtype == object
    assert isinstance(bundle.train.x.take(np.array([0]))[0], str)
    assert bundle.train.y.dtype == np.int32
    assert bundle.card.synthetic
    assert bundle.card.modality == "text"
    assert "synthetic" in bundle.card.notes[0]
    assert "A bias of 0.5 was planted." in bundle.card.notes
    assert not set(bundle.train.group_ids) & set(bundle.test.group_ids)


def test_same_seed_gives_the_same_notes():
    options = TextOptions(notes_size=150, seed=3)
    first, again = (load_text_dataset("notes", options) for _ in range(2))
    assert list(first.test.x.take(slice(None))) == list(again.test.x.take(slice(None)))


@pytest.mark.parametrize("options", [{"notes_size": 0}, {"notes_bias": 1.5}, {"seed": -1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(UserError, match=r"must be >= "):
        find_text_source("notes", TextOptions(**options))


@pytest.mark.parametrize("spec", ["note", "csv:", "notes:1", "tfds", "", "folder:x"])
def test_unknown_spec_lists_those_that_exist(spec):
    with pytest.raises(UserError, match="choose from notes, icd10cm, ohsumed, sms_spam, medquad, mimic3, csv:PATH"):
        load_text_dataset(spec, TextOptions())


def test_sources_are_described_with_their_place_or_their_url(tmp_path):
    for name in ("ohsumed/ohsumed_single_23.tar.gz", *(f"mimic3/{table}.csv" for table in text_cards.MIMIC3_TABLES)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = {row.name: row for row in describe_text_sources(tmp_path)}
    assert list(rows) == ["notes", "icd10cm", "ohsumed", "sms_spam", "medquad", "mimic3"]
    assert rows["notes"].path == "embedded"
    assert rows["icd10cm"].path == "package simple_icd_10_cm"
    assert rows["ohsumed"].path == str(tmp_path / "ohsumed" / "ohsumed_single_23.tar.gz")
    assert rows["mimic3"].path == str(tmp_path / "mimic3")
    assert rows["sms_spam"].path is None
    assert rows["sms_spam"].url.startswith("https://archive.ics.uci.edu/")
    assert rows["medquad"].put_in == str(tmp_path / "medquad")
    (tmp_path / "mimic3" / "PATIENTS.csv").unlink()
    assert {row.name: row for row in describe_text_sources(tmp_path)}["mimic3"].path is None


def test_cards_agree_with_themselves():
    assert len(text_cards.ICD10CM.card.class_names) == 21
    assert len(text_cards.OHSUMED.card.class_names) == 23
    assert sum(text_cards.OHSUMED.expected_counts.values()) == 7400
    assert sum(text_cards.SMS_SPAM.expected_counts.values()) == 5574
    assert len(text_cards.MIMIC3.card.class_names) == 19
    for facts in (text_cards.ICD10CM, text_cards.OHSUMED, text_cards.SMS_SPAM, text_cards.MIMIC3):
        assert len(set(facts.card.class_names)) == len(facts.card.class_names)
        assert set(facts.card.positive_classes) <= set(facts.card.class_names)


def test_repeats_are_found_whatever_their_case_and_spaces():
    kept, repeats = text_source.without_repeats(documents(["No fever", "no  FEVER\n", "no fever."], [0, 1, 0]))
    assert [document.example_id for document in kept] == ["d0", "d2"]
    assert repeats == 1


def test_rare_classes_are_left_out_and_the_others_renumbered(monkeypatch):
    monkeypatch.setattr(text_source, "FEWEST_GROUPS", 2)
    card = replace(text_cards.MEDQUAD.card, class_names=("a", "b", "c"), notes=())
    listing = text_source.without_rare_classes(documents("12345", [2, 1, 0, 2, 0]), card)
    assert listing.card.class_names == ("a", "c")
    assert [document.label for document in listing.documents] == [1, 0, 1, 0]
    assert listing.card.notes == ("Classes with fewer than 2 documents were left out, texts in brackets: b (1).",)


def test_document_does_not_show_its_text():
    assert "fever" not in repr(Document("d0", "d0", 0, "fever"))
