"""The error report of an evaluation: what the page is made of, and when it is not made."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from math import log
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from qakit import __version__
from qakit.cli import app
from qakit.data.predictions import PredictedAnswer, write_predictions
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import write_dataset
from qakit.errors import ConfigError
from qakit.report.error_report import Page, _ranked, page_data
from qakit.spans.scores import write_scores
from qakit.tasks.questions.base import page_of
from tests.runs.test_scoring import FIRST, INFO, RECORDS, SECOND, run, scored


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    names = {"data": "d.jsonl", "scores": "s.parquet", "pred": "p.csv", "gold": "g.csv", "report": "r.html"}
    paths = {name: tmp_path / file for name, file in names.items()}
    write_dataset(RECORDS, paths["data"], "jsonl")
    questions = [scored("1", FIRST.text, 0, 1), scored("2", FIRST.text, 8, 10), scored("3", SECOND.text, 0, 2)]
    write_scores(paths["scores"], questions, INFO)
    write_predictions({"1": "乙", "2": "乙", "8": "x", "9": "y"}, paths["pred"], "csv")
    write_predictions({"1": "甲", "2": "乙在河", "3": "丙"}, paths["gold"], "csv")
    return paths


def facts_of(page: Page) -> dict[str, str]:
    return {fact.name: fact.value for fact in page.facts}


def packed(page: Page) -> tuple[list[SimpleNamespace], list[SimpleNamespace]]:
    """The questions and the contexts in the JSON of a page, their candidates, answers and others named too."""
    data = page_data(page)

    def named(kind: str, rows: list[list[object]]) -> list[SimpleNamespace]:
        return [SimpleNamespace(**dict(zip(data["fields"][kind], row, strict=True))) for row in rows]

    questions = named("question", data["questions"])
    for one in questions:
        one.candidates = named("candidate", one.candidates)
        one.ranked, one.others = named("ranked", one.ranked), named("other", one.others)
    return questions, named("context", data["contexts"])


def test_a_page_says_what_the_evaluation_found(files: dict[str, Path]):
    result = run(scores=files["scores"], data=files["data"], compare=(files["pred"],))
    page = page_of(result, facts=[("Data", files["data"]), ("Selector", None)])
    assert facts_of(page) == {
        "Data": str(files["data"]),
        "Metric": "drcd",
        "Source": "Predictions",
        "qakit": __version__,
    }
    assert page.title == "Error report: d.jsonl"
    questions, contexts = packed(page)
    first, second, third = questions
    assert [question.verdict for question in questions] == ["right", "wrong span", "boundary"]
    assert page.counts == {"right": 1, "boundary": 1, "wrong span": 1}
    assert [context.text for context in contexts] == [FIRST.text, SECOND.text]
    assert [question.candidates[0].context for question in questions] == [0, 0, 1]
    assert (first.read, first.relevant, first.gold_spans, first.span, first.windows) == (
        0,
        0,
        [[0, 1]],
        [0, 1],
        [[0, 10]],
    )
    assert second.gold_spans == [[5, 8], [5, 6]]
    assert len(first.ranked) == 5
    assert first.ranked[0].probability == first.confidence
    assert [(one.prediction, one.em) for one in (*first.others, *third.others)] == [("乙", 0.0), (None, 0.0)]
    assert page.shared(page.comparisons[0]) == {"this": 1, "other": 1, "both": 0, "neither": 1}
    assert page.reliability == result.analysis.calibration.curve
    cards = {card.name: card for card in page.cards}
    assert list(cards) == ["EM", "F1", "Human EM", "Human F1", "Calibration error"]
    assert cards["EM"].interval == result.analysis.intervals[0]


def test_each_question_is_in_the_rows_of_the_slices_that_it_has(files: dict[str, Path]):
    result = run(scores=files["scores"], data=files["data"])
    page = page_of(result)
    assert list(page.dimensions) == ["answer_length", "position"]  # one row divides nothing
    for question, row in zip(packed(page)[0], result.rows, strict=True):
        labels = {
            name: slices[number].label
            for (name, slices), number in zip(page.dimensions.items(), question.slices, strict=True)
            if number is not None
        }
        assert labels == {name: row[name] for name in labels}
    assert sum(one.total for one in page.dimensions["answer_length"]) == 3


def test_predictions_of_other_tools_have_places_but_no_list(files: dict[str, Path]):
    page = page_of(run(pred=files["pred"], data=files["data"]))
    (first, _, third), _ = packed(page)
    assert (first.span, first.ranked, first.windows, first.confidence) == ([5, 6], [], [], None)
    assert (third.prediction, third.verdict) == (None, "missing")
    assert page.reliability == ()
    assert page.notes[-1].endswith("count for nothing: 2.")


def test_right_answers_alone_are_enough(files: dict[str, Path]):
    page = page_of(run(pred=files["pred"], gold=files["gold"]))
    questions, contexts = packed(page)
    assert [(question.id, question.question, question.candidates) for question in questions] == [
        (id_, "", []) for id_ in "123"
    ]
    assert contexts == []


def test_candidates_are_told_apart_and_paragraphs_stand_once(tmp_path: Path, files: dict[str, Path]):
    records = (
        Record("1", "誰在山上？", (FIRST, SECOND), 0, (Answer("甲", 0),)),
        Record("2", "誰在山下？", (SECOND, FIRST, Paragraph("r", "無關。")), 0, (Answer("丙", 0),)),
    )
    write_dataset(records, files["data"], "jsonl")
    write_predictions({"1": "丙", "2": "丙"}, files["pred"], "csv")
    (first, second), contexts = packed(page_of(run(pred=files["pred"], data=files["data"])))
    assert (first.verdict, first.read, first.relevant) == ("selection", 1, 0)
    assert [candidate.context for candidate in second.candidates] == [1, 0, 2]
    assert len(contexts) == 3


def test_candidates_have_their_ids_and_what_the_selector_gave_them(tmp_path: Path, files: dict[str, Path]):
    record = Record("1", "誰在山上？", (SECOND, FIRST), 1, (Answer("甲", 0),))
    write_dataset((record,), files["data"], "jsonl")
    selected = replace(scored("1", FIRST.text, 0, 1), candidate=1, selection=(log(0.25), log(0.75)))
    write_scores(files["scores"], [selected], INFO)
    (question,), _ = packed(page_of(run(scores=files["scores"], data=files["data"])))
    assert [[*vars(one).values()] for one in question.candidates] == [[0, 0.25, "q"], [1, 0.75, "p"]]
    assert (question.read, question.relevant, question.verdict) == (1, 1, "right")
    write_scores(files["scores"], [replace(selected, selection=())], INFO)
    (question,), _ = packed(page_of(run(scores=files["scores"], data=files["data"])))
    assert [[*vars(one).values()] for one in question.candidates] == [[0, None, "q"], [1, None, "p"]]


def test_an_answer_that_is_not_its_span_keeps_its_text():
    assert _ranked(PredictedAnswer("甲", 0, 1, 1.0, 0.5), "甲乙") == [0, 1, 0.5, None]
    assert _ranked(PredictedAnswer("", 0, 0, 1.0, 0.0), "甲乙") == [0, 0, 0.0, None]
    assert _ranked(PredictedAnswer("丙", 0, 1, 1.0, 0.1234567), "甲乙") == [0, 1, 0.123457, "丙"]


@pytest.mark.parametrize("model", ["run", "run/best"])
def test_a_run_folder_brings_its_learning_curves(files: dict[str, Path], tmp_path: Path, model: str):
    (tmp_path / "run" / "best").mkdir(parents=True)
    result = run(pred=files["pred"], data=files["data"])
    assert page_of(result, model=str(tmp_path / model)).curves is None
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.write_text(json.dumps({"kind": "train", "step": 1, "loss": 2.0}), encoding="utf-8")
    assert "<svg" in (page_of(result, model=str(tmp_path / model)).curves or "")
    assert page_of(result, model=str(tmp_path / "run" / "other")).curves is None
    metrics.write_text("no JSON", encoding="utf-8")
    damaged = page_of(result, model=str(tmp_path / model))
    assert damaged.curves is None
    assert damaged.notes[-1].startswith("There are no learning curves: ")


def test_the_command_writes_the_page_and_says_so(files: dict[str, Path]):
    given = ("evaluate", "--scores", files["scores"], "--data", files["data"], "--compare", files["pred"])
    found = CliRunner().invoke(app, [*map(str, given), "--report", str(files["report"])])
    assert found.exit_code == 0, found.output
    assert f"wrote {files['report']}" in found.output.replace("\n", "")
    html = files["report"].read_text(encoding="utf-8")
    data = re.search('id="data">(.*)</script>\n<script>', html)
    assert data
    assert [row[0] for row in json.loads(data[1])["questions"]] == ["1", "2", "3"]
    assert re.search(r"<dt>Date</dt><dd>\d{4}-\d\d-\d\d</dd>", html)


def test_what_cannot_be_a_report_is_refused_before_any_work(files: dict[str, Path], tmp_path: Path):
    given = {"pred": files["pred"], "data": files["data"]}
    with pytest.raises(ConfigError, match=r"--report .*r.pdf: .* ends in .html"):
        run(**given, report=tmp_path / "r.pdf")
    data = tmp_path / "d.html"
    files["data"].rename(data)
    with pytest.raises(ConfigError, match="is an input"):
        run(pred=files["pred"], data=data, report=data)
    with pytest.raises(ConfigError, match="--report: a selector alone gives no answers"):
        run(selector="no such model", data=data, report=files["report"])


def test_a_report_of_predictions_loads_no_torch(files: dict[str, Path]):
    code = (
        "import sys; from pathlib import Path; from qakit.config import ReadConfig; from qakit.runs.evaluate import *; "
        "pred, data, report = map(Path, sys.argv[1:]); "
        "from qakit.tasks.registry import QUESTIONS; "
        "evaluate(QUESTIONS, EvaluateRequest(pred=pred, data=data, report=report), ReadConfig()); "
        "sys.exit('torch' in sys.modules)"
    )
    given = [str(files[name]) for name in ("pred", "data", "report")]
    assert subprocess.run([sys.executable, "-c", code, *given], check=False).returncode == 0
