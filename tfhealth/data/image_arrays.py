"""Images in .npz files: one's own (npz:PATH) and MedMNIST's (medmnist:FLAG). Rows are streamed, never all in memory."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from tfhealth.data.archives import ZIP_ERRORS, damage_named, find_file, zip_members
from tfhealth.data.cache import file_checksum
from tfhealth.data.cards import MEDMNIST_SIZES, MEDMNIST_TABLE, MULTI_LABEL, OWN_DATA, medmnist_facts
from tfhealth.data.dataset import DatasetCard
from tfhealth.data.download import download
from tfhealth.data.image_source import Example, ImageOptions, ImageSource, Listing, square_array
from tfhealth.data.splits import check_class_groups, split_by_names
from tfhealth.errors import UserError, about

MEDMNIST_SPLITS = {"train": "train", "val": "validation", "test": "test"}  # MedMNIST's prefix -> our name


@dataclass(frozen=True)
class Member:
    """The header of one array in an .npz file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool


def find_npz(argument: str, options: ImageOptions) -> ImageSource:
    """Returns npz:PATH with x (n, h, w[, 1 or 3]) uint8, y (n,) int or str, optional group and split; or as MedMNIST's.

    Raises:
        UserError: missing, damaged, holds pickled objects, or has arrays of another shape or dtype.
    """
    path = Path(argument).expanduser()
    if not path.is_file():
        raise UserError(f"npz:{argument}: there is no file {path}")
    return ImageSource(
        name=f"npz:{path.stem}",
        checksum=file_checksum(path),
        listing=lambda: _listing(path, _own_card(f"npz:{argument}"), options),
    )


def find_medmnist(flag: str, options: ImageOptions) -> ImageSource:
    """Returns medmnist:FLAG from `data_dir`/medmnist or `data_dir`, else downloads it; the official split is kept."""
    if flag == MULTI_LABEL:
        raise UserError("medmnist:chestmnist has several labels per image, which is not supported: choose another flag")
    if flag not in MEDMNIST_TABLE:
        raise UserError(f"unknown MedMNIST flag {flag!r}: choose from {', '.join(MEDMNIST_TABLE)}")
    facts = medmnist_facts(flag)
    path = locate_medmnist(flag, options)
    if path is None:
        wanted = facts.files[_wanted_size(options.image_size)]
        path = download(wanted.url, options.folder / "medmnist" / wanted.name, wanted.md5)
    return ImageSource(
        name=facts.card.name,
        checksum=file_checksum(path),
        listing=lambda: _listing(path, facts.card, options),
    )


def locate_medmnist(flag: str, options: ImageOptions) -> Path | None:
    """Returns the file of the smallest published size >= image_size that is here, else the largest that is."""
    files = medmnist_facts(flag).files
    first = _wanted_size(options.image_size)
    names = [file.name for file in (*files[first:], *reversed(files[:first]))]
    by_size = (find_file(options.folder, "medmnist", [name]) for name in names)
    return next((path for path in by_size if path is not None), None)


def _wanted_size(image_size: int) -> int:
    """Returns the position in MEDMNIST_SIZES of the smallest size that need not be enlarged, or of the largest."""
    return next((i for i, size in enumerate(MEDMNIST_SIZES) if size >= image_size), len(MEDMNIST_SIZES) - 1)


def _own_card(name: str) -> DatasetCard:
    return DatasetCard(
        name=name, title=name, modality="image", class_names=(), licence=OWN_DATA, citation=OWN_DATA, group_unit="image"
    )


def _listing(path: Path, card: DatasetCard, options: ImageOptions) -> Listing:
    members = _members(path)
    with np.load(path, allow_pickle=False) as file:
        if "train_images" in members:
            prefixes = [prefix for prefix in MEDMNIST_SPLITS if f"{prefix}_images" in members]
            sources = [(f"{prefix}_images", f"{prefix}_labels") for prefix in prefixes]
            split = np.concatenate([[MEDMNIST_SPLITS[p]] * members[f"{p}_images"].shape[0] for p in prefixes])
        else:
            sources = [("x", "y")]
            split = file["split"].astype(str) if "split" in members else None
        for images, labels in sources:
            _check_arrays(path, members, images, labels)
        labels = np.concatenate([file[name].reshape(-1) for _, name in sources])
        groups = file["group"].astype(str) if "group" in members else None
    card, label_ids = _named_classes(path, card, labels)
    card = _with_size_note(card, members[sources[0][0]], options.image_size)
    example_ids = np.array([f"{name}[{i}]" for name, _ in sources for i in range(members[name].shape[0])])
    columns = {"group": example_ids if groups is None else groups, "split": split, "id": example_ids}
    _check_columns(path, columns, label_ids, card, options)
    return Listing(card, len(label_ids), _examples(path, [name for name, _ in sources], label_ids, columns, options))


def _members(path: Path) -> dict[str, Member]:
    """Returns the header of every array; UserError for pickled objects, other members and damage."""
    zip_members(path)  # refuses names that lead out of the folder
    found = {}
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            try:
                with file.open(name) as stream:
                    found[name.removesuffix(".npy")] = _header(stream)
            except ZIP_ERRORS as error:
                raise UserError(f"{path}: {name} is not a readable array ({error})") from None
    for name, member in found.items():
        if member.dtype.hasobject:
            raise UserError(
                f"{path}: {name} holds pickled Python objects, which can run code: refused; save plain arrays"
            )
    return found


def _header(stream: IO[bytes]) -> Member:
    """Reads the header and leaves the stream at the first row."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"unknown .npy version {version}")
    return Member(shape, dtype, fortran_order)


def _check_arrays(path: Path, members: Mapping[str, Member], images: str, labels: str) -> None:
    for name in (images, labels):
        if name not in members:
            raise UserError(f"{path} has no array {name!r}; it has {', '.join(members) or 'none'}: x and y are needed")
    x, y = members[images], members[labels]
    if x.dtype != np.uint8 or len(x.shape) not in (3, 4) or (len(x.shape) == 4 and x.shape[3] not in (1, 3)):
        raise UserError(f"{path}: {images} is {x.dtype} {x.shape}, expected uint8 (n, height, width[, 1 or 3])")
    if x.fortran_order:
        raise UserError(f"{path}: {images} is in Fortran order: save np.ascontiguousarray({images})")
    if y.dtype.kind not in "iuU" or len(y.shape) not in (1, 2) or (len(y.shape) == 2 and y.shape[1] != 1):
        raise UserError(f"{path}: {labels} is {y.dtype} {y.shape}, expected (n,) int or str")
    if x.shape[0] != y.shape[0] or x.shape[0] == 0:
        raise UserError(
            f"{path}: {images} has {x.shape[0]} rows and {labels} {y.shape[0]}: they need equally many, > 0"
        )


def _named_classes(path: Path, card: DatasetCard, labels: np.ndarray) -> tuple[DatasetCard, np.ndarray]:
    """Returns the card with class names (its own, else the labels themselves, sorted) and the class ids."""
    if not card.class_names:
        values, label_ids = np.unique(labels, return_inverse=True)
        if len(values) < 2:
            raise UserError(f"{path} has one class only, {str(values[0])!r}: at least two are needed")
        return replace(card, class_names=tuple(str(value) for value in values)), label_ids
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(card.class_names):
        raise UserError(f"{path}: labels must be 0 to {len(card.class_names) - 1} in {card.name}")
    return card, labels.astype(int)


def _with_size_note(card: DatasetCard, images: Member, size: int) -> DatasetCard:
    smaller = min(images.shape[1:3])
    if smaller >= size:
        return card
    note = f"The images are {smaller} px wide or high and were enlarged to {size} px, which adds no detail."
    return replace(card, notes=(*card.notes, note))


def _check_columns(
    path: Path,
    columns: Mapping[str, np.ndarray | None],
    label_ids: np.ndarray,
    card: DatasetCard,
    options: ImageOptions,
) -> None:
    for name, column in columns.items():
        if column is not None and column.shape != label_ids.shape:
            raise UserError(f"{path}: {name} has shape {column.shape}, expected {label_ids.shape}, one per image")
    with about(str(path)):
        if columns["split"] is None:
            check_class_groups(label_ids, columns["group"], class_names=card.class_names)
        else:
            split_by_names(columns["split"], label_ids, columns["group"], options.seed, card.class_names)


def _examples(
    path: Path,
    names: Sequence[str],
    label_ids: np.ndarray,
    columns: Mapping[str, np.ndarray | None],
    options: ImageOptions,
) -> Iterator[Example]:
    position = 0
    for name in names:
        with _rows(path, name) as rows:
            for pixels in rows:
                yield Example(
                    example_id=str(columns["id"][position]),
                    group_id=str(columns["group"][position]),
                    label=int(label_ids[position]),
                    image=square_array(pixels, options.image_size),
                    split=None if columns["split"] is None else str(columns["split"][position]),
                )
                position += 1


@contextmanager
def _rows(path: Path, name: str) -> Iterator[Iterator[np.ndarray]]:
    """Yields the rows of one uint8 array of an .npz file, read one after the other."""

    def read(stream: IO[bytes], member: Member) -> Iterator[np.ndarray]:
        row_bytes = int(np.prod(member.shape[1:]))
        for position in range(member.shape[0]):
            with damage_named(path, name):
                content = stream.read(row_bytes)
            if len(content) < row_bytes:
                raise UserError(
                    f"{path}: {name} ends after {position} of {member.shape[0]} images: the file is damaged"
                )
            yield np.frombuffer(content, np.uint8).reshape(member.shape[1:])

    with zipfile.ZipFile(path) as file:
        with damage_named(path, name):
            stream = file.open(f"{name}.npy")
            header = _header(stream)
        with stream:
            yield read(stream, header)
