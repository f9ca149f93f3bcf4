"""How numbers and names stand in a sentence: rounded, undefined said so, long names cut."""

from math import isfinite

UNDEFINED = "undefined"
LONGEST_NAME = 5  # words; a longer one is cut


def interval(score) -> str:
    ends = f" (95 % {number(score['low'])} to {number(score['high'])})" if is_known(score.get("low")) else ""
    return f"{number(score['value'])}{ends}"


def ends(score) -> str:
    return f"{count({'value': score['low']})} to {count({'value': score['high']})}"


def count(score) -> str:
    return f"{score['value']:,.0f}" if is_known(score["value"]) else UNDEFINED


def share(score) -> str:
    return f"{number(score['value'], 3)}"


def small(value: float) -> str:
    return f"{value:.2g}" if 0 < value < 0.1 else f"{value:.2f}"


def is_known(value: float | None) -> bool:
    return value is not None and isfinite(value)


def number(value: float | None, decimals: int = 2) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if is_known(value) else UNDEFINED


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def cut(text: str, longest: int = LONGEST_NAME) -> str:
    parts = str(text).split()
    return " ".join(parts) if len(parts) <= longest else " ".join(parts[:longest]) + "…"
