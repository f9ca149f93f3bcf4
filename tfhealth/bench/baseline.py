"""The committed ratios that a bench is compared with, and what is said of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tfhealth
from tfhealth.bench.ratio import Ratio
from tfhealth.paths import read_json, write_json
from tfhealth.provenance import machine, versions

PATH = Path(tfhealth.__file__).parents[1] / "benchmarks" / "baseline.json"
REMADE_BY = "python -m tfhealth.run bench --write-baseline"
WORSE = 1.20  # times the baseline's ratio; above it a row is flagged


@dataclass(frozen=True)
class Baseline:
    """ratios: row -> {"ratio", "low", "high"}. load: of the machine when it was measured. machine, versions: which."""

    ratios: Mapping[str, Mapping[str, float]]
    load: float
    machine: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """What is said of a row; `flagged` makes the bench fail."""

    text: str = ""
    flagged: bool = False


def read_baseline(path: Path) -> Baseline | None:
    """Returns the file's content, None where there is no such file."""
    return Baseline(**read_json(path, REMADE_BY)) if path.exists() else None


def write_baseline(path: Path, ratios: Sequence[Ratio], load: float, kept: Mapping[str, Mapping]) -> None:
    """Writes the ratios.

    Args:
        load: runnable processes per core before the bench; above 0.5 or so the file is no reference.
        kept: rows of the earlier file that were not measured this time.
    """
    rows = {row.name: {"ratio": row.ratio, "low": row.low, "high": row.high} for row in ratios}
    rounded = {name: {key: float(f"{value:.4g}") for key, value in row.items()} for name, row in rows.items()}
    found = {"machine": machine(), "versions": versions(), "load": round(load, 2), "ratios": {**kept, **rounded}}
    write_json(path, found)


def judge(row: Ratio, baseline: Baseline | None) -> Verdict:
    """Returns whether a row is worse than the baseline by more than 20 %, over its target, or better than chance makes.

    Better: every round of now is below every round of the baseline, and the ratio as far below as would be flagged
    above.
    """
    if row.target is not None and not row.ours <= row.target:
        return Verdict(f"OVER {row.target:g} {row.unit}", True)
    before = baseline.ratios.get(row.name) if baseline else None
    if before is None:
        return Verdict("new")
    if not row.ratio <= WORSE * before["ratio"]:  # also NaN
        return Verdict(f"WORSE by {row.ratio / before['ratio'] - 1:.0%}", True)
    if row.ratio * WORSE < before["ratio"] and row.high < before["low"]:
        return Verdict(f"better by {1 - row.ratio / before['ratio']:.0%}")
    return Verdict()
