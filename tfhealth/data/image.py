"""Image data sets by name: found, decoded once into the cache, opened as a DatasetBundle."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfhealth.console import progress_bar
from tfhealth.data import phantom
from tfhealth.data.cache import (
    PreparedWriter,
    cache_key,
    file_checksum,
    open_prepared,
    prepared_folder,
    table_columns,
)
from tfhealth.data.cards import (
    HAM10000,
    MEDMNIST_TABLE,
    PHANTOM_CITATION,
    SYNTHETIC_NOTE,
    SourceStatus,
    medmnist_facts,
)
from tfhealth.data.dataset import DatasetBundle, DatasetCard
from tfhealth.data.image_arrays import find_medmnist, find_npz, locate_medmnist
from tfhealth.data.image_files import find_csv, find_folder
from tfhealth.data.image_ham10000 import find_ham10000, locate_ham10000
from tfhealth.data.image_source import BadImage, Example, ImageOptions, ImageSource, Listing
from tfhealth.data.image_tfds import find_tfds
from tfhealth.data.skin_tone import ita_group
from tfhealth.data.splits import split_by_group, split_by_names
from tfhealth.data.tables import age_band
from tfhealth.errors import UserError

__all__ = ["ImageOptions", "SourceStatus", "describe_sources", "load_image_dataset"]

PHANTOM_CHUNK = 2048  # images generated at a time: bounds the memory of a large phantom
NAMED_BAD_IMAGES = 5  # in the note on the card
SMALLEST_IMAGE = 16  # pixels
KNOWN = "phantom, ham10000, medmnist:FLAG, npz:PATH, folder:PATH, csv:PATH, tfds:NAME"


def load_image_dataset(spec: str, options: ImageOptions) -> DatasetBundle:
    """Returns the data set `spec` names; prepared on first use, opened from the cache afterwards.

    Args:
        spec: phantom | ham10000 | medmnist:FLAG | npz:PATH | folder:PATH | csv:PATH | tfds:NAME.
        options: where files lie, the image size, the seed of the split, and what to do with bad images.

    Raises:
        UserError: unknown spec, missing files (with where to get them), bad images unless on_bad is "skip", a class
            with too few groups, or a group in two splits.
    """
    _check_options(options)
    source = find_source(spec, options)
    facts = {
        "source": source.name,
        "checksum": source.checksum,
        "settings": source.settings,
        "image_size": options.image_size,
        "seed": options.seed,
        "on_bad": options.on_bad,
    }
    folder = prepared_folder(source.name, cache_key(facts))
    if not folder.is_dir():
        _prepare(source.listing(), folder, options)
    return open_prepared(folder)


def find_source(spec: str, options: ImageOptions) -> ImageSource:
    """Returns the source `spec` names, without opening it; UserError lists the known ones."""
    kind, colon, argument = spec.partition(":")
    plain = {"phantom": find_phantom, "ham10000": find_ham10000}
    with_argument = {
        "medmnist": find_medmnist, "npz": find_npz, "folder": find_folder, "csv": find_csv, "tfds": find_tfds
    }  # fmt: skip
    if kind in plain and not colon:
        return plain[kind](options)
    if kind in with_argument and argument:
        return with_argument[kind](argument, options)
    raise UserError(f"unknown image data set {spec!r}: choose from {KNOWN}")


def find_phantom(options: ImageOptions) -> ImageSource:
    """Returns the embedded generator; its own source file is its checksum."""
    if options.phantom_size < 1 or not 0 <= options.phantom_bias <= 1:
        raise UserError(f"phantom: size {options.phantom_size} must be >= 1 and bias {options.phantom_bias} in [0, 1]")
    return ImageSource(
        name="phantom",
        checksum=file_checksum(Path(phantom.__file__)),
        listing=lambda: Listing(_phantom_card(options), options.phantom_size, _phantom_examples(options), True),
        settings={"size": options.phantom_size, "bias": options.phantom_bias},
    )


def _phantom_card(options: ImageOptions) -> DatasetCard:
    planted = f"A bias of {options.phantom_bias:g} against darker skin was planted." if options.phantom_bias else ""
    return DatasetCard(
        name="phantom",
        title="Dermoscopy phantom (synthetic)",
        modality="image",
        class_names=tuple(phantom.CLASS_NAMES),
        licence="Apache-2.0",
        citation=PHANTOM_CITATION,
        synthetic=True,
        group_unit="lesion",
        positive_classes=("melanoma",),
        notes=(SYNTHETIC_NOTE, planted) if planted else (SYNTHETIC_NOTE,),
    )


def _phantom_examples(options: ImageOptions) -> Iterator[Example]:
    """Yields images chunk by chunk; the first chunk has the seed itself, the others seeds derived from it."""
    for chunk, start in enumerate(range(0, options.phantom_size, PHANTOM_CHUNK)):
        count = min(PHANTOM_CHUNK, options.phantom_size - start)
        seed = options.seed if chunk == 0 else int(np.random.SeedSequence([options.seed, chunk]).generate_state(1)[0])
        made = phantom.generate(count, options.image_size, seed, options.phantom_bias)
        for i in range(count):
            yield Example(
                example_id=f"phantom-{start + i}",
                group_id=f"{chunk}-{made.lesion_ids[i]}",
                label=int(made.y[i]),
                image=made.images[i],
                mask=made.masks[i],
                box=made.boxes[i],
                sensitive_features={
                    "sex": str(made.sex[i]),
                    "age_band": age_band(float(made.age[i])),
                    "skin_tone": ita_group(float(made.ita[i])),
                },
            )


def _prepare(listing: Listing, folder: Path, options: ImageOptions) -> None:
    """Writes the cache folder: image after image, then the table and the card."""
    kept: list[Example] = []  # without their pixels
    bad: list[BadImage] = []
    with PreparedWriter(folder, options.image_size, listing.with_masks) as writer:
        for item in _with_progress(listing):
            if isinstance(item, BadImage):
                bad.append(item)
                continue
            writer.images.append(item.image)
            if writer.masks is not None:
                writer.masks.append(item.mask)
            kept.append(replace(item, image=None, mask=None))
        note = _bad_note(listing.card.name, bad, len(kept), options.on_bad)
        writer.finish(*_table(kept, replace(listing.card, notes=listing.card.notes + note), options.seed))


def _with_progress(listing: Listing) -> Iterator[Example | BadImage]:
    with progress_bar(f"Preparing {listing.card.name}", listing.count) as bar:
        for item in listing.examples:
            bar.advance()
            yield item


def _bad_note(name: str, bad: list[BadImage], good: int, on_bad: str) -> tuple[str, ...]:
    """Returns the sentence for the card, nothing where there is no bad image; UserError if they must not be skipped."""
    if not bad:
        return ()
    if on_bad == "fail" or good == 0:
        first = bad[0]
        raise UserError(
            f"{name}: {len(bad)} of {len(bad) + good} images cannot be used, the first is {first.name} "
            f"({first.reason}): mend or remove them, or leave them out with --on-bad skip"
        )
    names = ", ".join(image.name for image in bad[:NAMED_BAD_IMAGES])
    return (f"{len(bad)} of {len(bad) + good} images could not be used and were left out, among them {names}.",)


def _table(kept: list[Example], card: DatasetCard, seed: int) -> tuple[dict[str, np.ndarray], DatasetCard]:
    y = np.array([example.label for example in kept], np.int32)
    group_ids = np.array([example.group_id for example in kept])
    if kept[0].split is None:
        positions = split_by_group(y, group_ids, seed, class_names=card.class_names)
    else:
        split = np.array([example.split for example in kept])
        positions, note = split_by_names(split, y, group_ids, seed, card.class_names)
        card = replace(card, notes=(*card.notes, note))
    features = {
        name: np.array([example.sensitive_features[name] for example in kept]) for name in kept[0].sensitive_features
    }
    boxes = None if kept[0].box is None else np.stack([example.box for example in kept])
    ids = np.array([example.example_id for example in kept])
    return table_columns(y, group_ids, ids, positions, features, boxes), card


def _check_options(options: ImageOptions) -> None:
    if options.on_bad not in ("fail", "skip"):
        raise UserError(f"--on-bad {options.on_bad!r}: choose fail or skip")
    if options.image_size < SMALLEST_IMAGE or options.seed < 0:
        raise UserError(f"image size {options.image_size} must be >= {SMALLEST_IMAGE} and seed {options.seed} >= 0")


def describe_sources(data_dir: Path | None = None) -> list[SourceStatus]:
    """Returns what each named image source is, its licence, and where it is or where to put it."""
    options = ImageOptions(data_dir=data_dir)
    card = _phantom_card(options)
    rows = [SourceStatus(card.name, card.title, card.licence, "embedded", "", "")]
    sources: list[tuple[DatasetCard, Path | None, str]] = [
        (HAM10000.card, _ham10000_folder(options.folder), "ham10000")
    ]
    for flag in MEDMNIST_TABLE:
        sources.append((medmnist_facts(flag).card, locate_medmnist(flag, options), "medmnist"))
    for card, path, room in sources:
        here = None if path is None else str(path)
        rows.append(SourceStatus(card.name, card.title, card.licence, here, card.url, str(options.folder / room)))
    return rows


def _ham10000_folder(data_dir: Path) -> Path | None:
    try:
        return locate_ham10000(data_dir)["metadata"].parent
    except UserError:
        return None
