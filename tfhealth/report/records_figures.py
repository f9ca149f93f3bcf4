"""Figures of synthetic patient records, drawn under the same rules as `figures`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tfhealth.report.figures import TRAIN, VALIDATION, legend_below, page
from tfhealth.report.wording import short

SETS = {"real": ("real (training)", TRAIN), "synthetic": ("synthetic", VALIDATION)}
BINS = 20
SHOWN = 8  # categories of a column, the most frequent
LONGEST_NAME = 30  # characters over a panel
LONGEST_CATEGORY = 16


def distributions(columns: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws how each column is distributed in real and in synthetic records, three columns to a line.

    Args:
        columns: name, categories (None: numbers), and (n,) values "real" and "synthetic", NaN missing.
        path: the PNG file.
    """
    lines = -(-len(columns) // 3)
    with page(path, 0.6 + 1.5 * lines, "Columns of real and synthetic records: share of the records") as figure:
        panels = figure.subplots(lines, min(len(columns), 3), squeeze=False).ravel()
        for unused in panels[len(columns) :]:
            unused.remove()
        for ax, column in zip(panels, columns, strict=False):
            draw = _numbers if column["categories"] is None else _categories
            draw(ax, column)
            ax.set_title(short(column["name"], LONGEST_NAME), fontsize=7.5)
            ax.tick_params(labelsize=6.5)
            _say_missing(ax, column)
        legend_below(figure, *panels[: len(columns)])


def _numbers(ax: Axes, column: Mapping[str, Any]) -> None:
    known = {kind: column[kind][~np.isnan(column[kind])] for kind in SETS}
    edges = np.histogram_bin_edges(np.concatenate(list(known.values())), BINS)
    for kind, (label, style) in SETS.items():
        counts, _ = np.histogram(known[kind], edges)
        ax.stairs(counts / max(len(column[kind]), 1), edges, label=label, linewidth=1.2, **_line(style))


def _categories(ax: Axes, column: Mapping[str, Any]) -> None:
    names = column["categories"]
    shares = {kind: [np.mean(column[kind] == code) for code in range(len(names))] for kind in SETS}
    shown = np.argsort(shares["real"])[::-1][:SHOWN]
    for step, (kind, (label, style)) in enumerate(SETS.items()):
        places = np.arange(len(shown)) + 0.4 * step
        ax.barh(places, np.array(shares[kind])[shown], 0.38, label=label, color=style["color"])
    ax.set_yticks(np.arange(len(shown)) + 0.2, [short(names[code], LONGEST_CATEGORY) for code in shown])
    ax.invert_yaxis()
    if len(names) > SHOWN:
        ax.set_xlabel(f"{SHOWN} of {len(names)} categories", fontsize=6.5)


def _say_missing(ax: Axes, column: Mapping[str, Any]) -> None:
    real, made = (100 * np.isnan(column[kind]).mean() for kind in SETS)
    if real or made:
        before = f"{ax.get_xlabel()}; " if ax.get_xlabel() else ""
        ax.set_xlabel(f"{before}missing: {real:.1f} %, synthetic {made:.1f} %", fontsize=6.5)


def _line(style: Mapping[str, str]) -> dict[str, str]:
    return {"color": style["color"], "linestyle": style["linestyle"]}
