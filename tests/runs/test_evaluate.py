"""Evaluation: what is scored against what, and that end-to-end and gold-paragraph scores are told apart."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import qakit.tasks.questions.evaluation
import qakit.tasks.questions.two_stage
from qakit.config import ReadConfig, WindowSettings
from qakit.data.predictions import PredictedAnswer, Prediction, write_predictions
from qakit.data.records import Answer, Dataset, Paragraph, Record
from qakit.data.schemas import SCHEMAS, read_dataset, write_dataset
from qakit.errors import ConfigError, DataError
from qakit.io import write_table
from qakit.metrics.intervals import Interval
from qakit.modeling.info import ModelInfo
from qakit.spans.token_scores import TokenScores
from qakit.tasks.base import Models
from qakit.tasks.questions.evaluation import evaluate_models, evaluate_predictions, references_of
from qakit.tasks.questions.two_stage import Answered
from qakit.tasks.requests import EvaluateRequest
from tests.hostile import HOSTILE
from tests.runs.models import save_reader, save_selector
from tests.runs.questions import evaluate, predict

CONFIG = ReadConfig()
SUFFIXES = {"jsonl": ".jsonl", "csv": ".csv", "parquet": ".parquet"}
PARAGRAPHS = (Paragraph("0", "甲在山上"), Paragraph("1", "乙在河邊"))
RECORDS = (
    Record("1", "誰在山上？", PARAGRAPHS, 0, (Answer("甲", 0),)),
    Record("2", "誰在河邊？", PARAGRAPHS, 1, (Answer("乙", 0), Answer("乙在河邊", 0))),
    Record("3", "甲在哪？", PARAGRAPHS, 0, (Answer("山上", 2),)),
    Record("4", "乙在哪？", PARAGRAPHS, 1, (Answer("河邊", 2),)),
)
DATASET = Dataset(RECORDS, "adl2022")


def predictions_file(path: Path, texts: dict[str, str]) -> Path:
    write_predictions(texts, path, "csv")
    return path


def test_predictions_are_scored_question_by_question(tmp_path: Path):
    path = predictions_file(tmp_path / "p.csv", {"4": "河邊", "1": "甲", "3": "山", "9": "別的"})
    result = evaluate_predictions(path, references_of(DATASET, None))
    assert (result.metric, result.source, result.scores.total, result.scores.missing) == ("adl", "predictions", 4, 1)
    assert [row["em"] for row in result.rows] == [100, 0, 0, 100]
    assert [row["f1"] for row in result.rows] == [100, 0, pytest.approx(200 / 3), 100]
    assert result.rows[1] == {
        "id": "2",
        "question": "誰在河邊？",
        "references": ["乙", "乙在河邊"],
        "prediction": None,
        "em": 0,
        "f1": 0,
        "verdict": "missing",
        "title": "",
        "paragraph": "1",
        "relevant": 1,
        "read": None,
        "gold_start": 0,
        "gold_end": 1,
        "start": None,
        "end": None,
        "probability": None,
        "windows": None,
        "answer_length": "1 to 2",
        "question_word": "who",
        "answer_type": "person",
        "context_length": "1 to 250",
        "position": "first quarter",
        "candidates": "2",
        "occurrences": "once",
        "window_boundary": None,
    }
    summary = result.summary()
    slices, human = summary.pop("slices"), summary.pop("human")
    assert summary == {
        "metric": "adl",
        "source": "predictions",
        "em": 50,
        "f1": pytest.approx((200 + 200 / 3) / 4),
        "em_interval": [50, 50],  # each of the two paragraphs has one right and one lost
        "f1_interval": [50, pytest.approx((100 + 200 / 3) / 2)],
        "total": 4,
        "missing": 1,
        "losses": {"missing": 25, "boundary": 25},
        "unknown": 1,
    }
    assert (human["total"], human["em"], human["f1"]) == (1, 0, pytest.approx(40))
    assert slices["question_word"]["who"]["em"] == slices["question_word"]["where"]["em"] == 50
    assert list(result.frame()["verdict"]) == ["right", "missing", "boundary", "right"]


def test_predictions_of_other_questions_are_refused_with_an_id_of_each(tmp_path: Path):
    path = predictions_file(tmp_path / "p.csv", {"x1": "甲"})
    with pytest.raises(DataError, match=r"p\.csv.*'x1'.*'1'"):
        evaluate_predictions(path, references_of(DATASET, None))


def test_a_gold_file_stands_in_place_of_the_answers_of_the_data(tmp_path: Path):
    gold = predictions_file(tmp_path / "gold.csv", {"1": "山上", "3": "山上"})
    alone, beside = references_of(None, gold), references_of(DATASET, gold)
    assert alone.golds == beside.golds == {"1": ["山上"], "3": ["山上"]}
    assert (alone.metric, alone.records) == ("adl", {})
    assert beside.records["1"] is RECORDS[0]
    write_predictions({"1": "山上"}, hw7 := tmp_path / "hw7.csv", "hw7")
    assert references_of(None, hw7).metric == "hw7"
    path = predictions_file(tmp_path / "p.csv", {"1": "山上", "3": "甲"})
    assert evaluate(EvaluateRequest(pred=path, gold=gold), CONFIG).scores.em == 50


def test_something_to_score_against_is_needed():
    with pytest.raises(ConfigError, match=r"give --data.*or --gold"):
        references_of(None, None)
    unlabelled = Dataset((Record("1", "誰？", PARAGRAPHS[:1], 0),), "hw7")
    with pytest.raises(ConfigError, match="no answers to score against; give --gold"):
        references_of(unlabelled, None)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_data_decide_the_metric_when_nobody_names_one(schema: str, tmp_path: Path):
    question = Record("1", "誰在山上？", PARAGRAPHS[:1], 0, (Answer("甲", 0),))
    (written, *_) = write_dataset([question], tmp_path / f"data{SUFFIXES.get(schema, '.json')}", schema)
    references = references_of(read_dataset([written]), None)
    expected = "cmrc" if schema == "squad" else SCHEMAS[schema].metric  # the question is Chinese
    assert references.metric == expected
    path = predictions_file(tmp_path / "p.csv", {next(iter(references.golds)): "甲"})
    assert evaluate_predictions(path, references).metric == expected
    assert evaluate_predictions(path, replace(references, metric="squad2")).metric == "squad2"


def test_questions_marked_impossible_make_squad2_the_metric():
    records = (*RECORDS, Record("5", "丙在哪？", PARAGRAPHS[:1], 0, impossible=True))
    assert references_of(Dataset(records, "jsonl"), None).metric == "squad2"


@pytest.mark.parametrize(
    "given", [{}, {"pred": Path("a"), "scores": Path("b")}, {"pred": Path("a"), "model": "b"}, {"data": Path("a")}]
)
def test_one_thing_is_scored_at_a_time(given: dict[str, Any]):
    with pytest.raises(ConfigError, match="give one thing to score"):
        evaluate(EvaluateRequest(**given), CONFIG)


def test_metric_and_details_are_checked_before_anything_is_read(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"unknown metric 'hw8' \(did you mean hw7\?\)"):
        evaluate(EvaluateRequest(pred=tmp_path / "none.csv", metric="hw8"), CONFIG)
    with pytest.raises(ConfigError, match=r"d\.txt: the name must end in"):
        evaluate(EvaluateRequest(pred=tmp_path / "none.csv", details=tmp_path / "d.txt"), CONFIG)


def fake_answers(chosen: dict[str, tuple[int, str]], from_gold: dict[str, str]) -> Any:
    """What `answer_dataset` would yield: with a selector a choice and an answer, without one an answer."""

    def answer(dataset: Dataset, models: Models, config: ReadConfig) -> Iterator[Answered]:
        for record in dataset:
            candidate, text = chosen[record.id] if models.selector else (record.relevant, from_gold[record.id])
            context = record.paragraphs[candidate].text
            start = context.index(text)
            found = PredictedAnswer(text, start, start + len(text), 1.0, 0.5)
            selection = (0.0, 0.0) if models.selector else ()
            yield Answered(record, Prediction(record.id, candidate, (found,)), one_window(context), selection)

    return answer


def one_window(context: str) -> TokenScores:
    """Each character a token."""
    index = np.arange(len(context), dtype=np.int32)
    scores = np.zeros(len(context), dtype=np.float32)
    return TokenScores(scores, scores, index, index + 1, np.array([0, len(context)]))


def fake_model() -> Any:
    return SimpleNamespace(info=ModelInfo(task="qa", windows=WindowSettings(), max_answer_length=10), source="fake")


def test_end_to_end_and_gold_paragraph_scores_stand_apart(monkeypatch: pytest.MonkeyPatch):
    chosen = {"1": (0, "甲"), "2": (0, "甲"), "3": (0, "山"), "4": (1, "河邊")}
    from_gold = {"1": "甲", "2": "乙", "3": "山", "4": "河邊"}
    monkeypatch.setattr(qakit.tasks.questions.evaluation, "answer_dataset", fake_answers(chosen, from_gold))
    both = Models(reader=fake_model(), selector=object())
    result = evaluate_models(DATASET, references_of(DATASET, None), both, CONFIG)
    assert (result.source, result.scores.em, result.gold_paragraph.em) == ("end-to-end", 50, 75)
    assert (result.selection_accuracy, result.selection) == (75, Interval(75, 50, 100))
    assert result.analysis.losses == {"selection": 25, "boundary": 25}
    assert result.gold_analysis.losses == {"boundary": 25}
    assert [row["read"] for row in result.rows] == [0, 0, 0, 1]
    assert [row["prediction"] for row in result.rows] == ["甲", "甲", "山", "河邊"]
    of_gold = [tuple(row[f"gold_paragraph_{name}"] for name in ("prediction", "em", "verdict")) for row in result.rows]
    assert of_gold == [("甲", 100, "right"), ("乙", 100, "right"), ("山", 0, "boundary"), ("河邊", 100, "right")]
    assert sum(row["gold_paragraph_f1"] for row in result.rows) / 4 == pytest.approx(result.gold_paragraph.f1)
    assert [question.reading.selection for question in result.analysis.questions] == [(1.0, 1.0)] * 4
    assert not any(question.reading.selection for question in result.gold_analysis.questions)
    summary = result.summary()
    assert (summary["em"], summary["gold_paragraph"]["em"], summary["selection_accuracy"]) == (50, 75, 75)
    alone = evaluate_models(DATASET, references_of(DATASET, None), Models(reader=fake_model()), CONFIG)
    assert (alone.source, alone.scores.em, alone.gold_paragraph) == ("gold-paragraph", 75, None)
    assert not [name for name in alone.rows[0] if name.startswith("gold_paragraph")]


def test_only_labelled_questions_are_answered(monkeypatch: pytest.MonkeyPatch):
    dataset = Dataset((*RECORDS, Record("5", "誰？", PARAGRAPHS)), "jsonl")
    from_gold = {record.id: record.context[0] for record in RECORDS}
    monkeypatch.setattr(qakit.tasks.questions.evaluation, "answer_dataset", fake_answers({}, from_gold))
    result = evaluate_models(dataset, references_of(dataset, None), Models(reader=fake_model()), CONFIG)
    assert [row["id"] for row in result.rows] == ["1", "2", "3", "4"]


def test_models_are_scored_as_their_predictions_would_be(sample_data: Path, tmp_path: Path):
    data = sample_data / "adl" / "valid.json"
    reader, selector = save_reader(tmp_path / "qa"), save_selector(tmp_path / "select")
    dataset = read_dataset([data])
    result = evaluate(EvaluateRequest(model=reader, selector=selector, data=data), CONFIG)
    models = qakit.tasks.questions.two_stage.load_models(reader, selector)
    for some, scores in ((models, result.scores), (Models(reader=models.reader), result.gold_paragraph)):
        predicted = predict(dataset, some, CONFIG, out=tmp_path / "p.csv", scores=tmp_path / "s.parquet")
        assert evaluate(EvaluateRequest(pred=tmp_path / "p.csv", data=data), CONFIG).scores == scores
        right = sum(p.candidate == record.relevant for p, record in zip(predicted.predictions, dataset, strict=True))
        assert (
            right == len(dataset) if some.selector is None else result.selection_accuracy == 100 * right / len(dataset)
        )
    assert result.scores.f1 != result.gold_paragraph.f1
    alone = evaluate(EvaluateRequest(selector=selector, data=data, details=tmp_path / "d.csv"), CONFIG)
    assert (alone.scores, alone.selection_accuracy) == (None, result.selection_accuracy)
    with open(tmp_path / "d.csv", encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [record.id for record in dataset]


ROWS = (
    {"id": "1", "question": "誰,\n誰？", "references": ["甲", "乙"], "prediction": "a\rb", "em": 0.0, "f1": 12.5},
    {"id": "2", "question": None, "references": [], "prediction": None, "em": 100.0, "f1": 100.0},
)


def read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    text = path.read_bytes().decode()
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
def test_details_are_read_back_as_they_were(suffix: str, tmp_path: Path):
    write_table(ROWS, tmp_path / f"d{suffix}")
    assert read_rows(tmp_path / f"d{suffix}") == list(ROWS)


@pytest.mark.parametrize("text", [*HOSTILE, "\t=1", "－1", "＝1", "＋", "＠甲", "\n=1", "-5", "a=1", "'=1", " =1", ""])
def test_details_as_csv_hold_no_formula(text: str, tmp_path: Path):
    text = text.encode("utf-8", "replace").decode()
    row = dict.fromkeys(("id", "question", "prediction", "verdict"), text) | {"references": [text, "=1"], "em": -0.5}
    write_table([row], tmp_path / "d.csv")
    with open(tmp_path / "d.csv", encoding="utf-8", newline="") as file:
        (found,) = csv.DictReader(file)
    assert found.pop("em") == "-0.5"
    mark = "'" if re.match("[-=+@\t\r\n－＝＋＠]", text) else ""
    assert (found["id"], found["references"]) == (mark + text, f"{mark}{text} | =1")


def test_details_as_csv_have_a_row_a_question(tmp_path: Path):
    write_table(ROWS, tmp_path / "d.csv")
    with open(tmp_path / "d.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {**ROWS[0], "references": "甲 | 乙", "em": "0.0", "f1": "12.5"}
    assert rows[1] == {"id": "2", "question": "", "references": "", "prediction": "", "em": "100.0", "f1": "100.0"}


@pytest.mark.parametrize(
    ("question", "impossible", "metric"),
    [("誰在河邊？", False, "cmrc"), ("Who is there?", False, "squad"), ("誰在河邊？", True, "squad2")],
)
def test_chinese_in_squads_layout_is_not_scored_by_words(question: str, impossible: bool, metric: str):
    answers = () if impossible else (Answer("甲", 0),)
    record = Record("1", question, (Paragraph("p", "甲在河邊。"),), 0, answers, impossible)
    assert references_of(Dataset((record,), "squad"), None).metric == metric
