"""Keras 3 ResNet -> tf_keras twin -> TF Model Optimization Toolkit -> back. The only file that knows Keras 2.

The toolkit works on tf_keras models alone, and neither `from_config` nor a .keras file crosses over. So a twin is built
by a walk over the Keras 3 graph, weights are copied by layer name, and `twin_of` raises unless both give the same
logits. Fine-tuned weights go back with `copy_weights`; only what was quantized in training is exported from here.

A twin takes pixels in [0, 255], as the model does; its `normalization` is a frozen convolution: see normalization.py.
"""

import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

_LEGACY = os.environ.get("TF_USE_LEGACY_KERAS")
import tensorflow_model_optimization as tfmot  # noqa: E402
import tf_keras  # noqa: E402

from tfhealth.compression.normalization import NORMALIZATION, convolved  # noqa: E402
from tfhealth.console import progress_bar  # noqa: E402
from tfhealth.paths import atomic_folder  # noqa: E402

if _LEGACY is None:
    os.environ.pop("TF_USE_LEGACY_KERAS", None)  # the toolkit sets it, and child processes would inherit it

TOLERANCE = 1e-5  # of the logits, relative to the largest of them, at least 1
RAMP = 0.7  # share of the fine-tuning in which sparsity grows; the rest mends what it broke
MASK_UPDATES = 40  # how often it grows in that time

# Keras 3 layer class -> the settings that its twin shares; regularizers and initializers are of no use here.
SETTINGS = {
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias", "activation"),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Add": (),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "GlobalAveragePooling2D": (),
    "Dropout": ("rate",),
    "Dense": ("units", "use_bias", "activation"),
}
COMPRESSIBLE = (tf_keras.layers.Conv2D, tf_keras.layers.Dense)

Twin = tf_keras.Model
Data = tf.data.Dataset


def twin_of(model: keras.Model, images: np.ndarray) -> Twin:
    """Returns the tf_keras twin of a functional Keras 3 model, for inputs of the shape of `images`.

    Args:
        model: (n, height, width, channels) pixels to (n, num_classes) logits, of the layers in SETTINGS and
            Normalization.
        images: (n, height, width, channels) float32 pixels that both are tried on.

    Raises:
        ValueError: a layer has no twin, or the logits differ by more than TOLERANCE.
    """
    plain = convolved(model)
    twin = build_twin(plain, images.shape[1:])
    copy_weights(plain, twin)
    expected, got = (np.asarray(m(images, training=False)) for m in (model, twin))
    error = np.abs(got - expected).max() / max(1.0, np.abs(expected).max())
    if not error <= TOLERANCE:  # also when NaN
        raise ValueError(f"the tf_keras twin of {model.name!r} differs from it by {error:.2g}, over {TOLERANCE:g}")
    return twin


def build_twin(model: keras.Model, input_shape: tuple[int, int, int]) -> Twin:
    """Returns a tf_keras model of the same layers under the same names, with its own random weights."""
    found = {}  # id of a Keras 3 tensor -> tf_keras tensor
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            found[id(layer.output)] = inputs = tf_keras.Input(input_shape, name=layer.name)
            continue
        feeds = layer.input if isinstance(layer.input, list) else [layer.input]
        tensors = [found[id(tensor)] for tensor in feeds]
        found[id(layer.output)] = _twin_layer(layer)(tensors if len(tensors) > 1 else tensors[0])
    return tf_keras.Model(inputs, found[id(model.outputs[0])], name=model.name)


def copy_weights(source, target) -> None:
    """Copies the weights of every layer that has some in `source` to the layer of that name in `target`, either way.

    Only a Normalization, whose numbers are no weights, is left as it is.

    Raises:
        ValueError: `target` has no such layer, or one of another shape.
    """
    for layer in source.layers:
        if layer.weights and not isinstance(target.get_layer(layer.name), keras.layers.Normalization):
            target.get_layer(layer.name).set_weights(layer.get_weights())


def prune(twin: Twin, batches: Data, *, sparsity: float, epochs: int, learning_rate: float) -> Twin:
    """Returns the twin with this share of each kernel's weights at 0, those of smallest magnitude, fine-tuned.

    The first convolution, with few and much used weights, stays dense (as Gale et al. 2019, arXiv:1902.09574).
    Sparsity grows as a cubic over RAMP of the steps. Like all techniques here it changes its argument: give it a fresh
    twin.

    Args:
        twin: from `twin_of`.
        batches: (images, labels (batch, num_classes)) of all epochs, one after the other, of known number.
        sparsity: in [0, 1).
        epochs, learning_rate: of the fine-tuning; the rate falls to 0 along a cosine.

    Source: Zhu and Gupta 2017, "To prune, or not to prune", arXiv:1710.01878, eq. 1.
    """
    steps = _number_of(batches)
    every = max(1, round(RAMP * steps / MASK_UPDATES))
    last = max(1, int(RAMP * steps) // every) * every  # a multiple, or the last update never comes
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, sparsity, 0, last, frequency=every)
    return _prune(f"pruning to {sparsity:.0%}", twin, batches, epochs, learning_rate, pruning_schedule=schedule)


def prune_2_of_4(twin: Twin, batches: Data, *, epochs: int, learning_rate: float) -> Twin:
    """Returns the twin with 2 of every 4 neighbouring input channels' weights at 0, fine-tuned. Arguments as `prune`.

    The first convolution stays dense.

    Source: Mishra et al. 2021, "Accelerating Sparse Deep Neural Networks", arXiv:2104.08378.
    """
    every = max(1, _number_of(batches) // MASK_UPDATES)
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=every)
    options = {"pruning_schedule": schedule, "sparsity_m_by_n": (2, 4)}
    return _prune("pruning 2 of 4", twin, batches, epochs, learning_rate, **options)


def cluster(twin: Twin, batches: Data, *, clusters: int, epochs: int, learning_rate: float) -> Twin:
    """Returns the twin with at most this many different weights in each kernel, fine-tuned. Arguments as `prune`.

    Source: Han, Mao, Dally 2016, "Deep Compression", arXiv:1510.00149, sec. 3.
    """
    options = {
        "number_of_clusters": clusters,
        "cluster_centroids_init": tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
    }
    wrapped = _wrap(twin, lambda layer: tfmot.clustering.keras.cluster_weights(layer, **options))
    _fine_tune(f"clustering to {clusters}", wrapped, batches, epochs, learning_rate)
    return tfmot.clustering.keras.strip_clustering(wrapped)


def train_quantized(twin: Twin, batches: Data, *, epochs: int, learning_rate: float) -> Twin:
    """Returns the twin fine-tuned with int8 rounding in its forward pass; `save_for_conversion` exports it.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", CVPR, arXiv:1712.05877.
    """
    return _train_quantized(tfmot.quantization.keras.quantize_model(twin), batches, epochs, learning_rate)


def train_quantized_sparse(twin: Twin, batches: Data, *, epochs: int, learning_rate: float) -> Twin:
    """As `train_quantized` for a twin that `prune` returned: weights at 0 stay there (PQAT)."""
    annotated = tfmot.quantization.keras.quantize_annotate_model(twin)
    scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    return _train_quantized(tfmot.quantization.keras.quantize_apply(annotated, scheme), batches, epochs, learning_rate)


def save_for_conversion(twin: Twin, folder: Path) -> None:
    """Writes a SavedModel with one signature, of batch 1, for `export`; `folder` must not stand there yet."""
    shape, name = twin.input_shape[1:], twin.input_names[0]

    @tf.function(input_signature=[tf.TensorSpec((1, *shape), tf.float32, name=name)])
    def serve(images):
        return {"logits": twin(images, training=False)}

    with atomic_folder(folder) as temporary:
        tf.saved_model.save(twin, str(temporary), signatures=serve)


def _twin_layer(layer: keras.layers.Layer) -> tf_keras.layers.Layer:
    """Returns a fresh tf_keras layer of the same settings and name."""
    kind = type(layer).__name__
    if kind not in SETTINGS or not hasattr(tf_keras.layers, kind):
        raise ValueError(f"layer {layer.name!r} has no twin in tf_keras: {kind} is none of {', '.join(SETTINGS)}")
    config = layer.get_config()
    settings = {name: config[name] for name in SETTINGS[kind]}
    return getattr(tf_keras.layers, kind)(name=layer.name, trainable=layer.trainable, **settings)


def _prune(title: str, twin: Twin, batches: Data, epochs: int, learning_rate: float, **options) -> Twin:
    first = next(layer for layer in twin.layers if isinstance(layer, COMPRESSIBLE) and layer.name != NORMALIZATION)

    def wrapper(layer):
        return layer if layer is first else tfmot.sparsity.keras.prune_low_magnitude(layer, **options)

    wrapped = _wrap(twin, wrapper)
    _fine_tune(title, wrapped, batches, epochs, learning_rate, [tfmot.sparsity.keras.UpdatePruningStep()])
    return tfmot.sparsity.keras.strip_pruning(wrapped)


def _train_quantized(quantized: Twin, batches: Data, epochs: int, learning_rate: float) -> Twin:
    for layer in quantized.layers:
        if layer.name == f"quant_{NORMALIZATION}":
            # The toolkit's wrapper trains its kernel whatever `trainable` says.
            layer.trainable = False
            layer._non_trainable_weights.extend(layer._trainable_weights)
            layer._trainable_weights.clear()
    _fine_tune("quantized training", quantized, batches, epochs, learning_rate)
    return quantized


def _wrap(twin: Twin, wrapper: Callable) -> Twin:
    """Returns the twin with its convolutions and dense layers wrapped; all layers keep their weights."""

    def wrap(layer):
        return wrapper(layer) if isinstance(layer, COMPRESSIBLE) and layer.name != NORMALIZATION else layer

    return tf_keras.models.clone_model(twin, clone_function=wrap)


def _fine_tune(title: str, twin: Twin, batches: Data, epochs: int, learning_rate: float, callbacks=()) -> None:
    steps = _number_of(batches)
    rate = tf_keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    loss = tf_keras.losses.CategoricalCrossentropy(from_logits=True)
    twin.compile(tf_keras.optimizers.Adam(rate), loss)
    with progress_bar(title, steps // epochs * epochs) as bar:
        shown = tf_keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_: bar.advance())
        options = {"epochs": epochs, "steps_per_epoch": steps // epochs, "verbose": 0}
        twin.fit(batches, callbacks=[*callbacks, shown], **options)


def _number_of(batches: Data) -> int:
    steps = int(batches.cardinality())
    if steps < 1:
        raise ValueError("the data set must have a known number of batches, at least one")
    return steps
