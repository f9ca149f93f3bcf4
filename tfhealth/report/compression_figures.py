"""Figures of the compression, drawn under the same rules as `figures`: table of all files, Pareto plot, subgroups."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from tfhealth.compression.artifact import LATENCY
from tfhealth.report.fairness_figures import rates_by_group
from tfhealth.report.figures import BLUE, GREY, SKY, VERMILLION, page
from tfhealth.report.wording import number

ROW_INCHES = 0.175
LONGEST_REASON = 84  # characters
# Heading, the column's place in the width (its right end, but of the first its left), what stands there.
COLUMNS = (
    ("file", 0.0, lambda row: row["name"]),
    ("MB", 0.29, lambda row: number(row["size_mb"], 3)),
    ("gzip MB", 0.37, lambda row: number(row["gzip_mb"], 3)),
    ("smaller", 0.445, lambda row: f"{number(row['times_smaller'], 1)} x"),
    ("p50 ms", 0.515, lambda row: number(row[LATENCY], 3)),
    ("faster", 0.59, lambda row: f"{number(row['times_faster'], 2)} x"),
    ("accuracy", 0.67, lambda row: number(row["accuracy"], 3)),
    ("change (95 % interval)", 0.875, lambda row: _interval(row)),
    ("on validation", 0.99, lambda row: number(row["validation_accuracy_change"], 3)),
)
KINDS = {"tflite": ("o", BLUE), "onnx": ("s", SKY)}
LABEL_DISTANCE = 8  # points from a point to its number
ANGLES = np.arange(12) * np.pi / 6
SIDES = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
AXES = (("gzip_mb", "MB, gzipped"), (LATENCY, "ms a prediction, one thread"))


def comparison_table(rows: Sequence[Mapping], recommended: str | None, path: Path) -> None:
    """Draws the table of all files: size, speed, accuracy, its change on test and on validation; the recommended bold.

    Args:
        rows: of `benchmark.comparison_rows`, with validation_accuracy_change; a failed one shows its reason.
        recommended: its name; None: none.
        path: the PNG file.
    """
    title = "Size, speed (batch 1, one thread) and test accuracy of every file"
    with page(path, 0.6 + ROW_INCHES * (len(rows) + 1), title) as figure:
        ax = figure.subplots()
        ax.axis("off")
        ax.set(xlim=(0, 1), ylim=(len(rows) + 0.5, -0.7))
        _line(ax, 0, [heading for heading, _, _ in COLUMNS], color=GREY)
        ax.axhline(0.5, color=GREY, linewidth=0.6)
        for place, row in enumerate(rows, 1):
            if row["failure"]:
                _line(ax, place, [row["name"]])
                reason = f"failed: {row['failure']}"
                short = reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1] + "…"
                ax.text(0.285, place, short, va="center", fontsize=5.5, color=VERMILLION)
            else:
                weight = "bold" if row["name"] == recommended else "normal"
                _line(ax, place, [shown(row) for _, _, shown in COLUMNS], fontweight=weight)


def pareto(rows: Sequence[Mapping], recommended: str | None, models: Sequence[Mapping], path: Path) -> None:
    """Draws test accuracy against size and against latency; the line joins the files that no other beats in both.

    Args:
        rows: of `benchmark.comparison_rows`, without those that failed.
        recommended: its name, drawn as a diamond; None: none.
        models: label and test scores of the Keras models, drawn as dotted lines.
        path: the PNG file.
    """
    title = "Test accuracy against size and latency (left and up: better)"
    with page(path, max(3.4, 0.9 + 0.14 * len(rows)), title) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for ax, (key, label) in zip(panels, AXES, strict=True):
            for model in models:
                ax.axhline(model["test"]["accuracy"]["value"], color=GREY, linewidth=0.8, linestyle=":")
            _points(ax, rows, key, recommended)
            ax.set_xlabel(label)
        panels[0].set_ylabel("test accuracy")
        figure.legend(*_legend(rows, recommended), loc="outside right center", fontsize=6)


def subgroup_changes(rows: Sequence[Mapping], name: str, path: Path) -> None:
    """Draws by how much a file's accuracy differs from the Keras model's in each group, with 95 % intervals.

    Args:
        rows: of `benchmark.subgroup_rows`, of this file.
        name: of the file.
        path: the PNG file.
    """
    shown = [{**row, "units": row["count"]} for row in rows]
    title = f"Change of test accuracy by group: {name} minus the Keras model"
    rates_by_group(shown, ["accuracy_change"], path, title=title)


def _line(ax: Axes, place: float, cells: Sequence[str], **style) -> None:
    for (_, x, _), cell in zip(COLUMNS, cells, strict=False):
        ax.text(x, place, cell, va="center", ha="left" if x == 0 else "right", fontsize=6.5, **style)


def _points(ax: Axes, rows: Sequence[Mapping], key: str, recommended: str | None) -> None:
    """Draws every file as a numbered point over its cost, on a logarithmic axis, and the line of the best."""
    x, y = (np.array([row[name] for row in rows], float) for name in (key, "accuracy"))
    front = _front(x, y)
    ax.plot(x[front], y[front], color=VERMILLION, linewidth=0.8, drawstyle="steps-post")
    for row in rows:
        marker, color = _style(row, recommended)
        ax.plot(row[key], row["accuracy"], marker, color=color, markersize=5, alpha=0.8)
    ax.set_xscale("log")
    wide = np.nanmax(x, initial=0) > 10 * np.nanmin(x, initial=np.inf)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)) if wide else MaxNLocator(4))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")
    _number(ax, x, y)


def _number(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Writes 1, 2, ... beside the points, each on the side of its point where it is furthest from all that is there."""
    ax.figure.draw_without_rendering()  # so that the axes have their place and limits
    points = ax.transData.transform(np.column_stack([x, y]))
    taken = points[np.isfinite(points).all(1)]
    for count, point in enumerate(points, 1):
        if not np.isfinite(point).all():
            continue
        places = point + LABEL_DISTANCE * ax.figure.dpi / 72 * SIDES
        gaps = np.linalg.norm(places[:, None] - taken, axis=2).min(1)
        side = SIDES[gaps.argmax()]
        ax.annotate(
            str(count), (x[count - 1], y[count - 1]), LABEL_DISTANCE * side, textcoords="offset points",
            ha="center", va="center", fontsize=6,
        )  # fmt: skip
        taken = np.vstack([taken, places[gaps.argmax()]])


def _style(row, recommended: str | None) -> tuple[str, str]:
    return ("D", VERMILLION) if row["name"] == recommended else KINDS[row["format"]]


def _interval(row) -> str:
    change, low, high = (number(row[f"accuracy_change{end}"], 3) for end in ("", "_low", "_high"))
    return f"{change} ({low} to {high})"


def _front(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Returns the positions, by rising cost, of those with a higher score than all that cost less."""
    order = [i for i in np.lexsort((-score, cost)) if np.isfinite(cost[i]) and np.isfinite(score[i])]
    front, best = [], -np.inf
    for i in order:
        if score[i] > best:
            front.append(i)
            best = score[i]
    return np.array(front, int)


def _legend(rows, recommended) -> tuple[list[Line2D], list[str]]:
    handles, labels = [], []
    for count, row in enumerate(rows, 1):
        marker, color = _style(row, recommended)
        handles.append(Line2D([], [], marker=marker, color=color, linestyle="none", markersize=4))
        labels.append(f"{count} {row['name']}")
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=":"))
    return handles, [*labels, "Keras model"]
