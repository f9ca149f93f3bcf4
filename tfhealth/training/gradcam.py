"""Where a network looks: Grad-CAM heat maps, and how much of their mass lies on the lesion."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfhealth.data.dataset import Split
from tfhealth.training.metrics import cluster_weights, interval
from tfhealth.training.record import Predictions

BATCH_SIZE = 64


def grad_cam(model: keras.Model) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Returns a function of (images, classes) that makes heat maps; to be reused, as its first call traces the model.

    The function takes (n, h, w, 3) pixels in [0, 255] and (n,) int classes whose evidence is mapped, usually the
    predicted ones, and returns (n, h, w) float32 maps >= 0, before any scaling. A map of zeros means that nothing in
    the image spoke for the class.

    Args:
        model: functional, (n, h, w, 3) pixels to (n, num_classes) logits, with a layer named `pool` that averages
            the last feature map.

    Source: Selvaraju et al. 2017, "Grad-CAM", arXiv:1610.02391, eq. 1 and 2.
    """
    features_and_logits = keras.Model(model.inputs[0], [model.get_layer("pool").input, model.outputs[0]])

    @tf.function(reduce_retracing=True)
    def maps(batch, chosen):
        features, logits = features_and_logits(batch, training=False)
        # d logit / d features, without a tape over the convolutions: only pool and the last layer lie in between.
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = tf.reduce_mean(features, axis=(1, 2))
            logits = model.get_layer("logits")(pooled)
            evidence = tf.reduce_sum(tf.gather(logits, chosen, batch_dims=1))
        weights = tf.reduce_mean(tape.gradient(evidence, features), axis=(1, 2))  # (n, channels)
        heat = tf.nn.relu(tf.einsum("nhwc,nc->nhw", features, weights))
        return tf.image.resize(heat[..., None], batch.shape[1:3])[..., 0]

    def all_maps(images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(images), BATCH_SIZE):
            rows = slice(start, start + BATCH_SIZE)
            batch = tf.constant(images[rows], tf.float32)
            parts.append(maps(batch, tf.constant(classes[rows], tf.int32)).numpy())
        return np.concatenate(parts)

    return all_maps


def mass_inside(heat: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Returns (n,) the share of each map's mass inside its mask; NaN where the map or the mask is empty.

    Args:
        heat: (n, height, width) >= 0.
        masks: (n, height, width) in {0, 1}.

    A map without preference scores the mask's share of the image, so compare with `masks.mean((1, 2))`.
    """
    total, area = heat.sum((1, 2)), masks.sum((1, 2))
    inside = (heat * masks).sum((1, 2))
    return np.where((total > 0) & (area > 0), inside / np.where(total > 0, total, 1), np.nan)


@dataclass(frozen=True)
class LesionFocus:
    """Grad-CAM mass inside each lesion mask, (n,), NaN where undefined, and the mask's share of the image, (n,)."""

    inside: np.ndarray
    area: np.ndarray

    def summary(self, group_ids: np.ndarray, *, draws: int, seed: int) -> dict:
        """Returns the means with 95 % intervals (groups resampled) and the number of examples that have none."""
        weights = cluster_weights(group_ids, draws=draws, seed=seed)
        defined = np.isfinite(self.inside)
        with_map = weights[:, defined].sum(1)
        inside = np.where(with_map > 0, weights[:, defined] @ self.inside[defined] / np.maximum(with_map, 1), np.nan)
        intervals = [interval(inside), interval(weights @ self.area / weights.sum(1))]
        means = {"inside": _mean_of_defined(self.inside), "area": float(self.area.mean())}
        values = {
            name: {"value": mean, "low": low, "high": high}
            for (name, mean), (low, high) in zip(means.items(), intervals, strict=True)
        }
        return {**values, "undefined": int(np.isnan(self.inside).sum())}


def lesion_focus(model: keras.Model, split: Split, classes: np.ndarray) -> LesionFocus:
    """Returns the focus of every example, mapped for the class in `classes` (n,) int.

    Raises:
        ValueError: the split has no masks.
    """
    if split.masks is None:
        raise ValueError("the split has no lesion masks")
    maps, inside, area = grad_cam(model), [], []
    for start in range(0, len(split), 4 * BATCH_SIZE):
        rows = slice(start, start + 4 * BATCH_SIZE)
        masks = split.masks.take(rows)
        inside.append(mass_inside(maps(split.x.take(rows), classes[rows]), masks))
        area.append(masks.mean((1, 2)))
    return LesionFocus(np.concatenate(inside), np.concatenate(area))


def _mean_of_defined(values: np.ndarray) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def explain(model: keras.Model, split: Split, predictions: Predictions, chosen: np.ndarray, class_names) -> list[dict]:
    """Returns one example per position in `chosen`, ready to be drawn.

    Keys: image (h, w, 3) uint8, heatmap (h, w) in [0, 1], mask (h, w) or None, true_name, predicted_name, probability,
    correct.
    """
    images = split.x.take(chosen)
    masks = [None] * len(chosen) if split.masks is None else split.masks.take(chosen)
    predicted = predictions.y_pred[chosen]
    heat = grad_cam(model)(images, predicted)
    heat = heat / np.maximum(heat.max((1, 2), keepdims=True), 1e-12)
    return [
        {
            "image": images[i],
            "heatmap": heat[i],
            "mask": masks[i],
            "true_name": class_names[split.y[position]],
            "predicted_name": class_names[predicted[i]],
            "probability": float(predictions.y_prob[position, predicted[i]]),
            "correct": bool(predicted[i] == split.y[position]),
        }
        for i, position in enumerate(chosen)
    ]
