"""The audit audited: predictions with a gap planted between groups, or with none, and how often it raises an alarm."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tfhealth.audit.comparison import Comparison
from tfhealth.audit.disparity import LEVELS_OF, contrasts_of, levels, permuted_levels
from tfhealth.audit.groups import grouping
from tfhealth.audit.rates import Rates, question_rates
from tfhealth.audit.statistics import SIGNIFICANT, binomial_interval, holm, permutation_p_value, permutations_needed
from tfhealth.audit.views import View, decided_view
from tfhealth.training.weighted import ratio


@dataclass(frozen=True)
class Planted:
    """What is planted.

    Attributes:
        examples: of the test split.
        prevalence: share of positives, the same in every group.
        shares: group -> share of the people, for each feature; features are independent of each other.
        sensitivity, specificity: of every group without a planted gap.
        gap: by how much the sensitivity of the `worse` group is lower; 0 plants nothing.
        worse: (feature, group) that it is planted on.
        examples_per_person: mean; a person's examples share the truth, the groups and half of the score's variance.
    """

    examples: int = 2000
    prevalence: float = 0.3
    shares: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = (
        ("sex", (("female", 0.5), ("male", 0.5))),
        ("skin_tone", (("lighter", 0.7), ("darker", 0.3))),
        ("age_band", (("under 40", 0.3), ("40-59", 0.4), ("60 or over", 0.3))),
    )
    sensitivity: float = 0.9
    specificity: float = 0.8
    gap: float = 0.0
    worse: tuple[str, str] = ("skin_tone", "darker")
    examples_per_person: float = 1.34  # HAM10000: 10,015 images of 7,470 lesions


def plant(planted: Planted, seed: int) -> tuple[View, dict[str, np.ndarray], np.ndarray]:
    """Returns (view, features, group_ids) of seeded predictions whose true rates are those of `planted`.

    Logits are normal with variance 1 and a mean that puts the group's rate above 0, the threshold.
    """
    rng = np.random.default_rng(seed)
    people = max(1, round(planted.examples / planted.examples_per_person))
    person = np.sort(np.append(np.arange(people), rng.integers(0, people, planted.examples - people)))
    positive = (rng.random(people) < planted.prevalence)[person]
    features = {}
    for feature, groups in planted.shares:
        names, shares = zip(*groups, strict=True)
        features[feature] = rng.choice(names, size=people, p=shares)[person]
    shared = rng.normal(size=people)[person]
    noise = np.sqrt(0.5) * (shared + rng.normal(size=planted.examples))
    feature, group = planted.worse
    sensitivity = np.where(features[feature] == group, planted.sensitivity - planted.gap, planted.sensitivity)
    rate = np.where(positive, sensitivity, 1 - planted.specificity)
    logit = noise + ndtri(rate)  # above 0 with probability `rate`
    score = 1 / (1 + np.exp(-logit))
    view = decided_view(positive, logit >= 0, score, "positive", 0.5)
    return view, features, person.astype(str)


def alarms(planted: Planted, seed: int, *, permutations: int) -> dict[tuple[str, str], bool]:
    """Returns (feature, measure) -> whether the audit of one draw raises an alarm, Holm-corrected over all of them.

    The audit's own steps, without the bootstrap, which decides nothing.

    Args:
        planted: what the predictions hold.
        seed: of the predictions and of the permutations.
        permutations: at least; as many as Holm's first step needs are made.
    """
    view, features, group_ids = plant(planted, seed)
    no_weights = np.ones((1, len(view)), np.float32)
    enough = max(permutations, permutations_needed(len(LEVELS_OF) * len(features)))
    p_values = {}
    for name, labels in features.items():
        found = grouping(name, labels, group_ids)
        comparison = Comparison.of(found, view.positive, group_ids, no_weights, permutations=enough, seed=seed)
        audited = view.take(comparison.rows)
        rates = [_rates(audited.take(members)) for members in comparison.members]
        tested = contrasts_of(levels(rates, audited, comparison))
        nulls = contrasts_of(permuted_levels(audited, comparison))
        for measure, null in nulls.items():
            p_values[name, measure] = permutation_p_value(float(tested[measure][0]), null)
    return {key: bool(p <= SIGNIFICANT) for key, p in zip(p_values, holm([*p_values.values()]), strict=True)}


def alarm_rates(planted: Planted, *, draws: int, permutations: int, seed: int = 0) -> dict[str, dict[str, float]]:
    """Returns "planted" (an alarm on the planted feature) and "any" -> share of the draws, with 95 % interval.

    Args:
        planted: what every draw holds.
        draws: number of independent test splits.
        permutations: of each.
        seed: of the first draw; the others count on from it.
    """
    flagged = {"planted": 0, "any": 0}
    for draw in range(draws):
        found = alarms(planted, seed + draw, permutations=permutations)
        raised = [feature for (feature, _), alarm in found.items() if alarm]
        flagged["any"] += bool(raised)
        flagged["planted"] += planted.worse[0] in raised
    shares = {}
    for name, count in flagged.items():
        low, high = binomial_interval(count, draws)
        shares[name] = {"value": count / draws, "low": low, "high": high, "draws": draws}
    return shares


def _rates(view: View) -> Rates:
    one = np.ones((1, len(view)), np.float32)
    return {**question_rates(view, one), "correct": ratio(one @ view.correct.astype(np.float32), one.sum(1))[:, None]}
