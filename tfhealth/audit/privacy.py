"""Do synthetic examples give away whom the generator was trained on? Copies, memorisation, membership inference.

Every attack has its control: the same on held-out people, of whom the generator cannot know anything. What it finds
beyond the control is a leak.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from tfhealth.audit.realism import Interval
from tfhealth.audit.statistics import (
    SIGNIFICANT,
    binomial_interval,
    permutation_index,
    permutation_p_value,
    weighted_auc,
)
from tfhealth.training.metrics import interval

BLOCK = 256  # synthetic rows at a time: bounds the memory
TIE = 1e-9  # of the distance: float sums of equal rows
MEMORISED_LEVEL = 0.01  # closer to a training record than this share of held-out people are
LOW_RATE = 0.01  # false positives an attacker accepts


@dataclass(frozen=True)
class ClosestRecord:
    """Whether synthetic records lie closer to training records than to held-out ones.

    Attributes:
        share: of synthetic records whose closest real record is a training record; ties count in part.
        expected: the training records' share of all real ones: `share` of a generator that knows no one.
        high_by_chance: what `share` exceeds in 5 % of draws if it makes no difference who was trained on.
        p_value: of a share at least as large by chance.
        to_train, to_heldout: median distance of a synthetic record to its closest.
        heldout_to_train: median distance of a held-out record to its closest training record, the yardstick.
    """

    share: float
    expected: float
    high_by_chance: float
    p_value: float
    to_train: float
    to_heldout: float
    heldout_to_train: float

    @property
    def flagged(self) -> bool:
        return self.p_value <= SIGNIFICANT


@dataclass(frozen=True)
class Memorisation:
    """rate: of synthetic records that lie within `threshold` of a training record; baseline: of held-out ones."""

    rate: Interval
    baseline: Interval
    threshold: float

    @property
    def flagged(self) -> bool:
        return self.rate.low > self.baseline.high


@dataclass(frozen=True)
class MembershipAttack:
    """How well scores tell members (trained on) from others.

    Attributes:
        auc: 0.5 is guessing.
        auc_interval: (low, high), 95 %.
        tpr_at_1_percent_fpr: members recognised while at most 1 % of the others are taken for members.
        tpr_interval: (low, high), 95 %.
    """

    auc: float
    auc_interval: tuple[float, float]
    tpr_at_1_percent_fpr: float
    tpr_interval: tuple[float, float]

    @property
    def flagged(self) -> bool:
        return self.auc_interval[0] > 0.5


def closest_record(
    train: np.ndarray,
    heldout: np.ndarray,
    synthetic: np.ndarray,
    *,
    group_ids: np.ndarray | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> ClosestRecord:
    """Returns whether synthetic records keep closer to training records than chance lets them.

    Were the generator ignorant of who was trained on, it would make no difference which real records are called
    "train": the p-value counts random callings, people of one group together, so it holds for any sizes of the sets.

    Args:
        train, heldout, synthetic: (n, d) features in which distance means something; train and heldout are
            samples of the same people.
        group_ids: (train + heldout,) patient or lesion; None: every record is its own.
        draws: random callings.
        seed: of the callings.

    Source: distance to closest record against a held-out set: Platzer and Reutterer 2021, "Holdout-Based Empirical
    Assessment of Mixed-Type Synthetic Data", Front. Big Data 4:679939, sec. 2.2; the permutation is ours.
    """
    real = np.concatenate([train, heldout])
    trained = np.arange(len(real)) < len(train)
    nearest, to_train, to_heldout = np.zeros(len(real)), [], []
    for distances in _distances(synthetic, real):
        to_train.append(distances[:, trained].min(1))
        to_heldout.append(distances[:, ~trained].min(1))
        ties = distances <= distances.min(1, keepdims=True) * (1 + TIE) + TIE
        nearest += (ties / ties.sum(1, keepdims=True)).sum(0)
    nearest /= len(synthetic)  # (real,) how often each real record is the closest
    groups = np.arange(len(real)) if group_ids is None else group_ids
    index = permutation_index(np.zeros(len(real)), groups, draws=draws, seed=seed)
    share, null = float(nearest @ trained), trained[index] @ nearest
    return ClosestRecord(
        share=share,
        expected=len(train) / len(real),
        high_by_chance=float(np.quantile(null, 1 - SIGNIFICANT)),
        p_value=permutation_p_value(share, null),
        to_train=float(np.median(np.concatenate(to_train))),
        to_heldout=float(np.median(np.concatenate(to_heldout))),
        heldout_to_train=float(np.median(nearest_distance(heldout, train))),
    )


def memorisation_rate(
    train: np.ndarray, heldout: np.ndarray, synthetic: np.ndarray, level: float = MEMORISED_LEVEL
) -> Memorisation:
    """Returns the share of synthetic records closer to a training record than 99 % of held-out people come.

    The threshold is the 1 % quantile of the held-out records' distances to their closest training record; 0 where that
    many are equal to one, as in tables of few different rows, whose baseline is then above 1 %.

    Args:
        train, heldout, synthetic: (n, d) features in which distance means something.
        level: share of held-out records that sets the threshold.

    Source: in the manner of Carlini et al. 2023, "Extracting Training Data from Diffusion Models", arXiv:2301.13188,
    sec. 4; the threshold from held-out records is ours.
    """
    reference = nearest_distance(heldout, train)
    threshold = float(np.quantile(reference, level, method="lower")) * (1 + TIE) + TIE
    shares = (
        Interval(float(near.mean()), *binomial_interval(int(near.sum()), len(near)))
        for near in (nearest_distance(synthetic, train) <= threshold, reference <= threshold)
    )
    return Memorisation(*shares, threshold)


def membership_inference(
    member_scores: np.ndarray, other_scores: np.ndarray, draws: int = 1000, seed: int = 0
) -> MembershipAttack:
    """Returns how well a score, higher for suspected members, tells them from others.

    An attacker with the synthetic data alone scores a person by minus the distance to the closest synthetic record;
    one with the model by its likelihood of the person. The rate at few false positives is what harms someone: an
    attack may be sure of a few people although it guesses on the whole. With fewer than 100 others, 1 % of false
    positives means none.

    Args:
        member_scores: (n,) of training records.
        other_scores: (m,) of held-out records.
        draws: bootstrap samples, members and others each among their own kind.
        seed: of the samples.

    Source: Carlini et al. 2022, "Membership Inference Attacks From First Principles", arXiv:2112.03570, sec. III.
    """
    scores = np.concatenate([member_scores, other_scores])
    member = np.arange(len(scores)) < len(member_scores)
    rng = np.random.default_rng(seed)
    counts = [rng.multinomial(n, np.full(n, 1 / n), draws) for n in (len(member_scores), len(other_scores))]
    areas = weighted_auc(member, scores, np.concatenate(counts, axis=1).astype(float))
    rates = []
    for _ in range(draws):
        drawn = (rng.choice(kind, len(kind)) for kind in (member_scores, other_scores))
        rates.append(true_positive_rate(*drawn))
    return MembershipAttack(
        auc=float(weighted_auc(member, scores, np.ones((1, len(scores))))[0]),
        auc_interval=interval(areas),
        tpr_at_1_percent_fpr=true_positive_rate(member_scores, other_scores),
        tpr_interval=interval(rates),
    )


def true_positive_rate(member_scores: np.ndarray, other_scores: np.ndarray, false_positive_rate=LOW_RATE) -> float:
    """Returns the share of members above a threshold that at most this share of the others is above."""
    allowed = int(false_positive_rate * len(other_scores))
    threshold = np.sort(other_scores)[::-1][allowed]  # the first that may not be above it
    return float(np.mean(member_scores > threshold))


def nearest_distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns (points,) the Euclidean distance of each point to its closest among the others."""
    return np.concatenate([distances.min(1) for distances in _distances(points, others)])


def _distances(points: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the rows of the (points, others) distances in blocks; exact 0 for equal rows."""
    for start in range(0, len(points), BLOCK):
        yield cdist(points[start : start + BLOCK], others)
