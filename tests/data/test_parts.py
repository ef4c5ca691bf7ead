"""Tables read part by part hold what they hold when they are read whole."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import read_dataset, write_dataset
from qakit.data.schemas.parts import find_tables, nonempty_tables, read_parts
from qakit.errors import ConfigError, DataError

RECORDS = [
    Record(f"q{number}", f"第{number}問？", (Paragraph("p", f"第{number}答在這裡"),), 0, (Answer(f"第{number}答", 0),))
    for number in range(23)
]


def write(folder: Path, suffix: str = "jsonl", records: list[Record] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    return write_dataset(records or RECORDS, folder / f"questions.{suffix}", suffix)[0]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("size", [1, 7, 23, 100])
def test_the_parts_together_are_the_file(tmp_path: Path, suffix: str, size: int):
    file = write(tmp_path, suffix)
    parts = list(read_parts([file], size))
    assert [part.number for part in parts] == list(range(-(-len(RECORDS) // size)))
    assert all(len(part.records) == size for part in parts[:-1])
    assert tuple(record for part in parts for record in part.records) == read_dataset([file]).records


@given(size=st.integers(1, 12), first=st.integers(0, 8))
def test_parts_that_are_not_wanted_are_passed_over(tmp_path_factory: pytest.TempPathFactory, size: int, first: int):
    file = write(tmp_path_factory.getbasetemp() / "passed-over")
    assert list(read_parts([file], size, first=first)) == list(read_parts([file], size))[first:]


def test_a_part_that_is_passed_over_is_not_parsed(tmp_path: Path):
    file = tmp_path / "broken.jsonl"
    file.write_text("{not JSON\n" + json.dumps({"question": "誰？", "context": "他"}) + "\n", encoding="utf-8")
    (part,) = read_parts([file], 1, first=1)
    assert part.records[0].question == "誰？"


def test_rows_without_an_id_are_numbered_through_all_files(tmp_path: Path):
    lines = [json.dumps({"question": f"{number}？", "context": "甲"}) for number in range(5)]
    files = [tmp_path / name for name in ("a.jsonl", "b.ndjson")]
    files[0].write_text("\n".join(lines[:3]) + "\n\n", encoding="utf-8")
    files[1].write_text("\n".join(lines[3:]), encoding="utf-8")
    parts = list(read_parts(files, 2))
    assert [[record.id for record in part.records] for part in parts] == [["0", "1"], ["2"], ["3", "4"]]


def test_a_folder_is_its_tables_by_name(tmp_path: Path):
    for name in ("b.parquet", "a.jsonl", "c.ndjson", "notes.txt", ".hidden.jsonl"):
        (tmp_path / name).touch()
    assert [file.name for file in find_tables(tmp_path)] == ["a.jsonl", "b.parquet", "c.ndjson"]


def test_one_table_of_a_folder_must_hold_a_row(tmp_path: Path):
    for name in ("a.jsonl", "b.ndjson"):
        (tmp_path / name).write_text("\n")
    with pytest.raises(DataError) as found:
        nonempty_tables(tmp_path)
    assert [Path(problem.file).name for problem in found.value.problems] == ["a.jsonl", "b.ndjson"]
    write(tmp_path, "parquet")
    assert len(nonempty_tables(tmp_path)) == 3


@pytest.mark.parametrize("name", ["empty", "data.json", "data.csv"])
def test_what_is_no_table_is_refused(tmp_path: Path, name: str):
    path = tmp_path / name
    path.mkdir() if name == "empty" else path.touch()
    with pytest.raises(ConfigError, match=r"\.jsonl"):
        find_tables(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"none\.jsonl.*No such file"):
        find_tables(tmp_path / "none.jsonl")


def test_mistakes_come_when_it_is_their_turn_and_tell_the_line(tmp_path: Path):
    file = tmp_path / "a.jsonl"
    good = json.dumps({"id": "a", "question": "誰？", "context": "他"})
    file.write_text(f"{good}\n\n{{]\n", encoding="utf-8")
    parts = read_parts([file], 1)
    assert next(parts).records[0].id == "a"
    with pytest.raises(DataError, match=r"a\.jsonl: line 3: JSON"):
        next(parts)
    assert [part.skipped for part in read_parts([file], 1, lenient=True)] == [0, 1]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'{"question": "\xe8\xaa"}\n'])
def test_another_encoding_is_a_mistake_in_the_file(tmp_path: Path, content: bytes):
    file = tmp_path / "a.jsonl"
    file.write_bytes(content)
    with pytest.raises(DataError, match="UTF-8"):
        list(read_parts([file], 5))


def test_a_broken_parquet_file_is_a_mistake_in_the_file(tmp_path: Path):
    file = write(tmp_path, "parquet")
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"PAR1" * 9, whole[:4] + bytes(40) + whole[44:]):
        file.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            list(read_parts([file], 5))


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path):
    file = tmp_path / "a.jsonl"
    file.write_text('\ufeff{"id": "a", "question": "誰？", "context": "他"}\n', encoding="utf-8")
    assert [record.id for part in read_parts([file], 5) for record in part.records] == ["a"]
