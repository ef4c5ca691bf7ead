"""Nothing heavy is loaded before it is needed: not by importing, not for help, not to score or combine files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qakit.data.predictions import write_predictions
from qakit.io import write_jsonl
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.spans.token_scores import TokenScores

VERBS = ("preprocess", "train-select", "train-qa", "predict", "evaluate", "ensemble")
TORCH = ("torch", "transformers", "accelerate")
CONTEXTS = {"1": "甲乙", "2": "甲丙"}
HEAVY = (*TORCH, "pandas", "numpy", "pyarrow", "matplotlib")

# Imports and runs what it is told, one after the other, and prints which watched modules were loaded after each.
DRIVER = """
import contextlib, importlib, io, json, sys
watched, steps = json.loads(sys.argv[1])
report = []
for step in steps:
    code = 0
    if isinstance(step, str):
        importlib.import_module(step)
    else:
        from qakit.cli import app
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
            try:
                app(step)
            except SystemExit as exit:
                code = exit.code
    report.append([code, [name for name in watched if name in sys.modules]])
print(json.dumps(report))
"""


def drive(*steps: str | list[str], watched: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    command = [sys.executable, "-c", DRIVER, json.dumps([watched, steps])]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return [(code, names) for code, names in json.loads(done.stdout)]


def test_importing_and_asking_for_help_loads_nothing_heavy():
    helps = [[verb, "--help"] for verb in VERBS]
    steps = ["qakit", "qakit.cli", ["--help"], ["--version"], *helps, ["evalute"], ["predict", "--modell", "x"]]
    report = drive(*steps, watched=HEAVY)
    assert report == [(0, [])] * (len(steps) - 2) + [(2, [])] * 2


def test_the_driver_sees_what_is_loaded():
    assert drive("qakit", "numpy", watched=HEAVY) == [(0, []), (0, ["numpy"])]


def test_a_wrong_setting_is_refused_without_torch():
    wrong = ["train-qa", "--train", "x", "--out", "x", "--model", "x", "--set", "training.epoch=3"]
    assert drive(wrong, ["predict", "--set", "decoding.nbest=0"], watched=TORCH) == [(2, []), (2, [])]


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    places = np.arange(2, dtype=np.int32)
    logits = np.zeros(2, dtype=np.float32)
    tokens = TokenScores(logits, logits, places, places + 1, np.array([0, len(places)]))
    questions = [QuestionScores(name, context, 0, (), tokens) for name, context in CONTEXTS.items()]
    write_scores(tmp_path / "s.parquet", questions, ScoresInfo("hw7", "model", 2))
    return tmp_path / "s.parquet"


def test_scoring_and_combining_files_needs_no_torch(scores: Path, tmp_path: Path):
    data = tmp_path / "data.jsonl"
    answer = {"answer": "甲", "answer_start": 0}
    rows = [{"id": name, "question": "誰？", "context": context, **answer} for name, context in CONTEXTS.items()]
    write_jsonl(data, rows)
    write_predictions({"1": "甲"}, tmp_path / "p.csv", "hw7")
    pred = ["evaluate", "--pred", str(tmp_path / "p.csv"), "--gold", str(tmp_path / "p.csv")]
    steps = [
        [*pred, "--details", str(tmp_path / "d.parquet")],
        ["evaluate", "--scores", str(scores), "--gold", str(tmp_path / "p.csv"), "--json"],
        ["ensemble", str(scores), "--out", str(tmp_path / "e.csv")],
        [*pred, "--lint"],
        ["ensemble", str(scores), "--data", str(data), "--weights", "2", "--average", "probability"],
        ["ensemble", str(scores), "--method", "greedy", "--tune-on", str(data), "--set", "folds=2", "--json"],
    ]
    assert drive(*steps, watched=TORCH) == [(0, [])] * 6


def test_preprocessing_needs_no_torch(sample_data: Path, tmp_path: Path):
    convert = ["preprocess", str(sample_data / "source.json"), "--to", "adl2022", "--out", str(tmp_path / "out")]
    assert drive([*convert, "--candidates", "4", "--split", "0.8,0.1,0.1"], watched=TORCH) == [(0, [])]
