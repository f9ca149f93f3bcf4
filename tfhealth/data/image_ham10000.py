"""HAM10000, read from its publisher's zips in place: images, lesion masks and metadata."""

import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from tfhealth.data.archives import find_file, zip_members
from tfhealth.data.cache import file_checksum
from tfhealth.data.cards import HAM10000
from tfhealth.data.image_source import (
    BadImage,
    Example,
    ImageOptions,
    ImageSource,
    Listing,
    decode_in_order,
    mask_box,
    read_image,
    read_mask,
    square,
    square_mask,
)
from tfhealth.data.skin_tone import estimate_ita, ita_group
from tfhealth.data.splits import check_class_groups
from tfhealth.data.tables import UNKNOWN, age_band, table_rows
from tfhealth.errors import UserError

# The whole image, not the square of it, shows the most skin; one size, because the group must not depend on image_size.
ITA_VIEW = (80, 60)  # width, height in pixels
IMAGE_ZIPS = ("HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip")
MASK_ZIP = "HAM10000_segmentations_lesion_tschandl.zip"
METADATA_NAMES = ("HAM10000_metadata.csv", "HAM10000_metadata.tab", "HAM10000_metadata")  # Dataverse's are the last two
COLUMNS = ("lesion_id", "image_id", "dx", "age", "sex", "localization")


def find_ham10000(options: ImageOptions) -> ImageSource:
    """Returns the source in `data_dir`/ham10000 or `data_dir`; UserError names the files that are missing."""
    files = locate_ham10000(options.folder)
    return ImageSource(
        name="ham10000",
        checksum=" ".join(file_checksum(path) for path in files.values()),
        listing=lambda: _listing(files, options.image_size),
    )


def locate_ham10000(data_dir: Path) -> dict[str, Path]:
    """Returns file name -> path of the three zips and of "metadata"."""
    wanted = {name: (name,) for name in (*IMAGE_ZIPS, MASK_ZIP)} | {"metadata": METADATA_NAMES}
    found = {key: find_file(data_dir, "ham10000", names) for key, names in wanted.items()}
    missing = [wanted[key][0] for key, path in found.items() if path is None]
    if missing:
        raise UserError(
            f"ham10000: {', '.join(missing)} not found: download from {HAM10000.card.url} and put into "
            f"{data_dir / 'ham10000'}"
        )
    return found


def _listing(files: Mapping[str, Path], size: int) -> Listing:
    rows = read_metadata(files["metadata"])
    labels = np.array([HAM10000.card.class_names.index(row["dx"]) for row in rows])
    check_class_groups(labels, np.array([row["lesion_id"] for row in rows]), class_names=HAM10000.card.class_names)
    card = replace(HAM10000.card, notes=HAM10000.card.notes + _count_notes(rows))
    return Listing(card=card, count=len(rows), examples=_examples(rows, files, size), with_masks=True)


def read_metadata(path: Path) -> list[dict[str, str]]:
    """Returns one row an image; UserError for a table that is not HAM10000's."""
    rows = table_rows(path, COLUMNS)
    unknown = sorted({row["dx"] for row in rows} - set(HAM10000.card.class_names))
    if unknown:
        raise UserError(f"{path}: unknown dx {unknown[0]!r}; known are {', '.join(HAM10000.card.class_names)}")
    return rows


def _count_notes(rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Returns a sentence where the metadata is not the published 10,015 images, else nothing."""
    lesions = len({row["lesion_id"] for row in rows})
    if Counter(row["dx"] for row in rows) == HAM10000.expected_counts and lesions == HAM10000.expected_groups:
        return ()
    published = f"{sum(HAM10000.expected_counts.values())} of {HAM10000.expected_groups}"
    return (f"This copy lists {len(rows)} images of {lesions} lesions; {published} are published.",)


def _examples(rows: Sequence[Mapping[str, str]], files: Mapping[str, Path], size: int) -> Iterator[Example | BadImage]:
    members = {}  # image id -> (zip, member)
    masks = zip_members(files[MASK_ZIP])
    archives = {name: zip_members(files[name]) for name in IMAGE_ZIPS}
    with (
        zipfile.ZipFile(files[IMAGE_ZIPS[0]]) as first,
        zipfile.ZipFile(files[IMAGE_ZIPS[1]]) as second,
        zipfile.ZipFile(files[MASK_ZIP]) as mask_zip,
    ):
        for opened, name in zip((first, second), IMAGE_ZIPS, strict=True):
            members |= {PurePosixPath(base).stem: (opened, member) for base, member in archives[name].items()}

        def decode(row: Mapping[str, str]) -> Example:
            mask_name = row["image_id"] + "_segmentation.png"
            if row["image_id"] not in members:
                raise ValueError("not in the image zips")
            if mask_name not in masks:
                raise ValueError(f"{mask_name} is not in {MASK_ZIP}")
            opened, member = members[row["image_id"]]
            return _example(row, _read(opened, member), _read(mask_zip, masks[mask_name]), size)

        yield from decode_in_order(rows, decode, lambda row: row["image_id"] + ".jpg")


def _read(opened: zipfile.ZipFile, member: str) -> bytes:
    try:
        return opened.read(member)
    except zipfile.BadZipFile as error:  # the checksum of this member is wrong
        raise ValueError(f"damaged in its zip: {error}") from error


def _example(row: Mapping[str, str], image: bytes, mask: bytes, size: int) -> Example:
    picture, outline = read_image(image, max(size, ITA_VIEW[1])), read_mask(mask)
    lesion = square_mask(outline, size)
    skin_view, lesion_view = (np.asarray(view.resize(ITA_VIEW, Image.Resampling.BOX)) for view in (picture, outline))
    age = float(row["age"]) if row["age"] not in ("", "NA", "nan", UNKNOWN) else math.nan
    return Example(
        example_id=row["image_id"],
        group_id=row["lesion_id"],
        label=HAM10000.card.class_names.index(row["dx"]),
        image=np.asarray(square(picture, size)),
        mask=lesion,
        box=mask_box(lesion),
        sensitive_features={
            "sex": row["sex"] or UNKNOWN,
            "age_band": age_band(age),
            "localization": row["localization"] or UNKNOWN,
            "skin_tone": ita_group(estimate_ita(skin_view, lesion_view >= 128)),
        },
    )
