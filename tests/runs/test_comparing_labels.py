"""Two systems for labels side by side: "is the encoder better than the LSTM?"."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.config import DecodingSettings, ReadConfig, TrainConfig
from qakit.data.labels import LabelPrediction, TextRecord, WordsRecord, render_labels
from qakit.data.schemas import read_dataset
from qakit.errors import DataError
from qakit.io import write_json, write_text
from qakit.metrics.comparison import compare
from qakit.runs.train import train
from qakit.tasks.labels.evaluation import are_right
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo, write_label_scores
from qakit.tasks.questions.two_stage import load_models
from qakit.tasks.registry import TASKS
from qakit.tasks.requests import EvaluateRequest
from tests.runs.labels import evaluate_labels
from tests.runs.models import save_reader
from tests.runs.questions import evaluate, predict

INTENTS = [TextRecord(str(n), f"text {n % 7}", "book" if n % 2 else "cancel") for n in range(20)]
pytestmark = pytest.mark.usefixtures("without_pictures")
SLOTS = [WordsRecord(str(n), ("at", "noon"), ("O", "B-time")) for n in range(20)]


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
        if isinstance(one, TextRecord)
        else {"id": one.id, "tokens": one.words, "tags": one.tags}
        for one in records
    ]
    write_json(tmp_path / "data.json", rows)
    return tmp_path / "data.json"


def wrong(record):
    return "book book" if isinstance(record, TextRecord) else "O O"


def predictions(records, right, path: Path, task) -> Path:
    labels = [LabelPrediction(one.id, one.label if one.id in right else wrong(one)) for one in records]
    write_text(path, render_labels(labels, TASKS[task].schema.label_key))
    return path


def test_two_systems_are_compared_record_by_record(task, records, data, tmp_path):
    mine, theirs = {str(n) for n in range(18)}, {str(n) for n in range(4, 19)}
    one, other = (predictions(records, right, tmp_path / f"{len(right)}.csv", task) for right in (mine, theirs))
    (found,) = evaluate_labels(data, task, pred=one, compare=(other,)).comparisons
    score = "accuracy" if task == "intent" else "joint_accuracy"
    columns = [{score: [float(record.id in right) for record in records]} for right in (mine, theirs)]
    assert found == compare(str(other), *columns, [record.text for record in records])
    assert (found.only_this, found.only_other, found.other[score]) == (4, 1, 75.0)


def test_a_missing_prediction_is_wrong_and_counted(task, records, data, tmp_path):
    full = predictions(records, {one.id for one in records}, tmp_path / "all.csv", task)
    some = predictions(records[:15], {one.id for one in records}, tmp_path / "some.csv", task)
    (found,) = evaluate_labels(data, task, pred=full, compare=(some,)).comparisons
    assert (found.missing, found.only_this, found.only_other) == (5, 5, 0)


def test_files_of_other_data_or_another_task_are_refused(task, records, data, tmp_path):
    full = predictions(records, set(), tmp_path / "all.csv", task)
    other = predictions([replace(records[0], id="x")], set(), tmp_path / "x.csv", task)
    with pytest.raises(DataError, match=r"x\.csv: .*no id is one of the data's: it has 'x', the data '0'"):
        evaluate_labels(data, task, pred=full, compare=(other,))
    other_task = "slots" if task == "intent" else "intent"
    rows = [LabelScores("0", "t", np.zeros((1, 2), dtype=np.float32))]
    write_label_scores(tmp_path / "s.parquet", rows, LabelScoresInfo(other_task, "m", ("a", "b")))
    with pytest.raises(DataError, match=f"task: is {other_task}; expected scores of the task {task}"):
        evaluate_labels(data, task, pred=full, compare=(tmp_path / "s.parquet",))


@pytest.fixture
def intents(tmp_path):
    write_json(tmp_path / "data.json", [{"id": one.id, "text": one.text, "intent": one.label} for one in INTENTS])
    return tmp_path / "data.json"


def test_a_scores_file_counts_as_what_it_comes_to(intents, tmp_path):
    logs = [[0.0, -1.0] if n < 15 and not n % 2 else [-1.0, 0.0] for n in range(20)]
    rows = [LabelScores(one.id, one.text, np.float32([log])) for one, log in zip(INTENTS, logs, strict=True)]
    write_label_scores(tmp_path / "s.parquet", rows, LabelScoresInfo("intent", "m", ("cancel", "book")))
    full = predictions(INTENTS, {one.id for one in INTENTS}, tmp_path / "all.csv", "intent")
    (found,) = evaluate_labels(intents, "intent", pred=full, compare=(tmp_path / "s.parquet",)).comparisons
    assert (found.only_this, found.other["accuracy"], found.missing) == (2, 90.0, 0)


def test_each_system_is_judged_by_its_own_scope(intents, tmp_path):
    """One that never learnt `cancel` is right where it calls such a text out of scope, and nobody else is for that."""
    info = LabelScoresInfo("intent", "m", ("book", "other"), oos_threshold=0.9)
    logs = [[0.0, -9.0] if n % 2 else [-0.7, -0.7] for n in range(20)]
    rows = [LabelScores(one.id, one.text, np.float32([log])) for one, log in zip(INTENTS, logs, strict=True)]
    write_label_scores(tmp_path / "s.parquet", rows, info)
    full = predictions(INTENTS, {one.id for one in INTENTS}, tmp_path / "all.csv", "intent")
    scope, same = evaluate_labels(intents, "intent", pred=full, compare=(tmp_path / "s.parquet", full)).comparisons
    assert (scope.other["accuracy"], same.other["accuracy"]) == (100, 100)


def test_a_model_with_a_scope_leaves_the_right_labels_of_others_alone(intents, tmp_path):
    texts = [TextRecord(str(n), one.text, "book") for n, one in enumerate(INTENTS)]
    folder = tmp_path / "model"
    data = tmp_path / "train.json"
    write_json(data, [{"id": one.id, "text": one.text, "intent": one.label} for one in texts])
    lstm = {"name": "lstm", "hidden_size": 4, "embedding_size": 4, "num_hidden_layers": 1}
    settings = {"out": folder, "data": {"train": [data]}, "model": lstm, "training": {"max_steps": 1}}
    train(TASKS["intent"], TrainConfig.model_validate(settings))
    full = predictions(INTENTS, {one.id for one in INTENTS}, tmp_path / "all.csv", "intent")
    config = ReadConfig(decoding=DecodingSettings(oos_threshold=1.0))
    (found,) = evaluate_labels(intents, "intent", config, model=str(folder), compare=(full,)).comparisons
    assert found.other["accuracy"] == 100


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda rows: [replace(rows[0], text="another"), *rows[1:]], "text: that of 0 is another one than in the data"),
        (lambda rows: [*rows, rows[1]], "id: '1' stands twice"),
    ],
)
def test_scores_of_other_texts_are_refused(intents, tmp_path, damage, fault):
    rows = damage([LabelScores(one.id, one.text, np.float32([[0.0, -1.0]])) for one in INTENTS])
    write_label_scores(tmp_path / "s.parquet", rows, LabelScoresInfo("intent", "m", ("cancel", "book")))
    full = predictions(INTENTS, set(), tmp_path / "all.csv", "intent")
    with pytest.raises(DataError, match=fault):
        evaluate_labels(intents, "intent", pred=full, compare=(tmp_path / "s.parquet",))


def test_scores_of_another_kind_of_task_are_told_apart(intents, sample_data, tmp_path):
    model = save_reader(tmp_path / "model")
    questions = read_dataset([sample_data / "hw7" / "hw7_dev.json"])
    predict(
        questions,
        load_models(model, None),
        ReadConfig(),
        scores=tmp_path / "q.parquet",
        out=tmp_path / "q.csv",
    )
    full = predictions(INTENTS, set(), tmp_path / "all.csv", "intent")
    with pytest.raises(DataError, match="has scores of questions, and the data are of intent"):
        evaluate_labels(intents, "intent", pred=full, compare=(tmp_path / "q.parquet",))
    rows = [LabelScores("0", "t", np.float32([[0.0, -1.0]]))]
    write_label_scores(tmp_path / "s.parquet", rows, LabelScoresInfo("intent", "m", ("cancel", "book")))
    request = EvaluateRequest(pred=tmp_path / "q.csv", data=questions.files[0], compare=(tmp_path / "s.parquet",))
    with pytest.raises(DataError, match="has scores of labels, and the data are questions"):
        evaluate(request, ReadConfig())


def test_what_is_to_be_compared_has_to_be_there_first(intents, tmp_path):
    absent = (tmp_path / "absent.csv",)
    with pytest.raises(DataError, match=r"absent\.csv: .*No such file"):
        evaluate_labels(intents, "intent", model="no model is looked for", compare=absent)
    with pytest.raises(DataError, match=r"absent\.csv: .*No such file"):
        evaluate(EvaluateRequest(model="no model is looked for", data=intents, compare=absent), ReadConfig())


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
    content = other.read_bytes()
    done = CliRunner().invoke(app, [*map(str, given), "--details", str(other)])
    assert (done.exit_code, other.read_bytes()) == (2, content)
