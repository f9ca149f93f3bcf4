"""TFDS classification sets of any modality: opened, their splits and classes read. Only file that imports TFDS."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhealth.data.dataset import DatasetCard
from tfhealth.data.splits import SPLIT_NAMES, SPLIT_WORDS
from tfhealth.errors import UserError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


@dataclass(frozen=True)
class TFDSSet:
    """A prepared set. splits: its name of each split that is used -> ours, None where it has no held-out split."""

    card: DatasetCard
    builder: "tfds.core.DatasetBuilder"
    splits: Mapping[str, str | None]
    input_key: str  # of the image or text in a row
    label_key: str

    @property
    def count(self) -> int:
        return sum(self.builder.info.splits[split].num_examples for split in self.splits)

    def rows(self) -> Iterator[tuple[str, str | None, Any, int]]:
        """Yields "split[position]", our name of the split, the input as numpy or bytes, and the label; -1 is none."""
        import tensorflow_datasets as tfds

        for split, word in self.splits.items():
            rows = tfds.as_numpy(self.builder.as_dataset(split=split, shuffle_files=False))
            for position, row in enumerate(rows):
                yield f"{split}[{position}]", word, row[self.input_key], int(row[self.label_key])


def tfds_folder(name: str, root: Path) -> Path:
    """Returns where TFDS keeps NAME, NAME/config or NAME:version in `root`; it need not be there."""
    return root / name.split("/")[0].split(":")[0]


def open_tfds(name: str, root: Path, modality: str) -> TFDSSet:
    """Returns a set that is prepared in `root`, or is downloaded and prepared there by TFDS.

    Args:
        modality: "image" or "text"; also the name of the input where the set does not say which it is.

    Raises:
        UserError: TFDS does not find it or cannot prepare it, or it has no such input or no class label.
    """
    builder = prepare_tfds(name, root)
    features = builder.info.features
    keys = builder.info.supervised_keys or (modality, "label")
    missing = [key for key in keys[:2] if key not in features]
    if missing or not hasattr(features[keys[1]], "names"):
        raise UserError(f"tfds:{name} is no {modality} classification set: its features are {', '.join(features)}")
    card = DatasetCard(
        name=f"tfds:{name}",
        title=builder.info.full_name,
        modality=modality,
        class_names=tuple(features[keys[1]].names),
        licence=str(builder.info.redistribution_info.license or "see the data set's page"),
        citation=" ".join(builder.info.citation.split()) or "see the data set's page",
        url=str(builder.info.homepage or ""),
        group_unit=modality,
    )
    return TFDSSet(card, builder, _used_splits(builder), keys[0], keys[1])


def prepare_tfds(name: str, root: Path) -> "tfds.core.DatasetBuilder":
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


def _used_splits(builder: "tfds.core.DatasetBuilder") -> dict[str, str | None]:
    """Returns train, validation and test where there is train and another of them, else every split, to be split."""
    splits = {split: SPLIT_WORDS.get(split, split) for split in builder.info.splits}
    known = {split: word for split, word in splits.items() if word in SPLIT_NAMES}
    official = "train" in known.values() and len(known) > 1
    return known if official else dict.fromkeys(splits)
