"""Image files of one's own: class-named folders (folder:PATH) and tables of paths (csv:PATH)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfhealth.data.cache import file_checksum, listing_checksum
from tfhealth.data.cards import OWN_DATA
from tfhealth.data.dataset import DatasetCard
from tfhealth.data.image_source import (
    Example,
    ImageOptions,
    ImageSource,
    Listing,
    decode_image,
    decode_in_order,
)
from tfhealth.data.splits import SPLIT_NAMES, SPLIT_WORDS, check_class_groups, split_by_names
from tfhealth.data.tables import UNKNOWN, table_rows
from tfhealth.errors import UserError, about

NOT_IMAGES = ("Thumbs.db", "desktop.ini")  # written by file managers; hidden files are left out too


@dataclass(frozen=True)
class ImageFile:
    """A file to decode and what is known of it."""

    path: Path
    example_id: str
    group_id: str
    label: str
    split: str | None = None
    sensitive_features: Mapping[str, str] = field(default_factory=dict)


def find_folder(argument: str, options: ImageOptions) -> ImageSource:
    """Returns folder:PATH, where PATH holds a folder per class, or train, validation and test that do.

    Raises:
        UserError: no such folder, no class folders, or a class folder without files.
    """
    root = Path(argument).expanduser()
    if not root.is_dir():
        raise UserError(f"folder:{argument}: there is no folder {root}")
    files = _folder_files(root)
    return ImageSource(
        name=f"folder:{root.resolve().name}",
        checksum=str(root.resolve()) + listing_checksum(root, (file.path for file in files)),
        listing=lambda: _listing(f"folder:{argument}", files, "image", options),
    )


def find_csv(argument: str, options: ImageOptions) -> ImageSource:
    """Returns csv:PATH, a table with a row per image; paths in it are relative to its folder.

    Raises:
        UserError: no such file, not UTF-8, no rows, or a named column is missing.
    """
    path = Path(argument).expanduser()
    if not path.is_file():
        raise UserError(f"csv:{argument}: there is no file {path}")
    files = _csv_files(path, options)
    columns = (options.image_column, options.label_column, options.group_column, options.split_column)
    unit = options.group_column or "image"
    return ImageSource(
        name=f"csv:{path.stem}",
        checksum=f"{path.resolve()} {file_checksum(path)} "
        + listing_checksum(path.parent, (file.path for file in files)),
        listing=lambda: _listing(f"csv:{argument}", files, unit, options),
        settings={"columns": columns, "feature_columns": options.feature_columns},
    )


def _folder_files(root: Path) -> list[ImageFile]:
    folders = _subfolders(root)
    if not folders:
        raise UserError(
            f"{root} has no class folders: expected {root}/<class>/<image>, or {root}/train/<class>/<image>"
        )
    is_split = [folder.name.lower() in (*SPLIT_NAMES, *SPLIT_WORDS) for folder in folders]
    if all(is_split):
        levels = [(split.name, folder) for split in folders for folder in _subfolders(split)]
    else:
        levels = [(None, folder) for folder in folders]
    if not levels:
        raise UserError(f"{root} has no class folders: expected {root}/{folders[0].name}/<class>/<image>")
    files = []
    for split, folder in levels:
        paths = sorted(path for path in folder.rglob("*") if _is_candidate(path))
        if not paths:
            raise UserError(f"class folder {folder} is empty: add images or remove the folder")
        for path in paths:
            example_id = path.relative_to(root).as_posix()
            files.append(ImageFile(path, example_id, example_id, folder.name, split))
    return files


def _subfolders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_candidate(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.name not in NOT_IMAGES


def _csv_files(path: Path, options: ImageOptions) -> list[ImageFile]:
    named = [options.image_column, options.label_column, options.group_column, options.split_column]
    columns = [column for column in (*named, *options.feature_columns) if column]
    rows = table_rows(path, columns)
    files = []
    for row in rows:
        name = row[options.image_column]
        files.append(
            ImageFile(
                path=path.parent / name,
                example_id=name,
                group_id=row[options.group_column] if options.group_column else name,
                label=row[options.label_column],
                split=row[options.split_column] if options.split_column else None,
                sensitive_features={column: row[column] or UNKNOWN for column in options.feature_columns},
            )
        )
    unlabelled = [file.example_id for file in files if not file.label]
    if unlabelled:
        raise UserError(f"{path}: {len(unlabelled)} row(s) have no {options.label_column}, e.g. {unlabelled[0]!r}")
    return files


def _listing(name: str, files: Sequence[ImageFile], group_unit: str, options: ImageOptions) -> Listing:
    """Checks classes, groups and splits before the first image is decoded."""
    class_names = sorted({file.label for file in files})
    if len(class_names) < 2:
        raise UserError(f"{name} has one class only, {class_names[0]!r}: at least two are needed")
    labels = np.array([class_names.index(file.label) for file in files])
    groups = np.array([file.group_id for file in files])
    with about(name):
        if files[0].split is None:
            check_class_groups(labels, groups, class_names=class_names)
        else:
            split_by_names(np.array([file.split for file in files]), labels, groups, options.seed, class_names)
    card = DatasetCard(
        name=name,
        title=name,
        modality="image",
        class_names=tuple(class_names),
        licence=OWN_DATA,
        citation=OWN_DATA,
        group_unit=group_unit,
    )

    def decode(task: tuple[ImageFile, int]) -> Example:
        file, label = task
        image = decode_image(file.path.read_bytes(), options.image_size)
        return Example(
            file.example_id, file.group_id, label, image, sensitive_features=file.sensitive_features, split=file.split
        )

    tasks = zip(files, labels.tolist(), strict=True)
    return Listing(card, len(files), decode_in_order(tasks, decode, lambda task: str(task[0].path)))
