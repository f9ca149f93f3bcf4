"""Splits: groups stay whole, shares are met, every class is everywhere."""

import numpy as np
import pytest

from tfhealth.data.splits import SPLIT_NAMES, check_class_groups, split_by_group, split_by_names
from tfhealth.errors import UserError


def lesions(count: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and group ids like HAM10000's: rare classes, one to six images a lesion."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(5, count, p=[0.67, 0.2, 0.1, 0.02, 0.01])
    sizes = rng.choice([1, 2, 3, 6], count, p=[0.75, 0.18, 0.05, 0.02])
    groups = np.array([f"lesion{i:05d}" for i in range(count)])
    return np.repeat(labels, sizes), np.repeat(groups, sizes)


def test_split_keeps_each_group_in_one_split_and_uses_every_row_once():
    y, groups = lesions()
    parts = split_by_group(y, groups, seed=1)
    ids = [set(groups[parts[name]]) for name in SPLIT_NAMES]
    assert len(set.union(*ids)) == sum(map(len, ids))
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(y)))


def test_split_meets_the_shares_overall_and_in_each_class():
    y, groups = lesions()
    parts = split_by_group(y, groups, seed=2)
    for label in np.unique(y):
        total = np.sum(y == label)
        for name, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
            count = np.sum(y[parts[name]] == label)
            assert abs(count - share * total) <= 2, (label, name)  # dealt large first: off by a small group at most


def test_split_is_set_by_its_seed_and_not_by_the_order_of_rows():
    y, groups = lesions()
    same, other = split_by_group(y, groups, seed=3), split_by_group(y, groups, seed=4)
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = split_by_group(y[order], groups[order], seed=3)
    assert set(groups[same["test"]]) == set(groups[order][shuffled["test"]])
    assert set(groups[same["test"]]) != set(groups[other["test"]])


def test_split_puts_large_groups_in_every_split():
    y, groups = lesions()
    sizes = dict(zip(*np.unique(groups, return_counts=True), strict=True))
    for rows in split_by_group(y, groups, seed=5).values():
        assert max(sizes[group] for group in groups[rows]) == 6


def test_split_gives_a_class_of_three_groups_one_in_each_split():
    y = np.array([0] * 100 + [1] * 3)
    groups = np.array([f"g{i}" for i in range(103)])
    parts = split_by_group(y, groups, seed=0)
    assert [int(np.sum(y[parts[name]] == 1)) for name in SPLIT_NAMES] == [1, 1, 1]


def test_split_spreads_a_class_that_only_shares_its_groups_with_another():
    y = np.tile([0, 0, 0, 1], 40)  # 40 patients, each with three of one class and one of the other
    parts = split_by_group(y, np.repeat(np.arange(40), 4).astype(str), seed=0)
    assert [int(np.sum(y[parts[name]] == 1)) for name in SPLIT_NAMES] == [28, 4, 8]


def test_class_with_two_groups_is_named_in_one_line():
    y, groups = np.array([0] * 9 + [1] * 4), np.array([f"g{i}" for i in range(9)] + ["a", "a", "b", "b"])
    with pytest.raises(UserError, match=r"^class 'melanoma' has 2 group\(s\), 4 example\(s\)[^\n]*$"):
        split_by_group(y, groups, seed=0, class_names=("nevus", "melanoma"))


def test_class_that_does_not_occur_is_named():
    with pytest.raises(UserError, match="class 'gone' has 0 group"):
        check_class_groups(np.zeros(9, int), np.arange(9).astype(str), class_names=("there", "gone"))


def test_given_split_is_kept_and_validation_is_carved_from_train_by_group():
    y = np.tile([0, 1], 60)
    groups = np.array([f"g{i // 4}" for i in range(120)])
    split = np.array(["train"] * 80 + ["test"] * 40)
    parts, note = split_by_names(split, y, groups, 0, ("a", "b"))
    assert np.array_equal(parts["test"], np.arange(80, 120))
    assert len(parts["validation"]) == pytest.approx(10, abs=4)  # an eighth of 80, in groups of 4
    assert not set(groups[parts["train"]]) & set(groups[parts["validation"]])
    assert "an eighth" in note


def test_given_split_without_test_uses_its_validation_as_test():
    split = np.array(["training"] * 40 + ["val"] * 10)
    y, groups = np.tile([0, 1], 25), np.arange(50).astype(str)
    parts, note = split_by_names(split, y, groups, 0, ("a", "b"))
    assert np.array_equal(parts["test"], np.arange(40, 50))
    assert "serve as test" in note


@pytest.mark.parametrize(
    ("split", "y", "groups", "message"),
    [
        (["train", "train", "test", "test"], [0, 1, 0, 1], ["a", "b", "a", "c"], "1 group.*'a'.*two splits"),
        (["train", "train", "holdout", "test"], [0, 1, 0, 1], ["a", "b", "c", "d"], "unknown split 'holdout'"),
        (["train", "train", "train", "train"], [0, 1, 0, 1], ["a", "b", "c", "d"], "has only train"),
        (["train", "train", "test", "test"], [0, 0, 0, 1], ["a", "b", "c", "d"], "class 'two' has 1 example"),
    ],
)
def test_given_split_that_cannot_be_used_is_refused(split, y, groups, message):
    with pytest.raises(UserError, match=message):
        split_by_names(np.array(split), np.array(y), np.array(groups), 0, ("one", "two"))
