"""How long one prediction takes."""

import time
from collections.abc import Callable

import numpy as np

WARM_UP, REPEATS = 3, 30


def milliseconds(predict: Callable[[], object]) -> float:
    """Returns the median time of one call in ms, after a few that are not counted."""
    times = []
    for _ in range(WARM_UP + REPEATS):
        start = time.perf_counter()
        predict()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[WARM_UP:]))
