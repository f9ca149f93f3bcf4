"""Figures of text models: regularization, gradients through layers and time, attention; the rules are `figures`'."""

from pathlib import Path
from unicodedata import normalize

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from tfhealth.report.figures import (
    BLUE,
    GREEN,
    GREY,
    MAX_STEPS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH_INCHES,
    mark_zeros,
    page,
    panels_page,
    words,
)
from tfhealth.report.wording import MODEL_NAMES

MODEL_STYLES = [
    {"color": color, "linestyle": line, "marker": marker}
    for color, line, marker in zip(
        ("black", BLUE, GREEN, VERMILLION, PURPLE, ORANGE, SKY),
        (":", "-", "--", "-.", ":", "-", "--"),
        "sov^DP*",
        strict=True,
    )
]
GRID_SCORES = (
    ("validation_accuracy", "accuracy", "Blues"),
    ("gap", "gap", "Oranges"),
)
LAYER_MARKERS = "os^vDP*X"  # one for each layer of a panel, at most
LONGEST_LAYER = 32  # characters of a layer's name that fit beside a panel
MONOSPACED = "DejaVu Sans Mono"  # comes with matplotlib
TOKEN_POINTS = 7
CHARACTER_INCHES = 0.602 * TOKEN_POINTS / 72  # every glyph of DejaVu Sans Mono is 0.602 em wide
LINE_INCHES = 0.165
LINE_CHARACTERS = int((WIDTH_INCHES - 0.1) / CHARACTER_INCHES)
MAX_TOKENS, LONGEST_TOKEN, LONGEST_NAME = 90, 40, 40
WEIGHT_COLORS = LinearSegmentedColormap.from_list("weights", ["white", VERMILLION])  # black stays legible on all
UNDEFINED = "undefined"


def regularization_grid(rows: list[dict], path: Path) -> None:
    """Draws validation accuracy and the gap over dropout and L2, a column per family with and without early stopping.

    Args:
        rows: per trial family, dropout, l2, early_stopping, validation_accuracy and gap; other keys are not drawn. Of
            two rows with the same setting the later is drawn. None or NaN, as a setting not tried: a dash on grey.
        path: the PNG file.
    """
    columns = sorted({(row["family"], bool(row["early_stopping"])) for row in rows})
    dropouts, penalties = (sorted({row[key] for row in rows}) for key in ("dropout", "l2"))
    title = "Validation accuracy and gap to training accuracy; outlined: highest of each model"
    with page(path, 1.2 + 0.44 * max(len(penalties), 2), title) as figure:
        panels = figure.subplots(2, len(columns), sharex=True, sharey=True, squeeze=False)
        for line, (score, label, colors) in zip(panels, GRID_SCORES, strict=True):
            values = np.array([row.get(score) for row in rows], float)
            finite = values[np.isfinite(values)]
            scale = ScalarMappable(Normalize(*((finite.min(), finite.max()) if len(finite) else (0, 1))), colors)
            for ax, column in zip(line, columns, strict=True):
                own = [row for row in rows if (row["family"], bool(row["early_stopping"])) == column]
                _draw_cells(ax, _table(own, score, dropouts, penalties), scale, len(columns) * len(dropouts) > 12)
                best = _best_setting(rows, column[0])
                if best is not None and bool(best["early_stopping"]) == column[1]:
                    corner = dropouts.index(best["dropout"]) - 0.5, penalties.index(best["l2"]) - 0.5
                    ax.add_patch(Rectangle(corner, 1, 1, fill=False, linewidth=2, clip_on=False, zorder=3))
            figure.colorbar(scale, ax=line, label=label, pad=0.01, aspect=12, ticks=MaxNLocator(4))
            line[0].set_ylabel("L2")
            line[0].set_yticks(range(len(penalties)), [f"{value:g}" for value in penalties])
        for (top, bottom), (family, stopping) in zip(panels.T, columns, strict=True):
            top.set_title(f"{_model(family)}\n{'with' if stopping else 'no'} early stopping")
            bottom.set_xticks(range(len(dropouts)), [f"{value:g}" for value in dropouts])
            bottom.set_xlabel("dropout")


def gradient_norms_by_model(histories: dict[str, list[dict]], path: Path) -> None:
    """Draws the gradient's L2 norm per layer by training step, a panel per model, all on one logarithmic axis.

    Args:
        histories: per model {"step": int, "norms": {layer name: float}} for each recorded step, layers from input to
            output. Of more than eight layers the first, the last and evenly spaced ones between are drawn. A 0 is a
            triangle on the edge.
        path: the PNG file.
    """
    with page(path, 0.7 + 1.3 * len(histories), "L2 norm of the gradient by layer") as figure:
        panels = figure.subplots(len(histories), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for ax, (name, history) in zip(panels, histories.items(), strict=True):
            ax.set(yscale="log", title=_model(name), ylabel="gradient norm")
            _draw_layers(ax, history)
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=6.5, labelspacing=0.3)
        panels[-1].set_xlabel("training step")
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def time_step_gradients(
    curves: dict[str, dict[str, list[float]]], ratios: dict[str, dict[str, float]], path: Path
) -> None:
    """Draws how the norm of dL/dh_t falls from the last time step back to the first, at both ends of training.

    Args:
        curves: model -> "start" and "end" of training -> (T,) norms from the first time step to the last; at most
            seven models. What is not positive and finite is left out; the 0 nearest to the last step is a triangle on
            the edge.
        ratios: model -> "start" and "end" -> norm at the first over norm at the last step, for the legend.
        path: the PNG file.
    """
    with page(path, 3.5, "Norm of the loss's gradient with respect to the hidden state, by time step") as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for ax, stage in zip(panels, ("start", "end"), strict=True):
            ax.set(yscale="log", title=f"{stage} of training", xlabel="steps before the last")
            backwards = {name: np.array(curve[stage], float)[::-1] for name, curve in curves.items()}
            for (name, norms), style in zip(backwards.items(), MODEL_STYLES, strict=False):
                label = f"{_model(name)}: {_number(ratios[name][stage], '.2g')}"
                every = max(1, len(norms) // 8)
                ax.plot(_positive(norms), label=label, markersize=3.5, markevery=every, **style)
            for norms, style in zip(backwards.values(), MODEL_STYLES, strict=False):
                nearest = np.flatnonzero(norms == 0)[:1]
                mark_zeros(ax, nearest, norms[nearest], style["color"])
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
            _legend_under(ax, title="gradient norm at the first step / at the last", handlelength=3)
        panels[0].set_ylabel("gradient norm")


def attention_by_token(examples: list[dict], path: Path) -> None:
    """Draws the tokens of each document, shaded by attention relative to the highest of that document.

    Args:
        examples: tokens, weights (>= 0; not finite: no shade), true_name, predicted_name, correct. Tokens after the
            90th are left out and counted behind an ellipsis.
        path: the PNG file.
    """
    documents = [_laid_out(example) for example in examples]
    heights = [3 + max((line for line, *_ in document), default=0) for document in documents]  # header, text, gap
    with page(path, 0.95 + LINE_INCHES * sum(heights), "Attention by token, in test documents") as figure:
        ax = figure.subplots()
        ax.set_axis_off()
        ax.set(xlim=(0, LINE_CHARACTERS), ylim=(sum(heights) - 0.7, 0))
        for top, document, example in zip(np.cumsum([0, *heights]), documents, examples, strict=False):
            _draw_header(ax, top + 0.5, example)
            for line, column, text, shade in document:
                y = top + line + 1.5
                ax.add_patch(Rectangle((column, y - 0.45), len(text), 0.9, facecolor=WEIGHT_COLORS(shade), linewidth=0))
                middle = column + len(text) / 2
                _write(ax, middle, y, text, family=MONOSPACED, fontsize=TOKEN_POINTS, ha="center")
        label = "attention relative to the highest of the document"
        shades = ScalarMappable(Normalize(0, 1), WEIGHT_COLORS)
        figure.colorbar(shades, ax=ax, location="bottom", aspect=60, pad=0.01, label=label)


def attention_distance(layers: list[dict], path: Path) -> None:
    """Draws which share of the attention stays within a distance, a panel per layer, beside attention spread evenly.

    Args:
        layers: name, distance (in tokens, ascending), share and uniform (cumulative, in [0, 1]), mean, uniform_mean.
        path: the PNG file.
    """
    title = "Share of the attention within a distance; marks on the axis: mean distance"
    with panels_page(path, 1.9, title, len(layers)) as (figure, panels):
        for ax, layer in zip(panels, layers, strict=True):
            evenly = {"color": GREY, "linestyle": (0, (2, 2))}
            ax.plot(layer["distance"], np.array(layer["uniform"], float), label="spread evenly", **evenly)
            ax.plot(layer["distance"], np.array(layer["share"], float), color=BLUE, label="attention of the layer")
            for mean, style in ((layer["uniform_mean"], evenly), (layer["mean"], {"color": BLUE})):
                if _number(mean) != UNDEFINED:
                    ax.plot([mean] * 2, [0, 0.06], linewidth=2, **style | {"linestyle": "-"})
            means = f"mean {_number(layer['mean'], '.1f')}, evenly {_number(layer['uniform_mean'], '.1f')}"
            ax.set(title=f"{_shortened(layer['name'], 24)}\n{means}", xlabel="distance in tokens", ylim=(0, 1.02))
            ax.set_xscale("symlog", base=4, linthresh=1)  # a token's distance to itself is 0
            ax.set_xlim(layer["distance"][0], max(layer["distance"][-1], layer["distance"][0] + 1))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_locator(NullLocator())
        for ax in panels[::3]:
            ax.set_ylabel("share of the attention")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)


def _model(name: str) -> str:
    return MODEL_NAMES.get(name, words(name))


def _number(value: float | None, form: str = "") -> str:
    return UNDEFINED if value is None or not np.isfinite(value) else format(value, form)


def _shortened(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _positive(norms: np.ndarray) -> np.ndarray:
    """Returns the norms with NaN for what a logarithmic axis does not have."""
    return np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)


def _legend_under(ax: Axes, **options) -> None:
    handles = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))  # one entry for each label
    below = ax.transAxes + ScaledTranslation(0, -0.38, ax.figure.dpi_scale_trans)  # inches: tick labels and axis label
    place = {"loc": "upper left", "bbox_to_anchor": (-0.02, 0), "bbox_transform": below, "borderaxespad": 0}
    ax.legend(handles.values(), handles, ncols=2, columnspacing=1, alignment="left", **place, **options)


def _best_setting(rows: list[dict], family: str) -> dict | None:
    own = [row for row in rows if row["family"] == family and _number(row["validation_accuracy"]) != UNDEFINED]
    return max(own, key=lambda row: row["validation_accuracy"], default=None)


def _table(rows: list[dict], score: str, dropouts: list[float], penalties: list[float]) -> np.ndarray:
    """Returns (len(penalties), len(dropouts)) scores, NaN where there is none."""
    table = np.full((len(penalties), len(dropouts)), np.nan)
    for row in rows:
        score_or_none = row.get(score)
        place = penalties.index(row["l2"]), dropouts.index(row["dropout"])
        table[place] = np.nan if score_or_none is None else score_or_none
    return table


def _draw_cells(ax: Axes, table: np.ndarray, scale: ScalarMappable, crowded: bool) -> None:
    ax.set_facecolor("#E5E5E5")
    ax.imshow(table, cmap=scale.cmap, norm=scale.norm, aspect="auto")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for (row, column), value in np.ndenumerate(table):
        text = "-" if np.isnan(value) else f"{round(value, 3) + 0.0:.3f}"  # no -0.000
        if crowded:
            text = text.replace("0.", ".", 1)
        color = "white" if scale.norm(value) > 0.65 else "black"
        ax.text(column, row, text, ha="center", va="center", color=color, fontsize=6 if crowded else 7)


def _draw_layers(ax: Axes, history: list[dict]) -> None:
    layers = list(dict.fromkeys(name for entry in history for name in entry["norms"]))
    most = min(len(layers), len(LAYER_MARKERS))
    layers = [layers[i] for i in np.unique(np.linspace(0, len(layers) - 1, most).round().astype(int))]
    steps = np.array([entry["step"] for entry in history])
    norms = np.array([[entry["norms"].get(name) for name in layers] for entry in history], float)  # (steps, layers)
    shown = np.unique(np.linspace(0, len(steps) - 1, MAX_STEPS).astype(int))
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(layers)))
    every = max(1, len(shown) // 6)
    for i, (name, column) in enumerate(zip(layers, norms.T, strict=True)):
        style = {"color": colors[i], "marker": LAYER_MARKERS[i], "markersize": 3, "linewidth": 0.8}
        first = i * every // len(layers)  # markers of different layers beside each other
        label = name if len(name) <= LONGEST_LAYER else f"{name[:16]}…{name[-15:]}"  # blocks differ at both ends
        ax.plot(steps[shown], _positive(column[shown]), label=label, markevery=(first, every), **style)
    mark_zeros(ax, steps, norms.min(axis=1, initial=np.inf), GREY)


def _drawable(text: str) -> str:
    """Returns the text with the replacement character for what the monospaced font has no glyph for."""
    font = get_font(findfont(MONOSPACED))
    return "".join(c if font.get_char_index(ord(c)) else "\ufffd" for c in normalize("NFC", text))


def _write(ax: Axes, x: float, y: float, text: str, **options) -> None:
    """Writes text as it is: a `$` begins no formula."""
    ax.text(x, y, text, va="center_baseline", parse_math=False, **options)


def _draw_header(ax: Axes, y: float, example: dict) -> None:
    true, predicted = (_drawable(_shortened(example[key], LONGEST_NAME)) for key in ("true_name", "predicted_name"))
    text, color = f"wrong, true: {true}, predicted: {predicted}", VERMILLION
    if example["correct"]:
        text, color = f"correct: {true}", BLUE
    # Out of the layout, which would make room for a long one by squeezing the tokens into each other.
    _write(ax, 0, y, text, color=color, fontsize=8, in_layout=False)


def _laid_out(example: dict) -> list[tuple[int, int, str, float]]:
    """Returns (line, column, text, shade in [0, 1]) per token, wrapped."""
    tokens = [_drawable(_shortened(token, LONGEST_TOKEN)) or " " for token in example["tokens"][:MAX_TOKENS]]
    weights = np.nan_to_num(np.array(example["weights"][:MAX_TOKENS], float), nan=0, posinf=0, neginf=0)
    shades = weights / (weights.max(initial=0) or 1)
    left_out = len(example["tokens"]) - MAX_TOKENS
    if left_out > 0:
        tokens, shades = [*tokens, f"… {left_out} more"], [*shades, 0]
    placed, line, column = [], 0, 0
    for token, shade in zip(tokens, shades, strict=True):
        if column + len(token) > LINE_CHARACTERS:
            line, column = line + 1, 0
        placed.append((line, column, token, shade))
        column += len(token) + 1
    return placed
