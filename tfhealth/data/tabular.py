"""Patient records: tables of numbers and categories with missing values, from three sources."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

from tfhealth.data.archives import data_folder, find_file
from tfhealth.data.cards import HAM10000, OWN_DATA
from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.image_ham10000 import METADATA_NAMES, read_metadata
from tfhealth.data.splits import SPLIT_NAMES, split_by_group, split_by_names
from tfhealth.data.tables import UNKNOWN, table_rows
from tfhealth.errors import UserError

MISSING = frozenset(("", "?", "na", "n/a", "nan", "none", "null", UNKNOWN))  # cells, in lower case
FEW = 10  # different numbers in training; no more are categories, so that no value between them is ever made up
RARE = 5  # training records; a category of fewer points at someone, and is pooled
POOL = "other (rare)"
MOST_CATEGORIES = 50  # of a column or of the label; more are names, numbers of records, or texts
MARK = "synthetic"  # keyword of a PNG text chunk, name of a CSV column: what follows was made by a model

BREAST_CANCER = DatasetCard(
    name="breast_cancer",
    title="Breast Cancer Wisconsin (Diagnostic): cell nuclei in fine needle aspirates",
    modality="table",
    class_names=("malignant", "benign"),
    licence="CC BY 4.0",
    citation="Street, Wolberg, Mangasarian 1993, Nuclear feature extraction for breast tumor diagnosis, SPIE 1905",
    url="https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
    group_unit="patient",
    positive_classes=("malignant",),
)
HAM10000_COLUMNS = ("age", "sex", "localization", "dx_type")


@dataclass(frozen=True)
class RecordOptions:
    """How a table is read. The columns are those of csv:PATH."""

    data_dir: Path | None = None  # None: $TFHEALTH_DATA, else ~/.cache/tfhealth
    seed: int = 0  # of the split
    label_column: str = "label"
    group_column: str | None = None
    split_column: str | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table; categories None: it holds numbers."""

    name: str
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Records:
    """A table ready to use.

    Attributes:
        bundle: x of each split is (n, columns) float64: numbers, or positions in the column's categories; NaN: missing.
        columns: of x, without the label.
        label: name of the column of classes.
    """

    bundle: DatasetBundle
    columns: tuple[Column, ...]
    label: str

    @property
    def categorical(self) -> np.ndarray:
        """Returns (columns,) bool."""
        return np.array([column.categories is not None for column in self.columns])

    def words(self, row: np.ndarray, label: int) -> dict[str, str]:
        """Returns one record as it stands in a file: column -> cell, the label first, "" where missing."""
        cells = (_cell(column, value) for column, value in zip(self.columns, row.tolist(), strict=True))
        names = (column.name for column in self.columns)
        return {self.label: self.bundle.card.class_names[label], **dict(zip(names, cells, strict=True))}


@dataclass(frozen=True)
class Listing:
    """A source's cells as words. rows: column -> cell, one a record; splits: as the source names them, or None."""

    card: DatasetCard
    label: str
    rows: Sequence[Mapping[str, str]]
    labels: Sequence[str]
    group_ids: Sequence[str]
    splits: Sequence[str] | None = None


def load_records(name: str, options: RecordOptions) -> Records:
    """Returns the table `name`, split 70/10/20 by patient or lesion, stratified; everything else is fitted on train.

    Args:
        name: breast_cancer (comes with scikit-learn), ham10000 (its metadata, a record a lesion), or csv:PATH.
        options: where files lie, the split's seed, and the columns of a csv.

    Raises:
        UserError: no such source or file, a column that is missing or holds names or texts, or too few records.
    """
    if name == "breast_cancer":
        return _records(_breast_cancer(), options.seed)
    if name == "ham10000":
        return _records(_ham10000(data_folder(options.data_dir)), options.seed)
    if name.startswith("csv:"):
        return _records(_csv(Path(name.removeprefix("csv:")).expanduser(), options), options.seed)
    raise UserError(f"unknown records {name!r}: use breast_cancer, ham10000 or csv:PATH")


def _breast_cancer() -> Listing:
    table = load_breast_cancer()
    rows = [dict(zip(table.feature_names.tolist(), map(repr, row), strict=True)) for row in table.data.tolist()]
    labels = [BREAST_CANCER.class_names[label] for label in table.target]
    return Listing(BREAST_CANCER, "diagnosis", rows, labels, [f"row {i}" for i in range(len(rows))])


def _ham10000(folder: Path) -> Listing:
    path = find_file(folder, "ham10000", METADATA_NAMES)
    if path is None:
        raise UserError(
            f"ham10000: {METADATA_NAMES[0]} not found: download it from {HAM10000.card.url} and put it into "
            f"{folder / 'ham10000'}"
        )
    lesions = {}  # the first of each: the images of a lesion repeat its record
    for row in read_metadata(path):
        lesions.setdefault(row["lesion_id"], row)
    card = replace(
        HAM10000.card,
        title="HAM10000 metadata: age, sex, place of the lesion and how its diagnosis was confirmed",
        modality="table",
        notes=(
            "HAM10000 records: one a lesion, the images of a lesion repeat it; the patients behind lesions are not "
            "known.",
            "HAM10000 records: dx_type says how a diagnosis was confirmed and so gives part of it away; scores on "
            "these records compare real with synthetic records, they diagnose nobody.",
        ),
    )
    rows = [{name: row.get(name, "") for name in HAM10000_COLUMNS} for row in lesions.values()]
    return Listing(card, "dx", rows, [row["dx"] for row in lesions.values()], list(lesions))


def _csv(path: Path, options: RecordOptions) -> Listing:
    if not path.is_file():
        raise UserError(f"csv:{path}: there is no file {path}")
    label, group, split = options.label_column, options.group_column, options.split_column
    rows = table_rows(path, [name for name in (label, group, split) if name])
    if MARK in rows[0]:
        raise UserError(f"{path} has a column {MARK!r}: it holds synthetic records; give real ones, or rename it")
    labels = [row[label] for row in rows]
    if "" in labels:
        raise UserError(f"{path}: row {labels.index('') + 1} has no {label}: add it or remove the row")
    names = sorted(set(labels))
    if not 2 <= len(names) <= MOST_CATEGORIES:
        raise UserError(
            f"{path}: column {label!r} has {len(names)} different values: name a column of 2 to {MOST_CATEGORIES} "
            "classes with --label-column"
        )
    card = DatasetCard(
        name=f"csv:{path.stem}",
        title=f"csv:{path.stem}",
        modality="table",
        class_names=tuple(names),
        licence=OWN_DATA,
        citation=OWN_DATA,
        group_unit=group or "record",
    )
    groups = [row[group] if group and row[group] else f"row {number}" for number, row in enumerate(rows, 1)]
    kept = [name for name in rows[0] if name not in (label, group, split)]
    if not kept:
        raise UserError(f"{path} has no column besides {label!r}: there is nothing to learn")
    cells = [{name: row[name] for name in kept} for row in rows]
    return Listing(card, label, cells, labels, groups, [row[split] for row in rows] if split else None)


def _records(listing: Listing, seed: int) -> Records:
    names = listing.card.class_names
    y = np.array([names.index(label) for label in listing.labels], np.int32)
    group_ids = np.array(listing.group_ids)
    if listing.splits is None:
        places = split_by_group(y, group_ids, seed, class_names=names)
        note = f"Records are split 70/10/20 by {listing.card.group_unit}, stratified by {listing.label}."
    else:
        places, note = split_by_names(np.array(listing.splits), y, group_ids, seed, names)
    table = [
        _column(name, [row[name] for row in listing.rows], places["train"], listing.card.name)
        for name in listing.rows[0]
    ]
    x = np.column_stack([values for _, values in table])
    whole = Split(Rows(x), y, group_ids, np.array([f"row {number}" for number in range(1, len(x) + 1)]))
    card = replace(listing.card, notes=(*listing.card.notes, note))
    bundle = DatasetBundle(card, *(whole.subset(places[name]) for name in SPLIT_NAMES))
    return Records(bundle, tuple(column for column, _ in table), listing.label)


def _column(name: str, cells: Sequence[str], train: np.ndarray, source: str) -> tuple[Column, np.ndarray]:
    """Returns a column and its (n,) values; its categories are those of the training records."""
    known = [None if cell.strip().lower() in MISSING else cell.strip() for cell in cells]
    numbers = _numbers(known)
    if numbers is not None and len(np.unique(numbers[train][np.isfinite(numbers[train])])) > FEW:
        return Column(name), numbers
    different = len(set(known) - {None})
    if different > MOST_CATEGORIES:
        raise UserError(
            f"{source}: column {name!r} has {different} different values that are no numbers: it holds names or "
            "texts, which must not come back in synthetic records; remove it, or group its values"
        )
    counts = Counter(known[row] for row in train if known[row] is not None)
    frequent = sorted(category for category, count in counts.items() if count >= RARE)
    categories = (*frequent, *((POOL,) if len(frequent) < len(counts) else ()))
    code = {category: number for number, category in enumerate(frequent)}
    other = len(frequent) if len(categories) > len(frequent) else np.nan
    return Column(name, categories), np.array([np.nan if cell is None else code.get(cell, other) for cell in known])


def _numbers(cells: Sequence[str | None]) -> np.ndarray | None:
    """Returns (n,) float64, NaN where missing or not finite; None if a cell is no number."""
    try:
        values = [float("nan") if cell is None else float(cell) for cell in cells]
    except ValueError:
        return None
    return np.array([value if isfinite(value) else np.nan for value in values])


def _cell(column: Column, value: float) -> str:
    if value != value:
        return ""
    if column.categories is not None:
        return column.categories[int(value)]
    return str(int(value)) if value == int(value) else repr(value)
