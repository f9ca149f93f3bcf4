"""`tfhealth.run bench`: what the package costs, each cost beside that of going without it, against the baseline."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tfhealth.bench import baseline as committed
from tfhealth.bench.audit import measure_audit
from tfhealth.bench.latency import measure_latency
from tfhealth.bench.preparation import measure_images, measure_texts
from tfhealth.bench.processes import measure_processes
from tfhealth.bench.ratio import Ratio
from tfhealth.bench.startup import measure_startup
from tfhealth.bench.table import lines
from tfhealth.bench.training import measure_throughput, measure_tracking
from tfhealth.console import say
from tfhealth.errors import UserError
from tfhealth.report.tables import write_csv

MEASUREMENTS: dict[str, Callable[[Path], list[Ratio]]] = {
    "throughput": measure_throughput,
    "tracking": measure_tracking,
    "startup": measure_startup,
    "images": measure_images,
    "texts": measure_texts,
    "latency": measure_latency,
    "processes": measure_processes,
    "audit": measure_audit,
}
BUSY = 0.5  # runnable processes per core, before the bench


def run(root: Path, *, only: str | None = None, write_baseline: bool = False) -> int:
    """Prints the table, writes exports/bench/bench.csv; returns 1 if a row is flagged, else 0.

    Args:
        only: names of measurements, separated by commas; None: all.
        write_baseline: write the baseline before comparing with it; with `only`, its other rows stay.

    Raises:
        UserError: there is no measurement of that name.
    """
    chosen, path, load = _chosen(only), committed.PATH, _load()
    if load > BUSY:
        say(f"This machine is busy (load {load:.1f} per core): ratios will spread")
    known, rows = committed.read_baseline(path), _measure(chosen)
    if write_baseline:
        kept = known.ratios if known and only is not None else {}
        committed.write_baseline(path, rows, load, kept)
        known = committed.read_baseline(path)
    print("\n".join(lines(rows, known)))
    verdicts = [committed.judge(row, known) for row in rows]
    folder = root / "exports" / "bench"
    write_csv(
        folder / "bench.csv",
        [{**asdict(row), "verdict": verdict.text} for row, verdict in zip(rows, verdicts, strict=True)],
    )
    print(folder)
    return 1 if any(verdict.flagged for verdict in verdicts) else 0


def _measure(chosen: dict[str, Callable]) -> list[Ratio]:
    rows, start = [], time.monotonic()
    for number, (name, measure) in enumerate(chosen.items(), 1):
        say(f"[{number}/{len(chosen)}, {time.monotonic() - start:.0f} s so far] {name}")
        with tempfile.TemporaryDirectory() as scratch:
            rows += measure(Path(scratch))
    say(f"measured in {time.monotonic() - start:.0f} s")
    return rows


def _chosen(only: str | None) -> dict[str, Callable[[Path], list[Ratio]]]:
    names = list(MEASUREMENTS) if only is None else only.split(",")
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        raise UserError(f"--only {','.join(unknown)}: choose from {', '.join(MEASUREMENTS)}")
    return {name: MEASUREMENTS[name] for name in names}


def _load() -> float:
    return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else float("nan")
