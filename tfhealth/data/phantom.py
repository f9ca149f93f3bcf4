"""The embedded image data: a dermoscopy phantom, drawn by numpy from a seed.

A phantom in the sense of medical physics: a synthetic object with known properties, to test a pipeline on. It imitates
dermatoscopic photographs closely enough that a model must find shape, border, colours and texture, and it knows the
truth of each image (mask, box, lesion, patient, skin tone). No number got from it is evidence about real skin.

Lesions follow the ABCD rule (asymmetry, border, colour, diameter) with features that overlap between the classes.
Skin tone is the individual typology angle, ITA = arctan((L* - 50) / b*) in degrees, of the bare skin in CIE Lab.
With bias 0, class, age, sex and skin tone are independent of each other, and a lesion's contrast of all four. Contrast
is the mean over the mask of (L* of bare skin - L* of the pixel) before hair, light and noise. A lesion is an offset in
Lab on the skin it lies on; hair, light and noise are offsets in L*: nothing is harder to see on darker skin. An audit
has to find the bias that `generate(bias=...)` plants, and nothing else.

Each block of BLOCK images has its own random stream: drawn as a table (`draw_scenes`), painted in Lab (`paint`), then
photographed (`photograph`: hair, focus, noise, light, sRGB).

Sources: ABCD rule, Nachbar et al. 1994, J. Am. Acad. Dermatol. 30(4):551-559. ITA, Chardon et al. 1991, Int. J.
Cosmet. Sci. 13(4):191-208. Lab and sRGB, IEC 61966-2-1:1999 (D65 white).
"""

from dataclasses import dataclass, fields

import numpy as np

CLASS_NAMES = ("nevus", "melanoma", "keratosis")
CLASS_SHARES = (0.45, 0.30, 0.25)  # moderately imbalanced; a constant answer is right in 0.45
ITA_RANGE = (-50.0, 75.0)  # degrees, uniform: every ITA group from dark to very light has 10 % or more
DARKER_BELOW_ITA = 28.0  # degrees; the usual cut-off between "intermediate" and "tan": Chardon's tan, brown and dark
BIAS_ON_CONTRAST = 0.8  # at bias 1 a lesion on darker skin keeps 0.2 of its contrast: faint, still above the noise
BIAS_ON_RATE = 0.7  # at bias 1 darker skin is sampled at 0.3 of its rate: rare, yet enough of it to be audited
IMAGES_PER_LESION = 1.3  # HAM10000 has 10,015 images of 7,470 lesions = 1.34
BLOCK = 32  # images; one plane of a block at 64 x 64 is 0.5 MB and stays in cache
OUTLINE_BINS = 1024  # angles at which an outline is tabulated: finer than a pixel up to 224 x 224
NUM_PATCHES, NUM_DOTS, NUM_HAIRS = 5, 12, 9  # the most a lesion (patches, dots) or an image (hairs) has

# Ranges of each feature for nevus, melanoma, keratosis: overlapping, so that no single one decides the class.
FEATURES = {
    "asymmetry": ((0.00, 0.13), (0.07, 0.25), (0.00, 0.13)),  # A: of the outline, fraction of the radius
    "irregularity": ((0.00, 0.04), (0.015, 0.065), (0.00, 0.04)),  # B: notches of the outline, fraction of the radius
    "softness": ((0.11, 0.36), (0.08, 0.30), (0.04, 0.16)),  # B: width of the border, fraction of the radius
    "colours": ((0.10, 0.70), (0.55, 1.10), (0.10, 0.70)),  # C: strength of the colour patches
    "eccentricity": ((0.00, 0.50), (0.35, 0.80), (0.10, 0.60)),  # A: how far out the colour patches lie, in radii
    "radius": ((0.15, 0.28), (0.18, 0.31), (0.16, 0.29)),  # D: fraction of the image side
    "network": ((1.00, 4.00), (0.00, 3.00), (0.00, 1.00)),  # pigment network, L* units
    "ridges": ((0.00, 1.00), (0.00, 1.10), (1.60, 4.80)),  # waxy ridges and fissures, L* units
    "milia": ((0.00, 0.15), (0.00, 0.18), (0.35, 0.90)),  # share of the dots that are bright cysts, not dark globules
    "dots": ((0.20, 0.95), (0.30, 1.00), (0.50, 1.10)),  # strength of the dots
}
BROWNS = ((-6, 2, 1), (5, 2, 5), (-3, 3, 4))  # (L*, a*, b*) offsets: dark, light and reddish brown
ALARMING = ((-4, -7, -13), (-14, -4, -6), (1, 11, 0), (10, -4, -7))  # blue-grey, black, red, white (regression)
ALARMING_SHARES = (0.04, 0.70, 0.04)  # of the colour patches of nevus, melanoma, keratosis
GLOBULE, CYST = (-9, 1, -1), (15, -2, 3)  # (L*, a*, b*) offsets of a dark dot and of a milia-like cyst

LAB_TO_F = np.array([[1 / 116, 1 / 500, 0], [1 / 116, 0, 0], [1 / 116, 0, -1 / 200]], np.float32)  # L* + 16, a*, b*
XYZ_TO_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
F_TO_LINEAR = (XYZ_TO_SRGB * (0.95047, 1.0, 1.08883)).astype(np.float32)  # from cubed Lab f-values under D65
_LINEAR = np.linspace(0, 1, 8192)  # steps of linear light, smaller than those of an sRGB level
SRGB_LEVEL = np.where(_LINEAR <= 0.0031308, 12.92 * _LINEAR, 1.055 * _LINEAR ** (1 / 2.4) - 0.055) * 255 + 0.5
SRGB_LEVEL = SRGB_LEVEL.astype(np.uint8)

Scenes = dict[str, np.ndarray]  # name -> (n, ...), one row per image


@dataclass(frozen=True)
class Phantom:
    """Images and the whole truth about them; n images of side s, those of one lesion in adjacent rows."""

    images: np.ndarray  # (n, s, s, 3) uint8 sRGB
    masks: np.ndarray  # (n, s, s) uint8 in {0, 1}, 1 = lesion
    boxes: np.ndarray  # (n, 4) int32 left, top, right, bottom of the mask in pixels; right and bottom exclusive
    y: np.ndarray  # (n,) int32, position in CLASS_NAMES
    lesion_ids: np.ndarray  # (n,) str, unique over seeds
    age: np.ndarray  # (n,) int32 years
    sex: np.ndarray  # (n,) str "female" or "male"
    ita: np.ndarray  # (n,) float32 degrees, of the bare skin


def generate(count: int, image_size: int, seed: int, bias: float = 0.0) -> Phantom:
    """`count` images with their masks, boxes, classes, lesions, patients and skin tones.

    The same arguments give the same images; generate(10, ...) is the start of generate(20, ...), and no argument but
    `seed` and `bias` changes a lesion or patient. Memory beyond the result is that of one block.

    Args:
        count: number of images, at least 1.
        image_size: side in pixels, at least 16.
        seed: non-negative int.
        bias: in [0, 1], what is planted against darker skin (ITA < DARKER_BELOW_ITA): its lesions keep the fraction
            1 - BIAS_ON_CONTRAST * bias of their contrast and colour, and it is sampled at 1 - BIAS_ON_RATE * bias of
            its rate. 0 plants nothing. Nothing else changes with it.

    Raises:
        ValueError: an argument is out of range.
    """
    if count < 1 or image_size < 16 or seed < 0 or not 0 <= bias <= 1:
        got = f"count={count}, image_size={image_size}, seed={seed}, bias={bias}"
        raise ValueError(f"need count >= 1, image_size >= 16, seed >= 0 and bias in [0, 1]; got {got}")
    masks, truths = np.empty((count, image_size, image_size), np.uint8), []
    images = np.empty((*masks.shape, 3), np.uint8)
    for block, start in enumerate(range(0, count, BLOCK)):
        rows = slice(start, min(start + BLOCK, count))
        scenes = {name: column[: rows.stop - start] for name, column in draw_scenes(seed, block, bias).items()}
        lab, masks[rows] = paint(scenes, image_size)
        images[rows] = photograph(lab, scenes, np.random.default_rng([seed, block, 1]))
        truths.append(scenes)
    names = {field.name for field in fields(Phantom)} & truths[0].keys()
    columns = {name: np.concatenate([truth[name] for truth in truths]) for name in names}
    return Phantom(images=images, masks=masks, boxes=_boxes(masks), **columns)


def draw_scenes(seed: int, block: int, bias: float) -> Scenes:
    """The table of one block of BLOCK images: name -> (BLOCK, ...), all that is to be seen but the pixel noise."""
    rng = np.random.default_rng([seed, block])
    ids = np.array([f"phantom-{seed}-{block}-{i}" for i in range(BLOCK)])
    lesions = {"lesion_ids": ids} | _draw_patients(rng, bias) | _draw_lesions(rng)
    is_new = rng.random(BLOCK) < 1 / IMAGES_PER_LESION
    is_new[0] = True
    scenes = {name: column[np.cumsum(is_new) - 1] for name, column in lesions.items()}
    scenes |= _draw_views(rng, scenes)
    return {name: column.astype(np.float32) if column.dtype == float else column for name, column in scenes.items()}


def _draw_patients(rng: np.random.Generator, bias: float) -> Scenes:
    (low, high), cut = ITA_RANGE, DARKER_BELOW_ITA
    darker = (cut - low) * (1 - BIAS_ON_RATE * bias)  # the weight of darker skin, that of lighter being high - cut
    ita = np.interp(rng.random(BLOCK), (0, darker / (darker + high - cut), 1), (low, cut, high))
    return {
        "age": np.clip(rng.normal(52, 17, BLOCK), 18, 90).astype(np.int32),
        "sex": np.where(rng.random(BLOCK) < 0.5, "female", "male"),
        "ita": ita,
        "skin": skin_lab(ita),
        "visibility": np.where(ita < cut, 1 - BIAS_ON_CONTRAST * bias, 1),
    }


def skin_lab(ita: np.ndarray) -> np.ndarray:
    """CIE Lab (n, 3) float32 of bare skin with the given ITA (n,) degrees; a* and b* typical of the tone."""
    b = np.interp(ita, (-50, 10, 50, 75), (11, 17, 14, 8))  # tan skin is the yellowest
    a = np.interp(ita, (-50, 10, 75), (9, 11, 6))
    return np.stack([50 + b * np.tan(np.radians(ita)), a, b], axis=1)


def _draw_lesions(rng: np.random.Generator) -> Scenes:
    y = np.searchsorted(np.cumsum(CLASS_SHARES)[:-1], rng.random(BLOCK), side="right").astype(np.int32)
    lesions = {"y": y, "tint": rng.uniform((-19, 4, 2), (-11, 8, 8), (BLOCK, 3))}  # Lab; -L* is the contrast
    for name, ranges in FEATURES.items():
        low, high = np.array(ranges, np.float32)[y].T
        lesions[name] = low + (high - low) * rng.random(BLOCK, np.float32)
    lesions["outline"] = _draw_outlines(rng, lesions["asymmetry"], lesions["irregularity"])
    lesions["frequency"] = rng.uniform(9, 13, BLOCK)  # of network and ridges, radians per radius
    lesions["warp"] = rng.uniform(0.8, 2.2, BLOCK)  # how much ridges wind, radians
    return lesions | _draw_blobs(rng, lesions)


def _draw_outlines(rng: np.random.Generator, asymmetry: np.ndarray, irregularity: np.ndarray) -> np.ndarray:
    """Outlines (n, OUTLINE_BINS): distance from centre to border by angle; the area is that of the unit circle."""
    scale = np.zeros((BLOCK, 12))  # of the waves that go round 1 to 12 times
    scale[:, 1] = rng.uniform(0, 0.14, BLOCK)  # order 2 makes an oval, which is symmetric: every class has it
    scale[:, [0, 2]] = asymmetry[:, None] * rng.uniform(0.5, 1, (BLOCK, 2))
    scale[:, 4:] = irregularity[:, None] * rng.uniform(0.2, 1, (BLOCK, 8))
    phase = rng.uniform(0, 2 * np.pi, (BLOCK, 12, 1))
    waves = np.cos(np.outer(np.arange(1, 13), np.arange(OUTLINE_BINS) * (2 * np.pi / OUTLINE_BINS)) + phase)
    outline = np.maximum(1 + np.einsum("nk,nkt->nt", scale, waves), 0.4)
    return outline / np.sqrt(np.mean(outline**2, axis=1, keepdims=True))


def _draw_blobs(rng: np.random.Generator, lesions: Scenes) -> Scenes:
    """Round spots, patches of colour first, then dots: place and size (n, k) in radii, Lab offset (n, k, 3)."""
    shape = (BLOCK, NUM_PATCHES + NUM_DOTS)
    is_patch = np.arange(shape[1]) < NUM_PATCHES
    brown, alarming = (np.array(palette)[rng.integers(len(palette), size=shape)] for palette in (BROWNS, ALARMING))
    is_alarming = rng.random((*shape, 1)) < np.array(ALARMING_SHARES)[lesions["y"], None, None]
    patch = np.where(is_alarming, alarming, brown) * lesions["colours"][:, None, None]
    is_cyst = rng.random((*shape, 1)) < lesions["milia"][:, None, None]
    dot = np.where(is_cyst, CYST, GLOBULE) * lesions["dots"][:, None, None]
    return {
        "blob_out": np.where(is_patch, lesions["eccentricity"][:, None], 0.85 * np.sqrt(rng.random(shape))),
        "blob_angle": rng.uniform(0, 2 * np.pi, shape),
        "blob_size": np.where(is_patch, rng.uniform(0.22, 0.45, shape), rng.uniform(0.07, 0.12, shape)),
        "blob_lab": np.where(is_patch[:, None], patch, dot),
    }


def _draw_views(rng: np.random.Generator, scenes: Scenes) -> Scenes:
    """What differs between images of one lesion: pose, zoom, light, focus, noise, skin mottling and hair."""
    extent = scenes["outline"].max(axis=1)
    reach = np.minimum(scenes["radius"] * rng.uniform(0.92, 1.08, BLOCK) * extent, 0.46)  # the lesion is never cut
    shift = np.minimum(0.48 - reach, 0.12)[:, None] * rng.uniform(-1, 1, (BLOCK, 2))
    hair = rng.uniform((0, 0, -0.4, -0.9, 0.1, 0.3), (1, 1, 0.4, 0.9, 0.6, 0.8), (BLOCK, NUM_HAIRS, 6))
    hair[:, :, 2] += rng.uniform(0, 2 * np.pi, (BLOCK, 1))  # the hairs of one image lie roughly one way
    angle = rng.uniform(0, 2 * np.pi, (BLOCK, 1))
    blob_angle = scenes["blob_angle"] + angle
    return {
        "radius": reach / extent,
        "centre": 0.5 + shift,  # x, y as fractions of the side
        "angle": angle[:, 0],
        "blob_xy": (scenes["blob_out"] * (np.cos(blob_angle), np.sin(blob_angle))).transpose(1, 2, 0),  # in radii
        "slope": rng.uniform(-8, 8, (BLOCK, 2)),  # uneven light: change over the image in x and y, L* units
        "white": rng.uniform(0.96, 1.04, (BLOCK, 3)),  # white balance: gain of red, green, blue
        "corner_start": np.where(rng.random(BLOCK) < 0.35, rng.uniform(0.5, 0.6, BLOCK), 2),  # dark from this radius on
        "blur": rng.uniform(0, 0.2, BLOCK),  # weight of each neighbour
        "noise": rng.uniform(0.4, 1.6, BLOCK),  # standard deviation, L* units
        "mottle_xy": rng.random((BLOCK, 8, 2)),
        "mottle_size": np.full((BLOCK, 8), 0.15),
        "mottle": rng.normal(0, 1.2, (BLOCK, 8, 1)),  # L* units
        "hair": hair,  # x, y, heading (radians), bend, half width (pixels of 64), half length
        "num_hairs": rng.integers(1, NUM_HAIRS + 1, BLOCK) * (rng.random(BLOCK) < 0.4),
        "hair_depth": rng.uniform(12, 24, BLOCK),  # L* units
    }


def paint(scenes: Scenes, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Bare skin and lesion as Lab (n, 3, h, w) float32 before hair, light and noise, and the mask (n, h, w) uint8."""
    grid = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size
    cos, sin = np.cos(scenes["angle"])[:, None, None], np.sin(scenes["angle"])[:, None, None]
    dx, dy = ((grid - scenes["centre"][:, :, None]) / scenes["radius"][:, None, None]).transpose(1, 0, 2)[:, :, None]
    u = dx * cos + dy.swapaxes(1, 2) * sin  # (n, h, w), the lesion's own axes, in radii
    v = dy.swapaxes(1, 2) * cos - dx * sin
    bins = (np.arctan2(v, u) * np.float32(OUTLINE_BINS / (2 * np.pi))).astype(np.int32) & (OUTLINE_BINS - 1)
    border = np.take_along_axis(scenes["outline"], bins.reshape(len(bins), -1), axis=1).reshape(bins.shape)
    depth = 1 - np.sqrt(u * u + v * v) / border  # 1 at the centre, 0 on the border
    mask = depth > 0
    opacity = np.clip(depth / scenes["softness"][:, None, None] + 0.5, 0, 1)
    opacity *= opacity * (3 - 2 * opacity)  # smoothstep
    lab = _spots(dx, dy, scenes["blob_xy"], scenes["blob_size"], scenes["blob_lab"])
    lab[:, 0] += _texture(u, v, scenes)
    lab *= opacity[:, None]
    # Shift so that the mean over the mask is exactly the tint: variety of colour tells of the class, mean colour not.
    inside = mask.reshape(len(mask), -1, 1).astype(np.float32)
    lacking = scenes["tint"] * inside.sum(1) - (lab.reshape(*lab.shape[:2], -1) @ inside)[:, :, 0]
    lab += (lacking / (opacity * mask).sum((1, 2))[:, None])[:, :, None, None] * opacity[:, None]
    lab *= scenes["visibility"][:, None, None, None]
    lab += scenes["skin"][:, :, None, None]
    lab[:, :1] += _spots(grid, grid, scenes["mottle_xy"], scenes["mottle_size"], scenes["mottle"])
    return lab, mask.astype(np.uint8)


def _spots(x: np.ndarray, y: np.ndarray, xy: np.ndarray, size: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Sum of k round Gaussians (n, c, h, w); a matrix product, as each is a Gaussian in x times one in y.

    Pixels x (n, 1, w), y (n, 1, h); centres xy (n, k, 2), standard deviations size (n, k), heights (n, k, c).
    """
    scale = np.sqrt(np.float32(0.5)) / size[:, :, None]
    along_x = np.exp(-np.square((x - xy[:, :, :1]) * scale))  # (n, k, w)
    along_y = np.exp(-np.square((y - xy[:, :, 1:]) * scale))  # (n, k, h)
    return np.einsum("nkc,nkh->nchk", height, along_y) @ along_x[:, None]


def _texture(u: np.ndarray, v: np.ndarray, scenes: Scenes) -> np.ndarray:
    """Pigment network (a winding lattice) and waxy ridges (winding stripes) as an offset of L* (n, h, w)."""
    frequency, warp = scenes["frequency"][:, None, None], scenes["warp"][:, None, None]
    half = frequency * np.float32(0.5)
    u, v = u * frequency + warp * np.sin(v * half), v * frequency + warp * np.sin(u * half)
    lattice = np.sin(np.float32(1.4) * u) * np.sin(np.float32(1.4) * v)
    return lattice * scenes["network"][:, None, None] + np.sin(u) * scenes["ridges"][:, None, None]


def photograph(lab: np.ndarray, scenes: Scenes, rng: np.random.Generator) -> np.ndarray:
    """The painted Lab (n, 3, h, w) seen through hair, lens, sensor and light: sRGB (n, h, w, 3) uint8."""
    grid = (np.arange(lab.shape[-1], dtype=np.float32) + 0.5) / lab.shape[-1]
    radius = np.hypot(grid - 0.5, grid[:, None] - 0.5)
    slope = scenes["slope"][:, :, None] * (grid - 0.5)
    # Uneven light is an offset of L*, not a gain, which would change contrast more on one skin than on another.
    light = slope[:, 0, None, :] + slope[:, 1, :, None] - 6 * radius**2
    lightness = lab[:, 0] + light - _hair(scenes, grid)
    for axis in (1, 2):
        around = np.roll(lightness, 1, axis) + np.roll(lightness, -1, axis)
        lightness = lightness + scenes["blur"][:, None, None] * (around - 2 * lightness)
    lightness += rng.standard_normal(lightness.shape, np.float32) * scenes["noise"][:, None, None]
    np.maximum(lightness, 8, out=lightness)  # below 8, Lab is no longer a cube root
    f = LAB_TO_F @ np.stack([lightness + 16, lab[:, 1], lab[:, 2]], axis=1).reshape(len(lab), 3, -1)
    linear = (F_TO_LINEAR * scenes["white"][:, :, None]) @ (f * f * f)
    corners = np.clip(1 - (radius - scenes["corner_start"][:, None, None]) * np.float32(12), 0.03, 1)
    linear *= (len(SRGB_LEVEL) - 1) * corners.reshape(len(lab), 1, -1)
    level = SRGB_LEVEL[np.clip(linear, 0, len(SRGB_LEVEL) - 1).astype(np.uint16)]
    return level.reshape(lab.shape).transpose(0, 2, 3, 1)


def _hair(scenes: Scenes, grid: np.ndarray) -> np.ndarray:
    """Loss of L* (n, h, w) under hairs, each a parabola of some width and length through a point of the image."""
    size = len(grid)
    covered = np.zeros((len(scenes["hair"]), size, size), np.float32)
    for hair in range(NUM_HAIRS):
        images = np.flatnonzero(hair < scenes["num_hairs"])
        x, y, heading, bend, width, length = scenes["hair"][images, hair].T[:, :, None, None]
        along = (grid - x) * np.cos(heading) + (grid[:, None] - y) * np.sin(heading)
        across = (grid[:, None] - y) * np.cos(heading) - (grid - x) * np.sin(heading)
        distance = np.abs(across - bend * along * along) * size  # pixels
        dark = np.clip(width * size / 64 + 0.5 - distance, 0, 1) * (np.abs(along) < length)
        covered[images] = np.maximum(covered[images], dark)
    return covered * scenes["hair_depth"][:, None, None]


def _boxes(masks: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) int32 left, top, right, bottom (exclusive) of masks (n, h, w) that are nowhere empty."""
    hits = masks.any(axis=1), masks.any(axis=2)  # columns (n, w), rows (n, h)
    edges = [hit.argmax(axis=1) for hit in hits] + [hit.shape[1] - hit[:, ::-1].argmax(axis=1) for hit in hits]
    return np.stack(edges, axis=1).astype(np.int32)
