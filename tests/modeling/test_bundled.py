"""The model in the box is found by its name, small, and complete."""

import json

import pytest

from qakit.modeling.loading import BUNDLED_MODEL, bundled_folder
from qakit.modeling.models import load_trained
from tests.modeling.tiny import QA


def test_it_is_small_enough_to_ship_and_has_all_it_needs():
    files = {file.name: file.stat().st_size for file in bundled_folder(BUNDLED_MODEL).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "qakit.json", "README.md"} <= files.keys()
    assert sum(files.values()) < 12_000_000


def test_its_card_tells_its_licence_and_data():
    card = (bundled_folder(BUNDLED_MODEL) / "README.md").read_text(encoding="utf-8")
    assert "license: cc-by-sa-4.0" in card
    assert all(name in card for name in ("DRCD", "CMRC 2018", "XQuAD"))


def test_it_runs_in_fp32_though_it_is_stored_in_half_of_that():
    assert json.loads((bundled_folder(BUNDLED_MODEL) / "config.json").read_text())["dtype"] == "float16"
    model = load_trained(BUNDLED_MODEL, task="qa", auto_class=QA).model
    assert {str(parameter.dtype) for parameter in model.parameters()} == {"torch.float32"}


@pytest.mark.parametrize("config", ["config.json", "best/config.json"])
def test_a_model_here_of_that_name_goes_first_and_another_folder_does_not(tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    (tmp_path / BUNDLED_MODEL / "best").mkdir(parents=True)
    assert bundled_folder(BUNDLED_MODEL) is not None
    (tmp_path / BUNDLED_MODEL / config).write_text("{}")
    assert bundled_folder(BUNDLED_MODEL) is None


@pytest.mark.parametrize("name", ["bert-base-chinese", "mini", "assets/mini-zh"])
def test_no_other_name_stands_for_it(name):
    assert bundled_folder(name) is None
