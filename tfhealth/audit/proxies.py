"""Stand-ins where a data set names no sensitive feature: what can be measured of an image or a text, in bands."""

import numpy as np

from tfhealth.audit.groups import bands
from tfhealth.data.dataset import Split

BLOCK = 256  # images at a time
PADDING_ID = 0


def image_proxies(split: Split) -> dict[str, np.ndarray]:
    """Returns "image_brightness" and "image_contrast" -> (n,) band: mean and spread of the pixels, in [0, 255].

    They stand for the camera, the light and, in photographs of skin, partly its tone; a gap in them is a reason to
    collect the feature itself.
    """
    means, spreads = [], []
    for start in range(0, len(split), BLOCK):
        pixels = split.x.take(slice(start, start + BLOCK)).astype(np.float32)
        pixels = pixels.reshape(len(pixels), -1)
        means.append(pixels.mean(1))
        spreads.append(pixels.std(1))
    measured = {"image_brightness": means, "image_contrast": spreads}
    return {name: bands(np.concatenate(values) if values else np.zeros(0)) for name, values in measured.items()}


def text_proxies(split: Split) -> dict[str, np.ndarray]:
    """Returns "text_length" -> (n,) band of the number of tokens read; split.x (n, sequence_length) token ids."""
    return {"text_length": bands((split.x.take(slice(None)) != PADDING_ID).sum(1), unit="tokens")}
