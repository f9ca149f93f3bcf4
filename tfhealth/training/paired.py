"""Two classifiers on the same examples."""

import numpy as np
from scipy.stats import binomtest


def mcnemar(y_true: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Returns {"first_only", "second_only", "p_value"}: examples that only one got right, and how unlikely their split.

    The exact test: if both were equally good, each such example would be as likely on either side. 1 when there are
    none.

    Args:
        y_true, first, second: (n,) int class ids: the true ones and those that each classifier gave.

    Source: McNemar 1947; exact form as in Dietterich 1998, "Approximate Statistical Tests", sec. 3.1.
    """
    first_right, second_right = first == y_true, second == y_true
    counts = int(np.sum(first_right & ~second_right)), int(np.sum(second_right & ~first_right))
    p_value = float(binomtest(counts[0], sum(counts)).pvalue) if sum(counts) else 1.0
    return {"first_only": counts[0], "second_only": counts[1], "p_value": p_value}
