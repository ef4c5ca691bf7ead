"""Scores files as evaluations read them, what is compared with what, and what their tables say."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.config import ReadConfig
from qakit.data.predictions import write_predictions
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import read_dataset, write_dataset
from qakit.errors import ConfigError, DataError
from qakit.spans.scores import QuestionScores, ScoresInfo, is_scores_file, write_scores
from qakit.spans.token_scores import TokenScores
from qakit.tasks.questions.evaluation import QuestionEvaluation
from qakit.tasks.requests import EvaluateRequest
from tests.runs.questions import evaluate

FIRST, SECOND = Paragraph("p", "甲在山上，乙在河邊。"), Paragraph("q", "丙在山下。")
RECORDS = (
    Record("1", "誰在山上？", (FIRST,), 0, (Answer("甲", 0),)),
    Record("2", "誰在河邊？", (FIRST,), 0, (Answer("乙在河", 5), Answer("乙", 5))),
    Record("3", "誰在山下？", (SECOND,), 0, (Answer("丙", 0),)),
)
INFO = ScoresInfo("jsonl", "tiny", max_answer_length=2)


def scored(id_: str, context: str, start: int, end: int, *, sure: float = 3.0, window: int = 100) -> QuestionScores:
    """Each character a token, in windows that do not overlap; the best span is `start` to `end` (exclusive)."""
    index = np.arange(len(context), dtype=np.int32)
    starts, ends = np.zeros((2, len(context)), dtype=np.float32)
    starts[start], ends[end - 1] = sure, sure
    bounds = np.array([*range(0, len(context), window), len(context)])
    return QuestionScores(id_, context, 0, (), TokenScores(starts, ends, index, index + 1, bounds))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    names = {"data": "d.jsonl", "scores": "s.parquet", "pred": "p.csv", "gold": "g.csv"}
    paths = {name: tmp_path / file for name, file in names.items()}
    write_dataset(RECORDS, paths["data"], "jsonl")
    questions = [scored("1", FIRST.text, 0, 1), scored("2", FIRST.text, 8, 10), scored("3", SECOND.text, 0, 2)]
    write_scores(paths["scores"], questions, INFO)
    write_predictions({"1": "乙", "2": "乙", "3": "丙"}, paths["pred"], "csv")
    write_predictions({"1": "甲", "2": "乙在河", "3": "丙"}, paths["gold"], "csv")
    return paths


def run(**request: object) -> QuestionEvaluation:
    return evaluate(EvaluateRequest(**request), ReadConfig())


def test_a_scores_file_tells_windows_answers_and_probabilities(files: dict[str, Path]):
    result = run(scores=files["scores"], data=files["data"])
    first = result.analysis.questions[0]
    assert [question.verdict for question in result.analysis.questions] == ["right", "wrong span", "boundary"]
    assert (first.reading.windows, first.slices["window_boundary"]) == (((0, 10),), "one window")
    assert len(first.reading.answers) == 5
    assert first.reading.answers[0][:3] == ("甲", 0, 1)
    likelier = first.reading.answers[0].probability, first.reading.answers[1].probability
    assert first.probability == likelier[0] > likelier[1]
    assert {row["windows"] for row in result.rows} == {1}


def test_what_no_window_holds_is_unreachable(files: dict[str, Path], tmp_path: Path):
    long = replace(RECORDS[1], answers=(Answer("乙在河", 5),))
    write_dataset((RECORDS[0], long), files["data"], "jsonl")
    verdicts = {}
    for name, length, window in (("fits", 3, 100), ("cap", 2, 100), ("cut", 3, 6)):
        path = tmp_path / f"{name}.parquet"
        info = replace(INFO, max_answer_length=length)
        write_scores(path, [scored(n, FIRST.text, 2, 4, window=window) for n in "12"], info)
        result = run(scores=path, data=files["data"])
        verdicts[name] = [question.verdict for question in result.analysis.questions]
    assert verdicts == {
        "fits": ["wrong span", "wrong span"],
        "cap": ["wrong span", "unreachable"],
        "cut": ["wrong span", "unreachable"],
    }
    assert result.analysis.questions[1].slices["window_boundary"] == "a window cuts the answer"


def test_a_scores_file_of_other_texts_is_refused(files: dict[str, Path]):
    changed = (replace(RECORDS[0], paragraphs=(Paragraph("p", "甲在別處。"),)), *RECORDS[1:])
    write_dataset(changed, files["data"], "jsonl")
    with pytest.raises(DataError, match="paragraph 0 of 1 is another text than in the data"):
        run(scores=files["scores"], data=files["data"])


def test_a_scores_file_brings_its_texts_where_there_is_no_data(files: dict[str, Path]):
    result = run(scores=files["scores"], gold=files["gold"])
    assert [row["verdict"] for row in result.rows] == ["right", "unreachable", "boundary"]
    assert result.analysis.questions[0].group == FIRST.text


def test_files_are_told_apart_by_what_is_in_them(files: dict[str, Path], tmp_path: Path):
    write_predictions({"1": "甲"}, tmp_path / "p.parquet", "parquet")
    found = {name: is_scores_file(path) for name, path in {**files, "other": tmp_path / "p.parquet"}.items()}
    assert [name for name, is_scores in found.items() if is_scores] == ["scores"]
    assert not is_scores_file(tmp_path / "none")


def test_predictions_and_scores_files_are_compared_on_the_same_questions(files: dict[str, Path]):
    result = run(pred=files["pred"], data=files["data"], compare=(files["scores"], files["pred"]))
    other, same = result.comparisons
    assert (other.only_this, other.only_other) == (2, 1)
    assert other.differences["em"].interval.mean == pytest.approx(100 / 3)
    assert (same.only_this, same.only_other, same.mcnemar) == (0, 0, 1)
    assert [one["other"] for one in result.summary()["comparisons"]] == [str(files["scores"]), str(files["pred"])]


def test_what_shares_no_question_cannot_be_compared(files: dict[str, Path], tmp_path: Path):
    write_predictions({"x": "甲"}, tmp_path / "x.csv", "csv")
    with pytest.raises(DataError, match=r"x\.csv.*'x'.*'1'"):
        run(pred=files["pred"], data=files["data"], compare=(tmp_path / "x.csv",))
    with pytest.raises(ConfigError, match="--compare: a selector alone gives no answers; give --model too"):
        run(selector="s", data=files["data"], compare=(files["pred"],))


def shown(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_plain_table_is_short(files: dict[str, Path]):
    lines = shown("--scores", files["scores"], "--data", files["data"]).splitlines()
    assert lines[0] == "predictions, metric drcd, 3 questions, 0 without a prediction"
    assert lines[1].split() == ["score", "95", "%", "interval"]
    assert lines[2].split()[:2] == ["em", "33.333"]
    assert [line.split("  ")[0] for line in lines[3:-1]] == ["f1", "calibration error", "human em", "human f1"]
    assert lines[-1] == "lost: boundary 33.33, wrong span 33.33"


def test_slices_and_comparisons_are_shown_where_asked_for(files: dict[str, Path]):
    given = ("--pred", files["pred"], "--data", files["data"], "--slices", "--compare", files["scores"])
    text = shown(*given)
    assert "only this is right: 2, only the other: 1; McNemar's exact test: p = 1" in text
    assert f"no better and no worse than {files['scores']}" in text
    assert any(line.split()[:3] == ["who", "3", "66.667"] for line in text.splitlines())
    values = json.loads(shown(*given, "--json"))
    assert values["slices"]["question_word"]["who"]["total"] == 3
    assert values["comparisons"][0]["meaning"].startswith("no better")
    assert "calibration" not in values
    curve = json.loads(shown("--scores", files["scores"], "--data", files["data"], "--json"))["calibration"]["curve"]
    assert sum(one["total"] for one in curve) == 3


def test_rows_of_sample_data_are_written_whole(sample_data: Path, tmp_path: Path):
    dataset = read_dataset([sample_data / "hw7" / "hw7_dev.json"])
    texts = {record.id: record.references[0][:3] for record in dataset}
    write_predictions(texts, tmp_path / "p.csv", "csv")
    data = sample_data / "hw7" / "hw7_dev.json"
    result = run(pred=tmp_path / "p.csv", data=data, details=tmp_path / "d.parquet")
    import pandas as pd

    frame = pd.read_parquet(tmp_path / "d.parquet")
    assert list(frame.columns) == list(result.frame().columns)
    assert len(frame) == len(dataset)
    assert set(frame["verdict"]) == {"right", "boundary"}
    contexts = {record.id: record.context for record in dataset}
    for row in frame[frame["start"].notna()].itertuples():
        assert contexts[row.id][int(row.start) : int(row.end)] == row.prediction
