"""The charts of the report as PNG files: numbers come in ready-made, only where a mark goes is worked out here.

Every function draws on a `Figure` of its own (no pyplot, nothing shared between figures) and writes atomically.
None and NaN mean "undefined": left out or marked as such, never drawn as 0.
Colours that the colour-blind can tell apart: Okabe and Ito 2008, "Color Universal Design".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from PIL import Image

from tfhealth.paths import atomic_path

WIDTH_INCHES, DPI = 6.5, 200  # the text width of an A4 page; fine enough for print
MAX_BYTES = 300_000  # a larger file gets coarser colours
ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#6E6E6E"
MAX_STEPS = 120  # of the recorded gradient norms, those drawn: more would hide each other
PLAIN = {"facecolor": "white", "linewidth": 0, "pad": 1}  # behind text that would lie on a grid line
TRAIN, VALIDATION = {"color": BLUE, "linestyle": "--"}, {"color": VERMILLION, "linestyle": "-"}
PARTS = (("train", "training", TRAIN), ("validation", "validation", VALIDATION))
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "figure.titlesize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.color": "#D9D9D9",
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "savefig.bbox": "standard",  # with "tight" in someone's matplotlibrc the width would vary
}
WORDS = {"roc_auc": "ROC AUC", "f1": "F1", "f1_macro": "macro F1", "l2": "L2", "frechet_distance": "Fréchet distance"}


@contextmanager
def page(path: Path, height: float, title: str) -> Iterator[Figure]:
    """Yields a figure as wide as the text and `height` inches high; it is written when the block ends without error."""
    with atomic_path(path) as temporary, matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        figure.suptitle(title, x=0.01, horizontalalignment="left", fontweight="bold")
        yield figure
        figure.savefig(temporary, dpi=DPI)
        _reduce_colors(temporary)


@contextmanager
def panels_page(path: Path, panel_height: float, title: str, count: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yields a page and its `count` panels, three to a line, sharing the vertical axis."""
    lines, columns = -(-count // 3), min(count, 3)
    with page(path, 0.5 + panel_height * lines, title) as figure:
        panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for unused in panels[count:]:
            unused.remove()
        yield figure, list(panels[:count])


def read_rgb(path: Path) -> np.ndarray:
    """Returns the picture in a file as (h, w, 3) uint8, as TensorBoard takes it."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))


def learning_curves(histories: dict[str, dict[str, list[float]]], best_epochs: dict[str, int], path: Path) -> None:
    """Draws loss and accuracy by epoch, a column per model; a thin vertical line at the best epoch (counted from 1)."""
    with page(path, 4.2, "Loss and accuracy by epoch") as figure:
        panels = figure.subplots(2, len(histories), sharey="row", squeeze=False)
        for (name, history), column in zip(histories.items(), panels.T, strict=True):
            for ax, score in zip(column, ("loss", "accuracy"), strict=True):
                for part, label, style in (("train", "training", TRAIN), ("val", "validation", VALIDATION)):
                    values = np.asarray(history.get(f"{part}_{score}", []), float)
                    ax.plot(np.arange(1, len(values) + 1), values, marker="o", markersize=1.5, label=label, **style)
                if best := best_epochs.get(name):
                    ax.axvline(best, color=GREY, linewidth=0.8, linestyle=":", label="best epoch")
                ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
                ax.set_xlim(left=0.5)
            column[0].set_title(name)
            column[1].set_xlabel("epoch")
        panels[0, 0].set_ylabel("loss")
        panels[1, 0].set_ylabel("accuracy")
        legend_below(figure, panels[0, 0])


def sample_size_curves(rows: list[dict], path: Path, *, score_name: str = "balanced_accuracy") -> None:
    """Draws a score against the number of training examples, a panel per model, with its interval as a band.

    Args:
        rows: model, examples, train_score, train_low, train_high, validation_score, validation_low, validation_high.
        path: the PNG file.
        score_name: what the score is, for the axis.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    sizes = sorted({int(row["examples"]) for row in rows})
    with page(path, 2.9, "Score by number of training examples, with 95 % intervals") as figure:
        panels = figure.subplots(1, len(models), sharey=True, sharex=True, squeeze=False)[0]
        for ax, model in zip(panels, models, strict=True):
            own = sorted((row for row in rows if row["model"] == model), key=lambda row: row["examples"])
            x = [row["examples"] for row in own]
            for part, label, style in PARTS:
                score, low, high = (_column(own, f"{part}_{key}") for key in ("score", "low", "high"))
                ax.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)
                ax.plot(x, score, marker="o", markersize=3.5, label=label, **style)
            ax.set(title=model, xlabel="training examples")
            ax.set_xscale("log", base=2)
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45 if len(sizes) > 3 else 0)
        panels[0].set_ylabel(words(score_name))
        legend_below(figure, panels[0])


def tuning_trials(rows: list[dict], hyperparameters: list[str], objective: str, path: Path) -> None:
    """Draws each trial's objective (lower is better) against each hyperparameter, the best trial highlighted.

    Args:
        rows: per trial its hyperparameters by name (numbers, booleans or words; absent or None: not used, left out of
            that panel) and its objective (None or NaN: no result, a cross on the panel's upper edge).
        hyperparameters: the panels, in order.
        objective: its key in the rows, e.g. `validation_log_loss`.
        path: the PNG file.
    """
    scores = _column(rows, objective)
    best = int(np.nanargmin(scores)) if np.isfinite(scores).any() else None
    title = f"Tuning trials (n = {len(rows)}): {words(objective)}, lower is better"
    with panels_page(path, 1.9, title, len(hyperparameters)) as (figure, panels):
        for ax, name in zip(panels, hyperparameters, strict=True):
            used = np.array([i for i, row in enumerate(rows) if row.get(name) is not None], int)
            x = _place_on_axis(ax, [rows[i][name] for i in used])
            done = np.isfinite(scores[used])
            ax.plot(x[done], scores[used][done], "o", color=BLUE, alpha=0.6, markersize=4, label="trial")
            ax.plot(
                x[used == best], scores[used[used == best]], "D", color=VERMILLION, markersize=6, label="best trial"
            )
            if not done.all():
                edge = {"transform": ax.get_xaxis_transform(), "clip_on": False}
                ax.plot(x[~done], np.ones((~done).sum()), "x", color="black", markersize=5, label="no result", **edge)
            ax.set_xlabel(words(name))
        for ax in panels[::3]:
            ax.set_ylabel(words(objective))
        legend_below(figure, *panels)


def before_after(rows: list[dict], score_names: list[str], path: Path, title="Scores with 95 % intervals") -> None:
    """Draws one dot with its 95 % interval per row, a panel per score.

    Args:
        rows: name, and under each score's name (value, low, high).
        score_names: the panels, in order.
        path, title: of the PNG file.
    """
    height = 0.55 + 0.28 * len(rows)
    with panels_page(path, height, title, len(score_names)) as (_, panels):
        for ax, score in zip(panels, score_names, strict=True):
            _dot_rows(ax, [row[score] for row in rows], [row["name"] for row in rows])
            ax.set_xlabel(words(score))
            ax.margins(x=0.12)


def class_scores(rows: list[dict], path: Path) -> None:
    """Draws precision, recall and F1 of each class with 95 % intervals.

    Args:
        rows: name, support, and for precision, recall and f1 the keys e.g. recall, recall_low, recall_high.
        path: the PNG file.
    """
    names = [f"{row['name']} (n = {row['support']:,})" for row in rows]
    title = "Precision, recall and F1 by class, with 95 % intervals"
    with panels_page(path, 0.55 + 0.28 * len(rows), title, 3) as (_, panels):
        for ax, score in zip(panels, ("precision", "recall", "f1"), strict=True):
            _dot_rows(ax, [[row.get(score + end) for end in ("", "_low", "_high")] for row in rows], names)
            ax.set(xlim=(-0.02, 1.02), xticks=np.linspace(0, 1, 6), xlabel=words(score))


def gradient_norms(history: list[dict], path: Path) -> None:
    """Draws the gradient's L2 norm per layer, by training step and by depth; a 0 is a triangle on the edge.

    Args:
        history: {"step": int, "norms": {layer name: float}} per recorded step, layers from input to output.
        path: the PNG file.
    """
    layers = list(dict.fromkeys(name for entry in history for name in entry["norms"]))
    steps = np.array([entry["step"] for entry in history])
    norms = np.array([[entry["norms"].get(name) for name in layers] for entry in history], float)  # (steps, layers)
    drawn = np.where(norms > 0, norms, np.nan)  # a logarithmic axis has no 0
    depth = np.arange(1, len(layers) + 1)
    shown = np.unique(np.linspace(0, len(steps) - 1, MAX_STEPS).astype(int))
    with page(path, 5.4, "L2 norm of the gradient of each layer") as figure:
        over_time, over_depth, bar = figure.subplots(3, 1, height_ratios=(20, 20, 1))
        colors = ScalarMappable(Normalize(0.5, len(layers) + 0.5), "viridis")
        for i, column in zip(depth, drawn.T, strict=True):
            marker = "." if len(steps) == 1 else ""
            over_time.plot(
                steps[shown], column[shown], color=colors.to_rgba(i), linewidth=0.8, alpha=0.8, marker=marker
            )
        mark_zeros(over_time, steps, norms.min(axis=1, initial=np.inf), GREY)
        for row, label, style in ((0, "first", VALIDATION), (-1, "last", TRAIN)):
            label = f"{label} recorded step ({steps[row]:,})"
            over_depth.plot(depth, drawn[row], marker="o", markersize=2.5, label=label, **style)
            mark_zeros(over_depth, depth, norms[row], style["color"])
        for ax, label in ((over_time, "training step"), (over_depth, "layer, from input to output")):
            ax.set(yscale="log", ylabel="gradient norm", xlabel=label)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        over_depth.set_xlim(0.5, len(layers) + 0.5)  # as the colour bar below it
        over_depth.legend()
        ends = sorted({1, (1 + len(layers)) // 2, len(layers)})
        key = figure.colorbar(colors, cax=bar, orientation="horizontal", label="colour of the layer in the upper panel")
        key.set_ticks(ends, labels=[layers[i - 1] for i in ends])


def _reduce_colors(path: Path) -> None:
    """Rounds a PNG's colours to steps of 4, then of 8, then picks 256 of them, until it is below MAX_BYTES."""
    pixels = read_rgb(path)
    for step in (4, 8):
        if path.stat().st_size > MAX_BYTES:
            rounded = np.minimum(np.round(pixels / step) * step, 255).astype(np.uint8)
            Image.fromarray(rounded).save(path, optimize=True)
    if path.stat().st_size > MAX_BYTES:  # line charts in many shades, whose colours a palette keeps best
        Image.fromarray(pixels).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _column(rows: list[dict], key: str) -> np.ndarray:
    return np.array([row.get(key) for row in rows], float)  # None becomes NaN


def legend_below(figure: Figure, *axes: Axes) -> None:
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles))


def _place_on_axis(ax: Axes, values: list) -> np.ndarray:
    """Chooses the horizontal axis for hyperparameter values and returns where on it each lies.

    Evenly spaced: words, booleans, a single value, a few with 0 among them. Logarithmic: a span over 30 times. A few
    round values are the ticks themselves.
    """
    numeric = all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values)
    positive = [value for value in values if numeric and value > 0]
    wide = bool(positive) and max(positive) > 30 * min(positive)
    choices = sorted(set(values)) if numeric else sorted(set(values), key=str)
    if not numeric or len(choices) == 1 or (wide and 0 in choices and len(choices) <= 8):
        ax.set_xticks(range(len(choices)), [f"{choice:g}" if numeric else str(choice) for choice in choices])
        ax.set_xlim(-0.5, max(len(choices), 1) - 0.5)
        return np.array([choices.index(value) for value in values], float)
    if wide and len(positive) < len(values):
        ax.set_xscale("symlog", linthresh=min(positive))
        ax.xaxis.set_major_formatter("{x:g}")
    elif not wide and len(choices) <= 6 and all(choice == float(f"{choice:.2g}") for choice in choices):
        ax.set_xticks(choices, [f"{choice:g}" for choice in choices])
    elif wide:
        ax.set_xscale("log")
        subdivided = max(positive) < 100 * min(positive)  # else the powers of ten are ticks enough
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3) if subdivided else (1,)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))
    return np.array(values, float)


def _dot_rows(ax: Axes, intervals: list, names: list[str]) -> None:
    """Draws (value, low, high) triples from top to bottom, the value beside; a hollow dot has no interval."""
    for row, (value, low, high) in enumerate(np.array(intervals, float).reshape(-1, 3)):
        if not np.isfinite(value):
            ax.text(0.03, row, "undefined", color=GREY, va="center", transform=ax.get_yaxis_transform(), bbox=PLAIN)
            continue
        whole = np.isfinite([low, high]).all()
        if whole:
            ax.plot([low, high], [row, row], color=BLUE)
        ax.plot(value, row, "o", color=BLUE, markersize=4.5, mfc=BLUE if whole else "white", clip_on=False)
        ax.annotate(f"{round(value, 3) + 0.0:.3f}", (value, row), (0, 4), textcoords="offset points", ha="center")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.7)


def mark_zeros(ax: Axes, x: np.ndarray, norms: np.ndarray, color: str) -> None:
    """Draws a triangle on the lower edge, and a legend, where norms are 0."""
    if len(zeros := x[norms == 0]):  # an empty line without clipping would still claim room in the layout
        edge = {"transform": ax.get_xaxis_transform(), "clip_on": False}
        ax.plot(zeros, np.zeros(len(zeros)), "v", color=color, markersize=5, label="norm of 0", **edge)
        ax.legend()
