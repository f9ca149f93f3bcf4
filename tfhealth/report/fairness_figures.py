"""Figures of the audit, drawn under the same rules as `figures`: rates by group, gaps, calibration, trade-off."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tfhealth.report.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PLAIN,
    PURPLE,
    SKY,
    VERMILLION,
    page,
    panels_page,
    words,
)
from tfhealth.report.wording import short

COLORS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, "black")
MARKERS = "osD^vP*"
LONGEST_NAME = 34  # characters of a group beside its dots
ROW_INCHES = 0.17
MAX_GROUPS = 40  # rows on a page; more would not be read
TOO_FEW = "too few to say"
SAME_PLACE = 0.02  # of an axis: nearer points share a label
STYLES = {  # of the points of a trade-off
    kind: {"marker": marker, "color": color, "markersize": 5, "linestyle": "none"}
    for kind, marker, color in (("baseline", "D", "black"), ("artifact", "o", BLUE), ("mitigation", "^", VERMILLION))
}
OTHER_FILE = STYLES["artifact"] | {"markersize": 4, "markerfacecolor": "white"}


def rates_by_group(rows: list[dict], rates: list[str], path: Path, *, title: str) -> None:
    """Draws each group's rates with 95 % intervals, features one below the other, a panel per rate (up to three).

    Args:
        rows: feature, group, units, and per rate its value, <rate>_low, <rate>_high (absent or NaN: too few to say).
            Only the first MAX_GROUPS are drawn.
        rates: the panels.
        path: the PNG file.
        title: of the figure.
    """
    rows = rows[:MAX_GROUPS]
    places, heads = _places(rows)
    height = 0.9 + ROW_INCHES * (max(places, default=0) + 1.5)
    with page(path, height, title) as figure:
        panels = figure.subplots(1, len(rates), sharey=True, squeeze=False)[0]
        for ax, rate in zip(panels, rates, strict=True):
            for place, row in zip(places, rows, strict=True):
                _dot(ax, place, [row.get(f"{rate}{end}") for end in ("", "_low", "_high")])
            ax.set(xlabel=words(rate), xlim=_limits(rows, rate))
            ax.set_ylim(max(places, default=0) + 0.7, -0.9)
        names = [f"{short(row['group'], LONGEST_NAME)} (n = {_n(row['units'])})" for row in rows]
        ticks = [*zip(places, names, strict=True), *((place, words(name)) for name, place in heads.items())]
        panels[0].set_yticks([place for place, _ in ticks], [name for _, name in ticks])
        for label, (place, _) in zip(panels[0].get_yticklabels(), ticks, strict=True):
            if place in heads.values():
                label.set_fontweight("bold")
        for ax in panels:
            ax.tick_params(axis="y", length=0)


def gaps(rows: list[dict], measures: list[str], path: Path) -> None:
    """Draws each feature's clearest gap between two groups, named above it, with 95 % interval, a panel per measure.

    Filled where the corrected p is at or below 0.05. A short grey bar marks the smallest gap between these two groups
    that the sample could have detected with 80 % power.

    Args:
        rows: feature, measure, gap, gap_low, gap_high, lowest, highest (names), alarm, detectable.
        measures: the panels, in order.
        path: the PNG file.
    """
    features = list(dict.fromkeys(row["feature"] for row in rows))
    found = {(row["feature"], row["measure"]): row for row in rows}
    own = {measure: [row for row in rows if row["measure"] == measure] for measure in measures}
    height = 0.75 + 0.3 * max(len(features), 1)
    title = "Clearest gap between two groups, with 95 % interval"
    with panels_page(path, height, title, len(measures)) as (figure, panels):
        for ax, measure in zip(panels, measures, strict=True):
            for place, feature in enumerate(features):
                row = found.get((feature, measure), {})
                _dot(ax, place, [row.get(key) for key in ("gap", "gap_low", "gap_high")], filled=bool(row.get("alarm")))
                if _is_number(row.get("detectable")):
                    ax.plot(2 * [row["detectable"]], [place - 0.17, place + 0.17], color=GREY, linewidth=1.6)
                if _is_number(row.get("gap")) and row.get("lowest"):
                    pair = f"{short(row['lowest'], 22)} / {short(row['highest'], 22)}"
                    place_text = {"ha": "right", "transform": ax.get_yaxis_transform()}
                    ax.text(0.99, place - 0.25, pair, fontsize=5, color=GREY, **place_text)
            ax.set(xlabel=words(measure).replace("auc", "AUC"), xlim=_limits(own[measure], "gap"))
            ax.set_yticks(range(len(features)), [words(feature) for feature in features])
            ax.set_ylim(len(features) - 0.4, -0.6)
        figure.legend(handles=_gap_legend(), loc="outside lower center", ncols=3)


def reliability_by_group(curves: list[dict], path: Path) -> None:
    """Draws observed frequency against predicted probability, one line per group, and a panel per feature.

    Args:
        curves: feature, group, confidence (bins,), frequency (bins,), count (bins,) (NaN: empty or too few).
        path: the PNG file.
    """
    features = list(dict.fromkeys(curve["feature"] for curve in curves))
    title = "Observed frequency by predicted probability, by group"
    with panels_page(path, 2.6, title, max(len(features), 1)) as (_, panels):
        for ax, feature in zip(panels, features, strict=False):
            ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
            own = [curve for curve in curves if curve["feature"] == feature]
            for number, curve in enumerate(own):
                color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
                x, y = (np.array(curve[key], float) for key in ("confidence", "frequency"))
                drawn = np.isfinite(x) & np.isfinite(y)
                label = short(curve["group"], 22)
                ax.plot(x[drawn], y[drawn], color=color, marker=marker, markersize=3, label=label, linewidth=1)
            ax.set(title=words(feature), xlabel="predicted probability", xlim=(0, 1), ylim=(0, 1))
            ax.legend(loc="upper left", fontsize=6.5, handlelength=1.5, borderaxespad=0.2)
        panels[0].set_ylabel("observed frequency")


def trade_off(points: list[dict], path: Path, *, gap_name: str, score_name: str) -> None:
    """Draws the gap (up: more of it) against the score (right: better) of every model and mitigation.

    Compressed files that another file beats in both have neither a name nor bars: there are many, close together.

    Args:
        points: name, kind ("baseline", "artifact", "mitigation"), score, gap, and score_low, score_high, gap_low,
            gap_high (NaN: no bar). Points without score or gap are left out.
        path: the PNG file.
        gap_name, score_name: what they are, for the axes.
    """
    drawn = [point for point in points if _is_number(point["score"]) and _is_number(point["gap"])]
    named = [point for point in drawn if point["kind"] != "artifact" or not _is_beaten(point, drawn)]
    others = [point for point in drawn if point not in named]
    title = f"{words(gap_name).capitalize()} against {words(score_name)}"
    with page(path, max(3.6, 0.5 + 0.16 * len(named)), title) as figure:  # the legend has a line for each
        ax = figure.subplots()
        for point in named:
            _bars(ax, point)
        for point in others:
            ax.plot(point["score"], point["gap"], **OTHER_FILE)
        for point in named:
            ax.plot(point["score"], point["gap"], **STYLES[point["kind"]])
        ax.set(xlabel=f"{words(score_name)} (right: better)", ylabel=f"{words(gap_name)} (down: smaller gap)")
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
        _number(ax, named)
        handles = [Line2D([], [], **STYLES[point["kind"]]) for point in named]
        labels = [f"{count} {short(point['name'], LONGEST_NAME)}" for count, point in enumerate(named, 1)]
        if others:
            handles.append(Line2D([], [], **OTHER_FILE))
            labels.append(f"{len(others)} other compressed file{'s' * (len(others) > 1)}")
        figure.legend(handles, labels, loc="outside right center", fontsize=7)


def _is_beaten(point: dict, points: list[dict]) -> bool:
    """Returns whether another compressed file has a better score and a smaller gap."""
    files = (other for other in points if other["kind"] == "artifact")
    return any(other["score"] > point["score"] and other["gap"] < point["gap"] for other in files)


def _bars(ax: Axes, point: dict) -> None:
    for low, high, along in (("score_low", "score_high", "x"), ("gap_low", "gap_high", "y")):
        ends = [point.get(low), point.get(high)]
        if all(_is_number(end) for end in ends):
            x, y = (ends, 2 * [point["gap"]]) if along == "x" else (2 * [point["score"]], ends)
            ax.plot(x, y, color=STYLES[point["kind"]]["color"], linewidth=0.7, alpha=0.35)


def _number(ax: Axes, points: list[dict]) -> None:
    """Writes 1, 2, ... beside the points; once, "1, 3", beside those that lie on each other."""
    width, height = np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())
    places = np.array([[point["score"] / width, point["gap"] / height] for point in points]).reshape(-1, 2)
    left = list(range(len(points)))
    while left:
        near = [other for other in left if np.abs(places[other] - places[left[0]]).max() < SAME_PLACE]
        text = ", ".join(str(one + 1) for one in near)
        place = points[near[-1]]["score"], points[near[-1]]["gap"]
        ax.annotate(text, place, (5, 4), textcoords="offset points", fontsize=7, bbox=PLAIN | {"alpha": 0.7})
        left = [one for one in left if one not in near]


def _dot(ax: Axes, place: float, score: list, *, filled: bool = True) -> None:
    """Draws (value, low, high) at a height; words where there is no value."""
    value, low, high = (np.nan if end is None else float(end) for end in score)
    if not np.isfinite(value):
        ax.text(0.03, place, TOO_FEW, color=GREY, va="center", fontsize=6.5, transform=ax.get_yaxis_transform())
        return
    if np.isfinite([low, high]).all():
        ax.plot([low, high], [place, place], color=BLUE, linewidth=1)
    ax.plot(value, place, "o", color=BLUE, markersize=4, mfc=BLUE if filled else "white", clip_on=False)


def _places(rows: list[dict]) -> tuple[list[float], dict[str, float]]:
    """Heights of the rows and, above each feature's first, of its name."""
    places, heads, at = [], {}, -1.0
    for row in rows:
        if row["feature"] not in heads:
            at += 1.0 if not heads else 1.5
            heads[row["feature"]] = at
        at += 1.0
        places.append(at)
    return places, heads


def _limits(rows: list[dict], rate: str) -> tuple[float, float]:
    """From the lowest to the highest end of an interval, on tenths; rates that can be negative keep 0 in view."""
    ends = np.array([row.get(f"{rate}{end}") for row in rows for end in ("", "_low", "_high")], float)
    ends = ends[np.isfinite(ends)]
    if not len(ends):
        return 0.0, 1.0
    low, high = np.floor(10 * ends.min() - 0.2) / 10, np.ceil(10 * ends.max() + 0.2) / 10
    return (float(min(low, 0.0)) if ends.min() < 0 else float(max(low, -0.02))), float(min(high, 1.02))


def _gap_legend() -> list[Line2D]:
    dot = {"marker": "o", "color": BLUE, "markersize": 4}
    return [
        Line2D([], [], label="alarm (corrected p ≤ 0.05)", **dot),
        Line2D([], [], label="no alarm", mfc="white", **dot),
        Line2D(
            [], [], label="detectable with 80 % power", color=GREY, marker="|", markersize=8, mew=1.6, linestyle="none"
        ),
    ]


def _n(units) -> str:
    return f"{units:,}" if isinstance(units, int | np.integer) else str(units)


def _is_number(value) -> bool:
    return value is not None and bool(np.isfinite(value))
