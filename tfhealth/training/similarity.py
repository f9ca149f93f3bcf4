"""How alike two images are: multi-scale structural similarity."""

import numpy as np
import tensorflow as tf

# Of the five scales, finest first; Wang, Simoncelli, Bovik 2003, sec. 3.2.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11  # pixels of the Gaussian window, the paper's


def ms_ssim_scales(side: int) -> int:
    """Returns how many of the five scales an image of this shorter side has: each halves it, the window must fit.

    Five need 161 px; 64 px have three, 32 px two. Fewer scales see less of an image's layout, so values are comparable
    only between images of one size.
    """
    scales = 1
    while scales < len(SCALE_WEIGHTS) and -(-side // 2) >= WINDOW:
        side, scales = -(-side // 2), scales + 1
    return scales


def ms_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns (n,) the similarity of each pair, 1 for equal images; negative structure counts as 0.

    The scales that fit (`ms_ssim_scales`) with the paper's weights, scaled to sum to 1; below 11 px one scale with the
    largest odd window that fits.

    Args:
        first, second: (n, height, width, channels) uint8.

    Source: Wang, Simoncelli, Bovik 2003, "Multiscale Structural Similarity for Image Quality Assessment", eq. 7.
    """
    side = min(first.shape[1:3])
    weights = np.array(SCALE_WEIGHTS[: ms_ssim_scales(side)])
    window = min(WINDOW, side - (side + 1) % 2)
    pairs = (tf.convert_to_tensor(images, tf.uint8) for images in (first, second))
    return tf.image.ssim_multiscale(*pairs, 255, tuple(weights / weights.sum()), filter_size=window).numpy()
