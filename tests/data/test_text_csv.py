"""Tables of one's own texts: columns as named, bad rows by line, and not a word of a text in any message."""

import csv
from pathlib import Path

import pytest

from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.text import TextOptions, load_text_dataset
from tfhealth.errors import UserError

CANARY = "zxcanary"  # stands in texts only


def sizes(bundle: DatasetBundle) -> list[int]:
    return [len(bundle.train), len(bundle.validation), len(bundle.test)]


def table(path: Path, rows: list[list[str]], header: str = "text,label,patient,fold,site") -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return f"csv:{path}"


def rows(count: int = 20) -> list[list[str]]:
    return [
        [f"{CANARY} {i}, seen\nagain", "mel" if i % 2 else "nv", f"p{i // 2}", "train", "arm"] for i in range(count)
    ]


def refused(spec: str, options: TextOptions | None = None) -> str:
    """Returns the one line that loading `spec` ends with, which repeats nothing of a text."""
    with pytest.raises(UserError) as error:
        load_text_dataset(spec, options or TextOptions())
    text = str(error.value)
    assert "\n" not in text
    assert CANARY not in text
    return text


def test_csv_is_split_and_white_space_becomes_one_space(tmp_path):
    bundle = load_text_dataset(table(tmp_path / "a.csv", rows()), TextOptions())
    assert bundle.card.class_names == ("mel", "nv")
    assert sizes(bundle) == [14, 2, 4]
    assert bundle.card.group_unit == "document"
    texts = {text for split in (bundle.train, bundle.validation, bundle.test) for text in split.x.take(slice(None))}
    assert texts == {f"{CANARY} {i}, seen again" for i in range(20)}
    assert bundle.train.example_ids[0].startswith("line ")


def test_csv_columns_give_group_and_features(tmp_path):
    given = [*rows(), ["alone", "nv", "", "train", ""]]
    options = TextOptions(group_column="patient", feature_columns=("site",))
    bundle = load_text_dataset(table(tmp_path / "a.csv", given), options)
    assert bundle.card.group_unit == "patient"
    assert "1 texts have no patient and are a group each." in bundle.card.notes
    features = {
        value for split in (bundle.train, bundle.validation, bundle.test) for value in split.sensitive_features["site"]
    }
    assert features == {"arm", "unknown"}
    for split in (bundle.train, bundle.validation, bundle.test):
        assert all((split.group_ids == group).sum() == 2 for group in split.group_ids if group.startswith("p"))


def test_csv_with_a_split_column_keeps_it_and_says_which_texts_leak(tmp_path):
    given = rows()
    for i in range(14, 20):
        given[i][3] = "val" if i < 16 else "test"
    given[19][0] = given[1][0].upper()
    bundle = load_text_dataset(table(tmp_path / "a.csv", given), TextOptions(split_column="fold"))
    assert sizes(bundle) == [14, 2, 4]
    assert "1 of 4 test texts are in train too, word for word: scores on them are too high." in bundle.card.notes


def test_identical_texts_share_a_split_where_no_group_is_given(tmp_path):
    given = [[f"{CANARY}  {i // 4}", "mel" if i < 40 else "nv", "", "", ""] for i in range(80)]
    bundle = load_text_dataset(table(tmp_path / "a.csv", given), TextOptions())
    found = [set(split.x.take(slice(None))) for split in (bundle.train, bundle.validation, bundle.test)]
    assert len(set.union(*found)) == sum(map(len, found)) == 20
    assert "60 of 80 texts repeat another word for word; such texts share a split." in bundle.card.notes


def test_empty_texts_are_counted_and_the_first_is_named(tmp_path):
    given = rows()
    given[3][0] = given[5][0] = " \n"
    assert "2 of 20 texts are empty, the first is line 8" in refused(table(tmp_path / "a.csv", given))


def test_row_with_an_unquoted_comma_is_named_by_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "one,nv\n" * 4 + f"no fever, {CANARY},mel\n" + "one,mel\n")
    text = refused(f"csv:{path}")
    assert "1 row(s) have not the 2 cells of the header, the first in line 6: quote texts with commas" in text


def test_bytes_that_are_not_utf8_are_named_by_file_and_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\none,nv\n" + f"{CANARY} caf\xe9,mel\n".encode("latin-1"))
    assert f"{path}, line 3: bytes that are not UTF-8" in refused(f"csv:{path}")


def test_rows_without_a_label_are_counted(tmp_path):
    given = rows()
    given[4][1] = ""
    assert "1 row(s) have no label, the first in line 10" in refused(table(tmp_path / "a.csv", given))


def test_class_with_a_single_text_is_named(tmp_path):
    spec = table(tmp_path / "a.csv", [*rows(), [CANARY, "rare", "p99", "train", ""]])
    assert "class 'rare' has 1 group(s), 1 example(s)" in refused(spec)
    assert "class 'rare' has 1 example(s)" in refused(
        table(tmp_path / "a.csv", [*rows(), [CANARY, "rare", "p99", "train", ""], ["x", "nv", "p98", "test", ""]]),
        TextOptions(split_column="fold"),
    )


def test_one_class_only_is_refused(tmp_path):
    assert "has 1 class(es) with texts" in refused(table(tmp_path / "a.csv", [[CANARY, "nv", "", "", ""]] * 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_column": "diagnosis"}, "has no column 'diagnosis': its first line must name the columns"),
        ({"text_column": "fold", "split_column": "fold"}, "column 'fold' is the text"),
        ({"label_column": "text"}, "column 'text' is the text"),
        ({"text_column": "site", "label_column": "text"}, "has 20 different values in 20 rows"),
        ({"text_column": "site", "split_column": "text"}, "20 row(s) name no split in text, the first in line 2"),
    ],
)
def test_columns_named_wrongly_are_explained_without_their_content(tmp_path, options, message):
    assert message in refused(table(tmp_path / "a.csv", rows()), TextOptions(**options))


def test_label_group_or_feature_column_that_holds_texts_is_refused(tmp_path):
    given = [["x", f"{CANARY} {'y' * 200}", "", "", "arm"]] * 10
    spec = table(tmp_path / "a.csv", given)
    assert "10 row(s) have a label of more than 100 characters" in refused(spec)
    for options in ({"group_column": "label"}, {"feature_columns": ("label",)}):
        text = refused(spec, TextOptions(label_column="site", **options))
        assert "10 row(s) have a label of more than 100 characters" in text


def test_table_without_a_header_is_refused_without_its_first_row(tmp_path):
    spec = table(tmp_path / "a.csv", rows()[1:], header=f"{CANARY},nv,p0,train,arm")
    assert "has no column 'text', 'label'" in refused(spec)


def test_table_without_rows_or_file_is_refused(tmp_path):
    assert "has no rows" in refused(table(tmp_path / "a.csv", []))
    assert "there is no file gone.csv" in refused("csv:gone.csv")
