"""A DCGAN-sized generator and discriminator that are told the class, as functions.

Sources: Radford et al. 2016, arXiv:1511.06434; spectral normalisation: Miyato et al. 2018, arXiv:1802.05957; the class
as a projection: Miyato and Koyama 2018, arXiv:1802.05637, eq. 4.
"""

import keras
from keras import layers, ops

from tfhealth.models.vae import decoder, image_inputs, stages

SLOPE = 0.1  # of the leaky ReLU below 0 (Miyato et al. 2018, tab. 3)


def generator(image_size: int, num_classes: int, *, width: int, latent: int) -> keras.Model:
    """Returns an uncompiled model: [z (n, latent), classes (n, k) one-hot] to images (n, s, s, 3) in [0, 255]."""
    return decoder(image_size, num_classes, width=width, latent=latent, name="generator")


def discriminator(image_size: int, num_classes: int, *, width: int) -> keras.Model:
    """Returns an uncompiled model: [images (n, s, s, 3) in [0, 255], classes (n, k) one-hot] to realness (n, 1).

    Above 0 it speaks for a real image. Every weight's largest singular value is kept near 1.

    Args:
        image_size: s, as for models.vae.encoder.
        num_classes: k.
        width: channels of the first feature map.
    """
    images, classes = image_inputs(image_size, num_classes)
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)
    for stage in range(1, stages(image_size) + 1):
        conv = layers.Conv2D(width * 2 ** (stage - 1), 4, 2, "same", name=f"conv{stage}")
        x = layers.LeakyReLU(SLOPE, name=f"conv{stage}_relu")(_normalized(conv)(x))
    # Realness sees where things lie; judging the pooled features alone rewarded a texture without a lesion.
    realness = _normalized(layers.Dense(1, name="realness"))(layers.Flatten(name="flatten")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    wanted = _normalized(layers.Dense(x.shape[-1], use_bias=False, name="class_embedding"))(classes)
    fits = layers.Dot(axes=1, name="class_fit")([wanted, x])
    return keras.Model([images, classes], layers.Add(name="score")([realness, fits]), name="discriminator")


def _normalized(layer):
    return layers.SpectralNormalization(layer, name=f"{layer.name}_spectral")


def hinge_losses(real, fake):
    """Returns the discriminator's and the generator's hinge loss of realness (n, 1) each.

    Source: Lim and Ye 2017, "Geometric GAN", arXiv:1705.02894; Miyato et al. 2018, eq. 16 and 17.
    """
    against = ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + fake))
    return against, -ops.mean(fake)
