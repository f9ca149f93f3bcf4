"""What every image source hands over: a stream of examples, and the reading and decoding they share."""

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps

from tfhealth.data.archives import data_folder
from tfhealth.data.dataset import DatasetCard

DECODING_THREADS = 2  # PIL decodes outside the interpreter lock
DECODING_AHEAD = 64  # images decoded but not yet written: bounds the memory
DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)

Task = TypeVar("Task")


@dataclass(frozen=True)
class ImageOptions:
    """How an image data set is read. The columns are those of a csv:PATH source, the phantom's of phantom."""

    data_dir: Path | None = None  # None: $TFHEALTH_DATA, else ~/.cache/tfhealth
    image_size: int = 64  # pixels; images become squares
    seed: int = 0  # of the split, and of the phantom
    on_bad: str = "fail"  # or "skip": leave bad images out and say so on the card
    phantom_size: int = 2000  # images
    phantom_bias: float = 0.0  # in [0, 1]
    image_column: str = "image"
    label_column: str = "label"
    group_column: str | None = None
    split_column: str | None = None
    feature_columns: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where data-set files lie or are downloaded to."""
        return data_folder(self.data_dir)


@dataclass(frozen=True)
class Example:
    """One image with all that is known of it. image (s, s, 3) uint8, mask (s, s) uint8 in {0, 1}, s = image_size."""

    example_id: str
    group_id: str
    label: int
    image: np.ndarray
    mask: np.ndarray | None = None
    box: np.ndarray | None = None
    sensitive_features: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None  # as the source names it; None: it has no split


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """The content of a source: its card, roughly how many examples there are, and the stream of them."""

    card: DatasetCard
    count: int
    examples: Iterator[Example | BadImage]
    with_masks: bool = False


@dataclass(frozen=True)
class ImageSource:
    """A source that was found; `listing()` opens it, which is not needed once it is in the cache."""

    name: str
    checksum: str  # of its content
    listing: Callable[[], Listing]
    settings: Mapping[str, Any] = field(default_factory=dict)  # further options that change what is prepared


def decode_image(content: bytes, size: int) -> np.ndarray:
    """Returns the centred square of an image file as (size, size, 3) uint8 RGB, antialiased; see `read_image`."""
    return np.asarray(square(read_image(content, size), size))


def read_image(content: bytes, size: int) -> Image.Image:
    """Returns the whole image, upright and RGB, its short side twice `size` or more where the file has that much.

    Raises:
        DECODING_ERRORS: truncated, or not an image.
    """
    with Image.open(io.BytesIO(content)) as image:
        scale = 2 * size / min(image.size)
        if scale < 1:
            image.draft("RGB", (round(image.width * scale), round(image.height * scale)))  # JPEG at 1/2, 1/4 or 1/8
        return _as_rgb(ImageOps.exif_transpose(image))


def read_mask(content: bytes) -> Image.Image:
    """Returns a mask file as 8-bit grey, white inside."""
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("L")


def square_mask(mask: Image.Image, size: int) -> np.ndarray:
    """Returns (size, size) uint8 in {0, 1}, cut like `square`: 1 where half of the pixel or more is inside."""
    return (np.asarray(square(mask, size, Image.Resampling.BOX)) >= 128).astype(np.uint8)


def square(image: Image.Image, size: int, filter_: int = Image.Resampling.BICUBIC) -> Image.Image:
    """Returns the centred square of the short side, resized; PIL's filters widen when shrinking (no aliasing)."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    if width == height == size:
        return image
    return image.resize((size, size), filter_, box=(left, top, left + side, top + side))


def square_array(pixels: np.ndarray, size: int) -> np.ndarray:
    """Returns a (size, size, 3) uint8 image of a (h, w), (h, w, 1) or (h, w, 3) uint8 array."""
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return np.asarray(square(Image.fromarray(pixels).convert("RGB"), size))


def mask_box(mask: np.ndarray) -> np.ndarray:
    """Returns left, top, right, bottom (exclusive) of the mask's pixels; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros(4, np.int32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.int32)


def decode_in_order(
    tasks: Iterable[Task], decode: Callable[[Task], Example], name_of: Callable[[Task], str]
) -> Iterator[Example | BadImage]:
    """Yields decode(task) for each task, in order, from two threads; a DECODING_ERRORS becomes a BadImage."""

    def attempt(task: Task) -> Example | BadImage:
        try:
            return decode(task)
        except DECODING_ERRORS as error:
            return BadImage(name_of(task), " ".join(str(error).split()) or type(error).__name__)

    with ThreadPoolExecutor(DECODING_THREADS) as pool:
        waiting: deque = deque()
        for task in tasks:
            waiting.append(pool.submit(attempt, task))
            if len(waiting) >= DECODING_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _as_rgb(image: Image.Image) -> Image.Image:
    """Returns RGB; 16-bit greyscale (X-ray PNG) is scaled to 8 bits, which PIL's own conversion would clip."""
    if image.mode.startswith("I"):
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError("pixels of more than 16 bits")
        image = Image.fromarray((levels // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    return image.convert("RGB")
