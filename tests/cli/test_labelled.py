"""`train-intent` and `train-slots` as a user runs them, and what `evaluate` and `predict` make of their data."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo, write_label_scores
from tests.runs.test_labelled import write_data

QAKIT = str(Path(sys.executable).with_name("qakit"))
SMALL = "--model lstm --set model.hidden_size=16 --set model.embedding_size=12 --set model.hidden_dropout_prob=0"
STEPS = "--lr 0.02 --batch-size 6 --epochs 8 --max-length 32"


def run(folder: Path, *command: object) -> tuple[str, str]:
    """What the installed command prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [QAKIT, *map(str, command)], cwd=folder, env=environment, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("task", "column", "score"), [("intent", "intent", "accuracy"), ("slots", "tags", "joint accuracy")]
)
def test_from_data_to_scores(tmp_path: Path, task: str, column: str, score: str):
    write_data(tmp_path, task)
    files = ("--train", "train.json", "--dev", "dev.json", "--out", "run")
    _, err = run(tmp_path, f"train-{task}", *files, *SMALL.split(), *STEPS.split())
    assert "36 records to train on, 3 classes" in err
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"best", "curves.svg", "config.yaml"}
    out, err = run(tmp_path, "predict", "--model", "run", "--data", "test.json")
    assert out.splitlines()[0] == f"id,{column}"
    assert len(out.splitlines()) == 6
    assert "5 records labelled" in err
    out, _ = run(tmp_path, "evaluate", "--model", "run", "--data", "dev.json", "--report", "r.html")
    assert out.splitlines()[0] == "model, 12 records, 0 without a prediction"
    assert out.splitlines()[1].startswith(score)
    assert "95 % interval" in out.splitlines()[1]
    assert (tmp_path / "r.html").is_file()
    out, _ = run(tmp_path, "predict", "--model", "run", "--text", "at one or", "--json")
    told = json.loads(out)["labels"]["text"]
    shown, _ = run(tmp_path, "predict", "--model", "run", "--text", "at one or")
    if task == "intent":
        assert told.keys() == {"label", "probability", "ranked"}
        assert shown.splitlines()[0] == told["label"]
    else:
        tags = told["label"].split(" ")
        assert told["words"] == ["at", "one", "or"]
        assert {span["text"] for span in told["spans"]} <= {"at", "one", "or", "at one", "one or", "at one or"}
        words = ["at ", "one", "or "]
        assert shown.splitlines()[:3] == [f"{word}  {tag}" for word, tag in zip(words, tags, strict=True)]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("evaluate --pred p.csv --data dev.json --metric hw7", "--metric: does not apply to texts"),
        (
            "evaluate --pred p.csv --data dev.json --tune null",
            "--tune null: does not apply to texts; texts have --tune oos",
        ),
        ("evaluate --pred p.csv --data dev.json --tune oos", "--tune oos: give --model"),
        ("predict --data dev.json", "--model: give a model that was trained with train-intent"),
        ("predict --data dev.json --model m --format hw7", "--format: does not apply to texts"),
        ("predict --data dev.json --model m --part-size 5", "--part-size: does not apply to texts"),
        ("evaluate --lint --pred p.csv --data dev.json", "--lint: is for answers to questions"),
        ("predict --data dev.json --model m --null-threshold 0", "decoding.null_threshold: does not apply to texts"),
        (
            "predict --data dev.json --model m --max-answer-length 5",
            "decoding.max_answer_length: does not apply to texts",
        ),
        (
            "predict --data dev.json --model m --set decoding.distinct=true",
            "decoding.distinct: does not apply to texts",
        ),
        (
            "evaluate --model m --data dev.json --joint-paragraphs 2",
            "decoding.joint_paragraphs: does not apply to texts",
        ),
        (
            "evaluate --model m --data dev.json --set decoding.temperature=2",
            "decoding.temperature: does not apply to texts",
        ),
        ("evaluate --pred p.csv --data dev.json --set decoding.oos_threshold=0", "oos_threshold: is for a --model"),
        ("train-intent --train dev.json --out run --model lstm --metric hw7", "metric: is for tasks on questions"),
        (
            "train-intent --train dev.json --out run --model lstm --set decoding.null_threshold=1",
            "decoding.null_threshold: is for tasks on questions",
        ),
        (
            "train-intent --train dev.json --out run --model lstm --set decoding.oos_threshold=0.5",
            "decoding.oos_threshold is for predict and evaluate",
        ),
    ],
)
def test_what_only_questions_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, message: str
):
    write_data(tmp_path, "intent")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_scores_file_of_labels_names_what_scores_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_data(tmp_path, "intent")
    monkeypatch.chdir(tmp_path)
    rows = [LabelScores("0", "text", np.zeros((1, 2), np.float32))]
    write_label_scores(Path("s.parquet"), rows, LabelScoresInfo("intent", "m", ("a", "b")))
    result = CliRunner().invoke(app, ["evaluate", "--scores", "s.parquet", "--data", "dev.json"])
    assert result.exit_code == 2
    assert "qakit ensemble s.parquet --data dev.json" in result.stderr


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_the_help_speaks_of_labels(command: str):
    shown = CliRunner().invoke(app, [command, "--help"]).stdout
    assert "labels" in " ".join(shown.split())


@pytest.mark.parametrize(("task", "score"), [("intent", "accuracy"), ("slots", "joint accuracy")])
def test_scores_files_are_combined(tmp_path: Path, task: str, score: str):
    write_data(tmp_path, task)
    for seed in (1, 2):
        out = ("--out", f"run{seed}", "--quiet", "--seed", seed, "--epochs", 2)
        run(tmp_path, f"train-{task}", "--train", "train.json", *SMALL.split(), *out)
        files = ("--scores", f"{seed}.parquet", "--out", f"{seed}.csv")
        run(tmp_path, "predict", "--model", f"run{seed}", "--data", "dev.json", *files)
    both = ("ensemble", "1.parquet", "2.parquet")
    run(tmp_path, *both, "--weights", "1,0", "--out", "first.csv")
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
    out, err = run(tmp_path, *both, "--data", "dev.json", "--json", "--quiet")
    told = json.loads(out)
    assert list(told) == ["files", "labels", "weights", "report"]
    assert (len(told["labels"]), told["report"]["records"], err) == (12, 12, "")
    out, err = run(tmp_path, *both, "--method", "greedy", "--tune-on", "dev.json", "--out", "both.csv")
    assert f"metric {score}, 12 records on" in out
    assert out.splitlines()[-1].startswith("weights ")
    assert err.splitlines() == ["12 records labelled", "wrote both.csv"]
    run(tmp_path, "evaluate", "--pred", "both.csv", "--data", "dev.json")
