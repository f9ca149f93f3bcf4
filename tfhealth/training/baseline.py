"""The honest baseline of a text classifier: a bag of words, which knows no order.

Its answers are kept, not the model: that would be a pickle, which runs code when it is read, and a list of the words
that stand in patients' texts.
"""

import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.splits import SPLIT_NAMES
from tfhealth.paths import read_json, write_json
from tfhealth.training.latency import milliseconds
from tfhealth.training.metrics import classification_scores
from tfhealth.training.record import Predictions

STRENGTHS = (1.0, 10.0, 100.0)  # scikit-learn's C; the best on validation is kept
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class Baseline:
    """A bag of words that was fitted and asked.

    Attributes:
        predictions: split name -> its answers. strength: its C. parameters: its number of weights. seconds: of the
            fit, all of STRENGTHS. ms_per_document: time of one answer.
    """

    predictions: Mapping[str, Predictions]
    strength: float
    parameters: int
    seconds: float
    ms_per_document: float


def fit_baseline(bundle: DatasetBundle, folder: Path) -> Baseline:
    """Returns TF-IDF of words and pairs of words with logistic regression, fitted or read from `folder`.

    The C with the lowest log loss on validation is kept. A class that training did not have gets probability 0.

    Args:
        bundle: x holds texts.
        folder: gets baseline.json and predictions_<split>.npz.
    """
    about = folder / "baseline.json"
    paths = {name: folder / f"predictions_{name}.npz" for name in SPLIT_NAMES}
    if not about.exists():
        start = time.perf_counter()
        fitted = _fit(bundle.train)

        def log_loss(strength: float) -> float:
            found = _predict(fitted[strength], bundle.validation, bundle.num_classes)
            return classification_scores(found.y_true, found.y_prob)["log_loss"]

        best = min(STRENGTHS, key=log_loss)
        seconds, pipeline = time.perf_counter() - start, fitted[best]
        for name, path in paths.items():
            _predict(pipeline, getattr(bundle, name), bundle.num_classes).save(path)
        one, classifier = bundle.test.x.take(slice(0, 1)), pipeline[-1]
        values = {
            "strength": best,
            "parameters": classifier.coef_.size + classifier.intercept_.size,
            "seconds": seconds,
            "ms_per_document": milliseconds(lambda: pipeline.predict_proba(one)),
        }
        write_json(about, values)  # last, as the seal
    made_by = "the same command"
    predictions = {name: Predictions.load(path, made_by) for name, path in paths.items()}
    return Baseline(predictions, **read_json(about, made_by))


def _fit(train: Split) -> dict[float, Pipeline]:
    """Returns a pipeline for each of STRENGTHS, all with the same bag of words."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2, strip_accents="unicode")
    bags = words.fit_transform(train.x.take(slice(None)))
    classifier, fitted = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True), {}
    for strength in STRENGTHS:  # each starts from where the one before ended, which halves the iterations
        classifier.set_params(C=strength).fit(bags, train.y)
        fitted[strength] = make_pipeline(words, deepcopy(classifier))
    return fitted


def _predict(pipeline: Pipeline, split: Split, num_classes: int) -> Predictions:
    y_prob = np.zeros((len(split), num_classes), np.float32)
    y_prob[:, pipeline[-1].classes_] = pipeline.predict_proba(split.x.take(slice(None)))
    return Predictions(
        y_true=split.y,
        y_prob=y_prob,
        sensitive_features=split.sensitive_features,
        example_ids=split.example_ids,
        group_ids=split.group_ids,
    )
