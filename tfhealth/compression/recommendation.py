"""Which artifact to ship under given limits, and which limit decided."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tfhealth.compression.artifact import LATENCY

# Artifacts this close to the fastest count as equally fast: measured again, their order might be another.
AS_FAST = 1.1


@dataclass(frozen=True)
class Recommendation:
    """The answer of `recommend`.

    Attributes:
        name: of the artifact; None if no artifact keeps all limits.
        decided_by: the limits without which another artifact would have been chosen (or one at all), of "max_mb",
            "max_ms", "max_drop". Empty: it is the best of all without any limit.
        exceeded: artifact -> the limits that it does not keep.
        nearest: where no artifact keeps all limits, the one whose worst excess is the smallest share of its limit.
    """

    name: str | None
    decided_by: tuple[str, ...]
    exceeded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nearest: str | None = None


def recommend(rows: Sequence[Mapping], *, max_mb: float, max_ms: float, max_drop: float) -> Recommendation:
    """Returns the fastest artifact that keeps all limits; of those within AS_FAST of it the smallest to download.

    Args:
        rows: of `benchmark.comparison_rows`; those that failed are left out.
        max_mb: of the gzipped file, 1e6 bytes.
        max_ms: median of a prediction, batch 1, one thread.
        max_drop: of the accuracy, a fraction: 0.01 is one point.
    """
    limits = {"max_mb": max_mb, "max_ms": max_ms, "max_drop": max_drop}
    rows = [row for row in rows if not row["failure"] and math.isfinite(row[LATENCY])]
    exceeded = {row["name"]: tuple(limit for limit in limits if _cost(row, limit) > limits[limit]) for row in rows}
    chosen = _best(rows, exceeded, limits)
    without = {limit: _best(rows, exceeded, set(limits) - {limit}) for limit in limits}
    decided_by = tuple(limit for limit, other in without.items() if other != chosen)
    if chosen is None and rows and not decided_by:  # no single one is to blame
        decided_by = tuple(limit for limit in limits if all(limit in found for found in exceeded.values()))
    nearest = None
    if chosen is None and rows:
        nearest = min(rows, key=lambda row: max(_excess(_cost(row, n), limit) for n, limit in limits.items()))["name"]
    return Recommendation(chosen, decided_by, {n: found for n, found in exceeded.items() if found}, nearest)


def _cost(row: Mapping, limit: str) -> float:
    return {"max_mb": row["gzip_mb"], "max_ms": row[LATENCY], "max_drop": -row["accuracy_change"]}[limit]


def _best(rows: Sequence[Mapping], exceeded: Mapping[str, tuple[str, ...]], limits) -> str | None:
    """Returns the name of the best of those that keep these limits."""
    kept = [row for row in rows if not set(exceeded[row["name"]]) & set(limits)]
    if not kept:
        return None
    fast = AS_FAST * min(row[LATENCY] for row in kept)
    return min((row for row in kept if row[LATENCY] <= fast), key=lambda row: (row["gzip_mb"], row[LATENCY]))["name"]


def _excess(cost: float, limit: float) -> float:
    """By what share of the limit it is exceeded; negative below it."""
    return (cost - limit) / limit if limit > 0 else (math.inf if cost > limit else -1.0)
