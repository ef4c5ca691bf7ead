"""Prediction files: the exact documents, and every way in which reading one can fail."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qakit.data.predictions import PREDICTION_FORMATS, read_predictions, render_predictions, write_predictions
from qakit.errors import WHOLE_FILE, ConfigError, DataError

PREDICTIONS = {"2": "1,234人", "1": '「甲」"乙"', "ab": "", "中": "=1+1"}
RENDERED = {
    "hw7": 'ID,Answer\n2,1234人\n1,"「甲」""乙"""\nab,\n中,=1+1\n',
    "adl2022": 'id,answer\n2,"1,234人"\n1,"「甲」""乙"""\nab,\n中,=1+1\n',
    "csv": 'id,answer\n2,"1,234人"\n1,"「甲」""乙"""\nab,\n中,=1+1\n',
    "adl2021": '{\n "2": "1,234人",\n "1": "「甲」\\"乙\\"",\n "ab": "",\n "中": "=1+1"\n}\n',
    "squad": '{\n "2": "1,234人",\n "1": "「甲」\\"乙\\"",\n "ab": "",\n "中": "=1+1"\n}\n',
    "jsonl": (
        '{"id": "2", "answer": "1,234人"}\n{"id": "1", "answer": "「甲」\\"乙\\""}\n'
        '{"id": "ab", "answer": ""}\n{"id": "中", "answer": "=1+1"}\n'
    ),
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["\r", "\n", '"', ",", "\x00", " "]
)


@pytest.mark.parametrize("format", RENDERED)
def test_document_is_exact(format: str) -> None:
    assert render_predictions(PREDICTIONS, format) == RENDERED[format]


def test_unknown_format() -> None:
    with pytest.raises(ConfigError, match=r"'xml' is no text format .* hw7, adl2022, adl2021, squad, jsonl, csv"):
        render_predictions(PREDICTIONS, "xml")


@pytest.mark.parametrize("format", PREDICTION_FORMATS)
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(predictions=st.dictionaries(TEXTS.filter(bool), TEXTS, min_size=1, max_size=5))
def test_there_and_back(format: str, predictions: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "predictions"
    write_predictions(predictions, path, format)
    expected = predictions
    if format == "hw7":
        expected = {name: answer.replace(",", "") for name, answer in predictions.items()}
    found = read_predictions(path)
    assert list(found.items()) == list(expected.items())
    assert [file.name for file in tmp_path.iterdir()] == ["predictions"]


@pytest.mark.parametrize(
    "raw",
    [
        b"ID,Answer\n0,\xe7\x94\xb2\n",
        b"\xef\xbb\xbfid,prediction\r\n0,\xe7\x94\xb2\r\n",
        b'any,"header, quoted",score\n0,\xe7\x94\xb2,0.5\n',
        b'{"0": "\xe7\x94\xb2"}',
        b'{"id": "0", "answer": "\xe7\x94\xb2"}',
        b'{"id": 0, "answer": "\xe7\x94\xb2", "score": 1}\n{"id": "1", "answer": ""}\n',
    ],
)
def test_layouts_are_told_apart(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(raw)
    assert read_predictions(path)["0"] == "甲"


@pytest.mark.parametrize(
    ("raw", "record", "field", "message"),
    [
        ("id,answer\n1,甲\n1,乙\n", 'line 3 (id "1")', "id", 'already the id of line 2 (id "1")'),
        ("id,answer\n,甲\n", 'line 2 (id "")', "id", "is empty"),
        ("id,answer\n1,甲,乙\n", "line 2", "row", "has 3 cells; expected 2, as the header has"),
        ("id,id\n1,甲\n", WHOLE_FILE, "header", "a column name occurs twice"),
        ("id,answer\n", WHOLE_FILE, "predictions", "there are none"),
        ('id,answer\n1,"甲\n', "whole file", "CSV", "line 2: unexpected end"),
        ('{"1": 3}', 'answer (id "1")', "answer", "found the number 3; expected a string"),
        ('{"1": null}', 'answer (id "1")', "answer", "found null; expected a string"),
        ('{"1": ["甲"]}', 'answer (id "1")', "answer", "found a list of 1; expected a string"),
        ('{"1": "\\ud800"}', 'answer (id "1")', "answer", "half of a surrogate pair"),
        ('{"": "甲"}', 'answer (id "")', "id", "is empty"),
        ('{"1": "甲", "1": "乙"}', WHOLE_FILE, "JSON", "key '1' occurs twice"),
        ('{"1": NaN}', WHOLE_FILE, "JSON", "NaN is not JSON"),
        ('["甲"]', WHOLE_FILE, "predictions", "the top level is a list of 1"),
        ("{}", WHOLE_FILE, "predictions", "there are none"),
        ('{"id": 1, "answer": "甲"}\n{"id": 2}\n', "line 2 (id 2)", "answer", "is missing"),
        ('{"id": 1, "answer": "甲"}\n{"id": 2\n', "line 2", "JSON", "column 9"),
        ('{"id": 1, "answer": "甲"}\n{"id": 1.5, "answer": "乙"}\n', "line 2", "id", "expected a string or a whole"),
        ('{"id": 1, "answer": "甲"}\n[]\n', "line 2", "value", "expected an object"),
        ("", WHOLE_FILE, "file", "is empty"),
    ],
)
def test_mistake_is_named(raw: str, record: str, field: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text(raw, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.record, problem.field) == (str(path), record, field)
    assert message in problem.message


def test_one_column_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("answer\n甲\n", encoding="utf-8")
    with pytest.raises(DataError, match="header: has one column, 'answer'"):
        read_predictions(path)
    with pytest.raises(DataError, match="No such file"):
        read_predictions(tmp_path / "absent.csv")


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": 1, "b": "x", "c": None}), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    assert [problem.record for problem in caught.value.problems] == ['answer (id "a")', 'answer (id "c")']


@pytest.mark.parametrize(("name", "format"), [("hw7/hw7_test_gold.csv", "hw7"), ("adl2022/test_gold.csv", "adl2022")])
def test_published_gold_is_reproduced(real_data: Path, name: str, format: str) -> None:
    path = real_data / name
    assert render_predictions(read_predictions(path), format) == path.read_text(encoding="utf-8")
