"""Files are read with errors that name file and place, and written whole or not at all."""

import csv
import hashlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.errors import DataError, Problem
from qakit.io import (
    atomic_write,
    csv_text,
    parse_json,
    read_csv_rows,
    read_json,
    read_text,
    sha256_of,
    write_json,
    write_jsonl,
    write_parquet,
    write_text,
)


def problem_of(error: DataError) -> Problem:
    (problem,) = error.problems
    return problem


@pytest.mark.parametrize(
    ("raw", "field", "words"),
    [
        (b"", "file", "empty"),
        (b" \n\t", "file", "empty"),
        ("中".encode("utf-16"), "encoding", "UTF-16"),
        ("a".encode("utf-16-le"), "encoding", "UTF-16"),
        ("ab".encode("utf-32-be"), "encoding", "UTF-32"),
        (b"\xef\xbb\xbfabc", "encoding", "byte order mark"),
        ("a\nb\n中文".encode("big5"), "encoding", "line 3"),
    ],
)
def test_text_that_is_not_plain_utf8_is_refused_with_the_reason(raw: bytes, field: str, words: str, tmp_path: Path):
    path = tmp_path / "資料.json"
    path.write_bytes(raw)
    with pytest.raises(DataError) as caught:
        read_text(path)
    problem = problem_of(caught.value)
    assert (problem.file, problem.field) == (str(path), field)
    assert words in problem.message


def test_a_byte_order_mark_is_dropped_only_when_allowed(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes("\ufeff中\r\n".encode())
    assert read_text(path, allow_bom=True) == "中\r\n"


@pytest.mark.parametrize("name", [".", "nothing.json"])
def test_a_folder_and_a_missing_file_are_data_errors(name: str, tmp_path: Path):
    with pytest.raises(DataError, match="irectory"):
        read_text(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        ('[{"x": {"k": 1, "k": 1}}]', "'k' occurs twice"),
        ("[NaN]", "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{\n "a": 1,\n}', "line 3, column 1"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "digits"),
    ],
)
def test_json_that_the_standard_forbids_is_refused(text: str, words: str):
    with pytest.raises(DataError) as caught:
        parse_json(text, Path("a.json"))
    problem = problem_of(caught.value)
    assert (problem.file, problem.record, problem.field) == ("a.json", "whole file", "JSON")
    assert words in problem.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
def test_json_is_read_back_as_it_was_written(value: object, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_json_is_written_with_its_characters_and_without_nan(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"問": "𠮷"}, indent=None)
    assert path.read_bytes() == '{"問": "𠮷"}\n'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, float("nan"))
    assert path.read_bytes() == '{"問": "𠮷"}\n'.encode()


def test_json_lines_are_one_value_a_line(tmp_path: Path):
    values = [{"id": "1", "text": "兩\n行"}, {"id": "2"}]
    write_jsonl(tmp_path / "a.jsonl", iter(values))
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == values
    assert lines[-1] == ""


ROWS = st.lists(st.tuples(st.text(), st.text()), max_size=5)


@given(rows=ROWS)
def test_csv_cells_come_back_whatever_they_hold(rows: list[tuple[str, str]]):
    text = csv_text(("ID", "Answer"), rows)
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["ID", "Answer"], *map(list, rows)]


def test_csv_quotes_only_what_must_be_quoted_and_ends_lines_with_a_line_feed():
    rows = [("1", "「甲」，乙"), ("2", "a,b"), ("3", 'say "x"'), ("4", "two\nlines"), ("5", "a\rb")]
    assert csv_text(("ID", "Answer"), rows) == (
        'ID,Answer\n1,「甲」，乙\n2,"a,b"\n3,"say ""x"""\n4,"two\nlines"\n5,"a\rb"\n'
    )


def test_csv_rows_carry_the_line_they_end_on(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('id,answer\r\n1,"two\nlines"\r\n\r\n2,b\r\n', encoding="utf-8", newline="")
    assert list(read_csv_rows(path)) == [(3, {"id": "1", "answer": "two\nlines"}), (5, {"id": "2", "answer": "b"})]


def test_a_csv_row_of_another_length_is_a_problem_and_those_behind_it_are_read(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("id,answer\n1,2,3\n4\n5,6\n", encoding="utf-8")
    long, short, last = read_csv_rows(path)
    assert long == (2, Problem(str(path), "line 2", "row", "has 3 cells; expected 2, as the header has"))
    assert short == (3, Problem(str(path), "line 3", "row", "has 1 cells; expected 2, as the header has"))
    assert last == (4, {"id": "5", "answer": "6"})


@pytest.mark.parametrize(
    ("text", "record", "words"),
    [
        ("id,id\n1,2\n", "whole file", "twice"),
        ('id,answer\n1,"open\n', "whole file", "line 2: unexpected end"),
    ],
)
def test_a_broken_table_is_refused_whole(text: str, record: str, words: str, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(read_csv_rows(path))
    problem = problem_of(caught.value)
    assert problem.record == record
    assert words in problem.message


def test_an_exception_leaves_the_old_file_and_no_temporary_one(tmp_path: Path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyError), atomic_write(path) as file:
        file.write("new and longer")
        file.flush()
        raise KeyError
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_nothing_where_nothing_was(tmp_path: Path):
    path = tmp_path / "a.bin"
    with pytest.raises(KeyboardInterrupt), atomic_write(path, "wb") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_the_old_file_until_the_block_ends(tmp_path: Path):
    path = tmp_path / "new folder" / "a.txt"
    write_text(path, "old")
    with atomic_write(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"
    assert list(path.parent.iterdir()) == [path]


def test_who_opened_the_old_file_goes_on_reading_it(tmp_path: Path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with open(path, encoding="utf-8") as before:
        write_text(path, "new")
        assert before.read() == "old"


def test_line_ends_are_written_as_they_are(tmp_path: Path):
    write_text(tmp_path / "a.txt", "a\nb\r\nc\r")
    assert (tmp_path / "a.txt").read_bytes() == b"a\nb\r\nc\r"


def test_parquet_keeps_columns_and_metadata(tmp_path: Path):
    import pyarrow.parquet as pq

    write_parquet(tmp_path / "a.parquet", {"id": ["1", "2"], "n": [[1], []]}, metadata={"k": "值"})
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.to_pylist() == [{"id": "1", "n": [1]}, {"id": "2", "n": []}]
    assert table.schema.metadata[b"k"].decode() == "值"


def test_the_hash_is_that_of_the_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"\x00\xff" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"\x00\xff" * 100_000).hexdigest()
