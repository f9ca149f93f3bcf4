"""Text data sets by name: found, read, checked and split into a DatasetBundle. Nothing of them is written to disk."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfhealth.data.archives import find_file
from tfhealth.data.cards import SourceStatus
from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.splits import split_by_group, split_by_names
from tfhealth.data.tables import age_band
from tfhealth.data.text_archives import find_medquad, find_ohsumed, find_sms_spam
from tfhealth.data.text_cards import ICD10CM, MEDQUAD, MIMIC3, NOTES, OHSUMED, SMS_SPAM
from tfhealth.data.text_csv import find_csv
from tfhealth.data.text_icd10 import PACKAGE, find_icd10cm
from tfhealth.data.text_mimic3 import find_mimic3, locate_mimic3
from tfhealth.data.text_source import Document, TextListing, TextOptions, TextSource, text_key
from tfhealth.data.text_tfds import find_tfds
from tfhealth.errors import UserError

__all__ = [
    "KNOWN",
    "NAMED",
    "TextOptions",
    "describe_text_sources",
    "find_text_source",
    "load_text_dataset",
    "may_be_shown",
]

NAMED = ("notes", "icd10cm", "ohsumed", "sms_spam", "medquad", "mimic3")
KNOWN = ", ".join((*NAMED, "csv:PATH", "tfds:NAME"))
PUBLIC = ("notes", "icd10cm", "ohsumed", "sms_spam", "medquad")  # synthetic, or published by their authors


def load_text_dataset(spec: str, options: TextOptions) -> DatasetBundle:
    """Returns the data set `spec` names, its texts with every run of white space made one space.

    Args:
        spec: notes | icd10cm | ohsumed | sms_spam | medquad | mimic3 | csv:PATH | tfds:NAME.
        options: where files lie, the seed of the split, and the columns of a csv:PATH.

    Raises:
        UserError: unknown spec, missing files (with where to get them), texts that are empty or cannot be read, a class
            with too few groups, or a group in two splits. It never repeats a text.
    """
    return _bundle(find_text_source(spec, options).listing(), options.seed)


def find_text_source(spec: str, options: TextOptions) -> TextSource:
    """Returns the source `spec` names, without reading it; UserError lists the known ones."""
    if options.seed < 0:
        raise UserError(f"seed {options.seed} must be >= 0")
    kind, colon, argument = spec.partition(":")
    plain = {
        "notes": find_notes, "icd10cm": find_icd10cm, "ohsumed": find_ohsumed, "sms_spam": find_sms_spam,
        "medquad": find_medquad, "mimic3": find_mimic3,
    }  # fmt: skip
    with_argument = {"csv": find_csv, "tfds": find_tfds}
    if kind in plain and not colon:
        return plain[kind](options)
    if kind in with_argument and argument:
        return with_argument[kind](argument, options)
    raise UserError(f"unknown text data set {spec!r}: choose from {KNOWN}")


def may_be_shown(spec: str) -> bool:
    """Returns whether texts of this data set may stand in figures; those of patients and of one's own may not."""
    return spec in PUBLIC


def find_notes(options: TextOptions) -> TextSource:
    """Returns the embedded generator of clinical notes."""
    if options.notes_size < 1 or not 0 <= options.notes_bias <= 1:
        raise UserError(f"notes: size {options.notes_size} must be >= 1 and bias {options.notes_bias} in [0, 1]")
    return TextSource("notes", lambda: _notes_listing(options))


def _notes_listing(options: TextOptions) -> TextListing:
    from tfhealth.data.notes import CLASS_NAMES, generate

    made = generate(options.notes_size, options.seed, options.notes_bias)
    documents = [
        Document(
            example_id=f"note-{i}",
            group_id=str(made.categories[i]),
            label=int(made.y[i]),
            text=made.texts[i],
            sensitive_features={
                "age_band": age_band(float(made.age[i])),
                "sex": str(made.sex[i]),
                "ethnicity": str(made.ethnicity[i]),
                "insurance": str(made.insurance[i]),
            },
            split=str(made.split[i]),
        )
        for i in range(len(made.texts))
    ]
    planted = (f"A bias of {options.notes_bias:g} was planted.",) if options.notes_bias else ()
    card = replace(NOTES.card, class_names=tuple(CLASS_NAMES), notes=NOTES.card.notes + planted)
    return TextListing(card, documents)


def _bundle(listing: TextListing, seed: int) -> DatasetBundle:
    """Checks the documents, splits them, and says on the card what was done."""
    card, documents = listing.card, listing.documents
    if len(card.class_names) < 2 or not documents:
        raise UserError(f"{card.name} has {len(card.class_names)} class(es) with texts: at least two are needed")
    texts = np.empty(len(documents), object)
    texts[:] = [" ".join(document.text.split()) for document in documents]
    empty = [document.example_id for document, text in zip(documents, texts, strict=True) if not text]
    if empty:
        raise UserError(
            f"{card.name}: {len(empty)} of {len(documents)} texts are empty, the first is {empty[0]}: write them or "
            "remove them"
        )
    y = np.array([document.label for document in documents], np.int32)
    if documents[0].split is None:
        group_ids, notes = _groups(documents, texts)
        positions = split_by_group(y, group_ids, seed, class_names=card.class_names)
    else:
        group_ids = np.array([document.group_id for document in documents])
        split = np.array([document.split for document in documents])
        positions, note = split_by_names(split, y, group_ids, seed, card.class_names)
        notes = (note,)
    card = replace(card, notes=(*card.notes, *notes, *_leak_notes(texts, positions)))
    return _with_splits(card, documents, texts, y, group_ids, positions)


def _groups(documents: Sequence[Document], texts: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns the group ids; where every document is its own group, those with the same text share the first's."""
    if any(document.group_id != document.example_id for document in documents):
        return np.array([document.group_id for document in documents]), ()
    first: dict[str, str] = {}
    pairs = zip(documents, texts, strict=True)
    group_ids = [first.setdefault(text_key(text), document.example_id) for document, text in pairs]
    repeats = len(documents) - len(first)
    note = f"{repeats} of {len(documents)} texts repeat another word for word; such texts share a split."
    return np.array(group_ids), (note,) if repeats else ()


def _leak_notes(texts: np.ndarray, positions: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Returns a sentence where texts of validation or test are in train too, word for word."""
    trained = {text_key(text) for text in texts[positions["train"]]}
    found = {name: sum(text_key(text) in trained for text in texts[positions[name]]) for name in ("validation", "test")}
    if not any(found.values()):
        return ()
    sizes = {name: len(positions[name]) for name in found}
    words = " and ".join(f"{found[name]} of {sizes[name]} {name} texts" for name in found if found[name])
    return (f"{words} are in train too, word for word: scores on them are too high.",)


def _with_splits(
    card: DatasetCard,
    documents: Sequence[Document],
    texts: np.ndarray,
    y: np.ndarray,
    group_ids: np.ndarray,
    positions: Mapping[str, np.ndarray],
) -> DatasetBundle:
    example_ids = np.array([document.example_id for document in documents])
    features = {
        name: np.array([document.sensitive_features[name] for document in documents])
        for name in documents[0].sensitive_features
    }
    splits = {
        name: Split(
            x=Rows(texts, rows),
            y=y[rows],
            group_ids=group_ids[rows],
            example_ids=example_ids[rows],
            sensitive_features={feature: column[rows] for feature, column in features.items()},
        )
        for name, rows in positions.items()
    }
    return DatasetBundle(card, **splits)


def describe_text_sources(data_dir: Path | None = None) -> list[SourceStatus]:
    """Returns what each named text source is, its licence, and where it is or where to put it."""
    options = TextOptions(data_dir=data_dir)
    package = f"package {PACKAGE}" if importlib.util.find_spec(PACKAGE) else None
    here = {"notes": "embedded", "icd10cm": package, "mimic3": _folder_of(locate_mimic3(options))}
    rows = []
    for facts in (NOTES, ICD10CM, OHSUMED, SMS_SPAM, MEDQUAD, MIMIC3):
        card = facts.card
        if card.name not in here:
            found = find_file(options.folder, card.name, [facts.files[0].name])
            here[card.name] = None if found is None else str(found)
        put_in = "" if card.name in ("notes", "icd10cm") else str(options.folder / card.name)
        rows.append(SourceStatus(card.name, card.title, card.licence, here[card.name], card.url, put_in))
    return rows


def _folder_of(files: Mapping[str, Path | None]) -> str | None:
    """Returns the folder of the files, None if one of them is missing."""
    first = next(iter(files.values()))
    return None if None in files.values() else str(first.parent)
