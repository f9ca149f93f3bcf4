"""What every text source hands over: its documents and its card, and the counting they share.

Text may be about patients: it never stands in an error, a log or a file name; example ids, lines and counts do.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfhealth.data.archives import data_folder
from tfhealth.data.cards import SourceFacts
from tfhealth.data.dataset import DatasetCard

FEWEST_GROUPS = 30  # of a class, so that the validation split, a tenth, has about three and test six


@dataclass(frozen=True)
class TextOptions:
    """How a text data set is read. The columns are those of a csv:PATH source, the notes' of notes."""

    data_dir: Path | None = None  # None: $TFHEALTH_DATA, else ~/.cache/tfhealth
    seed: int = 0  # of the split, and of the notes
    notes_size: int = 4000  # notes
    notes_bias: float = 0.0  # in [0, 1]
    text_column: str = "text"
    label_column: str = "label"
    group_column: str | None = None
    split_column: str | None = None
    feature_columns: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where data-set files lie or are downloaded to."""
        return data_folder(self.data_dir)


@dataclass(frozen=True)
class Document:
    """One text with all that is known of it."""

    example_id: str
    group_id: str  # the example id where a source has no groups
    label: int
    text: str = field(repr=False)
    sensitive_features: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None  # as the source names it; None: it has no split


@dataclass(frozen=True)
class TextListing:
    """The content of a source: its card, and its documents in their order."""

    card: DatasetCard
    documents: Sequence[Document]


@dataclass(frozen=True)
class TextSource:
    """A source that was found; `listing()` reads it."""

    name: str
    listing: Callable[[], TextListing]


def text_key(text: str) -> str:
    """Returns what two texts must share to be the same word for word: case and white space do not count."""
    return " ".join(text.casefold().split())


def without_repeats(documents: Sequence[Document]) -> tuple[list[Document], int]:
    """Returns the documents without those that repeat the text of an earlier one, and how many were left out."""
    first = {}
    for document in documents:
        first.setdefault(text_key(document.text), document)
    return list(first.values()), len(documents) - len(first)


def without_rare_classes(documents: Sequence[Document], card: DatasetCard) -> TextListing:
    """Returns the documents of classes with `FEWEST_GROUPS` groups or more, renumbered; the card names the others."""
    pairs = {(document.label, document.group_id) for document in documents}
    groups = Counter(label for label, _ in pairs)
    sizes = Counter(document.label for document in documents)
    kept = [label for label in range(len(card.class_names)) if groups[label] >= FEWEST_GROUPS]
    rare = [f"{card.class_names[label]} ({sizes[label]})" for label in sorted(sizes) if label not in kept]
    if rare:
        note = f"Classes with fewer than {FEWEST_GROUPS} {card.group_unit}s were left out, texts in brackets: "
        card = replace(card, notes=(*card.notes, note + "; ".join(rare) + "."))
    number = {label: position for position, label in enumerate(kept)}
    documents = [replace(item, label=number[item.label]) for item in documents if item.label in number]
    return TextListing(replace(card, class_names=tuple(card.class_names[label] for label in kept)), documents)


def with_count_note(card: DatasetCard, facts: SourceFacts, found: Mapping[str, int]) -> DatasetCard:
    """Returns the card, with a sentence on it where `found` is not what is published."""
    if dict(found) == dict(facts.expected_counts):
        return card

    def words(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{name} {count}" for name, count in counts.items())

    return replace(
        card, notes=(*card.notes, f"This copy holds {words(found)}; published are {words(facts.expected_counts)}.")
    )
