"""Two processes train and predict what one does; nothing is lost or done twice, and only the main one writes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qakit.config import ReadConfig
from qakit.data.schemas import read_dataset
from qakit.modeling.models import load_trained
from qakit.spans.scores import read_scores
from qakit.tasks.questions.two_stage import load_models
from tests.modeling.tiny import QA, largest_difference, weights
from tests.runs.questions import predict
from tests.runs.trainings import config_of, content, run, write_data
from tests.runs.two_processes import CHANGES, PLAIN, STOPPED_AT

REPOSITORY = Path(__file__).resolve().parents[2]
ONE_PROCESS = {**CHANGES, "training.accumulation": 2}


pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """20 questions: steps of 6 leave two over, which are too few for two processes of three."""
    return write_data(tmp_path_factory.mktemp("data"))


def start_two(script, *folders, **changes):
    """Run a script in two processes, with these changes of the environment."""
    environment = {
        **os.environ,
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONFAULTHANDLER": "1",
        "TQDM_DISABLE": "1",
        **changes,
    }
    command = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc_per_node", "2"]
    file = str(Path(__file__).with_name(script))
    done = subprocess.run(
        [*command, file, *map(str, folders)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:6000]


@pytest.fixture(scope="module")
def two(data, tmp_path_factory):
    """The folder of what two processes made."""
    out = tmp_path_factory.mktemp("two")
    start_two("two_processes.py", data, out)
    return out


def losses(folder):
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [entry["loss"] for entry in entries if entry["kind"] == "train"]


def evaluations(folder):
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(entry["step"], entry["em"], entry["f1"]) for entry in entries if entry["kind"] == "evaluation"]


@pytest.mark.parametrize(("name", "trick"), [("plain", {}), ("adversarial", {"tricks.adversarial": "fgm"})])
def test_two_processes_make_the_steps_of_one(data, two, tmp_path, name, trick):
    run(config_of(data, tmp_path / "one", {**ONE_PROCESS, **PLAIN, **trick}))
    assert len(losses(two / name)) == 8
    assert losses(two / name) == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    assert evaluations(two / name) == evaluations(tmp_path / "one")


def assert_same_scores(found, expected):
    """The same questions and windows; logits but for the last bits, which on some processors depend on the batch."""
    (questions, info), (others, other_info) = read_scores(found), read_scores(expected)
    assert info == other_info and len(questions) == len(others)
    for question, other in zip(questions, others, strict=True):
        assert (question.id, question.context, question.candidate) == (other.id, other.context, other.candidate)
        for name in ("char_start", "char_end", "bounds"):
            assert np.array_equal(getattr(question.tokens, name), getattr(other.tokens, name))
        for name in ("start", "end"):
            np.testing.assert_allclose(getattr(question.tokens, name), getattr(other.tokens, name), rtol=0, atol=1e-5)


def test_two_processes_predict_what_one_does(data, two, tmp_path):
    models = load_models(str(two / "plain"), None)
    predict(
        read_dataset([data / "dev.json"]),
        models,
        ReadConfig(),
        out=tmp_path / "one.csv",
        scores=tmp_path / "one.parquet",
    )
    assert (two / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert_same_scores(two / "two.parquet", tmp_path / "one.parquet")


def test_two_processes_read_half_of_the_questions_each(data, two, tmp_path):
    start_two("two_readers.py", two / "plain", data / "dev.json", tmp_path)
    assert [(tmp_path / f"read-{rank}").read_text() for rank in (0, 1)] == ["3", "3"]
    assert (tmp_path / "two.csv").read_bytes() == (two / "two.csv").read_bytes()
    with open(two / "two.csv", encoding="utf-8", newline="") as file:
        texts = [row[1] for row in list(csv.reader(file))[1:]]
    assert json.loads((tmp_path / "own").read_text()) == texts, "a Reader is of its process alone"


def test_the_command_predicts_by_parts_in_two_processes(data, two, tmp_path):
    (tmp_path / "questions.jsonl").write_text(
        "".join(
            json.dumps({"id": record.id, "question": record.question, "context": record.context}) + "\n"
            for record in read_dataset([data / "dev.json"])
        )
    )
    ddp = REPOSITORY / "configs" / "accelerate" / "ddp.yaml"
    launch = [str(Path(sys.executable).with_name("accelerate")), "launch", "--config_file", str(ddp), "-m", "qakit"]
    asked = ["--model", two / "plain", "--data", tmp_path / "questions.jsonl", "--part-size", "4"]
    done = subprocess.run(
        [*launch, "predict", *map(str, asked), "--out", str(tmp_path / "answers")],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [
        json.loads(line)
        for part in sorted((tmp_path / "answers").glob("*.jsonl"))
        for line in part.read_text(encoding="utf-8").splitlines()
    ]
    assert [row["id"] for row in rows] == [record.id for record in read_dataset([data / "dev.json"])]


def test_a_signal_to_one_process_stops_both_and_the_training_goes_on_to_the_bit(two):
    assert [(two / f"stopped-{rank}").read_text() for rank in (0, 1)] == ["143", "143"]
    whole, stopped = content(two / "dropout"), content(two / "stopped")
    names = ["metrics.jsonl", "best/model.safetensors"]
    names += [f"checkpoints/step-000008/{kind}.safetensors" for kind in ("model", "optimizer")]
    assert [name for name in names if whole[name] != stopped[name]] == []
    assert f"checkpoints/step-{STOPPED_AT:06d}/model.safetensors" in stopped


def test_weights_spread_over_processes_train_resume_and_are_saved_whole(data, tmp_path):
    start_two("sharded.py", data, tmp_path)
    run(config_of(data, tmp_path / "one", {**ONE_PROCESS, **PLAIN}))
    assert losses(tmp_path / "sharded") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    assert evaluations(tmp_path / "sharded") == evaluations(tmp_path / "one")
    whole, stopped = content(tmp_path / "sharded"), content(tmp_path / "sharded-stopped")
    names = ["metrics.jsonl", "best/model.safetensors", "checkpoints/step-000008/model.safetensors"]
    names += ["checkpoints/step-000008/optimizer.safetensors"]
    assert [name for name in names if whole[name] != stopped[name]] == []
    one, sharded = (
        weights(load_trained(str(tmp_path / name), task="qa", auto_class=QA).model) for name in ("one", "sharded")
    )
    assert largest_difference(one, sharded) < 1e-4
