import csv

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tfhealth.data import tabular
from tfhealth.data.tabular import POOL, RecordOptions, load_records
from tfhealth.errors import UserError

HEADER = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def patients(count, **columns):
    """Rows with a header: a label of two classes and the given columns, each a function of the row's number."""
    names = ["label", *columns]
    return [names, *(["well" if i % 2 else "ill", *(make(i) for make in columns.values())] for i in range(count))]


def whole(records):
    splits = (records.bundle.train, records.bundle.validation, records.bundle.test)
    return np.concatenate([split.x.take(slice(None)) for split in splits])


def test_breast_cancer_has_scikit_learns_numbers_and_classes():
    records = load_records("breast_cancer", RecordOptions())
    plain = load_breast_cancer()
    assert [column.name for column in records.columns] == plain.feature_names.tolist()
    assert not records.categorical.any()
    np.testing.assert_array_equal(np.sort(whole(records), axis=0), np.sort(plain.data, axis=0))
    rows = [int(name.removeprefix("row ")) - 1 for name in records.bundle.test.example_ids]
    np.testing.assert_array_equal(records.bundle.test.x.take(slice(None)), plain.data[rows])
    np.testing.assert_array_equal(records.bundle.test.y, plain.target[rows])


def test_ham10000_is_a_record_a_lesion_with_unknown_as_missing(tmp_path):
    rows = [HEADER]
    for i in range(120):
        dx = tabular.HAM10000.card.class_names[i % 7]
        for image in range(1 + i % 2):
            age, sex = ("" if i % 10 == 0 else f"{5 * (i % 15)}.0"), ("unknown" if i % 12 == 0 else "male")
            rows.append([f"HAM_{i}", f"ISIC_{i}_{image}", dx, "histo", age, sex, "back"])
    (tmp_path / "ham10000").mkdir()
    write(tmp_path / "ham10000/HAM10000_metadata.csv", rows)
    records = load_records("ham10000", RecordOptions(data_dir=tmp_path))
    x = whole(records)
    assert x.shape == (120, 4)
    assert [column.categories for column in records.columns] == [None, ("male",), ("back",), ("histo",)]
    assert np.isnan(x).sum(0).tolist() == [12, 10, 0, 0]
    assert np.nanmax(x[:, 0]) == 70


def test_ham10000_that_is_not_there_says_where_to_get_it(tmp_path):
    with pytest.raises(UserError, match=r"HAM10000_metadata.csv not found: download it from https"):
        load_records("ham10000", RecordOptions(data_dir=tmp_path))


def test_csv_columns_are_numbers_or_categories_and_rare_categories_are_pooled(tmp_path):
    rows = patients(
        100,
        weight=lambda i: "" if i % 9 == 0 else 50 + i / 2,
        grade=lambda i: i % 3,
        ward=lambda i: "only one" if i == 4 else ["east", "west"][i % 2],
    )
    records = load_records(f"csv:{write(tmp_path / 'own.csv', rows)}", RecordOptions(seed=1))
    weight, grade, ward = records.columns
    assert weight.categories is None
    assert grade.categories == ("0", "1", "2")
    trained = records.bundle.train.x.take(slice(None))[:, 2]
    assert ward.categories == ("east", "west", *((POOL,) if len(np.unique(trained)) > 2 else ()))
    assert records.bundle.card.class_names == ("ill", "well")
    assert np.isnan(whole(records)).sum(0)[0] == 12


@pytest.mark.parametrize("seed", range(4))
def test_category_that_only_few_have_never_stands_among_the_categories(tmp_path, seed):
    rows = patients(80, place=lambda i: f"village {i}" if i < 6 else "town")
    records = load_records(f"csv:{write(tmp_path / 'own.csv', rows)}", RecordOptions(seed=seed))
    assert records.columns[0].categories == ("town", POOL)


def test_people_of_one_group_stay_in_one_split(tmp_path):
    rows = patients(90, weight=lambda i: i, person=lambda i: f"p{i // 2 * 2 + i % 2}" if i < 30 else f"p{i}")
    rows += [[*row[:2], row[2]] for row in rows[1:30]]
    records = load_records(f"csv:{write(tmp_path / 'own.csv', rows)}", RecordOptions(group_column="person"))
    bundle = records.bundle
    assert not set(bundle.train.group_ids) & (set(bundle.test.group_ids) | set(bundle.validation.group_ids))
    assert [column.name for column in records.columns] == ["weight"]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"name": lambda i: f"Person {i}"}, "'name' has 60 different values that are no numbers"),
        ({"synthetic": lambda i: "yes"}, "it holds synthetic records"),
        ({}, "has no column besides 'label'"),
    ],
)
def test_table_that_must_not_be_trained_on_is_one_clear_line(tmp_path, columns, complaint):
    path = write(tmp_path / "own.csv", patients(60, **columns))
    with pytest.raises(UserError, match=complaint):
        load_records(f"csv:{path}", RecordOptions())


def test_words_of_a_record_are_the_cells_of_the_file(tmp_path):
    rows = patients(60, weight=lambda i: "" if i == 7 else i + 0.5, ward=lambda i: ["east", "west"][i % 2])
    records = load_records(f"csv:{write(tmp_path / 'own.csv', rows)}", RecordOptions())
    split = records.bundle.train
    cells = {tuple(map(str, row)) for row in rows[1:]}
    for row, label in zip(split.x.take(slice(None)), split.y, strict=True):
        assert tuple(records.words(row, label).values()) in cells


@pytest.mark.parametrize("name", ["wine", "csv:/nowhere/own.csv"])
def test_unknown_records_are_one_clear_line(name):
    with pytest.raises(UserError, match=r"unknown records 'wine'|there is no file"):
        load_records(name, RecordOptions())
