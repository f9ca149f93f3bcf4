"""Splits in which a patient or lesion stays whole."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfhealth.errors import UserError

SPLIT_NAMES = ("train", "validation", "test")
SPLIT_WORDS = {"training": "train", "val": "validation", "valid": "validation", "dev": "validation", "testing": "test"}


def split_by_group(
    y: np.ndarray,
    group_ids: np.ndarray,
    seed: int,
    validation_share: float = 0.1,
    test_share: float = 0.2,
    class_names: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Returns {"train", "validation", "test"} -> sorted positions; groups stay whole, classes keep their shares.

    A group counts for the class of which it holds the largest part (its only class, mostly). Within each class groups
    are dealt, large ones first and equal ones in an order set by the seed, to the split that is emptiest for its
    share; every class reaches every split.

    Args:
        y: (n,) int class ids.
        group_ids: (n,) str; all examples of one group land in one split.
        seed: the same seed gives the same split.
        validation_share, test_share: fractions of the examples; train gets the rest; 0 leaves the split empty.
        class_names: index = class id; names the classes in errors, and each of them must occur.

    Raises:
        UserError: a class is in fewer groups than there are splits, or misses one as it shares its groups with others.
    """
    shares = zip(SPLIT_NAMES, (1 - validation_share - test_share, validation_share, test_share), strict=True)
    shares = {name: share for name, share in shares if share > 0}
    check_class_groups(y, group_ids, len(shares), class_names)
    group_of_row, group_label, group_size = _groups(y, group_ids)
    split_of_group = np.empty(len(group_label), dtype=object)
    rng = np.random.default_rng(seed)
    for label in np.unique(group_label):
        groups = rng.permutation(np.flatnonzero(group_label == label))
        groups = groups[np.argsort(-group_size[groups], kind="stable")]
        split_of_group[groups] = _deal(group_size[groups], shares)
    split_of_row = split_of_group[group_of_row]
    for label in np.unique(y):
        for absent in set(shares) - set(split_of_row[y == label]):
            raise UserError(f"class {_name(label, class_names)} got no group in {absent}: try another seed")
    return {name: np.flatnonzero(split_of_row == name) for name in SPLIT_NAMES}


def check_class_groups(
    y: np.ndarray, group_ids: np.ndarray, needed: int = 3, class_names: Sequence[str] | None = None
) -> None:
    """Raises UserError naming the first class that is in fewer than `needed` groups (patients, lesions, images)."""
    labels = np.unique(y) if class_names is None else np.arange(len(class_names))
    pairs = np.unique(np.stack([y.astype(str), group_ids.astype(str)]), axis=1)[0]  # one entry per class and group
    for label in labels:
        count = int(np.sum(pairs == str(label)))
        if count < needed:
            raise UserError(
                f"class {_name(label, class_names)} has {count} group(s), {int(np.sum(y == label))} example(s), but "
                f"{needed} splits need one each: add examples of it or leave the class out"
            )


def split_by_names(
    split: np.ndarray, y: np.ndarray, group_ids: np.ndarray, seed: int, class_names: Sequence[str]
) -> tuple[dict[str, np.ndarray], str]:
    """Returns the given split as positions, and a sentence saying what was added to it.

    Args:
        split: (n,) str, each "train", "validation" (or "val") or "test". Without test, the validation examples
            become the test split; without validation, an eighth of train, grouped, becomes validation.
        y, group_ids, seed, class_names: as in `split_by_group`.

    Raises:
        UserError: an unknown split name, a group in two splits, no train or no held-out examples, or a class
            with a single example or none in train.
    """
    names = np.array([_split_name(word) for word in split], dtype="U10")
    _check_names(names, group_ids)
    note = "The split is the one that came with the data"
    if "test" not in names:
        names[names == "validation"] = "test"
        note += "; its validation examples serve as test"
    _check_classes(names, y, class_names)
    if "validation" not in names:
        train = np.flatnonzero(names == "train")
        held_out = split_by_group(y[train], group_ids[train], seed, 0.125, 0.0)["validation"]
        names[train[held_out]] = "validation"
        note += "; validation is an eighth of its training examples"
    return {name: np.flatnonzero(names == name) for name in SPLIT_NAMES}, note + "."


def _groups(y: np.ndarray, group_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the group number of each row, and each group's size and label: the one of which it holds the most."""
    ids, group_of_row = np.unique(group_ids, return_inverse=True)
    labels, label_of_row = np.unique(y, return_inverse=True)
    counts = np.zeros((len(ids), len(labels)), dtype=np.int64)  # (groups, labels)
    np.add.at(counts, (group_of_row, label_of_row), 1)
    return group_of_row, labels[(counts / counts.sum(axis=0)).argmax(axis=1)], counts.sum(axis=1)


def _deal(sizes: np.ndarray, shares: Mapping[str, float]) -> list[str]:
    """Deals groups of the given sizes, in order, to the split that would be least full; none is left empty."""
    filled = dict.fromkeys(shares, 0)
    dealt = []
    for position, size in enumerate(sizes):
        empty = [name for name in shares if filled[name] == 0]
        choices = empty if len(sizes) - position <= len(empty) else list(shares)
        name = min(choices, key=lambda choice: (filled[choice] + size) / shares[choice])
        filled[name] += int(size)
        dealt.append(name)
    return dealt


def _name(label: int, class_names: Sequence[str] | None) -> str:
    return str(label) if class_names is None else repr(class_names[label])


def _split_name(word: str) -> str:
    name = str(word).strip().lower()
    name = SPLIT_WORDS.get(name, name)
    if name not in SPLIT_NAMES:
        raise UserError(f"unknown split {str(word)!r}: use train, validation (or val) and test")
    return name


def _check_names(names: np.ndarray, group_ids: np.ndarray) -> None:
    if "train" not in names or len(np.unique(names)) < 2:
        found = ", ".join(sorted(set(names.tolist())))
        raise UserError(f"the given split has only {found}: it needs train and at least one of validation and test")
    pairs = np.unique(np.stack([group_ids.astype(str), names]), axis=1)[0]  # one entry per group and split
    ids, splits_of_group = np.unique(pairs, return_counts=True)
    crossing = ids[splits_of_group > 1]
    if len(crossing):
        raise UserError(
            f"{len(crossing)} group(s), e.g. {str(crossing[0])!r}, would have to be in two splits: give every group "
            "one split, or leave the split column out"
        )


def _check_classes(names: np.ndarray, y: np.ndarray, class_names: Sequence[str]) -> None:
    for label, class_name in enumerate(class_names):
        in_train = int(np.sum((y == label) & (names == "train")))
        if in_train == 0 or int(np.sum(y == label)) < 2:
            raise UserError(
                f"class {class_name!r} has {int(np.sum(y == label))} example(s), {in_train} of them in train: it needs "
                "at least 2, and 1 in train; add examples of it or leave the class out"
            )
