"""Skin tone from pixels: sRGB to CIE L*a*b*, the individual typology angle (ITA), and its six groups."""

import math

import numpy as np

# ITA in degrees above which a group begins, lightest first.
# Source: Chardon, Cretois, Hourseau 1991, Int. J. Cosmet. Sci. 13:191-208; in six groups, as here: Del Bino,
# Bernerd 2013, Br. J. Dermatol. 169 (suppl. 3):33-40.
ITA_GROUPS = (("very light", 55.0), ("light", 41.0), ("intermediate", 28.0), ("tan", 10.0), ("brown", -30.0))
DARKEST_GROUP = "dark"
UNKNOWN = "unknown"

# Linear sRGB to CIE XYZ, and the XYZ of the D65 white point. Source: IEC 61966-2-1:1999.
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE_D65 = SRGB_TO_XYZ.sum(axis=1)  # sRGB white is D65 by definition, so that L* = 100 and a* = b* = 0 exactly

BORDER_LIGHTNESS = 15.0  # L* below this is the black rim of the dermatoscope, not skin: dark skin has L* of 30 or so
HAIR_CONTRAST = 15.0  # L* this far below the bright part of the skin is hair, vignette or a shadow
BRIGHT_PERCENTILE = 80  # of the skin's L*: the bright part, even where most of what is in view is hair or vignette
FIELD = 1.1  # of the ellipse that touches the image's sides: beyond it, in the corners, lenses are dark
FEWEST_SKIN_PIXELS = 0.02  # of the image; with less skin in view the tone is unknown


def srgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Returns CIE L*a*b* (D65) of sRGB pixels.

    Args:
        rgb: (..., 3) uint8.

    Returns:
        (..., 3) float32: L* in [0, 100], a*, b*.

    Source: IEC 61966-2-1 (sRGB decoding), CIE 15:2004 (L*a*b*).
    """
    linear = _LINEAR_OF_BYTE[rgb]
    ratio = linear @ (SRGB_TO_XYZ / WHITE_D65[:, None]).T.astype(np.float32)
    epsilon, kappa = 216 / 24389, 24389 / 27
    f = np.where(ratio > epsilon, np.cbrt(ratio), (kappa * ratio + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def individual_typology_angle(lightness: float, yellowness: float) -> float:
    """Returns ITA = arctan((L* - 50) / b*) in degrees; higher is lighter.

    Skin has b* > 0. For b* <= 0 (a bluish cast) the angle goes on past 90 or -90 instead of changing sign, so
    bright pixels stay light and dark ones dark. At L* = 50, b* = 0 it is 0.

    Source: Chardon, Cretois, Hourseau 1991, Int. J. Cosmet. Sci. 13:191-208.
    """
    return math.degrees(math.atan2(lightness - 50, yellowness))


def ita_group(ita: float) -> str:
    """Returns the name of the ITA group: very light > 55 >= light > 41 >= intermediate > 28 >= tan > 10 >= brown > -30.

    At or below -30 it is dark; NaN is unknown. Source: see `ITA_GROUPS`.
    """
    if math.isnan(ita):
        return UNKNOWN
    return next((name for name, above in ITA_GROUPS if ita > above), DARKEST_GROUP)


def estimate_ita(image: np.ndarray, lesion: np.ndarray) -> float:
    """Returns the ITA in degrees of the skin around a lesion; NaN where less than 2 % of the image is skin.

    The median L* and b* over pixels outside the lesion (grown by 1/24 of the width, as its rim is pigmented too),
    without the corners and the black rim of the dermatoscope and without what is much darker than the bright part
    (hair, vignette). Photographs are not colour-calibrated: the angle orders images of one source, it is no
    measurement of a person.

    Args:
        image: (height, width, 3) uint8 sRGB.
        lesion: (height, width), nonzero inside the lesion.

    Source: Kinyanjui et al. 2020, "Fairness of Classifiers Across Skin Tones in Dermatology", MICCAI, estimates ITA
    of dermoscopy images in the same way, from the non-diseased pixels.
    """
    outside = ~grow(lesion > 0, max(1, image.shape[1] // 24))
    skin = srgb_to_lab(image[outside & _field(*lesion.shape)])  # (pixels, 3)
    skin = skin[skin[:, 0] >= BORDER_LIGHTNESS]
    if len(skin) < FEWEST_SKIN_PIXELS * lesion.size:
        return math.nan
    skin = skin[skin[:, 0] >= np.percentile(skin[:, 0], BRIGHT_PERCENTILE) - HAIR_CONTRAST]
    return individual_typology_angle(float(np.median(skin[:, 0])), float(np.median(skin[:, 2])))


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Returns the boolean mask dilated by a square of `pixels` to each side."""
    for axis in (0, 1):
        padded = np.pad(mask, [(pixels, pixels) if axis == side else (0, 0) for side in (0, 1)])
        mask = np.lib.stride_tricks.sliding_window_view(padded, 2 * pixels + 1, axis=axis).any(axis=-1)
    return mask


def _field(height: int, width: int) -> np.ndarray:
    """Returns (height, width) bool, True where a round lens is bright."""
    rows, columns = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
    return rows[:, None] ** 2 + columns**2 <= FIELD**2


def _linear_of_byte() -> np.ndarray:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR_OF_BYTE = _linear_of_byte()
