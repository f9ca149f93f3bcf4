"""What Part 3 found, gathered for findings.json, the card, the figures and TensorBoard."""

from collections.abc import Sequence

import numpy as np

from tfhealth.audit.findings import Findings
from tfhealth.parts import part3_judging as judging
from tfhealth.parts.part3_judging import Made, Yardstick
from tfhealth.parts.part3_sources import Part3
from tfhealth.report.writing import data_values
from tfhealth.training.generative import make_images, one_hot
from tfhealth.training.record import TrainingRun
from tfhealth.training.synthesis import interpolate
from tfhealth.training.tracking import write_embeddings, write_report
from tfhealth.training.vae import encode

SAMPLES = 20  # drawn, with the nearest training image beside each
PER_CLASS = 8  # of the grid by class
LINES, STEPS = 4, 8  # interpolations
RECONSTRUCTIONS = 8
POINTS = 2000  # test images in the projector, at most


def collect(part: Part3, yardstick: Yardstick, made: Sequence[Made]) -> dict:
    """Returns everything findings.json holds but usefulness.

    Args:
        made: by the generator with all help, first, then without any, and by the plain VAE if there is one.
    """
    main = made[0]
    names = set_names(part)
    vaes = {"vae": main, "plain": made[2]} if part.model == "vae" else {}
    return {
        "data": data_values(part.bundle),
        "model": part.model,
        "judge": part.judge.label,
        "guide": part.config.guide.name,
        "candidates": part.config.candidates,
        "compared": len(yardstick.reference),
        "written": len(main.each_labels),
        "training": {one.run.name: training_values(one.run) for one in made},
        "latent": main.run.config["latent"],
        "reconstruction": {name: judging.reconstruction(part, one) for name, one in vaes.items()},
        "realism": judging.realism(part, yardstick, {n: one.images for n, one in zip(names, made, strict=True)}),
        "main": names[0],
        "unhelped": names[1],
        "baseline": names[-1],
        "diversity": judging.diversity(part, main),
        "plausibility": judging.plausibility(part, yardstick, main),
        "privacy": judging.privacy(part, main),
    }


def set_names(part: Part3) -> list[str]:
    """Returns what the sets of images are called, in the order of `collect`'s `made`."""
    return ["VAE", "VAE, prior only", "plain VAE"] if part.model == "vae" else ["GAN", "GAN, unchosen"]


def training_values(run: TrainingRun) -> dict:
    return {
        "config": run.config,
        "epochs": run.best_epoch,
        "seconds": run.seconds,
        "parameters": run.parameters,
        "last": run.metrics,
        "diverged": run.diverged,
        "versions": run.versions,
    }


def collect_drawings(part: Part3, yardstick: Yardstick, made: Sequence[Made]) -> dict:
    """Returns what only the figures need."""
    main, names = made[0], part.bundle.card.class_names
    chosen = np.random.default_rng(part.seed).permutation(len(main.images))[:SAMPLES]
    return {
        "histories": {one.run.name: one.run.history for one in made},
        "samples": {
            "images": main.images[chosen],
            "nearest": nearest_training_images(part, main.images[chosen]),
            "names": [names[label] for label in main.labels[chosen]],
        },
        "classes": [
            {"name": name, "images": main.each_images[main.each_labels == label][:PER_CLASS]}
            for label, name in enumerate(names)
        ],
        "interpolations": interpolations(part, main),
        "reconstructions": reconstructions(part, made) if part.model == "vae" else [],
    }


def nearest_training_images(part: Part3, images: np.ndarray) -> np.ndarray:
    """Returns for each image the training image whose pixels are closest, laid as it is closest."""
    found, train = [], part.bundle.train
    known = judging.view_pixels(train)
    for pixels in judging.pixels_of(images):
        row, view = divmod(int(np.argmin(((known - pixels) ** 2).sum(1))), judging.VIEWS)
        found.append(judging.views_of(train.x.take(slice(row, row + 1)))[0, view])
    return np.stack(found)


def interpolations(part: Part3, made: Made) -> list[dict]:
    """Returns lines of images between made ones: within a class, and from one class to the next."""
    k, names = part.bundle.num_classes, part.bundle.card.class_names
    first = np.arange(LINES) % k
    labels = np.stack([first, (first + (np.arange(LINES) >= LINES // 2)) % k], axis=1)
    _, z = made.generator.make(labels.ravel(), part.seed + 4)
    images = interpolate(made.generator, z.reshape(LINES, 2, -1), labels, STEPS)
    return [
        {"name": names[a] if a == b else f"{names[a]} to\n{names[b]}", "images": line}
        for (a, b), line in zip(labels, images, strict=True)
    ]


def reconstructions(part: Part3, made: Sequence[Made]) -> list[dict]:
    """Returns test images, and what each VAE makes of them."""
    test, k = part.bundle.test, part.bundle.num_classes
    split = test.subset(np.random.default_rng(part.seed).permutation(len(test))[:RECONSTRUCTIONS])
    rows = [{"name": "test image", "images": judging.images_of(split)}]
    for name, one in (("VAE", made[0]), ("plain VAE", made[2])):
        mean, _ = encode(one.parts["encoder"], split, k)
        rows.append({"name": name, "images": make_images(one.generator.decoder, mean, one_hot(split.y, k))})
    return rows


def log_report(part: Part3, found: Findings, made: Made) -> None:
    """Puts the figures, the text and the judge's precision-recall curves into TensorBoard, and the latent space."""
    names, logs = part.bundle.card.class_names, part.logs("report")
    y_prob = part.judge.look(made.images)[1]
    write_report(logs, part.folder, found.figures, found.text, made.labels, y_prob, names)
    if "encoder" in made.parts:
        test = part.bundle.test.subset(np.arange(min(POINTS, len(part.bundle.test))))
        mean, _ = encode(made.parts["encoder"], test, part.bundle.num_classes)
        write_embeddings(part.logs("projector"), mean, [names[label] for label in test.y], name="latent space")
