"""The bench's one table."""

from collections.abc import Sequence

from tfhealth.bench.baseline import Baseline, judge
from tfhealth.bench.ratio import Ratio

HEADER = ("ours / reference", "ours", "reference", "", "ratio", "lowest", "highest", "rounds", "baseline", "")


def lines(rows: Sequence[Ratio], baseline: Baseline | None) -> list[str]:
    """Returns the table's lines: a header, a row each, in columns as wide as they need."""
    cells = [HEADER, *(_cells(row, baseline) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(_aligned, row, widths, range(len(row)))).rstrip() for row in cells]


def _cells(row: Ratio, baseline: Baseline | None) -> tuple[str, ...]:
    before = baseline.ratios.get(row.name) if baseline else None
    return (
        row.name,
        _number(row.ours),
        _number(row.reference),
        row.unit,
        *map(_number, (row.ratio, row.low, row.high)),
        str(row.rounds),
        "" if before is None else _number(before["ratio"]),
        judge(row, baseline).text,
    )


def _number(value: float) -> str:
    """Three digits that count, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if HEADER[column] in (HEADER[0], "") else cell.rjust(width)
