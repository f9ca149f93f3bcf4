"""Bench: Part 5's audit of 20 files by five features, against Fairlearn draw by draw."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tfhealth.audit.change import disparity_changes, group_changes
from tfhealth.audit.comparison import Comparison
from tfhealth.audit.fairness import AuditSettings, audit_model, comparisons, metric_frame_rates
from tfhealth.audit.views import View, binary_view, is_positive, operating_point, positive_score
from tfhealth.bench.ratio import Ratio, in_turns
from tfhealth.training.overhead import seconds_of
from tfhealth.training.record import Predictions

IMAGES, FILES = 2000, 20
TARGET = 60.0  # seconds, on 2 cores
ROUNDS, LOOP_DRAWS = 2, 10
SETTINGS = AuditSettings(draws=1000)
CLASS_SHARES = (0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02)  # HAM10000's
MALIGNANT = (0, 1, 4)


def measure_audit(_scratch: Path) -> list[Ratio]:
    """Returns the audit's seconds, and those of a loop that takes the rates of every draw from a MetricFrame.

    The loop goes over a few draws of one model and is extrapolated; it tests nothing, which favours it.
    """
    answers = [made_up_answers(seed) for seed in range(1 + FILES)]
    view = views_of(answers)[0]
    ways = {
        "ours": partial(audit, answers),
        "loop": partial(rates_draw_by_draw, view, prepare(answers[0], view), LOOP_DRAWS),
    }
    seconds = in_turns({name: partial(seconds_of, way) for name, way in ways.items()}, ROUNDS, warm_up=0)
    of_all = [one * len(answers) * SETTINGS.draws / LOOP_DRAWS for one in seconds["loop"]]
    return [Ratio.of(f"audit of {FILES} files, ours / loop of MetricFrame", "s", seconds["ours"], of_all, TARGET)]


def made_up_answers(seed: int, n: int = IMAGES) -> Predictions:
    """Returns the predictions of one of many models on the same n images; four features, sex x age makes it five."""
    data, rng = np.random.default_rng(99), np.random.default_rng(seed)
    lesion = np.sort(data.integers(0, n * 3 // 4, n))
    y_true = data.choice(7, n, p=CLASS_SHARES)[lesion].astype(np.int32)
    features = {
        "sex": data.choice(["female", "male"], n)[lesion],
        "age_band": data.choice(["20-39", "40-59", "60-79", "80+"], n, p=[0.25, 0.4, 0.27, 0.08])[lesion],
        "skin_tone": data.choice(["a", "b", "c", "d", "e", "f"], n),
        "localization": data.choice([f"site {i}" for i in range(15)], n)[lesion],
    }
    logits = 1.5 * np.eye(7)[y_true] + rng.normal(size=(n, 7))
    y_prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(y_true, y_prob.astype(np.float32), features, np.arange(n).astype(str), lesion.astype(str))


def views_of(answers: Sequence[Predictions]) -> list[View]:
    """Returns each model's answer to "malignant?", all at the operating point of the first."""
    first = answers[0]
    threshold = operating_point(is_positive(first, MALIGNANT), positive_score(first, MALIGNANT))
    return [binary_view(each, MALIGNANT, threshold, "malignant") for each in answers]


def prepare(answers: Predictions, view: View) -> list[Comparison]:
    return comparisons(answers.sensitive_features, view.positive, answers.group_ids, SETTINGS)


def audit(answers: Sequence[Predictions]) -> tuple[list[Comparison], list[tuple[list, list]]]:
    """Returns the comparisons and, for every model but the first, how it differs from that: all that Part 5 audits."""
    views = views_of(answers)
    prepared = prepare(answers[0], views[0])
    before, *after = (audit_model(view, prepared) for view in views)
    return prepared, [(group_changes(before, found), disparity_changes(before, found)) for found in after]


def rates_draw_by_draw(view: View, prepared: Sequence[Comparison], draws: int) -> list[list]:
    """Returns the groups' rates in each draw of each comparison, taken from the resampled examples themselves."""
    found = []
    for comparison in prepared:
        for weights in comparison.weights[:draws]:
            rows = np.repeat(comparison.rows, weights.astype(int))
            found.append(metric_frame_rates(view.take(rows), replace(comparison, rows=rows)))
    return found
