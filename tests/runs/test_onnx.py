"""A model as ONNX answers as it did in torch, and with int8 weights nearly so."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.config import ReadConfig, WindowSettings
from qakit.data.schemas import read_dataset
from qakit.errors import CheckpointError, ConfigError
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import load_trained, save_trained
from qakit.reader import Reader
from qakit.runs.export import export
from qakit.tasks.questions.two_stage import answer_dataset, load_models
from tests.modeling.tiny import QA, qa_records, tiny_model, tokenizer
from tests.runs.models import save_reader, save_selector

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
PAIRS = [(record.question, record.context) for record in qa_records(12, shortest=20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(save_reader(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def converted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("onnx") / "out"
    result = export(str(folder), out, to="onnx")
    assert result.parity is not None
    assert result.parity.same == 100
    assert result.parity.logit_difference < 1e-4
    return out


def test_the_answers_are_those_of_torch(folder: Path, converted: Path):
    expected = list(Reader(folder).batch(PAIRS, nbest=3))
    found = list(Reader(converted).batch(PAIRS, nbest=3))
    assert [[answer[:3] for answer in answers] for answers in found] == [
        [answer[:3] for answer in answers] for answers in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert np.allclose([a.score for a in one], [a.score for a in other], atol=1e-4)


@pytest.mark.parametrize("family", ["roberta", "electra", "roformer", "deberta-v2"])
def test_attention_is_one_operation_and_padding_changes_nothing(family: str, tmp_path: Path):
    info = ModelInfo(task="qa", windows=WindowSettings(max_length=96))
    save_trained(tmp_path / "model", tiny_model(family), tokenizer(), info)
    export(str(tmp_path / "model"), tmp_path / "out", to="onnx")
    nodes = [node.op_type for node in onnx.load(tmp_path / "out" / "model.onnx").graph.node]
    assert nodes.count("Attention") == (0 if family == "deberta-v2" else 2)  # whose attention is its own
    expected, found = (list(Reader(tmp_path / name).batch(PAIRS, nbest=3)) for name in ("model", "out"))
    assert [[answer[:3] for answer in answers] for answers in found] == [
        [answer[:3] for answer in answers] for answers in expected
    ]


def test_the_folder_holds_what_loading_needs_and_says_how_far_it_is(converted: Path):
    names = {file.name for file in converted.iterdir()}
    assert names >= {"model.onnx", "config.json", "tokenizer.json", "qakit.json", "parity.json"}
    assert not any(name.endswith(".safetensors") for name in names)
    parity = json.loads((converted / "parity.json").read_text())
    assert parity["questions"] == 1
    assert parity["after"] == parity["before"] == {}


def test_a_selector_is_converted_too(tmp_path: Path, sample_data: Path):
    valid = sample_data / "adl" / "valid.json"
    save_selector(tmp_path / "select")
    save_reader(tmp_path / "qa")
    result = export(str(tmp_path / "select"), tmp_path / "out", to="onnx", data=valid)
    assert result.parity is not None
    assert result.parity.same == 100
    assert result.parity.before == result.parity.after != {}
    dataset = read_dataset([valid])
    expected, found = (
        [item.prediction.candidate for item in answer_dataset(dataset, models, ReadConfig())]
        for models in (load_models(str(tmp_path / "qa"), str(tmp_path / name)) for name in ("select", "out"))
    )
    assert found == expected


def test_int8_is_scored_beside_the_original(folder: Path, tmp_path: Path, sample_data: Path):
    out = tmp_path / "out"
    data = str(sample_data / "hw7" / "hw7_dev.json")
    done = CliRunner().invoke(app, ["export", str(folder), "--out", str(out), "--to", "int8", "--data", data, "--json"])
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)["parity"]
    assert report == json.loads((out / "parity.json").read_text())
    assert report["questions"] == len(read_dataset([Path(data)]))
    assert 0 < report["logit_difference"] < 5
    assert report["before"].keys() == report["after"].keys() == {"em", "f1"}
    assert (out / "model.int8.onnx").is_file()
    assert not (out / "model.onnx").exists()
    told = CliRunner().invoke(
        app, ["predict", "--model", str(out), "--backend", "int8", "-q", "河？", "-c", "山河", "--quiet"]
    )
    assert (told.exit_code, told.stdout.strip() in "山河") == (0, True)


def test_what_a_folder_has_no_weights_for_is_told(folder: Path, converted: Path, tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"has no model\.int8\.onnx; make one with qakit export MODEL --to int8"):
        Reader(converted, backend="int8")
    with pytest.raises(CheckpointError, match=r"has no model\.onnx"):
        Reader(folder, backend="onnx")
    with pytest.raises(ConfigError, match="--backend tpu: expected torch, onnx or int8"):
        Reader(folder, backend="tpu")
    with pytest.raises(ConfigError, match=r"--to onxx: unknown \(did you mean onnx\?\)"):
        export(str(folder), tmp_path / "out", to="onxx")
    with pytest.raises(ConfigError, match="--precision fp16 is for --to torch"):
        export(str(folder), tmp_path / "out", to="onnx", precision="fp16")
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_told(converted: Path, tmp_path: Path):
    for file in converted.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"no ONNX")
    with pytest.raises(CheckpointError, match=r"model\.onnx: is no ONNX file"):
        load_trained(str(tmp_path), task="qa", auto_class=QA)
