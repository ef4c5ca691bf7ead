"""Which form predictions are written in, and that what is written can be read back."""

import json
from pathlib import Path

import pytest

from qakit.data.predictions import (
    PREDICTION_FORMATS,
    PredictedAnswer,
    Prediction,
    choose_format,
    default_format,
    read_predictions,
    render_texts,
    write_outputs,
)
from qakit.data.schemas import SCHEMAS
from qakit.errors import ConfigError

PREDICTIONS = (
    Prediction("7", 0, (PredictedAnswer("1,350公尺", 3, 10, 1.5, 0.25), PredictedAnswer("公尺", 8, 10, 1.0, 0.125))),
    Prediction("3", 1, ()),
)


@pytest.mark.parametrize(
    ("schema", "native"),
    [("hw7", "hw7"), ("adl2021", "adl2021"), ("adl2022", "adl2022"), ("drcd", "squad"), ("cmrc", "squad")],
)
def test_standard_output_gets_the_form_of_the_contest(schema: str, native: str):
    assert default_format(schema, None) == native


@pytest.mark.parametrize(
    ("schema", "name", "form"),
    [
        ("hw7", "a.csv", "hw7"),
        ("adl2022", "a.csv", "adl2022"),
        ("adl2021", "a.csv", "csv"),
        ("adl2021", "a.json", "adl2021"),
        ("hw7", "a.json", "squad"),
        ("drcd", "a.csv", "csv"),
        ("hw7", "a.jsonl", "jsonl"),
        ("squad", "a.parquet", "parquet"),
    ],
)
def test_the_suffix_decides_beside_the_data(schema: str, name: str, form: str):
    assert default_format(schema, Path(name)) == form


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_schema_has_a_form_for_every_place(schema: str):
    for out in (None, *map(Path, ("a.csv", "a.json", "a.jsonl", "a.parquet"))):
        assert default_format(schema, out) in PREDICTION_FORMATS


def test_a_suffix_that_tells_nothing_is_refused_unless_a_format_is_given():
    with pytest.raises(ConfigError, match=r"a\.txt: unknown suffix"):
        choose_format(None, "hw7", Path("a.txt"))
    assert choose_format("csv", "hw7", Path("a.txt")) == "csv"


def test_an_unknown_format_is_refused_with_a_suggestion():
    with pytest.raises(
        ConfigError, match=r"--format hw8: unknown \(did you mean hw7\?\); expected one of hw7, adl2022"
    ):
        choose_format("hw8", "hw7", Path("a.csv"))


def test_parquet_needs_a_file():
    with pytest.raises(ConfigError, match="give --out"):
        choose_format("parquet", "hw7", None)


@pytest.mark.parametrize("form", PREDICTION_FORMATS)
def test_every_form_holds_every_id_once_in_order(form: str, tmp_path: Path):
    path = tmp_path / ("a.parquet" if form == "parquet" else "a.txt")
    assert write_outputs(PREDICTIONS, out=path, format=form, nbest_out=None) == (path,)
    expected = "1350公尺" if form == "hw7" else "1,350公尺"
    assert list(read_predictions(path).items()) == [("7", expected), ("3", "")]


def test_the_document_is_what_the_file_would_hold(tmp_path: Path):
    write_outputs(PREDICTIONS, out=tmp_path / "a.csv", format="hw7", nbest_out=None)
    assert (
        render_texts(PREDICTIONS, "hw7").encode()
        == (tmp_path / "a.csv").read_bytes()
        == b"ID,Answer\n7,1350\xe5\x85\xac\xe5\xb0\xba\n3,\n"
    )


def test_nbest_lists_hold_all_answers_with_their_places(tmp_path: Path):
    path = tmp_path / "n.json"
    assert write_outputs(PREDICTIONS, out=None, format="hw7", nbest_out=path) == (path,)
    first = {"text": "1,350公尺", "start": 3, "end": 10, "score": 1.5, "probability": 0.25}
    assert json.loads(path.read_text(encoding="utf-8"))["7"][0] == first
    assert [len(answers) for answers in json.loads(path.read_text(encoding="utf-8")).values()] == [2, 0]


def test_nothing_is_written_where_nothing_is_asked_for():
    assert write_outputs(PREDICTIONS, out=None, format="hw7", nbest_out=None) == ()
