"""ResNets as functions: three capacities from one description of stages and blocks.

Source: He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition", CVPR, arXiv:1512.03385.
Convolution, batch normalisation, ReLU, Add and pooling only: everything here has an int8 kernel on a phone.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
from keras import layers

STEMS = ("small", "medium", "large")
# Keras's default of 0.99 needs some 500 steps to settle; a small data set has 100 steps an epoch (STACK: TFMOT).
BATCH_NORM_MOMENTUM = 0.9

Block = Callable[..., keras.KerasTensor]
PixelStatistics = tuple[Sequence[float], Sequence[float]]


class Options(NamedTuple):
    """What the three builders share; `resnet18` explains each."""

    width: int
    stem: str
    dropout: float
    l2: float
    pixel_statistics: PixelStatistics | None


def resnet8(input_shape, num_classes, *, width=16, stem="medium", dropout=0.0, l2=0.0, pixel_statistics=None):
    """Returns a small uncompiled ResNet: three stages of one basic block. Arguments as for `resnet18`."""
    options = Options(width, stem, dropout, l2, pixel_statistics)
    return _resnet("resnet8", basic_block, (1, 1, 1), input_shape, num_classes, options)


def resnet18(input_shape, num_classes, *, width=64, stem="large", dropout=0.0, l2=0.0, pixel_statistics=None):
    """Returns an uncompiled ResNet-18: (n, height, width, 3) pixels in [0, 255] to (n, num_classes) logits.

    Args:
        input_shape: (height, width, channels) of the images; None for a side accepts any.
        num_classes: width of the output.
        width: channels of the first stage; He et al. use 64. Each later stage has twice as many.
        stem: "small": 3x3 convolution (images up to about 40 px); "medium": 3x3 with stride 2 (about 64 px);
            "large": 7x7 with stride 2 and max pooling, as in the paper (100 px and more).
        dropout: rate in front of the last layer.
        l2: factor of `keras.regularizers.L2` on every convolution and dense kernel; 0 adds none.
        pixel_statistics: (mean, standard deviation) per channel, fitted on the training split, for the first
            layer `normalization`; None leaves the layer out.

    Raises:
        ValueError: unknown stem.
    """
    options = Options(width, stem, dropout, l2, pixel_statistics)
    return _resnet("resnet18", basic_block, (2, 2, 2, 2), input_shape, num_classes, options)


def resnet50(input_shape, num_classes, *, width=64, stem="large", dropout=0.0, l2=0.0, pixel_statistics=None):
    """Returns an uncompiled ResNet-50 (bottleneck blocks). Arguments as for `resnet18`."""
    options = Options(width, stem, dropout, l2, pixel_statistics)
    return _resnet("resnet50", bottleneck_block, (3, 4, 6, 3), input_shape, num_classes, options)


BUILDERS = {"resnet8": resnet8, "resnet18": resnet18, "resnet50": resnet50}


def basic_block(x, channels: int, stride: int, name: str, l2: float):
    """Two 3x3 convolutions and the shortcut: (n, h, w, c) to (n, h/stride, w/stride, channels)."""
    shortcut = _shortcut(x, channels, stride, name, l2)
    x = _conv_norm(x, channels, 3, stride, f"{name}_conv1", l2)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _conv_norm(x, channels, 3, 1, f"{name}_conv2", l2)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_out")(x)


def bottleneck_block(x, channels: int, stride: int, name: str, l2: float):
    """1x1, 3x3, 1x1 convolutions: (n, h, w, c) to (n, h/stride, w/stride, 4 channels); stride on the 3x3 (v1.5)."""
    shortcut = _shortcut(x, 4 * channels, stride, name, l2)
    x = _conv_norm(x, channels, 1, 1, f"{name}_conv1", l2)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _conv_norm(x, channels, 3, stride, f"{name}_conv2", l2)
    x = layers.ReLU(name=f"{name}_relu2")(x)
    x = _conv_norm(x, 4 * channels, 1, 1, f"{name}_conv3", l2)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_out")(x)


def _resnet(name: str, block: Block, stages: Sequence[int], input_shape, num_classes: int, options: Options):
    inputs = keras.Input(input_shape, name="image")
    x = inputs
    if options.pixel_statistics is not None:
        mean, deviation = options.pixel_statistics
        x = layers.Normalization(mean=mean, variance=[d * d for d in deviation], name="normalization")(x)
    x = _stem(x, options.width, options.stem, options.l2)
    for stage, blocks in enumerate(stages, start=1):
        for index in range(1, blocks + 1):
            stride = 2 if stage > 1 and index == 1 else 1
            x = block(x, options.width * 2 ** (stage - 1), stride, f"stage{stage}_block{index}", options.l2)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if options.dropout:
        x = layers.Dropout(options.dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, kernel_regularizer=_penalty(options.l2), dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=name)


def _stem(x, width: int, stem: str, l2: float):
    if stem not in STEMS:
        raise ValueError(f"stem {stem!r} is not one of {', '.join(STEMS)}")
    kernel, stride = {"small": (3, 1), "medium": (3, 2), "large": (7, 2)}[stem]
    x = _conv_norm(x, width, kernel, stride, "stem_conv", l2)
    x = layers.ReLU(name="stem_relu")(x)
    return layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x) if stem == "large" else x


def _shortcut(x, channels: int, stride: int, name: str, l2: float):
    if stride == 1 and x.shape[-1] == channels:
        return x
    return _conv_norm(x, channels, 1, stride, f"{name}_shortcut", l2)


def _conv_norm(x, channels: int, kernel: int, stride: int, name: str, l2: float):
    x = layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,  # batch normalisation adds its own
        kernel_initializer="he_normal",
        kernel_regularizer=_penalty(l2),
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)


def _penalty(l2: float):
    return keras.regularizers.L2(l2) if l2 else None
