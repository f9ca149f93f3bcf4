"""Are synthetic lesions medically plausible? What an independent classifier sees, and what can be measured on them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.stats import ks_2samp

from tfhealth.audit.realism import Interval, with_interval
from tfhealth.audit.statistics import binomial_interval

SMALLEST_LESION = 0.005  # of the image; a smaller segment is a hair or a speck
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
BLUR = 1 / 64  # of the shorter side, in which hair and noise disappear


@dataclass(frozen=True)
class ClassAgreement:
    """How often the classifier names the class that was asked for.

    overall: of all examples; balanced: mean over the classes asked for; by_class: class id -> its share. Intervals are
    exact binomial ones; that of `balanced` is None.
    """

    overall: Interval
    balanced: float
    by_class: Mapping[int, Interval]


def class_agreement(requested: np.ndarray, y_prob: np.ndarray) -> ClassAgreement:
    """Returns how often the most probable class is the requested one.

    Args:
        requested: (n,) int class ids that the generator was asked for.
        y_prob: (n, num_classes) of a classifier that the generator never saw.

    Raises:
        ValueError: no examples.
    """
    if not len(requested):
        raise ValueError("no examples")
    agrees = y_prob.argmax(1) == requested
    by_class = {int(label): _share(agrees[requested == label]) for label in np.unique(requested)}
    balanced = float(np.mean([share.value for share in by_class.values()]))
    return ClassAgreement(_share(agrees), balanced, by_class)


def lesion_measurements(images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns name -> (n,) measurements of each image's lesion; NaN where none is found.

    area: share of the image; asymmetry: share of the lesion without a mirror image in it, mean over its two principal
    axes, 0 for a symmetric one; red, green, blue: mean colour of the lesion, in [0, 1]; contrast: how much darker it is
    than the skin around it; variegation: standard deviation of its brightness (the A, C of dermoscopy's ABCD rule).

    Args:
        images: (n, height, width, 3) uint8, the lesion darker than the skin around it.
    """
    rows = [_measure(image / 255.0) for image in images]
    return {name: np.array([row[name] for row in rows]) for name in NAMES}


NAMES = ("area", "asymmetry", "red", "green", "blue", "contrast", "variegation")


def segment_lesion(image: np.ndarray) -> np.ndarray:
    """Returns (height, width) bool: where the lesion is, by a threshold on brightness; all False if nothing stands out.

    Blurred, cut at Otsu's threshold, of the dark pieces the one that weighs most near the centre, holes filled. A rough
    segmentation: good enough to compare two sets of images that are both cut this way, not to outline a lesion.

    Args:
        image: (height, width, 3) in [0, 1].
    """
    brightness = ndimage.gaussian_filter(image @ LUMA, BLUR * min(image.shape[:2]))
    pieces, count = ndimage.label(brightness < otsu_threshold(brightness))
    if not count:
        return np.zeros(brightness.shape, bool)
    rows, columns = (np.linspace(-1, 1, side) for side in brightness.shape)
    central = np.exp(-2 * (rows[:, None] ** 2 + columns**2))  # vignettes and rulers lie at the border
    weight = ndimage.sum_labels(central, pieces, np.arange(1, count + 1))
    lesion = ndimage.binary_fill_holes(pieces == 1 + np.argmax(weight))
    return lesion if lesion.mean() >= SMALLEST_LESION else np.zeros_like(lesion)


def otsu_threshold(values: np.ndarray) -> float:
    """Returns the threshold between two groups of values that sets their means furthest apart, weighted by size.

    Source: Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms", eq. 18, on 256 levels.
    """
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * centres)
    above = values.size - below
    between = below * above * (sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)) ** 2
    best = np.flatnonzero(between == between.max())  # an empty stretch between the groups: its middle
    return float(edges[1 + round(best.mean())])


def compare_distributions(
    real: Mapping[str, np.ndarray], synthetic: Mapping[str, np.ndarray], draws: int = 100, seed: int = 0
) -> list[dict]:
    """Returns one row a measurement: name, medians, share measured, and the Kolmogorov-Smirnov distance.

    ks: largest gap between the two cumulative distributions, 0 to 1, with ks_low and ks_high (95 %, see
    `realism.with_interval`). Put beside it the distance between two real sets of the same sizes.

    Args:
        real, synthetic: of `lesion_measurements`, the same names.
        draws, seed: of the intervals.
    """
    rows = []
    for name, values in real.items():
        sets = [column[np.isfinite(column)] for column in (values, synthetic[name])]
        row = {"name": name}
        for label, column, found in zip(("real", "synthetic"), (values, synthetic[name]), sets, strict=True):
            row[f"{label}_median"] = float(np.median(found)) if len(found) else np.nan
            row[f"{label}_measured"] = len(found) / max(len(column), 1)
        undefined = min(map(len, sets)) < 2
        ks = Interval(np.nan, np.nan, np.nan) if undefined else with_interval(_ks, *sets, draws, seed)
        rows.append(row | {"ks": ks.value, "ks_low": max(ks.low, 0.0), "ks_high": min(ks.high, 1.0)})
    return rows


def _ks(real: np.ndarray, synthetic: np.ndarray) -> float:
    return float(ks_2samp(real, synthetic, method="asymp").statistic)


def _share(agrees: np.ndarray) -> Interval:
    return Interval(float(agrees.mean()), *binomial_interval(int(agrees.sum()), len(agrees)))


def _measure(image: np.ndarray) -> dict[str, float]:
    lesion = segment_lesion(image)
    if not lesion.any() or lesion.all():
        return dict.fromkeys(NAMES, np.nan)
    red, green, blue = image[lesion].mean(0)
    brightness = image @ LUMA
    return {
        "area": float(lesion.mean()),
        "asymmetry": _asymmetry(lesion),
        "red": float(red),
        "green": float(green),
        "blue": float(blue),
        "contrast": float(brightness[~lesion].mean() - brightness[lesion].mean()),
        "variegation": float(brightness[lesion].std()),
    }


def _asymmetry(lesion: np.ndarray) -> float:
    """Mirrors the lesion's pixels on both principal axes and counts those that land outside."""
    points = np.argwhere(lesion)
    centre = points.mean(0)
    axes = np.linalg.eigh(np.cov((points - centre).T) if len(points) > 1 else np.eye(2))[1]
    missing = []
    for axis in axes.T:
        away = (points - centre) @ axis
        mirrored = np.rint(points - 2 * away[:, None] * axis).astype(int)
        inside = ((mirrored >= 0) & (mirrored < lesion.shape)).all(1)
        hit = np.zeros(len(points), bool)
        hit[inside] = lesion[tuple(mirrored[inside].T)]
        missing.append(1 - hit.mean())
    return float(np.mean(missing))
