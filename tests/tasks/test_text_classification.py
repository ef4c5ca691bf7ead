"""A task of one class a text is its keys and names: all commands then train, predict, score and combine it."""

from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.config.base import METRICS, TASK_SUMMARIES
from qakit.io import write_json
from qakit.metrics.presets import PRESETS
from qakit.runs.train import train
from qakit.tasks.labels.text_classification import TextClassification, text_schema
from qakit.tasks.registry import TASKS
from tests.modeling.tiny import train_config

MODEL = {"name": "lstm", "hidden_size": 16, "embedding_size": 12, "num_hidden_layers": 1, "hidden_dropout_prob": 0.0}
TEXTS = {"good": "a fine film", "bad": "a dull film", "mixed": "a film of parts"}


class Sentiment(TextClassification):
    schema = text_schema("sentiment", label_key="sentiment", noun="a sentiment")
    name = schema.name
    title = "Sentiments"
    usage = "qakit predict --model . --data test.json --out sentiments.csv"


def say(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    return result.stdout


def rows(*, labelled: bool) -> list[dict[str, Any]]:
    known = [
        {"id": f"{name}{number}", "text": text, "sentiment": name}
        for number in range(4)
        for name, text in TEXTS.items()
    ]
    return known if labelled else [{"id": row["id"], "text": row["text"]} for row in known]


def test_the_names_of_tasks_and_metrics_that_help_shows_are_those_there_are():
    assert set(TASK_SUMMARIES) == set(TASKS) == {task.name for task in TASKS.values()}
    assert METRICS.split("|") == list(PRESETS)


def test_a_new_task_goes_through_all_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setitem(TASKS, "sentiment", Sentiment())  # type: ignore[index]  # a dict, that nothing else changes
    write_json(Path("train.json"), rows(labelled=True))
    write_json(Path("test.json"), rows(labelled=False))
    data = {"train": ["train.json"], "dev": ["train.json"]}
    training = {"learning_rate": 2e-2, "batch_size": 4, "epochs": 12, "warmup": 0}
    train(TASKS["sentiment"], train_config("run", data=data, model=MODEL, max_length=16, training=training))
    card = Path("run/best/README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: text-classification\n" in card
    assert "A model for `sentiment`, trained from random weights" in card
    # Texts without labels could be intents too: the model's task decides.
    say("predict", "--model", "run", "--data", "test.json", "--out", "p.csv", "--scores", "p.parquet")
    lines = Path("p.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,sentiment"
    assert [line.split(",") for line in lines[1:]] == [[row["id"], row["sentiment"]] for row in rows(labelled=True)]
    for source in (("--pred", "p.csv"), ("--model", "run")):
        assert "accuracy  100.000" in say("evaluate", *source, "--data", "train.json", "--report", "r.html")
    copyfile("p.parquet", "q.parquet")
    assert "accuracy" in say("ensemble", "p.parquet", "q.parquet", "--data", "train.json", "--out", "e.csv")
    say("export", "run", "--out", "hub")
    assert Path("hub/README.md").read_text(encoding="utf-8") == card
