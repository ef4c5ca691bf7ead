"""Two systems of intents or slots side by side: "is the encoder better than the LSTM?"."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.config import ReadConfig
from qakit.data.labelled import IntentRecord, SlotRecord
from qakit.data.predicted_labels import LabelPrediction, write_labels
from qakit.errors import DataError
from qakit.io import write_json
from qakit.metrics.comparing import compare
from qakit.runs.comparing_labels import are_right
from qakit.runs.labelled import LabelRequest, evaluate_labels
from qakit.spans.label_scores import LabelScores, LabelScoresInfo, write_label_scores

INTENTS = [IntentRecord(str(n), f"text {n % 7}", "book" if n % 2 else "cancel") for n in range(20)]
SLOTS = [SlotRecord(str(n), ("at", "noon"), ("O", "B-time")) for n in range(20)]


@pytest.fixture(params=["intent", "slots"])
def task(request):
    return request.param


@pytest.fixture
def records(task):
    return INTENTS if task == "intent" else SLOTS


@pytest.fixture
def data(task, records, tmp_path):
    rows = [
        {"id": one.id, "text": one.text, "intent": one.label}
        if isinstance(one, IntentRecord)
        else {"id": one.id, "tokens": one.words, "tags": one.tags}
        for one in records
    ]
    write_json(tmp_path / "data.json", rows)
    return tmp_path / "data.json"


def wrong(record):
    return "book book" if isinstance(record, IntentRecord) else "O O"


def predictions(records, right, path: Path, task) -> Path:
    labels = [LabelPrediction(one.id, one.label if one.id in right else wrong(one)) for one in records]
    write_labels(labels, path, task)
    return path


def test_two_systems_are_compared_record_by_record(task, records, data, tmp_path):
    mine, theirs = {str(n) for n in range(18)}, {str(n) for n in range(4, 19)}
    one, other = (predictions(records, right, tmp_path / f"{len(right)}.csv", task) for right in (mine, theirs))
    (found,) = evaluate_labels(LabelRequest(data, task, pred=one, compare=(other,)), ReadConfig()).comparisons
    score = "accuracy" if task == "intent" else "joint_accuracy"
    columns = [{score: [float(record.id in right) for record in records]} for right in (mine, theirs)]
    assert found == compare(str(other), *columns, [record.text for record in records])
    assert (found.only_this, found.only_other, found.other[score]) == (4, 1, 75.0)


def test_a_missing_prediction_is_wrong_and_counted(task, records, data, tmp_path):
    full = predictions(records, {one.id for one in records}, tmp_path / "all.csv", task)
    some = predictions(records[:15], {one.id for one in records}, tmp_path / "some.csv", task)
    (found,) = evaluate_labels(LabelRequest(data, task, pred=full, compare=(some,)), ReadConfig()).comparisons
    assert (found.missing, found.only_this, found.only_other) == (5, 5, 0)


def test_files_of_other_data_or_another_task_are_refused(task, records, data, tmp_path):
    full = predictions(records, set(), tmp_path / "all.csv", task)
    other = predictions([replace(records[0], id="x")], set(), tmp_path / "x.csv", task)
    with pytest.raises(DataError, match=r"x\.csv: .*no id is one of the data's: it has 'x', the data '0'"):
        evaluate_labels(LabelRequest(data, task, pred=full, compare=(other,)), ReadConfig())
    other_task = "slots" if task == "intent" else "intent"
    rows = [LabelScores("0", "t", np.zeros((1, 2), dtype=np.float32))]
    write_label_scores(tmp_path / "s.parquet", rows, LabelScoresInfo(other_task, "m", ("a", "b")))
    with pytest.raises(DataError, match=f"has scores of the task {other_task}, and the data are of {task}"):
        evaluate_labels(LabelRequest(data, task, pred=full, compare=(tmp_path / "s.parquet",)), ReadConfig())


def test_a_scores_file_counts_as_what_it_comes_to(tmp_path):
    write_json(tmp_path / "data.json", [{"id": one.id, "text": one.text, "intent": one.label} for one in INTENTS])
    logs = [[0.0, -1.0] if n < 15 and not n % 2 else [-1.0, 0.0] for n in range(20)]
    rows = [LabelScores(one.id, one.text, np.float32([log])) for one, log in zip(INTENTS, logs, strict=True)]
    write_label_scores(tmp_path / "s.parquet", rows, LabelScoresInfo("intent", "m", ("cancel", "book")))
    full = predictions(INTENTS, {one.id for one in INTENTS}, tmp_path / "all.csv", "intent")
    request = LabelRequest(tmp_path / "data.json", "intent", pred=full, compare=(tmp_path / "s.parquet",))
    (found,) = evaluate_labels(request, ReadConfig()).comparisons
    assert (found.only_this, found.other["accuracy"], found.missing) == (2, 90.0, 0)


def test_what_is_right_is_all_of_a_label():
    found = {"0": LabelPrediction("0", "O B-time"), "1": LabelPrediction("1", "O O")}
    assert are_right(SLOTS[:3], found) == [1, 0, 0]


def test_the_command_shows_it_in_text_json_and_on_the_page(task, records, data, tmp_path):
    mine = predictions(records, {one.id for one in records}, tmp_path / "mine.csv", task)
    other = predictions(records, {"1", "2"}, tmp_path / "a<b.csv", task)
    page = tmp_path / "r.html"
    given = ["evaluate", "--pred", mine, "--data", data, "--compare", other]
    done = CliRunner().invoke(app, [*map(str, given), "--report", str(page)])
    assert done.exit_code == 0, done.output
    name = "accuracy" if task == "intent" else "joint accuracy"
    assert f"better than {other}, by more than chance explains ({name} +90.00" in done.stdout
    assert "only this is right: 18, only the other: 0; McNemar's exact test: p = 7.6e-06" in done.stdout
    assert "a&lt;b.csv, by more than chance explains" in page.read_text(encoding="utf-8")
    told = json.loads(CliRunner().invoke(app, [*map(str, given), "--json"]).stdout)
    assert told["comparisons"][0]["only_this"] == 18
    done = CliRunner().invoke(app, [*map(str, given), "--details", str(other)])
    assert done.exit_code == 2
    assert "a<b.csv" in other.name
    assert other.is_file()
