import numpy as np
import pytest

from tfhealth.audit.groups import (
    HIDDEN,
    NOT_AUDITED,
    SUPPRESSED,
    TOO_FEW,
    bands,
    grouping,
    intersect,
    people_ids,
    shown,
    units_in,
    with_intersections,
)


def labels(**counts):
    column = np.concatenate([np.full(count, name) for name, count in counts.items()])
    return column, np.arange(len(column)).astype(str)


def test_large_groups_stand_alone():
    found = grouping("tone", *labels(light=100, dark=40))
    assert found.names == ("dark", "light")
    assert found.units.tolist() == [40, 100]
    assert not found.left_out
    assert found.comparable


def test_small_groups_are_pooled_and_the_pool_names_them():
    found = grouping("tone", *labels(light=100, tan=20, dark=15))
    assert found.names == ("light", "pooled: dark / tan")
    assert found.pooled == {"pooled: dark / tan": ("dark", "tan")}
    assert np.sum(found.codes == 1) == 35


def test_pool_that_stays_too_small_is_too_few_to_say_and_not_audited():
    found = grouping("tone", *labels(light=100, tan=12, dark=5))
    assert found.names == ("light",)
    assert found.left_out == {"pooled: dark / tan": TOO_FEW}
    assert found.left_out_units == {"pooled: dark / tan": 17}
    assert np.sum(found.codes == NOT_AUDITED) == 17
    assert not found.comparable


def test_count_under_ten_is_not_recoverable_from_the_total():
    found = grouping("tone", *labels(light=100, tan=50, brown=40, dark=4))
    assert found.names == ("light", "pooled: brown / dark", "tan")
    assert found.units.sum() == 194


def test_count_under_ten_that_nobody_can_join_is_hidden():
    found = grouping("sex", *labels(female=100, other=4))
    assert found.left_out == {"other": SUPPRESSED}
    assert found.left_out_units == {"other": HIDDEN}


def test_size_is_counted_in_people_not_in_images():
    column = np.repeat(["a", "b"], 100)
    found = grouping("sex", column, np.concatenate([np.arange(100) // 10, np.arange(100) + 1000]).astype(str))
    assert found.names == ("b",)
    assert found.left_out_units == {"a": 10}


def test_unknown_is_never_pooled_with_others_but_audited_when_large():
    few = grouping("sex", *labels(female=100, unknown=4))
    assert few.left_out == {"unknown": SUPPRESSED}
    assert grouping("sex", *labels(female=100, unknown=40)).names == ("female", "unknown")
    assert "unknown" in grouping("tone", *labels(light=100, tan=20, dark=15, unknown=20)).left_out


def test_nothing_large_enough_leaves_nothing_to_audit():
    found = grouping("tone", *labels(light=8, dark=5))
    assert found.names == ()
    assert (found.codes == NOT_AUDITED).all()


def test_intersection_of_an_unknown_half_is_unknown():
    crossed = intersect(np.array(["female", "male"]), np.array(["40-59", "unknown"]))
    assert crossed.tolist() == ["female, 40-59", "unknown"]


def test_intersections_are_added_where_both_features_exist():
    features = {"sex": np.array(["f"]), "age_band": np.array(["0-39"])}
    assert list(with_intersections(features)) == ["sex", "age_band", "sex x age_band"]
    assert list(with_intersections({"sex": np.array(["f"])})) == ["sex"]


def test_bands_are_equally_filled_and_name_their_limits():
    found = bands(np.arange(100.0), unit="words")
    names, counts = np.unique(found, return_counts=True)
    assert counts.tolist() == [25] * 4
    assert names[0].endswith("words")


def test_bands_of_a_constant_and_of_missing_numbers():
    assert len(np.unique(bands(np.full(10, 3.0)))) == 1
    assert bands(np.array([1.0, np.nan, 2.0, 3.0])).tolist()[1] == "unknown"
    assert (bands(np.full(3, np.nan)) == "unknown").all()


def test_shown_hides_one_to_nine():
    assert [shown(count) for count in (0, 1, 9, 10)] == [0, HIDDEN, HIDDEN, 10]


def test_units_count_each_person_once_per_group():
    codes, ids = np.array([0, 0, 1, 1, -1]), np.array(["a", "a", "a", "b", "c"])
    assert units_in(codes, 2, np.ones((5, 1), bool), ids)[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize("missing", ["", "nan", "Unknown", "None"])
def test_missing_labels_are_unknown(missing):
    assert grouping("sex", *labels(**{"female": 50, missing: 5})).names == ("female",)


def test_groups_that_are_no_people_do_not_tie_examples_together():
    groups, examples = np.array(["I10", "I10"]), np.array(["note-1", "note-2"])
    assert people_ids(groups, examples, "category") is examples
    for unit in ("lesion", "patient_id", "Subject"):
        assert people_ids(groups, examples, unit) is groups
