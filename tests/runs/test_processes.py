"""Two processes train and predict what one does; nothing is lost or done twice, and only the main one writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qakit.config import ReadConfig
from qakit.data.formats import read_dataset
from qakit.runs.predict import load_models, predict
from tests.runs.trainings import config_of, content, run, write_data
from tests.runs.two_processes import CHANGES, STOPPED_AT

REPOSITORY = Path(__file__).resolve().parents[2]
ONE_PROCESS = {**CHANGES, "training.accumulation": 2}
PLAIN = {"model.hidden_dropout_prob": 0.0, "model.attention_probs_dropout_prob": 0.0}


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    """They take longer than the trainings."""
    monkeypatch.setattr("qakit.runs.train.draw_curves", lambda *_, **__: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """20 questions: steps of 6 leave two over, which are too few for two processes of three."""
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def two(data, tmp_path_factory):
    """The folder of what two processes made."""
    out = tmp_path_factory.mktemp("two")
    environment = {
        **os.environ,
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),
        "TQDM_DISABLE": "1",
    }
    command = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc_per_node", "2"]
    script = str(Path(__file__).with_name("two_processes.py"))
    done = subprocess.run(
        [*command, script, str(data), str(out)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
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
    assert (two / "two.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()


def test_a_signal_to_one_process_stops_both_and_the_training_goes_on_to_the_bit(two):
    assert [(two / f"stopped-{rank}").read_text() for rank in (0, 1)] == ["143", "143"]
    whole, stopped = content(two / "dropout"), content(two / "stopped")
    names = ["metrics.jsonl", "best/model.safetensors"]
    names += [f"checkpoints/step-000008/{kind}.safetensors" for kind in ("model", "optimizer")]
    assert [name for name in names if whole[name] != stopped[name]] == []
    assert f"checkpoints/step-{STOPPED_AT:06d}/model.safetensors" in stopped
