"""How trainings are told: their start, and what several folds came to."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qakit.cli.printing import Output, _duration, _size, show_folds, show_predictions
from qakit.cli.progress import training_progress
from qakit.config import TrainingSettings
from qakit.data.predictions import PredictedAnswer, Prediction
from qakit.runs.ensemble import EnsembleResult
from qakit.runs.folds import FoldsResult
from qakit.tasks.registry import QUESTIONS
from qakit.training.events import Started, TrainResult
from qakit.training.loop import StepEvent
from qakit.training.order import make_plan

FOLDS = FoldsResult(
    out=Path("run"),
    results=tuple(
        TrainResult(Path(f"run/fold-{number}"), 10, 5, {"em": em, "f1": 80.0}, 1.0)
        for number, em in enumerate((70.0, 72.0, 74.0), 1)
    ),
    scores_file=Path("run/scores.parquet"),
    seconds=12.0,
)


def test_folds_are_told_with_mean_and_deviation(capsys: pytest.CaptureFixture[str]):
    show_folds(FOLDS, json=False, quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "run/fold-1: best model: step 5 em 70.00, f1 80.00",
        "run/fold-2: best model: step 5 em 72.00, f1 80.00",
        "run/fold-3: best model: step 5 em 74.00, f1 80.00",
        "3 folds in 12 s; mean and deviation: em 72.00 ± 2.00, f1 80.00 ± 0.00",
        "wrote run/scores.parquet",
    ]


def test_folds_are_one_json_document(capsys: pytest.CaptureFixture[str]):
    show_folds(FOLDS, json=True, quiet=True)
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert err == ""
    assert values["scores"]["em"] == {"mean": 72.0, "deviation": 2.0}
    assert [fold["scores"]["em"] for fold in values["folds"]] == [70.0, 72.0, 74.0]
    assert values["files"] == ["run/scores.parquet"]


def started(trained: int) -> Started:
    plan = make_plan(np.full(8, 9), TrainingSettings(epochs=1, batch_size=2))
    return Started(plan, 0, 5_000_000, trained, "cpu", "fp32", 1)


def test_records_are_called_what_they_are(capsys: pytest.CaptureFixture[str]):
    with training_progress(quiet=False) as listen:
        listen(replace(started(5_000_000), unit="texts"))
    assert "4 steps of 2 texts, 4 an epoch" in capsys.readouterr().err


def test_trained_parameters_are_told_where_some_are_not(capsys: pytest.CaptureFixture[str]):
    with training_progress(quiet=False) as listen:
        listen(started(5_000_000))
        listen(started(250_000))
    whole, partly = capsys.readouterr().err.splitlines()
    assert whole.startswith("5.00 M parameters on cpu, fp32, 1 process; 4 steps of 2 questions")
    assert partly.startswith("5.00 M parameters, 0.25 M of them trained, on cpu")


def test_each_fold_counts_its_steps_anew(capsys: pytest.CaptureFixture[str]):
    with training_progress(quiet=False) as listen:
        for _ in range(2):
            listen(started(5_000_000))
            listen(StepEvent(1, 0.25, 1.0, 1e-5, 1.0, 2))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[1::2]] == ["step 1 of 4"] * 2


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (29.6, "30 s"), (90.1, "2 min"), (3599, "1 h 0 min"), (5400, "1 h 30 min")]
)
def test_durations_are_told_in_fitting_units(seconds: float, shown: str):
    assert _duration(seconds) == shown


@pytest.mark.parametrize(("count", "shown"), [(999_000, "1.0 MB"), (4_200_000_000, "4.20 GB")])
def test_sizes_are_told_in_fitting_units(count: int, shown: str):
    assert _size(count) == shown


@pytest.mark.parametrize("quiet", [False, True])
def test_answers_that_may_be_wrong_are_told_of_unless_quiet(quiet: bool, capsys: pytest.CaptureFixture[str]):
    answer = PredictedAnswer("「甲", 0, 2, 1.0, 0.5)
    predictions = (Prediction("1", 0, (answer,)), Prediction("2", 0, ()))
    result = EnsembleResult(predictions, "jsonl", (), (Path("p.jsonl"),))
    show_predictions(QUESTIONS, result, Output(quiet=quiet))
    out, err = capsys.readouterr()
    assert out == ""
    expected = [
        "2 questions answered; 1 answer is empty",
        "answers that may be wrong: 1 with half a pair of brackets or quotation marks; see qakit evaluate --lint",
        "wrote p.jsonl",
    ]
    assert err.splitlines() == ([] if quiet else expected)
