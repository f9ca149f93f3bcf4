"""TFDS classification sets (tfds:NAME), prepared offline in `data_dir`/tfds or downloaded by TFDS itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfhealth.data.cache import listing_checksum
from tfhealth.data.dataset import DatasetCard
from tfhealth.data.image_source import BadImage, Example, ImageOptions, ImageSource, Listing, square_array
from tfhealth.data.splits import SPLIT_NAMES, SPLIT_WORDS
from tfhealth.errors import UserError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


def find_tfds(name: str, options: ImageOptions) -> ImageSource:
    """Returns tfds:NAME (also NAME/config:version). TensorFlow is imported only if it is not in the cache yet."""
    root = options.folder / "tfds"
    home = root / name.split("/")[0].split(":")[0]
    if not home.is_dir():
        _builder(name, root)  # downloads and prepares
    files = [path for path in home.rglob("*") if path.is_file()]
    return ImageSource(
        name=f"tfds:{name}",
        checksum=f"{home.resolve()} " + listing_checksum(home, files),
        listing=lambda: _listing(name, _builder(name, root), options.image_size),
        settings={"tfds": name},
    )


def _builder(name: str, root: Path) -> "tfds.core.DatasetBuilder":
    """Returns the prepared data set; any failure of TFDS to find, download or prepare it is one UserError."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    # What TFDS is known to raise: unknown names and checksums (ValueError and its own), the network (OSError), its
    # assertions on data that is absent, missing packages of one builder, and TensorFlow's file errors.
    failures = (
        ValueError, OSError, AssertionError, RuntimeError, ImportError, LookupError, AttributeError,
        tf.errors.OpError, tfds.download.DownloadError, tfds.core.DatasetNotFoundError,
    )  # fmt: skip
    try:
        builder = tfds.builder(name, data_dir=str(root))
        builder.download_and_prepare()
    except failures as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]  # TFDS goes on for pages
        raise UserError(
            f"tfds:{name} is not in {root} and could not be downloaded and prepared there ({reason}): prepare it "
            f"where there is a network, with tfds.load({name!r}, data_dir={str(root)!r})"
        ) from error
    return builder


def _listing(name: str, builder: "tfds.core.DatasetBuilder", size: int) -> Listing:
    features = builder.info.features
    keys = builder.info.supervised_keys or ("image", "label")
    missing = [key for key in keys[:2] if key not in features]
    if missing or not hasattr(features[keys[1]], "names"):
        raise UserError(f"tfds:{name} is no image classification set: its features are {', '.join(features)}")
    splits = {split: SPLIT_WORDS.get(split, split) for split in builder.info.splits}
    known = {split: word for split, word in splits.items() if word in SPLIT_NAMES}
    official = "train" in known.values() and len(known) > 1
    used = known if official else dict.fromkeys(splits)
    card = DatasetCard(
        name=f"tfds:{name}",
        title=builder.info.full_name,
        modality="image",
        class_names=tuple(features[keys[1]].names),
        licence=str(builder.info.redistribution_info.license or "see the data set's page"),
        citation=" ".join(builder.info.citation.split()) or "see the data set's page",
        url=str(builder.info.homepage or ""),
        group_unit="image",
    )
    count = sum(builder.info.splits[split].num_examples for split in used)
    return Listing(card, count, _examples(builder, used, keys[0], keys[1], size))


def _examples(
    builder: "tfds.core.DatasetBuilder", splits: dict[str, str | None], image_key: str, label_key: str, size: int
) -> Iterator[Example | BadImage]:
    import tensorflow_datasets as tfds

    for split, word in splits.items():
        rows = tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False))
        for position, row in enumerate(rows):
            example_id, pixels = f"{split}[{position}]", np.asarray(row[image_key])
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
                yield BadImage(example_id, f"{pixels.dtype} {pixels.shape}, expected uint8 (height, width, 1 or 3)")
            elif row[label_key] < 0:  # TFDS marks "no label", as in some test splits, by -1
                yield BadImage(example_id, "no label")
            else:
                label = int(row[label_key])
                yield Example(example_id, example_id, label, square_array(pixels, size), split=word)
