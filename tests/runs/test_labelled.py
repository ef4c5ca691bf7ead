"""Intents and slots through the runs that questions have: training, resuming, folds, evaluation, prediction."""

import csv
import json
from pathlib import Path

import pytest
import transformers

from qakit.config import DecodingSettings, ReadConfig, TrainConfig
from qakit.data.labels import TextRecord
from qakit.errors import CheckpointError, ConfigError, DataError
from qakit.io import write_json
from qakit.modeling.models import load_trained
from qakit.runs.dry_run import dry_run
from qakit.runs.evaluate import evaluate
from qakit.runs.folds import train_folds
from qakit.runs.train import train
from qakit.tasks.registry import TASKS
from qakit.tasks.requests import EvaluateRequest
from qakit.training.loop import StepEvent
from tests.modeling.labels import intent_records, slot_records, words
from tests.modeling.tiny import SIZES
from tests.runs.labels import evaluate_labels, load_labeller, predict_labels, read
from tests.runs.trainings import Killed, content

pytestmark = pytest.mark.usefixtures("without_pictures")

NAMES = ("intent", "slots")
LSTM = {"name": "lstm", "hidden_size": 16, "embedding_size": 12, "num_hidden_layers": 1, "hidden_dropout_prob": 0.1}


def write_data(folder: Path, task: str, count: int = 48) -> Path:
    records = intent_records(count) if task == "intent" else slot_records(count)
    values = [
        {"id": one.id, "text": one.text, "intent": one.label}
        if isinstance(one, TextRecord)
        else {"id": one.id, "tokens": one.words, "tags": one.tags}
        for one in records
    ]
    write_json(folder / "train.json", values[: count - 12])
    write_json(folder / "dev.json", values[count - 12 :])
    write_json(
        folder / "test.json", [{k: v for k, v in one.items() if k not in ("intent", "tags")} for one in values[:5]]
    )
    return folder


def config_of(data: Path, out: Path, *, model=None, dev=True, **training) -> TrainConfig:
    steps = {"epochs": 2, "batch_size": 6, "learning_rate": 2e-2, "precision": "fp32", "save_every": 5, "warmup": 0}
    return TrainConfig.model_validate(
        {
            "out": out,
            "data": {"train": [data / "train.json"], "dev": [data / "dev.json"] if dev else []},
            "model": model or LSTM,
            "windows": {"max_length": 16},
            "training": {**steps, **training},
        }
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return {task: write_data(tmp_path_factory.mktemp(task), task) for task in NAMES}


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run folder of each task."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setattr("qakit.runs.train.draw_curves", lambda *_, **__: None)
        folders = {task: tmp_path_factory.mktemp("runs") / task for task in NAMES}
        for task, folder in folders.items():
            train(TASKS[task], config_of(data[task], folder, epochs=10))
    return folders


@pytest.mark.parametrize("task", NAMES)
def test_a_killed_training_goes_on_to_the_bit(data, tmp_path, task):
    train(TASKS[task], config_of(data[task], tmp_path / "whole"))

    def kill(event):
        if isinstance(event, StepEvent) and event.step == 8:
            raise Killed

    with pytest.raises(Killed):
        train(TASKS[task], config_of(data[task], tmp_path / "killed"), listen=kill)
    train(TASKS[task], config_of(data[task], tmp_path / "killed"), resume="auto")
    whole, resumed = content(tmp_path / "whole"), content(tmp_path / "killed")
    for name in ("metrics.jsonl", "best/model.safetensors", "best/config.json", "best/qakit.json"):
        assert whole[name] == resumed[name], name


@pytest.mark.parametrize("task", NAMES)
def test_folds_leave_equal_texts_together(data, tmp_path, task):
    config = config_of(data[task], tmp_path / "run", dev=False, epochs=1)
    config = config.model_copy(update={"data": config.data.model_copy(update={"folds": 2})})
    result = train_folds(TASKS[task], config)
    assert len(result.results) == 2
    assert result.scores_file is None


@pytest.mark.parametrize(("rate", "low"), [(3e-5, 1), (1e-3, 0)])
def test_a_rate_of_encoders_is_told_to_be_low_for_random_weights(data, tmp_path, rate, low):
    notes = []
    config = config_of(data["intent"], tmp_path / "run", learning_rate=rate, epochs=1)
    train(TASKS["intent"], config, listen=lambda event: notes.append(getattr(event, "text", "")))
    assert sum(note.startswith("training.learning_rate 3e-05 is low for a model from") for note in notes) == low


def test_a_training_calls_its_records_what_they_are(data, tmp_path):
    units = []
    config = config_of(data["intent"], tmp_path / "run", epochs=1)
    train(TASKS["intent"], config, listen=lambda event: units.append(getattr(event, "unit", None)))
    assert [unit for unit in units if unit] == ["texts"]


@pytest.mark.parametrize("task", NAMES)
def test_a_dry_run_counts_records(data, tmp_path, task):
    result = dry_run(TASKS[task], config_of(data[task], tmp_path / "run"))
    assert (result.questions, result.windows, result.total_steps) == (36, 36, 12)
    assert not (tmp_path / "run").exists()


def test_a_transformers_encoder_is_trained_and_any_tool_can_load_it(data, tmp_path):
    words().save_pretrained(tmp_path / "words")
    model = {"name": "bert", "from_scratch": True, "tokenizer": str(tmp_path / "words"), **SIZES}
    train(TASKS["intent"], config_of(data["intent"], tmp_path / "run", model=model, epochs=1))
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "best")
    assert plain.config.id2label == {0: "book", 1: "cancel", 2: "weather"}
    card = (tmp_path / "run" / "best" / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: text-classification" in card
    # A head of another size is newly initialised, and a note says so.
    write_json(tmp_path / "two.json", [{"id": str(n), "text": f"book {n}", "intent": str(n % 2)} for n in range(8)])
    config = config_of(data["intent"], tmp_path / "again", model={"name": str(tmp_path / "run")}, dev=False, epochs=1)
    config = config.model_copy(update={"data": config.data.model_copy(update={"train": (tmp_path / "two.json",)})})
    notes = []
    train(TASKS["intent"], config, listen=lambda event: notes.append(getattr(event, "text", "")))
    assert any("has no weights for classifier.bias, classifier.weight: newly initialised." in note for note in notes)


@pytest.mark.parametrize("task", NAMES)
def test_a_model_and_its_prediction_file_score_the_same(data, trained, tmp_path, task):
    dev = data[task] / "dev.json"
    by_model = evaluate_labels(dev, task, model=str(trained[task]))
    loaded = load_labeller(trained[task], task)
    predict_labels(read(dev, task), loaded, out=tmp_path / "p.csv")
    by_file = evaluate_labels(dev, task, pred=tmp_path / "p.csv")
    assert (by_file.counts, by_file.main) == (by_model.counts, by_model.main)
    assert {name: by_model.scores[name] for name in by_file.scores} == by_file.scores
    assert by_model.main.mean == pytest.approx(next(iter(by_model.scores.values())))
    assert by_model.main.mean > 60
    assert [row["right"] for row in by_file.rows] == [row["gold"] == row["predicted"] for row in by_model.rows]


def test_prediction_files_have_a_row_a_record_and_a_tag_a_word(data, trained, tmp_path):
    test = read(data["slots"] / "test.json", "slots")
    loaded = load_labeller(trained["slots"], "slots")
    result = predict_labels(test, loaded, out=tmp_path / "p.csv")
    with open(tmp_path / "p.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [record.id for record in test]
    assert [len(row["tags"].split(" ")) for row in rows] == [len(record.words) for record in test]
    assert result.files == (tmp_path / "p.csv",)
    with pytest.raises(ConfigError, match=r"ends in \.csv"):
        predict_labels(test, loaded, out=tmp_path / "p.json")
    with pytest.raises(ConfigError, match="--nbest-out: sentences have one"):
        predict_labels(test, loaded, nbest_out=tmp_path / "p.json")


def test_missing_and_unknown_predictions_are_counted(data, tmp_path):
    dev = read(data["intent"] / "dev.json", "intent")
    lines = ["id,intent", f"{dev.records[0].id},{dev.records[0].label}", "unknown,book"]
    (tmp_path / "p.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = evaluate_labels(dev.files[0], "intent", pred=tmp_path / "p.csv")
    assert (result.missing, result.unknown) == (len(dev) - 1, 1)
    assert result.scores["accuracy"] == pytest.approx(100 / len(dev))


def test_another_number_of_tags_is_refused(data, tmp_path):
    dev = data["slots"] / "dev.json"
    (tmp_path / "p.csv").write_text("id,tags\ns36,O O O O O O O O O O O O O\n", encoding="utf-8")
    with pytest.raises(DataError, match="id s36: tags: has 13 tags for"):
        evaluate_labels(dev, "slots", pred=tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({}, ConfigError, "give one thing to score"),
        ({"pred": Path("x"), "model": "y"}, ConfigError, "give one thing to score"),
        ({"pred": Path("x"), "tune": ("oos",)}, ConfigError, "--tune oos"),
        ({"pred": Path("absent.csv")}, DataError, "absent.csv"),
    ],
)
def test_what_cannot_be_scored_is_refused(data, changes, error, message):
    with pytest.raises(error, match=message):
        evaluate_labels(data["intent"] / "dev.json", "intent", **changes)


def test_a_model_of_the_other_task_and_data_without_labels_are_refused(data, trained):
    with pytest.raises(CheckpointError, match="was trained for the task slots, not for intent"):
        load_labeller(trained["slots"], "intent")
    with pytest.raises(ConfigError, match="no record has a label"):
        evaluate_labels(data["intent"] / "test.json", "intent", model=str(trained["intent"]))


def with_others(data: Path, folder: Path, task: str) -> Path:
    """Dev data in which five records have labels that nobody has seen, of four kinds."""
    values = json.loads((data / "dev.json").read_text(encoding="utf-8"))
    for number, one in enumerate(values[:5]):
        name = f"new-{min(number, 3)}"
        one.update({"intent": name} if task == "intent" else {"tags": [name] * len(one["tokens"])})
    write_json(folder / "dev.json", values)
    return folder / "dev.json"


@pytest.mark.parametrize(("task", "what"), [("intent", "an intent"), ("slots", "a tag")])
def test_labels_that_the_training_data_lack_are_told_of(data, trained, tmp_path, task, what):
    (tmp_path / "train.json").write_bytes((data[task] / "train.json").read_bytes())
    dev = with_others(data[task], tmp_path, task)
    expected = f"5 of 12 records have {what} that the training data lack: new-0, new-1, new-2, ..."
    result = evaluate_labels(dev, task, model=str(trained[task]))
    assert result.notes == (expected,)
    notes = []
    train(
        TASKS[task],
        config_of(tmp_path, tmp_path / "run", epochs=1),
        listen=lambda event: notes.append(getattr(event, "text", "")),
    )
    assert notes.count(expected) == 1
    assert evaluate_labels(data[task] / "dev.json", task, model=str(trained[task])).notes == ()


def test_the_intent_out_of_scope_is_known_to_models_with_a_threshold(data, trained, tmp_path):
    values = json.loads((data["intent"] / "dev.json").read_text(encoding="utf-8"))
    values[0]["intent"], values[1]["intent"] = "oos", "new"
    write_json(tmp_path / "dev.json", values)
    model = {"model": str(trained["intent"])}
    assert evaluate_labels(tmp_path / "dev.json", "intent", **model).notes == (
        "2 of 12 records have an intent that the training data lack: new, oos",
    )
    assert evaluate_labels(tmp_path / "dev.json", "intent", reading(0.5), **model).notes == (
        "1 of 12 records has an intent that the training data lack: new; they count as out of scope",
    )


def reading(oos_threshold: float) -> ReadConfig:
    return ReadConfig(decoding=DecodingSettings(oos_threshold=oos_threshold))


def test_tags_have_no_scope(data, trained):
    with pytest.raises(ConfigError, match=r"oos_threshold 0.5: does not apply to sentences"):
        evaluate_labels(data["slots"] / "dev.json", "slots", reading(0.5), model=str(trained["slots"]))


def test_a_threshold_is_found_on_intents_left_out_and_kept_with_the_model(data, tmp_path):
    values = json.loads((data["intent"] / "train.json").read_text(encoding="utf-8"))
    write_json(tmp_path / "train.json", [one for one in values if one["intent"] != "weather"])
    (tmp_path / "dev.json").write_bytes((data["intent"] / "dev.json").read_bytes())
    train(TASKS["intent"], config_of(tmp_path, tmp_path / "run", epochs=10))
    given = (tmp_path / "dev.json", "intent")
    model = {"model": str(tmp_path / "run")}
    tuned = evaluate_labels(*given, **model, tune=("oos",))
    again = evaluate_labels(*given, **model)
    info = load_trained(str(tmp_path / "run"), task="intent", auto_class=TASKS["intent"].auto_class).info
    assert info.oos_threshold == tuned.tuned.threshold
    assert (tuned.scores, tuned.tuned.after) == (again.scores, pytest.approx(again.scores["accuracy"]))
    assert tuned.tuned.after >= tuned.tuned.before
    assert tuned.tuned.outside == sum(row["gold"] == "oos" for row in tuned.rows) > 0
    with_another = {
        value: evaluate_labels(*given, reading(value), **model) for value in (0.0, tuned.tuned.threshold, 1.0)
    }
    assert with_another[0.0].scores["accuracy"] == pytest.approx(tuned.tuned.before)
    assert {row["gold"] for row in with_another[0.0].rows} == {"book", "cancel", "weather"}  # the labels as they stand
    assert with_another[tuned.tuned.threshold].scores == tuned.scores
    assert {row["predicted"] for row in with_another[1.0].rows} == {"oos"}
    with pytest.raises(ConfigError, match=r"oos_threshold: is what --tune oos finds"):
        evaluate_labels(*given, reading(0.5), **model, tune=("oos",))
    with pytest.raises(ConfigError, match="--tune oos: the data needs"):
        evaluate_labels(tmp_path / "train.json", "intent", **model, tune=("oos",))


def test_the_report_shows_what_is_wrong_and_runs_nothing(data, tmp_path):
    dev = read(data["slots"] / "dev.json", "slots")
    lines = [f"{one.id},{' '.join(['O'] * len(one.words))}" for one in dev]
    (tmp_path / "p.csv").write_text("\n".join(["id,tags", *lines]), encoding="utf-8")
    request = EvaluateRequest(
        data=dev.files[0], pred=tmp_path / "p.csv", report=tmp_path / "r.html", details=tmp_path / "d.csv"
    )
    result, files = evaluate(TASKS["slots"], request, ReadConfig())
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert files == tuple(tmp_path / name for name in ("d.csv", "r.html", "r.confusion.svg", "r.confusion.png"))
    assert all(file.stat().st_size for file in files)
    assert "<script" not in page
    assert page.count("<tr>") == 2 + 2 + sum(not row["right"] for row in result.rows)
    assert "<ins>B-time</ins> <del>O</del>" in page
    assert len((tmp_path / "d.csv").read_text(encoding="utf-8").splitlines()) == len(dev) + 1
