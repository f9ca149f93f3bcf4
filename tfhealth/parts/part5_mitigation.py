"""Part 5's mitigations: fitted on train or validation, judged on test, each against its own "before"."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import keras
import numpy as np

from tfhealth.audit import mitigation as ways
from tfhealth.audit.comparison import Comparison
from tfhealth.audit.contrast import Levels
from tfhealth.audit.disparity import compared, contrasts_of, levels
from tfhealth.audit.fairness import AuditSettings, comparisons, metric_frame_rates
from tfhealth.audit.groups import people_ids
from tfhealth.audit.mitigation import Scored
from tfhealth.audit.tradeoff import EVERYONE, before_after_rows, price
from tfhealth.audit.views import View, decided_view, is_positive, operating_point, positive_score
from tfhealth.config import ImageTraining, TextTraining
from tfhealth.console import say
from tfhealth.data.dataset import Split
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.data.text_pipeline import TextFeed
from tfhealth.parts.part5_audit import Question, question_view
from tfhealth.paths import atomic_path
from tfhealth.training.fit import train
from tfhealth.training.predict import predict_logits, predictions_of
from tfhealth.training.record import Predictions

GAP = "equal_opportunity_difference"


@dataclass(frozen=True)
class Mitigated:
    """What the mitigations did.

    Attributes:
        feature: that they are to help; chosen on validation.
        question: that they decide.
        rows: of tradeoff.before_after_rows, all mitigations.
        prices: mitigation -> of tradeoff.price.
        points: mitigation -> "score" (balanced accuracy of everyone) and "gap" (in recall between groups), after it.
    """

    feature: str
    question: str
    rows: list[dict]
    prices: dict[str, dict]
    points: dict[str, dict]


def mitigate(part, question: Question) -> Mitigated | None:
    """Tries every mitigation on the feature with the clearest gap of validation; None if there is no such feature."""
    feature = clearest_feature(part, question)
    if feature is None:
        return None
    test = part.source.test
    truth = is_positive(test, question.class_ids)[:, None]
    (comparison,) = comparisons({feature: test.sensitive_features[feature]}, truth, part.people, part.settings)
    if not comparison.grouping.comparable:
        return None
    say(f"Mitigating the gap by {feature} in finding {question.name}")
    rows, prices, points = [], {}, {}
    for name, before, after in _before_and_after(part, question, feature):
        own = before_after_rows(name, before, after, comparison)
        rows, prices[name], points[name] = rows + own, price(own), _point(own)
    return Mitigated(feature, question.name, rows, prices, points)


def clearest_feature(part, question: Question) -> str | None:
    """Returns the feature whose groups differ most in recall on validation, for their size.

    Of those with two groups large enough to be fitted on their own; None without one.
    """
    validation = part.source.validation
    view = question_view(validation, validation, question)
    people = people_ids(validation.group_ids, validation.example_ids, part.bundle.card.group_unit)
    found = {}
    for comparison in comparisons(validation.sensitive_features, view.positive, people, AuditSettings(draws=1)):
        feature = comparison.grouping.feature
        if feature not in validation.sensitive_features:  # a crossed one
            continue
        fitted = ways.fitted_groups(_scored(validation, question, feature))
        if comparison.grouping.comparable and len(fitted) > 1:
            found[feature] = float(contrasts_of(_levels(view, comparison))[GAP][0])
    return max(found, key=found.get, default=None)


def _levels(view: View, comparison: Comparison) -> dict[str, Levels]:
    audited = view.take(comparison.rows)
    return levels(compared(metric_frame_rates(audited, comparison), len(view.classes)), audited, comparison)


def _before_and_after(part, question: Question, feature: str) -> Iterator[tuple[str, View, View]]:
    """Yields each mitigation's name, and the test answers without and with it."""
    validation, test = (_scored(answers, question, feature) for answers in (part.source.validation, part.source.test))
    threshold = operating_point(validation.positive, validation.score)
    before = _view(test, test.score >= threshold, test.score, question)
    yield (
        "group thresholds",
        before,
        _view(test, ways.decide_by_group(test, ways.group_thresholds(validation)), test.score, question),
    )
    decided = ways.optimize_thresholds(validation, test, threshold, seed=part.seed)
    yield "Fairlearn's ThresholdOptimizer", before, _view(test, decided, test.score, question)
    yield "group-wise calibration", before, _recalibrated(validation, test, question)
    yield "Fairlearn's ExponentiatedGradient", *_reduced(part, question, feature, test)
    yield "group-balanced retraining", *(_retrained(part, question, feature, balanced) for balanced in (False, True))


def _recalibrated(validation: Scored, test: Scored, question: Question) -> View:
    """Decides at the operating point of the recalibrated probabilities."""
    parameters = ways.fit_group_platt(validation)
    scores = [ways.apply_group_platt(split, parameters) for split in (validation, test)]
    return _view(test, scores[1] >= operating_point(validation.positive, scores[0]), scores[1], question)


def _reduced(part, question: Question, feature: str, test: Scored) -> tuple[View, View]:
    """Both classifiers on the model's frozen embedding, without and with ExponentiatedGradient."""
    path = part.folder / "mitigated" / "exponentiated_gradient.npz"
    if not path.exists():
        say("ExponentiatedGradient on the frozen embedding")
        embedding = keras.Model(part.source.model.inputs[0], part.source.model.get_layer("pool").output)
        train_x, test_x = (
            predict_logits(embedding, part.feed, split) for split in (part.bundle.train, part.bundle.test)
        )
        truth = np.isin(part.bundle.train.y, question.class_ids)
        groups = part.bundle.train.sensitive_features[feature].astype(str)
        found = ways.reduce_gap(train_x, Scored(truth, np.zeros(len(truth)), groups), test_x, seed=part.seed)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **{field.name: getattr(found, field.name) for field in fields(found)})
    with np.load(path, allow_pickle=False) as kept:
        return tuple(
            _view(test, kept[f"{when}_decided"], kept[f"{when}_score"], question) for when in ("before", "after")
        )


def _retrained(part, question: Question, feature: str, balanced: bool) -> View:
    """Trains the model on for some epochs, with group-balanced weights or as it was trained, and asks it."""
    split, name = part.bundle.train, "balanced" if balanced else "as_before"
    if balanced:
        weights = ways.group_balanced_weights(split.y, split.sensitive_features[feature].astype(str))
        split = replace(split, weights=weights.astype(np.float32))
    folder = part.folder / "mitigated" / name
    answers = []
    model = keras.saving.load_model(_train_on(part, split, name, folder), compile=False)
    for split_name in ("validation", "test"):
        path = folder / f"predictions_{split_name}.npz"
        if not path.exists():
            own = getattr(part.bundle, split_name)
            predictions_of(own, predict_logits(model, part.feed, own)).save(path)
        answers.append(Predictions.load(path, "the same command"))
    return question_view(*answers, question)


def _train_on(part, split: Split, name: str, folder: Path) -> Path:
    """Trains with the model's own settings, at full size, from its weights; returns the file of the new model."""
    saved, image = part.source.run, part.bundle.card.modality == "image"
    kind = ImageTraining if image else TextTraining
    own = {field.name: saved.config[field.name] for field in fields(kind) if field.name in saved.config}
    own |= {"epochs": part.config.retraining_epochs, "learning_rate": part.config.retraining_rate}
    config = kind(**{**own, "resolutions": ()} if image else own)
    classes = part.bundle.num_classes
    feed = (ImageFeed if image else TextFeed).of(config, classes)
    found = train(
        f"mitigated/{name}",
        lambda _: keras.saving.load_model(saved.model_path, compile=False),
        split,
        part.bundle.validation,
        config,
        feed,
        num_classes=classes,
        seed=part.seed,
        folder=folder,
        log_dir=part.workspace.logs(part.folder.name, "mitigated", name),
    )
    return found.model_path


def _scored(answers: Predictions, question: Question, feature: str) -> Scored:
    groups = answers.sensitive_features[feature].astype(str)
    return Scored(is_positive(answers, question.class_ids), positive_score(answers, question.class_ids), groups)


def _view(test: Scored, decided: np.ndarray, score: np.ndarray, question: Question) -> View:
    return decided_view(test.positive, decided, score, question.name)


def _point(rows: list[dict]) -> dict[str, float]:
    recalls = [row["after"] for row in rows if row["rate"] == "recall" and row["group"] != EVERYONE]
    scores = [row["after"] for row in rows if row["rate"] == "balanced_accuracy" and row["group"] == EVERYONE]
    return {
        "score": scores[0] if scores else float("nan"),
        "gap": max(recalls) - min(recalls) if len(recalls) > 1 else float("nan"),
    }
