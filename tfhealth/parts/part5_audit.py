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
    """One view of the data set, audited for every model; the first is the Keras model.

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
    """Returns the audit of each view of the data set, the main one first.

    Where the card names positive classes, the main view is these against the rest, at the operating point that each
    model reaches the wanted sensitivity at on validation; the other one, and elsewhere the only one, takes the most
    probable class for the answer.

    Args:
        answers: model -> its answers on validation and test.
        features: name -> (n,) str, of the test split. people: (n,) ids.
    """
    views = [{name: one_vs_rest(test, card.class_names) for name, (_, test) in answers.items()}]
    question = positive_question(card)
    if question is not None and all(is_positive(val, question.class_ids).any() for val, _ in answers.values()):
        views.insert(0, {name: question_view(*both, question) for name, both in answers.items()})
    found = []
    with progress_bar("auditing", len(views) * len(answers)) as bar:
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
