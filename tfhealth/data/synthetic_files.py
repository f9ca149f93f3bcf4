"""Synthetic images and records as files that say what they are, so that nobody takes them for those of patients."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tfhealth.data.tabular import MARK, Records
from tfhealth.paths import atomic_folder, atomic_path

STATEMENT = "Synthetic image, made by a generative model; it shows no patient. Not for diagnosis."


def write_synthetic_images(
    folder: Path, images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], facts: Mapping[str, str]
) -> None:
    """Writes <class name>/synthetic_<number>.png, each marked; a folder that stands there is left as it is.

    The layout is that of the source folder:PATH.

    Args:
        folder: appears whole or not at all.
        images: (n, h, w, 3) uint8.
        labels: (n,) class ids that were asked for.
        class_names: (k,) names.
        facts: more text chunks: keyword -> text, in Latin-1.
    """
    if folder.exists():
        return
    with atomic_folder(folder) as temporary:
        for label, name in enumerate(class_names):
            target = temporary / file_name(name)
            target.mkdir()
            for number, image in enumerate(images[labels == label]):
                write_marked(target / f"synthetic_{number:05d}.png", image, {**facts, "requested class": name})


def write_synthetic_records(path: Path, records: Records, x: np.ndarray, labels: np.ndarray) -> None:
    """Writes a CSV with a record a row, the first column MARK, "yes" in each; then the label and the columns.

    Args:
        records: whose columns they have.
        x: (n, columns) as Records holds them. labels: (n,) class ids.
    """
    rows = [{MARK: "yes", **records.words(row, label)} for row, label in zip(x, labels.tolist(), strict=True)]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_marked(path: Path, image: np.ndarray, facts: Mapping[str, str]) -> None:
    """Writes one PNG with the text chunk MARK, readable by any viewer that shows metadata, and one a fact."""
    chunks = PngInfo()
    for keyword, text in {MARK: STATEMENT, **facts}.items():
        chunks.add_text(keyword, text)
    Image.fromarray(image).save(path, pnginfo=chunks)


def is_marked(path: Path) -> bool:
    """Returns whether a PNG says of itself that it is synthetic."""
    with Image.open(path) as image:
        image.load()  # text may follow the pixels
        return MARK in getattr(image, "text", {})


def file_name(class_name: str) -> str:
    """Returns the class name with everything that no file system likes replaced."""
    return re.sub(r"[^\w\- ]", "_", class_name).strip() or "_"
