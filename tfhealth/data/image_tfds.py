"""TFDS image classification sets (tfds:NAME), prepared offline in `data_dir`/tfds or downloaded by TFDS itself."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfhealth.data.cache import listing_checksum
from tfhealth.data.image_source import BadImage, Example, ImageOptions, ImageSource, Listing, square_array
from tfhealth.data.tfds_sets import TFDSSet, open_tfds, prepare_tfds, tfds_folder


def find_tfds(name: str, options: ImageOptions) -> ImageSource:
    """Returns tfds:NAME (also NAME/config:version). TensorFlow is imported only if it is not in the cache yet."""
    root = options.folder / "tfds"
    home = tfds_folder(name, root)
    if not home.is_dir():
        prepare_tfds(name, root)
    files = [path for path in home.rglob("*") if path.is_file()]
    return ImageSource(
        name=f"tfds:{name}",
        checksum=f"{home.resolve()} " + listing_checksum(home, files),
        listing=lambda: _listing(name, root, options.image_size),
        settings={"tfds": name},
    )


def _listing(name: str, root: Path, size: int) -> Listing:
    opened = open_tfds(name, root, "image")
    return Listing(opened.card, opened.count, _examples(opened, size))


def _examples(opened: TFDSSet, size: int) -> Iterator[Example | BadImage]:
    for example_id, split, image, label in opened.rows():
        pixels = np.asarray(image)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
            yield BadImage(example_id, f"{pixels.dtype} {pixels.shape}, expected uint8 (height, width, 1 or 3)")
        elif label < 0:  # TFDS marks "no label", as in some test splits, by -1
            yield BadImage(example_id, "no label")
        else:
            yield Example(example_id, example_id, label, square_array(pixels, size), split=split)
