"""Figures of a classifier's predictions and of its images, drawn under the same rules as `figures`."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.lines import Line2D
from PIL import Image

from tfhealth.report.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, WIDTH_INCHES, page

CLASS_STYLES = [
    {"color": color, "linestyle": line}
    for line in ("-", "--", ":")
    for color in ("black", ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE)
]
EXAMPLES_PER_LINE = 5
HEAT_COLORS = matplotlib.colormaps["viridis"]
HEAT_OPACITY = 0.85  # of the highest heat; none where there is no heat
MAX_SIDE = 72  # pixels an image is drawn with, so that a grid of photographs stays below MAX_BYTES
LONGEST_NAME = 14  # characters that fit over an image of the grid
LONGEST_OF_TWO = 46  # characters of a legend entry that fit beside another one
UNDEFINED = "undefined"
UNIT_TICKS = np.linspace(0, 1, 6)


def confusion_matrix(counts: np.ndarray, class_names: list[str], path: Path) -> None:
    """Draws how many examples of each true class (rows) were given each class: count, and percent of the row as colour.

    Args:
        counts: (k, k) int, rows true, columns predicted; a row without examples stays grey. Legible up to k = 12.
        class_names: (k,) names.
        path: the PNG file.
    """
    counts = np.asarray(counts)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    size = 8 if len(counts) <= 8 else 7
    with page(path, 5.4, "Confusion matrix: examples, and percent of the true class") as figure:
        ax = figure.subplots()
        ax.set_facecolor("#E5E5E5")
        image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(share):
            text = f"{counts[row, column]:,}" + (f"\n{100 * value:.0f} %" if totals[row] else "")
            color = "white" if value > 0.65 else "black"
            ax.text(column, row, text, ha="center", va="center", color=color, fontsize=size, linespacing=1.1)
        ticks = range(len(counts))
        ax.set_xticks(ticks, class_names, **_slanted(class_names))
        ax.set_yticks(ticks, [f"{name} (n = {n:,})" for name, n in zip(class_names, totals[:, 0], strict=True)])
        ax.set(xlabel="predicted class", ylabel="true class")
        ax.grid(visible=False)
        ax.tick_params(length=0)
        figure.colorbar(image, ax=ax, label="fraction of the true class", pad=0.01, aspect=30, ticks=UNIT_TICKS)


def roc_and_precision_recall(curves: list[dict], path: Path) -> None:
    """Draws ROC and precision-recall curves, one class against the rest, with the areas in the legends.

    Args:
        curves: per class name, fpr, tpr, roc_auc, recall, precision, average_precision, and prevalence: the precision
            of guessing, a mark on the right edge. A class with an undefined area has no line. At most 21 classes.
        path: the PNG file.
    """
    labels = [_legend_entry(curve) for curve in curves]
    columns = 2 if len(labels) > 1 and max(map(len, labels)) <= LONGEST_OF_TWO else 1
    lines = -(-len(labels) // columns)
    with page(path, 3.6 + 0.17 * lines, "ROC and precision-recall curves, each class against the rest") as figure:
        roc, precision_recall = figure.subplots(1, 2)
        roc.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        for curve, style in zip(curves, CLASS_STYLES[: len(curves)], strict=True):
            _draw_curve(roc, curve, "fpr", "tpr", "roc_auc", style)
            _draw_curve(precision_recall, curve, "recall", "precision", "average_precision", style)
            if _number(curve["prevalence"]) != UNDEFINED:
                precision_recall.plot([1.02, 1.06], [curve["prevalence"]] * 2, color=style["color"], clip_on=False)
        roc.set(title="ROC (AUC: area under the curve)", xlabel="false positive rate", ylabel="true positive rate")
        title = "Precision-recall (AP: average precision)"
        precision_recall.set(title=title, xlabel="recall", ylabel="precision")
        precision_recall.text(1.08, 0.5, "marks: prevalence", rotation=90, va="center")
        for ax in (roc, precision_recall):
            ax.set(xlim=(0, 1), ylim=(0, 1.01), xticks=UNIT_TICKS, yticks=UNIT_TICKS, box_aspect=1)
        handles = [Line2D([], [], **style) for style in CLASS_STYLES[: len(curves)]]
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.4)


def reliability(before: dict, after: dict, path: Path) -> None:
    """Draws accuracy against confidence before and after temperature scaling, and how many examples each bin holds.

    Args:
        before: confidence, accuracy and count, each (bins,) over equal-width bins of [0, 1], NaN in empty bins; error:
            the expected calibration error.
        after: the same, and temperature.
        path: the PNG file.
    """
    titles = (
        f"before\nexpected calibration error {_number(before['error'])}",
        f"after, temperature {_number(after['temperature'], 2)}\nexpected calibration error {_number(after['error'])}",
    )
    with page(path, 4.3, "Accuracy by confidence, before and after temperature scaling") as figure:
        panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
        for (top, bottom), curve, title in zip(panels.T, (before, after), titles, strict=True):
            confidence, accuracy = (np.array(curve[key], float) for key in ("confidence", "accuracy"))
            top.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), label="accuracy = confidence")
            top.vlines(confidence, confidence, accuracy, color=VERMILLION, linewidth=1, label="gap")
            top.plot(confidence, accuracy, "o-", color=BLUE, markersize=4, label="accuracy of the bin")
            top.set(title=title, xlim=(0, 1), ylim=(0, 1), yticks=UNIT_TICKS)
            bins = len(confidence)
            bottom.bar((np.arange(bins) + 0.5) / bins, curve["count"], 0.9 / bins, color=SKY)
            bottom.set(xlabel="confidence", xticks=UNIT_TICKS)
        panels[0, 0].legend(loc="upper left")
        panels[0, 0].set_ylabel("accuracy")
        panels[1, 0].set_ylabel("examples")


def predictions_grid(examples: list[dict], path: Path) -> None:
    """Draws examples five to a line: what was true and what predicted, the image, and below it the Grad-CAM overlay.

    Args:
        examples: image (h, w, 3) uint8, heatmap (h, w) in [0, 1] (None or not finite: no overlay), mask (h, w) or None
            (above 0 inside, drawn as an outline), true_name, predicted_name, probability, correct.
        path: the PNG file.
    """
    lines = -(-len(examples) // EXAMPLES_PER_LINE)
    title = "Test images: true class, predicted class and its probability p; below each, Grad-CAM"
    with page(path, 0.75 + 2.85 * lines, title) as figure:
        panels = figure.subplots(2 * lines, EXAMPLES_PER_LINE, squeeze=False)
        for ax in panels.flat:
            ax.set_axis_off()
        for i, example in enumerate(examples):
            line, column = divmod(i, EXAMPLES_PER_LINE)
            _draw_example(panels[2 * line, column], panels[2 * line + 1, column], example)
        heat = ScalarMappable(cmap=HEAT_COLORS)
        masked = any(example["mask"] is not None for example in examples)
        label = "Grad-CAM (black outline: lesion mask)" if masked else "Grad-CAM"
        figure.colorbar(heat, ax=panels, location="bottom", aspect=60, pad=0.01, ticks=UNIT_TICKS, label=label)


def image_rows(examples: list[dict], path: Path, title: str) -> None:
    """Draws a line of images for each class, or whatever the lines are.

    Args:
        examples: name and images (m, h, w, 3) uint8 per line; h and w the same for all, m may differ.
        path: the PNG file.
        title: of the figure.
    """
    columns = max(len(example["images"]) for example in examples)
    tiles = [[reduced_image(image) for image in example["images"]] for example in examples]
    height, width = next(tile.shape[:2] for line in tiles for tile in line)
    gap = max(2, width // 24)
    canvas = np.full((len(tiles) * (height + gap), columns * (width + gap), 3), 255, np.uint8)
    for row, line in enumerate(tiles):
        for column, tile in enumerate(line):
            top, left = row * (height + gap), column * (width + gap)
            canvas[top : top + height, left : left + width] = tile
    inches = min(0.9, (WIDTH_INCHES - 0.6) / columns) * (height + gap) / (width + gap)
    with page(path, 0.4 + inches * len(tiles), title) as figure:
        ax = figure.subplots()
        ax.imshow(canvas, interpolation="nearest")
        ax.set_yticks(np.arange(len(tiles)) * (height + gap) + height / 2, [example["name"] for example in examples])
        ax.set_xticks([])
        ax.grid(visible=False)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)


def _draw_curve(ax: Axes, curve: dict, x: str, y: str, area: str, style: dict) -> None:
    if _number(curve[area]) != UNDEFINED:
        ax.plot(curve[x], curve[y], **style)


def _legend_entry(curve: dict) -> str:
    auc, precision, prevalence = (_number(curve[key]) for key in ("roc_auc", "average_precision", "prevalence"))
    return f"{curve['name']}: AUC {auc}, AP {precision}, prevalence {prevalence}"


def _slanted(labels: list[str]) -> dict:
    """Returns how to write labels below narrow columns: level if short, else slanted and ending at their column."""
    level = max(map(len, labels)) <= 6
    return {} if level else {"rotation": 45, "ha": "right", "va": "top", "rotation_mode": "anchor"}


def _number(value: float | None, digits: int = 3) -> str:
    return UNDEFINED if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def _draw_example(above: Axes, below: Axes, example: dict) -> None:
    """Draws one example of the grid: text and image in the axes `above`, the overlay in the axes `below`."""
    verdict, color = ("correct", BLUE) if example["correct"] else ("wrong", VERMILLION)
    true, predicted = (shortened(example[key]) for key in ("true_name", "predicted_name"))
    text = f"{verdict}, p = {_number(example['probability'], 2)}\ntrue: {true}\npred.: {predicted}"
    above.set_title(text, color=color, fontsize=8, pad=3)
    image = reduced_image(example["image"])
    above.imshow(image, interpolation="nearest")
    above.set_anchor("S")  # the two images of an example lie close together
    below.set_anchor("N")
    heat = np.array(np.nan if example["heatmap"] is None else example["heatmap"], float)
    if not np.isfinite(heat).all():
        below.imshow(image, interpolation="nearest", alpha=0.4)
        below.text(0.5, 0.5, "no Grad-CAM", ha="center", va="center", transform=below.transAxes)
        return
    heat = np.asarray(Image.fromarray(heat.astype(np.float32)).resize(image.shape[1::-1], Image.Resampling.BILINEAR))
    opacity = HEAT_OPACITY * heat[..., None].clip(0, 1)
    below.imshow(image / 255 * (1 - opacity) + HEAT_COLORS(heat)[..., :3] * opacity, interpolation="nearest")
    if example["mask"] is not None and 0 < np.count_nonzero(example["mask"]) < np.size(example["mask"]):
        inside = np.asarray(example["mask"]) > 0
        x, y = ((np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(inside.shape[::-1], image.shape[1::-1], strict=True))
        for color, linewidth in (("white", 1.8), ("black", 0.8)):
            below.contour(x, y, inside, levels=[0.5], colors=color, linewidths=linewidth)


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def reduced_image(image: np.ndarray) -> np.ndarray:
    """Returns the image with its longer side at most MAX_SIDE."""
    picture = Image.fromarray(np.asarray(image, np.uint8))
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)
