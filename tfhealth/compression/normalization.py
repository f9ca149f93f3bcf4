"""The first layer `normalization` as a convolution, which the toolkit and int8 kernels handle better."""

import keras
import numpy as np

NORMALIZATION = "normalization"


def convolved(model: keras.Model) -> keras.Model:
    """Returns the model with its Normalization as a frozen 1x1 convolution of that name; itself if it has none.

    Pixels in, logits out, as before. The kernel is diagonal: 1 / deviation, with bias -mean / deviation. Folding it
    into the first 3x3 convolution instead would be wrong at the borders, which are padded with zeros behind the
    normalisation. TensorFlow Lite makes two operators of Keras's layer, each of which rounds to int8, and the Model
    Optimization Toolkit refuses it.
    """
    if not any(isinstance(layer, keras.layers.Normalization) for layer in model.layers):
        return model
    copy = keras.models.clone_model(model, clone_function=_clone)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            copy.get_layer(layer.name).set_weights(_diagonal(layer))
        elif layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _clone(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, keras.layers.Normalization):
        return keras.layers.Conv2D(layer.output.shape[-1], 1, trainable=False, name=layer.name)
    return type(layer).from_config(layer.get_config())


def _diagonal(layer: keras.layers.Normalization) -> list[np.ndarray]:
    """Returns [kernel (1, 1, c, c), bias (c,)]."""
    mean, variance = np.ravel(np.asarray(layer.mean)), np.ravel(np.asarray(layer.variance))
    factor = 1 / np.maximum(np.sqrt(variance), keras.backend.epsilon())
    return [np.diag(factor)[None, None].astype(np.float32), (-mean * factor).astype(np.float32)]
