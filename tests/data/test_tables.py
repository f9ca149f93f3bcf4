"""Tables read row by row: lines are numbered as an editor numbers them, and bad ones are named without their text."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tfhealth.data.tables import age_band, decode_text, open_table, table_rows
from tfhealth.errors import UserError


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> list[tuple[int, list[str]]]:
    with open_table(path) as table:
        return list(table.rows)


def test_rows_are_numbered_by_the_line_they_start_on(tmp_path):
    path = written(tmp_path / "a.csv", 'id,text\n1,"two\nlines"\n\n2,one\n')
    assert read(path) == [(2, ["1", "two\nlines"]), (5, ["2", "one"])]


def test_gzipped_and_tab_separated_tables_with_a_byte_order_mark_read_alike(tmp_path):
    plain = written(tmp_path / "a.csv", "\ufeffid,text\r\n1,one\r\n")
    packed = written(tmp_path / "a.csv.gz", gzip.compress("\ufeffid\ttext\n1\tone\n".encode()))
    for path in (plain, packed):
        with open_table(path) as table:
            assert table.columns == ("id", "text")
            assert list(table.rows) == [(2, ["1", "one"])]


def test_cell_longer_than_python_reads_by_default_is_read_whole(tmp_path):
    assert len(read(written(tmp_path / "a.csv", "text\n" + "x" * 200_000 + "\n"))[0][1][0]) == 200_000


def test_line_that_is_not_utf8_is_named_by_its_number_and_not_by_its_text(tmp_path):
    rows = b"id,text\n" + b"1,fine\n" * 5000 + b"2,canary caf\xe9\n" + b"3,fine\n" * 5000
    for path in (written(tmp_path / "a.csv", rows), written(tmp_path / "a.csv.gz", gzip.compress(rows))):
        with pytest.raises(UserError, match=r"a\.csv(\.gz)?, line 5002: bytes that are not UTF-8") as error:
            read(path)
        assert "canary" not in str(error.value)


def test_quote_that_never_closes_is_named_by_the_row_it_opens_in(tmp_path, monkeypatch):
    monkeypatch.setattr("tfhealth.data.tables.LONGEST_CELL", 1000)
    path = written(tmp_path / "a.csv", 'id,text\n1,one\n2,"canary\n' + "3,three\n" * 1000)
    with pytest.raises(UserError, match="the row in line 3 is no CSV") as error:
        read(path)
    assert "canary" not in str(error.value)


@pytest.mark.parametrize("kept", [5, 60, -1])
def test_truncated_gzip_is_one_line(tmp_path, kept):
    content = gzip.compress(b"id,text\n" + np.random.default_rng(0).bytes(3000).hex().encode())
    with pytest.raises(UserError, match="is damaged or truncated"):
        read(written(tmp_path / "a.csv.gz", content[:kept]))


def test_missing_column_is_named_and_a_headerless_table_is_not_repeated(tmp_path):
    path = written(tmp_path / "a.csv", "canary,ham\nmore,spam\n")
    with (
        open_table(path) as table,
        pytest.raises(UserError, match=r"has no column 'text': its first .* 2 are there") as error,
    ):
        table.places(["ham", "text"])
    assert "canary" not in str(error.value)


def test_table_rows_are_stripped_and_a_short_row_is_filled_up(tmp_path):
    path = written(tmp_path / "a.csv", "id,text,site\n 1 , one\n2,two,arm,more\n")
    expected = [{"id": "1", "text": "one", "site": ""}, {"id": "2", "text": "two", "site": "arm"}]
    assert table_rows(path, ["id"]) == expected
    with pytest.raises(UserError, match="has no column 'age'; it has id, text, site"):
        table_rows(path, ["id", "age"])
    with pytest.raises(UserError, match="has no rows"):
        table_rows(written(path, "id,text\n"), ["id"])


def test_decoding_names_the_place_and_the_line():
    assert decode_text("\ufeffcafé".encode(), "x") == "café"
    with pytest.raises(UserError, match="member 'x', line 3: bytes that are not UTF-8") as error:
        decode_text(b"one\ntwo\ncanary \xff", "member 'x'")
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("age", "band"), [(0, "0-29"), (30, "30-44"), (59.9, "45-59"), (75, "75+"), (300, "75+"), (np.nan, "unknown")]
)
def test_age_bands_begin_at_their_lower_bound(age, band):
    assert age_band(age) == band
