"""Lint of a file against its data: what form is asked for, which right answers are known, and what it comes to."""

import csv
import io
import json
from pathlib import Path

import pytest

from qakit.data.lint.answers import count_faults, fault_note
from qakit.data.predictions import PredictedAnswer, Prediction, read_predictions, write_predictions
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError
from qakit.runs.evaluate import LintRequest, LintResult
from tests.data.samples import save
from tests.runs.questions import lint

REAL = {
    "hw7/hw7_dev.json": "hw7",
    "adl2022/valid.json": "adl2022",
    "adl2021/public.json": "adl2021",
    "drcd/DRCD_dev.json": "squad",
    "cmrc2018/cmrc2018_trial.json": "squad",
    "xquad/xquad.zh.json": "jsonl",
    "squad2-zh/dev-v2.0-zh.json": "parquet",
}


def counted(result: LintResult) -> dict[str, int]:
    kinds = [finding.kind for finding in result.findings]
    return {kind: kinds.count(kind) for kind in kinds}


def save_golds(data: Path, folder: Path, format: str) -> Path:
    """The right answers of a data set as predictions, nothing for a question without one."""
    golds = {record.id: (record.references or [""])[0] for record in read_dataset([data], lenient=True)}
    write_predictions(golds, folder / "golds", format)
    return folder / "golds"


@pytest.mark.parametrize("data", REAL)
def test_right_answers_of_real_data_have_no_fault(data: str, real_data: Path, tmp_path: Path):
    pred = save_golds(real_data / data, tmp_path, REAL[data])
    result = lint(LintRequest(pred, real_data / data, form=REAL[data], lenient=True))
    assert result.findings == ()
    assert result.total == result.questions > 0


@pytest.mark.parametrize(
    ("folder", "data", "gold"), [("hw7", "hw7_test", "hw7_test_gold"), ("adl", "test", "test_gold")]
)
def test_right_answers_of_the_sample_tests_have_no_fault(folder: str, data: str, gold: str, sample_data: Path):
    file = sample_data / folder / f"{gold}.csv"
    assert lint(LintRequest(file, sample_data / folder / f"{data}.json")).findings == ()
    assert lint(LintRequest(file, gold=file)).findings == ()


def test_many_faults_of_one_file_are_all_found(sample_data: Path, tmp_path: Path):
    folder = sample_data / "hw7"
    golds = list(read_predictions(folder / "hw7_test_gold.csv").items())
    rows = [golds[0], (golds[1][0], ""), (golds[2][0], "「" + golds[2][1]), *golds[4:], golds[4], ("999", "甲,乙")]
    text = "id,answer\r\n" + "".join(f"{id_},{answer}\r\n" for id_, answer in rows)
    pred = save(tmp_path / "p.csv", "\ufeff" + text)
    result = lint(LintRequest(pred, folder / "hw7_test.json"))
    assert counted(result) == {
        "header": 1,
        "columns": 1,
        "rows": 1,
        "missing ids": 1,
        "unknown ids": 1,
        "duplicate ids": 1,
        "empty": 1,
        "commas": 1,
        "not in the text": 1,
        "brackets": 1,
        "byte order mark": 1,
        "line ends": 1,
    }
    assert result.counts == {"error": 10, "warning": 1, "note": 1}
    summary = result.summary()
    assert summary["counts"] == result.counts
    (missing,) = (one for one in summary["findings"] if one["kind"] == "missing ids")
    assert (missing["id"], missing["place"], missing["level"]) == (golds[3][0], None, "error")


@pytest.mark.parametrize(
    ("request_", "form"),
    [
        ({}, "hw7"),
        ({"form": "csv"}, "csv"),
        ({"metric": "adl"}, "adl2022"),
        ({"metric": "adl2021"}, "adl2021"),
        ({"metric": "drcd"}, "hw7"),
        ({"metric": "adl", "form": "squad"}, "squad"),
    ],
)
def test_the_form_is_told_by_flag_metric_or_data(request_: dict[str, str], form: str, sample_data: Path):
    pred = sample_data / "hw7" / "hw7_test_gold.csv"
    assert lint(LintRequest(pred, sample_data / "hw7" / "hw7_test.json", **request_)).form == form


def squad2(folder: Path, *, impossible: bool) -> Path:
    question = {"id": "1", "question": "何處？", "answers": [{"text": "甲", "answer_start": 0}]}
    if impossible:
        question["is_impossible"] = False
    without = {"id": "2", "question": "何時？", "answers": [], "is_impossible": True}
    paragraph = {"context": "甲乙丙丁", "qas": [question, without] if impossible else [question]}
    return save(folder / "d.json", {"version": "1.1", "data": [{"title": "t", "paragraphs": [paragraph]}]})


def test_an_empty_answer_is_one_where_the_data_has_questions_without(tmp_path: Path):
    pred = save(tmp_path / "p.json", {"1": "", "2": ""})
    assert counted(lint(LintRequest(pred, squad2(tmp_path, impossible=True)))) == {}
    save(pred, {"1": ""})
    assert counted(lint(LintRequest(pred, squad2(tmp_path, impossible=False)))) == {"empty": 1}


def test_the_longest_right_answer_is_the_measure(tmp_path: Path):
    pred, data = save(tmp_path / "p.json", {"1": "甲乙丙"}), squad2(tmp_path, impossible=False)
    assert counted(lint(LintRequest(pred, data))) == {"too long": 1}
    assert counted(lint(LintRequest(pred, data, longest=3))) == {}


def test_what_costs_nothing_elsewhere_is_a_warning_there(tmp_path: Path):
    pred, data = save(tmp_path / "p.json", {"1": "「乙"}), squad2(tmp_path, impossible=False)
    save(data, json.loads(data.read_text(encoding="utf-8").replace("甲乙丙丁", "甲「乙」丙")))
    (finding,) = (one for one in lint(LintRequest(pred, data)).findings if one.kind == "brackets")
    assert (finding.level(strict=True), finding.level(strict=False)) == ("error", "warning")


def test_a_file_that_cannot_be_read_misses_no_ids(sample_data: Path, tmp_path: Path):
    pred = save(tmp_path / "p.json", '{"0": "甲"')
    result = lint(LintRequest(pred, sample_data / "hw7" / "hw7_test.json"))
    assert counted(result) == {"syntax": 1, "form": 1}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (LintRequest(None), "give --pred"),
        (LintRequest(Path("p.csv")), "give --data, the questions, or --gold"),
        (LintRequest(Path("p.csv"), metric="hw8"), "did you mean hw7"),
        (LintRequest(Path("p.csv"), gold=Path("g.csv"), form="hw8"), "did you mean hw7"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(request_: LintRequest, message: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "g.csv", "id,answer\n1,甲\n")
    with pytest.raises(ConfigError, match=message):
        lint(request_)


def made(*texts: str) -> list[Prediction]:
    return [Prediction(str(n), 0, (PredictedAnswer(text, 0, len(text), 0.0, 1.0),)) for n, text in enumerate(texts)]


def test_answers_just_made_are_told_of_in_a_sentence():
    assert fault_note(count_faults(["甲", "「乙」", ""])) is None
    assert fault_note(count_faults(["「甲", "乙。", "丙" * 31, "丁」"])) == (
        "answers that may be wrong: 2 with half a pair of brackets or quotation marks, 1 longer than 30 characters, "
        "1 with a comma or full stop at the edge; see qakit evaluate --lint"
    )


def test_the_text_of_a_csv_is_as_people_write_it(tmp_path: Path):
    """Trap of the courses: CSV by string concatenation."""
    cells = next(csv.reader(io.StringIO("0,2,790,060元\n")))
    assert len(cells) == 4
    pred = save(tmp_path / "p.csv", "id,answer\n1,甲,乙\n")
    gold = save(tmp_path / "g.csv", 'id,answer\n1,"甲,乙"\n')
    assert counted(lint(LintRequest(pred, gold=gold))) == {"columns": 1}
