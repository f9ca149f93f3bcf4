"""The honest baseline of a text classifier: a bag of words, which knows no order."""

import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tfhealth.data.dataset import Split
from tfhealth.paths import atomic_path, read_json, write_json
from tfhealth.training.metrics import classification_scores
from tfhealth.training.record import Predictions

STRENGTHS = (1.0, 10.0, 100.0)  # scikit-learn's C; the best on validation is kept
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class Baseline:
    """A fitted bag of words: the pipeline (texts to probabilities), its C, its number of weights, seconds to fit."""

    pipeline: Pipeline
    strength: float
    parameters: int
    seconds: float

    def predict(self, split: Split, num_classes: int) -> Predictions:
        """Returns its predictions on a split of texts; a class that training did not have gets probability 0."""
        y_prob = np.zeros((len(split), num_classes), np.float32)
        y_prob[:, self.pipeline[-1].classes_] = self.pipeline.predict_proba(split.x.take(slice(None)))
        return Predictions(
            y_true=split.y,
            y_prob=y_prob,
            sensitive_features=split.sensitive_features,
            example_ids=split.example_ids,
            group_ids=split.group_ids,
        )


def fit_baseline(train: Split, validation: Split, num_classes: int, folder: Path) -> Baseline:
    """Returns TF-IDF of words and pairs of words with logistic regression, fitted or read from `folder`.

    The C with the lowest log loss on validation is kept.

    Args:
        train, validation: x holds texts.
        num_classes: number of classes.
        folder: gets baseline.joblib and baseline.json.
    """
    path = folder / "baseline.joblib"
    if not path.exists():
        start = time.perf_counter()
        fitted = _fit(train)

        def log_loss(strength: float) -> float:
            found = Baseline(fitted[strength], strength, 0, 0.0).predict(validation, num_classes)
            return classification_scores(found.y_true, found.y_prob)["log_loss"]

        best = min(STRENGTHS, key=log_loss)
        with atomic_path(path) as temporary:
            joblib.dump(fitted[best], temporary)
        write_json(folder / "baseline.json", {"strength": best, "seconds": time.perf_counter() - start})
    about, pipeline = read_json(folder / "baseline.json", "the same command"), joblib.load(path)
    classifier = pipeline[-1]
    return Baseline(pipeline, about["strength"], classifier.coef_.size + classifier.intercept_.size, about["seconds"])


def _fit(train: Split) -> dict[float, Pipeline]:
    """Returns a pipeline for each of STRENGTHS, all with the same bag of words."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2, strip_accents="unicode")
    bags = words.fit_transform(train.x.take(slice(None)))
    classifier, fitted = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True), {}
    for strength in STRENGTHS:  # each starts from where the one before ended, which halves the iterations
        classifier.set_params(C=strength).fit(bags, train.y)
        fitted[strength] = make_pipeline(words, deepcopy(classifier))
    return fitted
