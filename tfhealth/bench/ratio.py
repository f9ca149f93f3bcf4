"""One row of the bench: what a piece of tfhealth costs, relative to doing without it, measured side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """A cost (time or memory) beside that of its reference; less is better.

    Attributes:
        name: of both, e.g. "training step, pipeline / bare array".
        ours, reference: the least of all rounds, in `unit`: what else the machine does only adds, as Python's timeit
            says.
        ratio: ours / reference. low, high: the smallest and the largest ratio of one round.
        rounds: how many.
        target: what `ours` has to stay below; None: nothing was promised.
    """

    name: str
    unit: str
    ours: float
    reference: float
    ratio: float
    low: float
    high: float
    rounds: int
    target: float | None = None

    @classmethod
    def of(
        cls, name: str, unit: str, ours: Sequence[float], reference: Sequence[float], target: float | None = None
    ) -> "Ratio":
        """Args: ours, reference: (rounds,), the same round at the same place."""
        ratios = np.divide(ours, reference)
        least = float(np.min(ours)), float(np.min(reference))
        spread = float(ratios.min()), float(ratios.max())
        return cls(name, unit, *least, least[0] / least[1], *spread, len(ratios), target)


def in_turns(works: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Returns name -> (rounds,) what each work measured of itself; all take a turn in each round.

    A busy machine then slows all alike. Every other round goes backwards, so that none is always the first.

    Args:
        works: name -> measures itself once.
        rounds: that count.
        warm_up: rounds before, which do not: they trace, and fill caches.
    """
    found = {name: [] for name in works}
    for turn in range(warm_up + rounds):
        for name in list(works)[:: -1 if turn % 2 else 1]:
            found[name].append(works[name]())
    return {name: values[warm_up:] for name, values in found.items()}
