"""The records that data sets arrive in: a card of facts, three splits, and rows that may stay on disk."""

import mmap
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfhealth.errors import UserError

# Pages of a memory map that were read count as resident memory until they are given back; one row read can
# map 16 pages around it. After this many bytes of rows the map's pages are released (the OS still caches them).
RELEASE_AFTER_BYTES = 32 * 2**20


class Rows:
    """Rows of an array that may be memory-mapped, picked by index and read only when asked for.

    Args:
        array: (m, ...) numpy array or numpy.memmap.
        indices: (n,) int positions in `array`; None means all of it.
    """

    def __init__(self, array: np.ndarray, indices: np.ndarray | None = None):
        self.array = array
        self.indices = np.arange(len(array)) if indices is None else np.asarray(indices)
        self._bytes_read = 0

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.indices), *self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    def take(self, positions: np.ndarray | slice) -> np.ndarray:
        """Returns a copy of the rows at `positions` (of these rows, not of the array below)."""
        rows = np.asarray(self.array[self.indices[positions]])
        self._bytes_read += rows.nbytes
        if isinstance(self.array, np.memmap) and self._bytes_read > RELEASE_AFTER_BYTES:
            self.array._mmap.madvise(mmap.MADV_DONTNEED)
            self._bytes_read = 0
        return rows

    def subset(self, positions: np.ndarray) -> "Rows":
        return Rows(self.array, self.indices[positions])

    def __reduce__(self):
        """Another process gets the name of a memory-mapped file, not its content."""
        if isinstance(self.array, np.memmap):
            return _mapped_rows, (self.array.filename, self.indices)
        return Rows, (self.array, self.indices)


def _mapped_rows(path: str, indices: np.ndarray) -> Rows:
    try:
        return Rows(np.load(path, mmap_mode="r"), indices)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read on {socket.gethostname()} ({error.strerror}): set TFHEALTH_CACHE to a folder that "
            "all machines share"
        ) from None


@dataclass(frozen=True)
class DatasetCard:
    """Facts about a data set that the report repeats: origin, licence, classes, and what to be careful with."""

    name: str
    title: str
    modality: str  # "image" or "text"
    class_names: tuple[str, ...]  # index = class id
    licence: str
    citation: str
    url: str = ""
    synthetic: bool = False
    group_unit: str = "example"  # what a group is: "lesion", "patient", "document"
    positive_classes: tuple[str, ...] = ()  # e.g. the malignant ones
    notes: tuple[str, ...] = ()  # sentences for the report: bad files skipped, how splits were made, ...


@dataclass(frozen=True)
class Split:
    """One split. x (n, ...) rows, y (n,) int32, group_ids (n,) str, sensitive_features name -> (n,) str.

    example_ids (n,) str names each example; masks (n, height, width) uint8 in {0, 1} and boxes (n, 4) int32
    (left, top, right, bottom in pixels, right and bottom exclusive) are None where the source has none. weights (n,)
    float32: how much each example counts in training; None: all alike.
    """

    x: Rows
    y: np.ndarray
    group_ids: np.ndarray
    example_ids: np.ndarray
    sensitive_features: Mapping[str, np.ndarray] = field(default_factory=dict)
    masks: Rows | None = None
    boxes: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __post_init__(self):
        columns = {"y": self.y, "group_ids": self.group_ids, "example_ids": self.example_ids, **self.sensitive_features}
        columns |= {} if self.weights is None else {"weights": self.weights}
        for name, column in columns.items():
            if len(column) != len(self.x):
                raise ValueError(f"{name} has {len(column)} rows, x has {len(self.x)}")

    def __len__(self) -> int:
        return len(self.x)

    def subset(self, positions: np.ndarray) -> "Split":
        """Returns the examples at `positions` as a Split; no image is read."""
        return Split(
            x=self.x.subset(positions),
            y=self.y[positions],
            group_ids=self.group_ids[positions],
            example_ids=self.example_ids[positions],
            sensitive_features={name: column[positions] for name, column in self.sensitive_features.items()},
            masks=None if self.masks is None else self.masks.subset(positions),
            boxes=None if self.boxes is None else self.boxes[positions],
            weights=None if self.weights is None else self.weights[positions],
        )


@dataclass(frozen=True)
class DatasetBundle:
    """A data set ready to use: its card and three splits that share no group.

    Raises:
        UserError: a group id stands in two splits (the same patient or lesion would be trained on and tested on).
    """

    card: DatasetCard
    train: Split
    validation: Split
    test: Split
    vocabulary_size: int | None = None  # text only

    def __post_init__(self):
        ids = {name: set(getattr(self, name).group_ids) for name in ("train", "validation", "test")}
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
            shared = ids[first] & ids[second]
            if shared:
                example = str(min(shared))
                raise UserError(
                    f"{self.card.name}: {len(shared)} groups, e.g. {example!r}, are in both the {first} and the "
                    f"{second} split; give every {self.card.group_unit} one split, or leave the split column out"
                )

    @property
    def num_classes(self) -> int:
        return len(self.card.class_names)


def samples_by_class(split: Split, class_names, *, seed: int, count: int = 6) -> list[dict]:
    """Returns {"name", "images" (up to count, h, w, 3)} of each class, drawn at random."""
    rng, rows = np.random.default_rng(seed), []
    for label, name in enumerate(class_names):
        members = np.flatnonzero(split.y == label)
        chosen = np.sort(rng.choice(members, min(count, len(members)), replace=False))
        rows.append({"name": name, "images": split.x.take(chosen)})
    return rows
