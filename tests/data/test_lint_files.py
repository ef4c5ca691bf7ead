"""Lint of the form of a file: what a right file holds is read whole, and what is broken does not stop the reading."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qakit.data.lint.files import LooseFile, read_loosely
from qakit.data.predictions import PREDICTION_FORMATS, read_predictions, write_predictions
from qakit.errors import DataError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["\r", "\n", '"', ",", "\x00", " ", "\x1b[31m", "[/x]", "id", "ID", "answer", "\t", ";", "\r\n"]
)
PREDICTIONS = {str(number): answer for number, answer in enumerate(["甲", "乙,丙", '「丁"', "國立中央大學在桃園市"])}
CSV = "id,answer\n0,甲\n1,乙丙\n2,丁\n3,戊\n"


def read(raw: bytes | str, folder: Path, form: str | None = None, name: str = "file.txt") -> LooseFile:
    path = folder / name
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return read_loosely(path, form, {"0", "1", "2", "3"})


def kinds(loose: LooseFile) -> list[str]:
    return [finding.kind for finding in loose.findings]


def answers(loose: LooseFile) -> dict[str, str | None]:
    return {entry.id: entry.answer for entry in loose.entries}


@pytest.mark.parametrize("format", PREDICTION_FORMATS)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(predictions=st.dictionaries(TEXTS.filter(bool), TEXTS, min_size=1, max_size=5))
def test_a_right_file_is_read_as_by_the_strict_reader(format: str, predictions: dict[str, str], tmp_path: Path):
    path = tmp_path / "predictions"
    write_predictions(predictions, path, format)
    loose = read_loosely(path, format, predictions)
    assert answers(loose) == read_predictions(path)
    assert [kind for kind in kinds(loose) if kind not in ("quotes", "line ends")] == []


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(min_size=1, max_size=40) | st.text('{}[]",:\n\rid01甲 \\', min_size=1).map(str.encode))
def test_no_bytes_stop_it(raw: bytes, tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(raw)
    if not raw.strip():
        with pytest.raises(DataError, match="is empty"):
            read_loosely(path)
        return
    for finding in read_loosely(path, "hw7").findings:
        assert finding.message
        finding.message.encode()


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(min_size=1, max_size=60) | st.text('{}[]",:\n\rid01甲 \\', min_size=1).map(str.encode))
def test_what_the_strict_reader_refuses_has_a_fault(raw: bytes, tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(raw)
    try:
        expected = read_predictions(path)
    except DataError:
        if raw.strip():
            loose = read_loosely(path)
            ids = [entry.id for entry in loose.entries]
            assert loose.findings or not ids or len(set(ids)) < len(ids) or "" in ids
        return
    assert answers(read_loosely(path)) == expected


@pytest.mark.parametrize(
    ("raw", "form", "expected"),
    [
        (CSV, "adl2022", []),
        (CSV, "hw7", ["header"]),
        (CSV.replace("id,answer", "ID,Answer"), "adl2022", ["header"]),
        (CSV.replace("id,answer", "Id,Answer"), "hw7", ["header"]),
        (CSV.replace("id,answer", "id,question_text"), None, []),
        (CSV.removeprefix("id,answer\n"), "hw7", ["header"]),
        (CSV.removeprefix("id,answer\n"), None, ["header"]),
        (CSV.replace(",", "\t"), "adl2022", ["columns"]),
        (CSV.replace(",", ";"), None, ["columns"]),
        (b"\xef\xbb\xbf" + CSV.encode(), "adl2022", ["byte order mark"]),
        (CSV.replace("\n", "\r\n"), "adl2022", ["line ends"]),
        (CSV.replace("\n", "\r\r\n"), "adl2022", ["line ends", "blank lines"]),
        (CSV.replace("1,乙丙", "1,乙丙\n"), "adl2022", ["blank lines"]),
        (CSV + "\n\n", "adl2022", []),
        (CSV.encode("utf-16"), "adl2022", ["encoding"]),
        (CSV.encode("utf-16-le"), "adl2022", ["encoding"]),
        (CSV.encode("cp950"), "adl2022", ["encoding"]),
        (CSV.replace("乙丙", "长江").encode("gb18030"), "adl2022", ["encoding"]),
        (json.dumps(PREDICTIONS), "hw7", ["form"]),
        (json.dumps(PREDICTIONS), "adl2021", []),
        (CSV, "adl2021", ["form"]),
        ('{"0": "甲",\n "0": "乙"}', "adl2021", []),
        ('[{"id": 0, "answer": "甲"}]', "adl2021", ["form"]),
        ('{"id": 0, "answer": "甲"}\n{"id": 1, "answer": "乙"}\n', "adl2021", ["form"]),
        ('{"id": 0, "answer": "甲"}\n{"id": 1, "answer"\n', "jsonl", ["syntax"]),
        ('{"id": 0, "answer": "甲"}\n{"id": 1}\n{"answer": "甲"}\n3\n', "jsonl", ["columns"] * 2 + ["values"] * 2),
        ('{"0": "甲", "1": 3, "2": null, "3": ["甲"]}', "adl2021", ["values"] * 3),
        ('{"0": NaN}', "adl2021", ["values"]),
        ('{"0": "\\ud800", "\\udc00": "甲"}', "adl2021", ["values"]),
        ('{"0": "甲", }', "adl2021", ["syntax"]),
        ("[" * 100_000, "adl2021", ["syntax"]),
        ('"甲"', "hw7", ["header"]),
        ("PAR1 no", "hw7", ["form", "syntax"]),
    ],
)
def test_each_fault_of_the_form_is_found(raw: bytes | str, form: str | None, expected: list[str], tmp_path: Path):
    loose = read(raw, tmp_path, form)
    assert kinds(loose) == expected
    for finding in loose.findings:
        assert finding.message.encode()


@pytest.mark.parametrize(
    ("row", "answer", "kind"),
    [
        ("1,乙,丙", "乙,丙", "columns"),
        ("1,2,790,060", "2,790,060", "columns"),
        ("1", None, "columns"),
        ('1,"乙丙', "乙丙", "columns"),
        ('1,"乙"丙', '乙"丙', "columns"),
        ('1,"乙\n丙"', "乙\n丙", "quotes"),
    ],
)
def test_a_broken_row_costs_no_other(row: str, answer: str | None, kind: str, tmp_path: Path):
    loose = read(CSV.replace("1,乙丙", row), tmp_path, "adl2022")
    assert kinds(loose) == [kind]
    assert answers(loose) == {"0": "甲", "1": answer, "2": "丁", "3": "戊"}


def test_columns_go_by_their_names(tmp_path: Path):
    table = ",Answer,score,ID\n0,甲,0.5,3\n1,乙,0.5,2\n"
    assert answers(read(table, tmp_path)) == {"3": "甲", "2": "乙"}


def test_one_broken_byte_is_no_other_encoding(tmp_path: Path):
    raw = ("id,answer\n" + "0,國立中央大學在桃園市中壢區\n" * 50).encode().replace("市".encode(), b"\xe5\xb8", 1)
    (finding,) = read(raw, tmp_path, "adl2022").findings
    assert (finding.kind, finding.place, finding.message) == ("encoding", "line 2", "byte 0xe5 is not UTF-8")


def test_no_file_is_no_lint(tmp_path: Path):
    with pytest.raises(DataError, match="No such file"):
        read_loosely(tmp_path / "absent.csv")
