"""A VAE of records with numbers and categories that is told the class, as two functions: encoder and decoder.

The layers are those of TVAE (Xu et al. 2019, "Modeling Tabular Data using Conditional GAN", arXiv:1907.00503, sec.
4.4): two hidden ones each side; the decoder's heads are the means of Gaussians and the logits of softmaxes. Told the
class as in Sohn et al. 2015 (see models.vae, whose `kl_by_dimension` serves here too).
"""

import keras
from keras import layers

DEPTH = 2


def encoder(record_width: int, num_classes: int, *, width: int, latent: int) -> keras.Model:
    """Returns an uncompiled model: [records (n, record_width), classes (n, k) one-hot] to mean and log variance.

    Both are (n, latent), of the posterior q(z | record, class).

    Args:
        record_width: of an encoded record, see data.tabular_encoding.
        num_classes: k.
        width: of each hidden layer.
        latent: dimensions of z.
    """
    records, classes = keras.Input((record_width,), name="record"), keras.Input((num_classes,), name="class")
    x = _hidden([records, classes], width)
    mean = layers.Dense(latent, name="mean")(x)
    log_variance = layers.Dense(latent, kernel_initializer="zeros", name="log_variance")(x)
    return keras.Model([records, classes], [mean, log_variance], name="encoder")


def decoder(record_width: int, num_classes: int, *, width: int, latent: int) -> keras.Model:
    """Returns an uncompiled model: [z (n, latent), classes (n, k) one-hot] to (n, record_width).

    Where an encoded record has numbers stand the means of their Gaussians, where it has one-hot groups the logits of
    their softmaxes. Arguments as for `encoder`.
    """
    z, classes = keras.Input((latent,), name="z"), keras.Input((num_classes,), name="class")
    x = _hidden([z, classes], width)
    return keras.Model([z, classes], layers.Dense(record_width, name="record")(x), name="decoder")


def _hidden(inputs, width: int):
    x = layers.Concatenate(name="with_class")(inputs)
    for number in range(1, DEPTH + 1):
        x = layers.Dense(width, "relu", kernel_initializer="he_normal", name=f"hidden{number}")(x)
    return x
