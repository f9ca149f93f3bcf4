"""A convolutional VAE that is told the class, as two functions: encoder and decoder.

Sources: Kingma and Welling 2014, arXiv:1312.6114; conditional: Sohn et al. 2015, "Learning Structured Output
Representation using Deep Conditional Generative Models", NeurIPS. Layers as in DCGAN (Radford et al. 2016,
arXiv:1511.06434), with RMS normalisation over the channels: it keeps no batch statistics, so a sample's image does not
depend on the others of its batch.
"""

import keras
from keras import layers, ops

SMALLEST = 4  # side in pixels of the smallest feature map


def encoder(image_size: int, num_classes: int, *, width: int, latent: int) -> keras.Model:
    """Returns an uncompiled model: [images (n, s, s, 3) in [0, 255], classes (n, k) one-hot] to mean and log variance.

    Both are (n, latent), of the posterior q(z | image, class).

    Args:
        image_size: s, a power of two times SMALLEST.
        num_classes: k.
        width: channels of the first feature map, of side s / 2.
        latent: dimensions of z.
    """
    images, classes = image_inputs(image_size, num_classes)
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)
    for stage in range(1, stages(image_size) + 1):
        x = layers.Conv2D(width * 2 ** (stage - 1), 4, 2, "same", kernel_initializer="he_normal", name=f"conv{stage}")(
            x
        )
        x = normalized(x, f"conv{stage}")
    x = layers.Concatenate(name="with_class")([layers.Flatten(name="flatten")(x), classes])
    mean = layers.Dense(latent, name="mean")(x)
    # Starting at a small variance, the first epochs teach the decoder to use z.
    log_variance = layers.Dense(latent, kernel_initializer="zeros", name="log_variance")(x)
    return keras.Model([images, classes], [mean, log_variance], name="encoder")


def decoder(image_size: int, num_classes: int, *, width: int, latent: int, name: str = "decoder") -> keras.Model:
    """Returns an uncompiled model: [z (n, latent), classes (n, k) one-hot] to images (n, s, s, 3) in [0, 255].

    Arguments as for `encoder`. The GAN's generator is the same function.
    """
    z, classes = keras.Input((latent,), name="z"), keras.Input((num_classes,), name="class")
    count = stages(image_size)
    x = layers.Concatenate(name="with_class")([z, classes])
    x = layers.Dense(SMALLEST**2 * width * 2 ** (count - 1), kernel_initializer="he_normal", name="dense")(x)
    x = layers.Reshape((SMALLEST, SMALLEST, width * 2 ** (count - 1)), name="reshape")(x)
    x = normalized(x, "dense")
    for stage in range(count - 1, 0, -1):
        # A kernel size that the stride divides draws no checkerboard (Odena et al. 2016, "Deconvolution").
        x = layers.Conv2DTranspose(
            width * 2 ** (stage - 1), 4, 2, "same", kernel_initializer="he_normal", name=f"deconv{stage}"
        )(x)
        x = normalized(x, f"deconv{stage}")
    x = layers.Conv2DTranspose(3, 4, 2, "same", name="colours")(x)
    x = layers.AveragePooling2D(2, 1, "same", name="smooth")(x)  # takes out what checkerboard is left, and no more
    x = layers.Activation("sigmoid", name="in_range")(x)
    return keras.Model([z, classes], layers.Rescaling(255.0, name="image")(x), name=name)


def stages(image_size: int) -> int:
    """Returns how often the side is halved down to SMALLEST; ValueError if that is not a whole number."""
    count = (image_size // SMALLEST).bit_length() - 1
    if image_size != SMALLEST * 2**count or count < 1:
        raise ValueError(f"image side {image_size} is not {SMALLEST} times a power of two")
    return count


def image_inputs(image_size: int, num_classes: int):
    """Returns the two inputs that encoder and discriminator share."""
    return keras.Input((image_size, image_size, 3), name="image"), keras.Input((num_classes,), name="class")


def normalized(x, name: str):
    x = layers.RMSNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def kl_by_dimension(mean, log_variance):
    """Returns (n, latent) KL(q(z_j | x) || N(0, 1)) in nats. Source: Kingma and Welling 2014, appendix B."""
    return (ops.square(mean) + ops.exp(log_variance) - 1 - log_variance) / 2
