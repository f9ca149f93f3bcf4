"""Part 5's audit: what is asked of the answers, and every model and file audited on the same test split."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfhealth.audit.comparison import Comparison
from tfhealth.audit.fairness import AuditSettings, ModelAudit, audit_model, comparisons
from tfhealth.audit.views import View, binary_view, is_positive, one_vs_rest, operating_point, positive_score
from tfhealth.console import progress_bar
from tfhealth.data.dataset import DatasetCard
from tfhealth.training.record import Predictions

POSITIVE = "malignant"  # what the positive classes of a card are together


@dataclass(frozen=True)
class Question:
    """A yes-or-no question of a multi-class model: is it one of these classes?"""

    name: str
    class_ids: tuple[int, ...]


@dataclass(frozen=True)
class Audited:
    """One view of the data set; the first model is the Keras model.

    Attributes:
        prepared: the groups that are compared, the same for all.
        views: model -> its answers on the test split. audits: model -> what was found.
    """

    prepared: list[Comparison]
    views: Mapping[str, View]
    audits: Mapping[str, ModelAudit]

    @property
    def baseline(self) -> str:
        return next(iter(self.views))

    @property
    def view(self) -> View:
        return self.views[self.baseline]

    @property
    def audit(self) -> ModelAudit:
        return self.audits[self.baseline]


def audit_answers(
    answers: Mapping[str, tuple[Predictions, Predictions]],
    features: Mapping[str, np.ndarray],
    people: np.ndarray,
    card: DatasetCard,
    settings: AuditSettings,
) -> list[Audited]:
    """Returns the audit of each view of the data set, the main one, of all models, first.

    Where the card names positive classes, the main view is these against the rest, at the operating point that each
    model reaches the wanted sensitivity at on validation; the second one, of the Keras model alone, and elsewhere the
    only one, takes the most probable class for the answer.

    Args:
        answers: model -> its answers on validation and test.
        features: name -> (n,) str, of the test split. people: (n,) ids.
    """
    by_class = {name: one_vs_rest(test, card.class_names) for name, (_, test) in answers.items()}
    question, keras_model = positive_question(card), next(iter(answers))
    if question is not None and is_positive(answers[keras_model][0], question.class_ids).any():
        of_question = {name: question_view(*both, question) for name, both in answers.items()}
        views = [of_question, {keras_model: by_class[keras_model]}]
    else:
        views = [by_class]
    found = []
    with progress_bar("auditing", sum(map(len, views))) as bar:
        for view in views:
            prepared = comparisons(features, next(iter(view.values())).positive, people, settings)
            audits = {}
            for name, of_model in view.items():
                audits[name] = audit_model(of_model, prepared)
                bar.advance()
            found.append(Audited(prepared, view, audits))
    return found


def question_view(validation: Predictions, test: Predictions, question: Question) -> View:
    """Returns the view of one question on test, at the operating point of validation."""
    threshold = operating_point(
        is_positive(validation, question.class_ids), positive_score(validation, question.class_ids)
    )
    return binary_view(test, question.class_ids, threshold, question.name)


def positive_question(card: DatasetCard) -> Question | None:
    """Returns the question after the card's positive classes; None if it names none."""
    ids = tuple(card.class_names.index(name) for name in card.positive_classes)
    return Question(POSITIVE, ids) if ids else None


def one_question(card: DatasetCard, y_train: np.ndarray) -> Question:
    """Returns the question that mitigations are tried on: the positive classes', else the commonest class's."""
    commonest = int(np.bincount(y_train).argmax())
    return positive_question(card) or Question(card.class_names[commonest], (commonest,))
