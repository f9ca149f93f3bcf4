"""Split -> Predictions: batches of one shape, so that a compiled model is traced once."""

import keras
import numpy as np

from tfhealth.data.dataset import Split
from tfhealth.data.pipeline import evaluation_batches
from tfhealth.training.record import Predictions

BATCH_SIZE = 128


def predict_logits(model: keras.Model, split: Split, *, resolution: int | None = None) -> np.ndarray:
    """Returns the model's logits (n, num_classes) float32, in the order of the split.

    Args:
        resolution: side in pixels that the images are reduced to first; None leaves them as they are.
    """
    batches = evaluation_batches(split, BATCH_SIZE, resolution=resolution)
    return np.concatenate([_predict_padded(model, images) for images in batches])


def mirrored_logits(model: keras.Model, split: Split) -> np.ndarray:
    """Returns the mean logits over the eight ways to lay a square image: four quarter turns, each also mirrored.

    A lesion has no up or down, so all eight are the same picture to a dermatologist (test-time augmentation).
    """
    logits = []
    for images in evaluation_batches(split, BATCH_SIZE):
        views = [np.rot90(side, turns, (1, 2)) for side in (images, images[:, :, ::-1]) for turns in range(4)]
        logits.append(np.mean([_predict_padded(model, view) for view in views], axis=0))
    return np.concatenate(logits)


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


def _predict_padded(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Predicts one batch, filled up to BATCH_SIZE by repeating the last image."""
    missing = BATCH_SIZE - len(images)
    if missing:
        images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
    return np.asarray(model.predict_on_batch(np.ascontiguousarray(images)))[: BATCH_SIZE - missing]
