"""Tables in CSV files (plain or .gz), read row by row, and what their cells become."""

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from tfhealth.errors import UserError

LONGEST_CELL = 2**24  # characters; Python's own limit, 131,072, is shorter than some notes. More: an unclosed quote
AGE_BANDS = ((30, "0-29"), (45, "30-44"), (60, "45-59"), (75, "60-74"))  # (below this age, name); names sort by age
UNKNOWN = "unknown"
LONGEST_NAME = 40  # characters of a column's name in a message


@dataclass(frozen=True)
class Table:
    """An open table. rows yields (line on which the row starts, cells); `bytes_read` is the place in the file."""

    path: Path
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]
    bytes_read: Callable[[], int]

    def missing(self, names: Sequence[str]) -> str:
        """Returns those of `names` that are no column, quoted, as a list to read; "" if all are there."""
        return ", ".join(repr(name) for name in names if name not in self.columns)

    def places(self, names: Sequence[str]) -> list[int]:
        """Returns the position of each named column.

        Raises:
            UserError: one is missing. Nothing of the file is repeated: where it has no header that would be its data.
        """
        if missing := self.missing(names):
            raise UserError(
                f"{self.path} has no column {missing}: its first line must name the columns, {len(self.columns)} "
                "are there"
            )
        return [self.columns.index(name) for name in names]


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Yields a UTF-8 table with commas or tabs, opened to be read once; memory stays flat whatever its size.

    Raises:
        UserError: also while rows are read: not UTF-8 (with the line), a cell without end, or a damaged .gz.
    """
    longest = csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open("rb") as raw, _as_text(path, raw) as file:
            rows = _numbered_rows(path, file)
            columns = next(rows, (1, []))[1]
            yield Table(path, tuple(columns), rows, raw.tell)
    finally:
        csv.field_size_limit(longest)


def table_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Returns the rows of a UTF-8 table with commas or tabs; values are stripped, those a short row lacks are "".

    Raises:
        UserError: not such a table, one of `columns` is missing (names those it has), or no rows.
    """
    with open_table(path) as table:
        if missing := table.missing(columns):
            names = ", ".join(" ".join(column.split())[:LONGEST_NAME] for column in table.columns)
            raise UserError(f"{path} has no column {missing}; it has {names or 'none'}")
        padding = [""] * len(table.columns)
        rows = [
            {name: cell.strip() for name, cell in zip(table.columns, cells + padding, strict=False)}
            for _, cells in table.rows
        ]
    if not rows:
        raise UserError(f"{path} has no rows")
    return rows


def age_band(age: float) -> str:
    """Returns 0-29, 30-44, 45-59, 60-74, 75+, or unknown for NaN."""
    if np.isnan(age):
        return UNKNOWN
    return next((name for below, name in AGE_BANDS if age < below), "75+")


def decode_text(content: bytes, where: str) -> str:
    """Returns UTF-8 content as text; UserError says `where` and the line, and repeats nothing of it."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{where}, line {line}: bytes that are not UTF-8: save it as UTF-8") from None


def _as_text(path: Path, raw: IO[bytes]) -> io.TextIOWrapper:
    return io.TextIOWrapper(_unpacked(path, raw), encoding="utf-8-sig", newline="")


def _unpacked(path: Path, raw: IO[bytes]) -> IO[bytes]:
    return gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw


def _numbered_rows(path: Path, file: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    """Yields (line on which the row starts, its cells), the header too; whatever cannot be read is a UserError."""
    line = 1
    try:
        first = file.readline()
        reader = csv.reader(itertools.chain([first], file), delimiter="\t" if "\t" in first else ",")
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except UnicodeDecodeError:
        bad = _first_bad_line(path)
        raise UserError(f"{path}, line {bad}: bytes that are not UTF-8: save the table as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path}: the row in line {line} is no CSV ({error}): mend its quotes") from None
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path} is damaged or truncated after line {line} ({error}): copy it again") from None


def _first_bad_line(path: Path) -> int:
    """Returns its number; the text layer decodes ahead of the rows, so the reader's own count would be too low."""
    with path.open("rb") as raw:
        return next(number for number, line in enumerate(_unpacked(path, raw), 1) if not _is_utf8(line))


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
