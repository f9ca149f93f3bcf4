"""How numbers and names stand in a sentence: rounded, undefined said so, long names cut."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from tfhealth.audit.groups import POOL_JOIN, POOLED

UNDEFINED = "undefined"
MODEL_NAMES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "transformer": "Transformer"}
LONGEST_NAME = 5  # words; a longer one is cut


def interval(score: Mapping[str, float]) -> str:
    """Returns "0.90 (95 % 0.85 to 0.94)" of value, low, high."""
    low_high = f" (95 % {number(score['low'])} to {number(score['high'])})" if is_known(score.get("low")) else ""
    return f"{number(score['value'])}{low_high}"


def ends(score: Mapping[str, float]) -> str:
    """Returns "12 to 34" of a count's low and high."""
    return f"{count({'value': score['low']})} to {count({'value': score['high']})}"


def count(score: Mapping[str, float]) -> str:
    return f"{score['value']:,.0f}" if is_known(score["value"]) else UNDEFINED


def small(value: float) -> str:
    """Two digits after the point, two significant ones below a tenth."""
    return f"{value:.2g}" if 0 < value < 0.1 else f"{value:.2f}"


def is_known(value: float | None) -> bool:
    return value is not None and isfinite(value)


def number(value: float | None, decimals: int = 2) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if is_known(value) else UNDEFINED


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def group_name(row: Mapping[str, Any]) -> str:
    """Returns "female, 30-44 (sex by age band)" of a row's group and feature."""
    return f"{cut(row['group'])} ({cut(row['feature'].replace('_', ' ').replace(' x ', ' by '))})"


def cut(text: Any, longest: int = LONGEST_NAME) -> str:
    """Returns at most so many words of a name; of a pool of groups too long to name, how many they are."""
    parts = str(text).split()
    if len(parts) <= longest:
        return " ".join(parts)
    return _pool(str(text)) or " ".join(parts[:longest]) + "…"


def short(name: str, longest: int) -> str:
    """The same, of characters."""
    return name if len(name) <= longest else _pool(name) or name[: longest - 1] + "…"


def _pool(name: str) -> str:
    return f"{name.count(POOL_JOIN) + 1} small groups pooled" if name.startswith(POOLED) else ""
