"""A table of one's own texts (csv:PATH): labels, groups, a split and sensitive features by column."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfhealth.data.cards import OWN_DATA
from tfhealth.data.dataset import DatasetCard
from tfhealth.data.splits import SPLIT_NAMES, SPLIT_WORDS
from tfhealth.data.tables import UNKNOWN, open_table
from tfhealth.data.text_source import Document, TextListing, TextOptions, TextSource
from tfhealth.errors import UserError

LONGEST_WORD = 100  # characters of a label, group or feature; more is a text


@dataclass(frozen=True)
class Row:
    """The cells of one row that are used, and the line it starts on."""

    line: int
    label: str
    group: str
    split: str
    features: dict[str, str]
    text: str = field(repr=False)


def find_csv(argument: str, options: TextOptions) -> TextSource:
    """Returns csv:PATH, a UTF-8 table with a row per text, its columns as named in `options`.

    Raises:
        UserError: no such file, or the text column is named as another column too.
    """
    path = Path(argument).expanduser()
    if not path.is_file():
        raise UserError(f"csv:{argument}: there is no file {path}")
    others = (options.label_column, options.group_column, options.split_column, *options.feature_columns)
    if options.text_column in others:
        raise UserError(f"csv:{argument}: column {options.text_column!r} is the text: name another one for the rest")
    return TextSource(f"csv:{path.stem}", lambda: _listing(f"csv:{argument}", path, options))


def _listing(name: str, path: Path, options: TextOptions) -> TextListing:
    rows = _rows(path, options)
    _check_words(path, rows, options)
    class_names = sorted({row.label for row in rows})
    number = {label: position for position, label in enumerate(class_names)}
    alone = sum(not row.group for row in rows) if options.group_column else 0
    card = DatasetCard(
        name=name,
        title=name,
        modality="text",
        class_names=tuple(class_names),
        licence=OWN_DATA,
        citation=OWN_DATA,
        group_unit=options.group_column or "document",
        notes=(f"{alone} texts have no {options.group_column} and are a group each.",) if alone else (),
    )
    documents = [
        Document(
            example_id=f"line {row.line}",
            group_id=row.group or f"line {row.line}",
            label=number[row.label],
            text=row.text,
            sensitive_features=row.features,
            split=row.split if options.split_column else None,
        )
        for row in rows
    ]
    return TextListing(card, documents)


def _rows(path: Path, options: TextOptions) -> list[Row]:
    columns = [options.label_column, options.group_column, options.split_column, *options.feature_columns]
    rows, broken = [], []
    with open_table(path) as table:
        table.places([options.text_column, *filter(None, columns)])  # all are there
        for line, cells in table.rows:
            if len(cells) != len(table.columns):
                broken.append(line)
                continue
            row = {name: cell.strip() for name, cell in zip(table.columns, cells, strict=True)}
            rows.append(
                Row(
                    line=line,
                    label=row[options.label_column],
                    group=row.get(options.group_column, ""),
                    split=row.get(options.split_column, ""),
                    features={column: row[column] or UNKNOWN for column in options.feature_columns},
                    text=row[options.text_column],
                )
            )
    _refuse(path, broken, f"have not the {len(table.columns)} cells of the header", "quote texts with commas in them")
    if not rows:
        raise UserError(f"{path} has no rows")
    return rows


def _check_words(path: Path, rows: Sequence[Row], options: TextOptions) -> None:
    """Refuses columns of texts where words are wanted: those stand in messages and in the report, texts must not."""
    label, group, split = options.label_column, options.group_column, options.split_column
    words = {label: [row.label for row in rows], group: [row.group for row in rows]}
    words |= {column: [row.features[column] for row in rows] for column in options.feature_columns}
    for column, cells in words.items():
        long = [row.line for row, cell in zip(rows, cells, strict=True) if len(cell) > LONGEST_WORD]
        _refuse(path, long, f"have a {column} of more than {LONGEST_WORD} characters", "name a column of short words")
    known = (*SPLIT_NAMES, *SPLIT_WORDS)
    unknown = [row.line for row in rows if split and row.split.lower() not in known]
    _refuse(path, unknown, f"name no split in {split}", "use train, validation (or val) and test")
    _refuse(path, [row.line for row in rows if not row.label], f"have no {label}", "add it or remove the row")
    different = len(set(words[label]))
    if different > 1 and different * 2 > len(rows):
        raise UserError(
            f"{path}: column {label!r} has {different} different values in {len(rows)} rows: a class needs at least "
            "two texts, name the column of the classes"
        )


def _refuse(path: Path, lines: Sequence[int], problem: str, advice: str) -> None:
    if lines:
        raise UserError(f"{path}: {len(lines)} row(s) {problem}, the first in line {lines[0]}: {advice}")
