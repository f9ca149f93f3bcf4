"""Part 3's judgement of a generator: realistic, diverse, plausible, private? Each score beside its yardsticks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import keras
import numpy as np

from tfhealth.audit.plausibility import class_agreement, compare_distributions, lesion_measurements
from tfhealth.audit.privacy import (
    ClosestRecord,
    Memorisation,
    closest_record,
    membership_inference,
    memorisation_rate,
    nearest_distance,
)
from tfhealth.audit.realism import (
    frechet_distance,
    kernel_distance,
    ms_ssim_diversity,
    neighbourhoods_with_intervals,
    with_interval,
)
from tfhealth.data.dataset import Split
from tfhealth.data.image_pipeline import reduce_images
from tfhealth.parts.part3_sources import Part3
from tfhealth.training.collapse import class_coverage, diagnose_collapse
from tfhealth.training.fit import mixed_sample
from tfhealth.training.gan import realness
from tfhealth.training.generative import make_images, one_hot
from tfhealth.training.latents import fit_latents, prior_latents
from tfhealth.training.metrics import cluster_weights, interval
from tfhealth.training.record import TrainingRun
from tfhealth.training.synthesis import Generator
from tfhealth.training.vae import encode, signal_to_noise, squared_errors

PIXELS = 8  # side that images are reduced to before their pixels are compared: 192 numbers, colour and rough shape
VIEWS = 8  # quarter turns and mirror images, among which a copy may hide: training showed them all
CALLINGS = 200  # random callings of who was trained on
NEIGHBOURS = 5
BLOCK = 1000  # images whose pixels are held as floats at once


@dataclass(frozen=True)
class Made:
    """A finished generator and what it made.

    Attributes:
        run: its training. generator: as it is used. parts: name -> trained model.
        labels, images: in the class mix of real validation images; what is judged.
        each_labels, each_images: as many of each class; what is written to files.
    """

    run: TrainingRun
    generator: Generator
    parts: Mapping[str, keras.Model]
    labels: np.ndarray
    images: np.ndarray
    each_labels: np.ndarray
    each_images: np.ndarray


@dataclass(frozen=True)
class Yardstick:
    """Real images that no generator saw: reference (of test), which all are compared with, and other (validation)."""

    reference: Split
    other: Split

    @classmethod
    def of(cls, part: Part3) -> "Yardstick":
        count = min(part.config.judged, len(part.bundle.test), len(part.bundle.validation))
        return cls(*(mixed_sample(s, count, part.seed) for s in (part.bundle.test, part.bundle.validation)))


def make(part: Part3, run: TrainingRun, labels: np.ndarray, guide: keras.Model | None, *, fitted: bool) -> Made:
    """Lets a finished run make images of the class ids `labels`, and as many of each class as the config says.

    Args:
        guide: chooses among candidates; None: the first is taken.
        fitted: draw z from where the training images of the class lie (VAE), not from the prior.
    """
    folder, k = run.model_path.parent, part.bundle.num_classes
    parts = {path.stem: keras.saving.load_model(path, compile=False) for path in sorted(folder.glob("*.keras"))}
    if fitted:
        latents = fit_latents(*encode(parts["encoder"], part.bundle.train, k), part.bundle.train.y, k)
    else:
        latents = prior_latents(run.config["latent"], k)
    generator = Generator(parts[run.model_path.stem], latents, guide, part.config.candidates)
    each = np.repeat(np.arange(k), part.config.synthetic)
    images, _ = generator.make(labels, part.seed)
    return Made(run, generator, parts, labels, images, each, generator.make(each, part.seed + 1)[0])


def realism(part: Part3, yardstick: Yardstick, sets: Mapping[str, np.ndarray]) -> list[dict]:
    """Returns a row for each set of images and space of features: its distances and neighbourhoods to the reference.

    Args:
        sets: name -> (n, s, s, 3) uint8; real held-out images and noise are added as yardsticks.
    """
    real = images_of(yardstick.reference)
    noise = np.random.default_rng(part.seed).integers(0, 256, real.shape, dtype=np.uint8)
    sets = {"real held-out": images_of(yardstick.other), **sets, "noise": noise}
    spaces = {"classifier features": lambda images: part.judge.look(images)[0], f"{PIXELS}x{PIXELS} pixels": pixels_of}
    rows, draws = [], {"draws": part.config.draws, "seed": part.seed}
    for space, features in spaces.items():
        target = features(real)
        for name, images in sets.items():
            found = features(images)
            frechet = with_interval(frechet_distance, target, found, **draws)
            scores = {
                "frechet_distance": (frechet.value, max(frechet.low, 0.0), frechet.high),
                "kernel_distance": with_interval(kernel_distance, target, found, **draws),
                **neighbourhoods_with_intervals(target, found, NEIGHBOURS, **draws),
            }
            rows.append({"space": space, "images": name, **flat(scores)})
    return rows


def diversity(part: Part3, made: Made) -> list[dict]:
    """Returns one row a class: mean MS-SSIM of pairs of its synthetic images, and of its real test images."""
    test, settings = part.bundle.test, {"pairs": part.config.pairs, "seed": part.seed}
    synthetic = ms_ssim_diversity(made.each_images, made.each_labels, **settings)
    real = ms_ssim_diversity(images_of(test), test.y, **settings)
    names = part.bundle.card.class_names
    return [
        {"class": names[label], **flat({"synthetic": found, **({"real": real[label]} if label in real else {})})}
        for label, found in synthetic.items()
    ]


def plausibility(part: Part3, yardstick: Yardstick, made: Made) -> dict:
    """Returns how often the judge assigns the class asked for, on synthetic and on real images, and lesion shapes."""
    reference, k = yardstick.reference, part.bundle.num_classes
    mix, each = (part.judge.look(images)[1] for images in (made.images, made.each_images))
    real, settings = lesion_measurements(images_of(reference)), {"draws": part.config.draws, "seed": part.seed}
    return {
        "agreement": agreement_values(part, made.labels, mix),
        "agreement_each": agreement_values(part, made.each_labels, each),
        "agreement_real": agreement_values(part, reference.y, part.judge.look(images_of(reference))[1]),
        "class_coverage": class_coverage(made.each_labels, each.argmax(1), k),
        "lesions": compare_distributions(real, lesion_measurements(made.images), **settings),
        "lesions_real": compare_distributions(real, lesion_measurements(images_of(yardstick.other)), **settings),
    }


def agreement_values(part: Part3, labels: np.ndarray, y_prob: np.ndarray) -> dict:
    """Returns overall (value, low, high), balanced, and by class name (value, low, high)."""
    found, names = class_agreement(labels, y_prob), part.bundle.card.class_names
    by_class = {names[label]: score._asdict() for label, score in found.by_class.items()}
    return {"overall": found.overall._asdict(), "balanced": found.balanced, "by_class": by_class}


def reconstruction(part: Part3, made: Made) -> dict:
    """Returns a VAE's PSNR on test in dB with its interval, and the diagnosis of collapse."""
    test, k = part.bundle.test, part.bundle.num_classes
    mean, log_variance = encode(made.parts["encoder"], test, k)
    found = signal_to_noise(test, make_images(made.generator.decoder, mean, one_hot(test.y, k)))
    weights = cluster_weights(test.group_ids, draws=part.config.bootstrap_draws, seed=part.seed)
    low, high = interval(weights @ found / weights.sum(1))
    return {
        "psnr_db": {"value": float(found.mean()), "low": low, "high": high},
        "collapse": asdict(diagnose_collapse(mean, log_variance, seed=part.seed)),
    }


def privacy(part: Part3, made: Made) -> dict:
    """Returns copies, memorisation, and two attacks: one with the released images alone, one with the model.

    Copies are looked for in all views of the training images, and as hard among as many views of held-out ones.
    """
    train, test = part.bundle.train, part.bundle.test
    members = mixed_sample(train, len(test), part.seed)
    known, member_pixels, others = (view_pixels(split) for split in (train, members, test))
    found, settings = pixels_of(made.images), {"draws": part.config.bootstrap_draws, "seed": part.seed}
    groups = np.concatenate([np.repeat(split.group_ids, VIEWS) for split in (members, test)])
    closest = closest_record(member_pixels, others, found, group_ids=groups, draws=CALLINGS, seed=part.seed)
    memorised = memorisation_rate(known, pixels_of(images_of(test)), found)
    attacks = {
        "released images": [-_closest_view(views, found) for views in (member_pixels, others)],
        "the model": [_suspicion(part, made, split) for split in (members, test)],
    }
    return privacy_values(closest, memorised, attacks, settings)


def privacy_values(
    closest: ClosestRecord, memorised: Memorisation, attacks: Mapping[str, Sequence[np.ndarray]], settings: dict
) -> dict:
    """Returns what findings.json holds of these; attacks: what the attacker has -> scores of members, of others."""
    membership = [_attack_row(name, *scores, settings) for name, scores in attacks.items()]
    flags = [closest.flagged, memorised.flagged, *(row["flagged"] for row in membership)]
    return {
        "closest_record": {**asdict(closest), "flagged": closest.flagged},
        "memorisation": {
            "rate": memorised.rate._asdict(),
            "baseline": memorised.baseline._asdict(),
            "threshold": memorised.threshold,
            "flagged": memorised.flagged,
        },
        "membership": membership,
        "tests": len(flags),
        "alarms": sum(flags),
    }


def pixels_of(images: np.ndarray) -> np.ndarray:
    """Returns (n, 3 PIXELS^2) in [0, 1]: each image, reduced."""
    blocks = np.array_split(images, max(1, len(images) // BLOCK))
    reduced = [np.asarray(reduce_images(block.astype(np.float32), PIXELS)) / 255 for block in blocks]
    return np.concatenate(reduced).reshape(len(images), -1).astype(np.float64)


def images_of(split: Split) -> np.ndarray:
    return split.x.take(slice(None))


def views_of(images: np.ndarray) -> np.ndarray:
    """Returns (n, VIEWS, s, s, 3): four quarter turns, each also mirrored."""
    sides = (images, images[:, :, ::-1])
    return np.stack([np.rot90(side, turns, (1, 2)) for side in sides for turns in range(4)], axis=1)


def flat(scores: Mapping) -> dict:
    """Returns name, name_low, name_high of each named interval."""
    return {
        f"{name}{end}": number
        for name, score in scores.items()
        for end, number in zip(("", "_low", "_high"), score, strict=True)
    }


def view_pixels(split: Split) -> np.ndarray:
    """Returns (n VIEWS, 3 PIXELS^2): the pixels of every view, those of one image in adjacent rows."""
    small = pixels_of(images_of(split)).reshape(len(split), PIXELS, PIXELS, 3)
    return views_of(small).reshape(len(split) * VIEWS, -1)


def _closest_view(views: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Returns (n,) the distance of each real image to its closest synthetic one, in whichever view is closer."""
    return nearest_distance(views, found).reshape(-1, VIEWS).min(1)


def _suspicion(part: Part3, made: Made, split: Split) -> np.ndarray:
    """Returns (n,) how much the model itself speaks for an image having been trained on."""
    k = part.bundle.num_classes
    if "discriminator" in made.parts:
        return realness(made.parts["discriminator"], split, k)
    mean, _ = encode(made.parts["encoder"], split, k)
    return -squared_errors(split, make_images(made.generator.decoder, mean, one_hot(split.y, k)))


def _attack_row(name: str, members: np.ndarray, others: np.ndarray, settings: dict) -> dict:
    found = membership_inference(members, others, **settings)
    return {
        "attacker_has": name,
        **flat({"auc": (found.auc, *found.auc_interval)}),
        **flat({"tpr_at_1_percent_fpr": (found.tpr_at_1_percent_fpr, *found.tpr_interval)}),
        "flagged": found.flagged,
    }
