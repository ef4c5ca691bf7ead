"""Under DeepSpeed two processes make the steps that they make without it, and write and read the same checkpoints."""

import shutil

import pytest
from safetensors.torch import load_file

from qakit.config import ReadConfig
from qakit.data.schemas import read_dataset
from qakit.tasks.questions.two_stage import load_models
from tests.modeling.tiny import largest_difference
from tests.runs.questions import predict
from tests.runs.test_processes import evaluations, losses, start_two
from tests.runs.trainings import content, write_data

pytest.importorskip("deepspeed")

SCRIPT = "deepspeed_processes.py"
LAST = "checkpoints/step-000008"
FILES = ("metrics.jsonl", "best/model.safetensors", f"{LAST}/model.safetensors", f"{LAST}/optimizer.safetensors")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """What two processes do without DeepSpeed."""
    out = tmp_path_factory.mktemp("plain")
    start_two(SCRIPT, data, out, out / "nothing")
    return out


@pytest.fixture(scope="module", params=[1, 2, 3], ids="stage {}".format)
def zero(request, data, plain, tmp_path_factory):
    """What they do with it."""
    out = tmp_path_factory.mktemp("zero")
    shutil.copytree(plain / "left", out / "begun")
    on_cpus = {"ACCELERATE_USE_CPU": "false", "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"}
    stage = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": str(request.param)}
    start_two(SCRIPT, data, out, out / "begun", **on_cpus, **stage)
    return out


def tensors(run, name):
    return load_file(run / LAST / f"{name}.safetensors")


@pytest.mark.parametrize(("name", "error"), [("fp32", 1e-5), ("bf16", 2e-3)])
def test_the_steps_and_checkpoints_are_those_without_it(plain, zero, name, error):
    assert len(losses(zero / name)) == 8
    assert losses(zero / name) == pytest.approx(losses(plain / name), abs=error)
    assert evaluations(zero / name) == evaluations(plain / name)
    for kind in ("model", "optimizer"):
        found, expected = tensors(zero / name, kind), tensors(plain / name, kind)
        shapes = [{key: (value.shape, value.dtype) for key, value in each.items()} for each in (found, expected)]
        assert shapes[0] == shapes[1]
        assert largest_difference(found, expected) < 2e-3  # of two Adam steps of 1e-3 on a gradient of nothing


def test_bf16_leaves_frozen_weights_as_they_were(zero):
    first, last = (
        load_file(zero / "bf16" / "checkpoints" / name / "model.safetensors") for name in ("step-000003", LAST[-11:])
    )
    frozen = [name for name in first if ".embeddings." in name]
    assert frozen and all(first[name].equal(last[name]) for name in frozen)
    assert any(not first[name].bfloat16().float().equal(first[name]) for name in frozen)


def test_a_training_that_was_stopped_goes_on_to_the_bit(zero):
    whole, stopped = content(zero / "fp32"), content(zero / "stopped")
    assert "checkpoints/step-000005/model.safetensors" in stopped
    assert [name for name in FILES if whole[name] != stopped[name]] == []


def test_a_training_that_was_begun_without_it_goes_on_with_it(plain, zero):
    assert losses(zero / "begun") == pytest.approx(losses(plain / "fp32"), abs=1e-5)
    assert losses(zero / "begun")[:5] == losses(plain / "fp32")[:5]


def test_what_it_trained_predicts(data, plain, zero, tmp_path):
    for name, run in {"plain": plain, "zero": zero}.items():
        models = load_models(str(run / "fp32"), None)
        predict(read_dataset([data / "dev.json"]), models, ReadConfig(), out=tmp_path / f"{name}.csv")
    assert (tmp_path / "zero.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
