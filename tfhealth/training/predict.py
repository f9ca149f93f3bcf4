"""Split -> Predictions: batches of one shape, so that a compiled model is traced once."""

from functools import partial

import keras
import numpy as np

from tfhealth.data.dataset import Split
from tfhealth.data.orientations import mean_over_orientations
from tfhealth.data.pipeline import Feed
from tfhealth.training.record import Predictions

BATCH_SIZE = 128


def predict_logits(model: keras.Model, feed: Feed, split: Split, *, epoch: int | None = None) -> np.ndarray:
    """Returns the model's logits (n, num_classes) float32, in the order of the split.

    Args:
        epoch: predict on the form that the split has in this epoch of training; None: as in use.
    """
    batches = feed.evaluation(split, BATCH_SIZE, epoch)
    return np.concatenate([_predict_padded(model, rows) for rows in batches])


def mirrored_logits(model: keras.Model, feed: Feed, split: Split) -> np.ndarray:
    """Returns the mean logits over the eight orientations of each image (test-time augmentation)."""
    batches = feed.evaluation(split, BATCH_SIZE)
    return np.concatenate([mean_over_orientations(partial(_predict_padded, model), images) for images in batches])


def predictions_of(split: Split, logits: np.ndarray) -> Predictions:
    """Returns the record of these (n, num_classes) logits for that split."""
    return Predictions(
        y_true=split.y,
        y_prob=softmax(logits),
        sensitive_features=split.sensitive_features,
        example_ids=split.example_ids,
        group_ids=split.group_ids,
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns float32 probabilities of (n, k) logits; rows sum to 1."""
    shifted = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    return (shifted / shifted.sum(1, keepdims=True)).astype(np.float32)


def _predict_padded(model: keras.Model, rows: np.ndarray) -> np.ndarray:
    """Predicts one batch, filled up to BATCH_SIZE by repeating the last row."""
    missing = BATCH_SIZE - len(rows)
    if missing:
        rows = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
    return np.asarray(model.predict_on_batch(np.ascontiguousarray(rows)))[: BATCH_SIZE - missing]
