"""Figures of synthetic images and of the trainings that led to them, drawn under the same rules as `figures`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from tfhealth.report.figures import GREY, TRAIN, VALIDATION, legend_below, page
from tfhealth.report.image_figures import reduced_image, shortened
from tfhealth.training.collapse import ACTIVE_NATS

PAIRS_PER_LINE = 5
STYLES = (VALIDATION, TRAIN)
CURVES = {
    "reconstruction": "reconstruction error",
    "kl": "KL (nats)",
    "discriminator_loss": "discriminator loss",
    "generator_loss": "generator loss",
}


def samples_and_nearest(images: np.ndarray, nearest: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Draws pairs: a synthetic image, and right of it the training image that is most like it.

    Args:
        images, nearest: (n, h, w, 3) uint8.
        names: (n,) the class asked for.
        path: the PNG file.
    """
    lines = -(-len(images) // PAIRS_PER_LINE)
    title = f"{len(images)} synthetic images drawn at random (left), each with its nearest training image (right)"
    with page(path, 0.35 + 0.76 * lines, title) as figure:
        panels = figure.subplots(lines, PAIRS_PER_LINE, squeeze=False).ravel()
        for ax in panels:
            ax.set_axis_off()
        for ax, made, real, name in zip(panels, images, nearest, names, strict=False):
            pair = [reduced_image(image) for image in (made, real)]
            gap = np.full((len(pair[0]), 2, 3), 255, np.uint8)
            ax.imshow(np.concatenate([pair[0], gap, pair[1]], axis=1), interpolation="nearest")
            ax.set_title(shortened(name), fontsize=7, pad=2)


def loss_curves(histories: Mapping[str, Mapping[str, Sequence[float]]], path: Path, title="Loss by epoch") -> None:
    """Draws reconstruction error and KL of each VAE, or both losses of a GAN, by epoch; a column a model.

    Args:
        histories: name of the run -> log -> value by epoch; val_<log> is drawn beside <log>.
        path, title: of the PNG file.
    """
    logs = [log for log in CURVES if any(log in history for history in histories.values())]
    with page(path, 0.5 + 1.75 * len(logs), title) as figure:
        panels = figure.subplots(len(logs), len(histories), sharey="row", sharex=True, squeeze=False)
        for (name, history), column in zip(histories.items(), panels.T, strict=True):
            for ax, log in zip(column, logs, strict=True):
                for key, label, style in ((log, "training", TRAIN), (f"val_{log}", "validation", VALIDATION)):
                    if key in history:
                        epochs = np.arange(1, len(history[key]) + 1)
                        ax.plot(epochs, history[key], marker="o", markersize=1.5, label=label, **style)
                ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            column[0].set_title(name)
            column[-1].set_xlabel("epoch")
        for ax, log in zip(panels[:, 0], logs, strict=True):
            ax.set_ylabel(CURVES[log])
        if "reconstruction" in logs and all(min(h["reconstruction"]) > 0 for h in histories.values()):
            panels[0, 0].set_yscale("log")
        legend_below(figure, panels[0, 0])


def kl_by_dimension(kl: Mapping[str, np.ndarray], path: Path) -> None:
    """Draws each VAE's mean KL by latent dimension, in descending order; below the line a dimension is collapsed.

    Args:
        kl: name -> (latent,) nats.
        path: the PNG file.
    """
    floor = ACTIVE_NATS / 10  # a logarithmic axis has no 0
    with page(path, 2.6, "Posterior collapse: KL of each latent dimension on test images") as figure:
        ax = figure.subplots()
        for (name, values), style in zip(kl.items(), STYLES, strict=False):
            ordered = np.maximum(np.sort(values)[::-1], floor)
            ax.plot(np.arange(1, len(ordered) + 1), ordered, marker="o", markersize=2, label=name, **style)
        ax.axhline(ACTIVE_NATS, color=GREY, linewidth=0.8, linestyle=":", label=f"{ACTIVE_NATS} nats: active above")
        ax.set(yscale="log", xlabel="latent dimension, in descending order of KL", ylabel="KL (nats)")
        ax.set_ylim(bottom=floor * 0.8)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
