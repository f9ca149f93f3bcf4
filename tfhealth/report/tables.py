"""Rows of dicts -> CSV files, written whole."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfhealth.paths import atomic_path


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the rows with a header of all their keys in order of appearance; NaN and None become empty cells."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(value) for key, value in row.items()})


def _cell(value: Any) -> Any:
    if value is None or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
