"""A trained model in a folder of its own."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from qakit.config import ReadConfig
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import write_dataset
from qakit.errors import CheckpointError, ConfigError
from qakit.io import write_json
from qakit.modeling.models import load_trained
from qakit.runs.export import export
from qakit.runs.train import train
from qakit.tasks.questions.reading import read_answers
from qakit.tasks.registry import TASKS
from tests.modeling.tiny import QA
from tests.runs.models import save_reader, save_selector
from tests.runs.test_labelled import config_of, write_data

CONTEXT = "《國富論》是亞當斯密寫的，一七七六年出版。"
QUESTIONS = [
    Record(str(number), question, (Paragraph("0", CONTEXT),), 0, (Answer("亞當斯密", 6),))
    for number, question in enumerate(("國富論是誰寫的？", "誰寫國富論？"))
]


@pytest.fixture
def run(tmp_path):
    """A run folder with a model in `best`."""
    folder = tmp_path / "run" / "best"
    folder.mkdir(parents=True)
    save_reader(folder)
    (folder / "README.md").write_text("its own card", encoding="utf-8")
    return tmp_path / "run"


def test_the_model_of_a_run_is_written_with_all_that_is_known_of_it(run, tmp_path):
    files = export(str(run), tmp_path / "out").files
    loaded = load_trained(str(tmp_path / "out"), task="qa", auto_class=QA)
    assert loaded.info == load_trained(str(run), task="qa", auto_class=QA).info
    assert {file.name for file in files} >= {"config.json", "model.safetensors", "qakit.json", "README.md"}
    assert (tmp_path / "out" / "README.md").read_text(encoding="utf-8") == "its own card"
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)]
)
def test_weights_are_stored_as_asked(run, tmp_path, precision, dtype):
    export(str(run), tmp_path / "out", precision=precision)
    before = load_file(run / "best" / "model.safetensors")
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], weight.to(dtype)) for name, weight in before.items())


def test_a_selector_stays_a_selector(tmp_path):
    export(save_selector(tmp_path / "selector"), tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForMultipleChoice"]


def test_another_card_takes_the_place_of_its_own(run, tmp_path):
    (tmp_path / "card.md").write_text("another", encoding="utf-8")
    export(str(run), tmp_path / "out", card=tmp_path / "card.md")
    assert (tmp_path / "out" / "README.md").read_text(encoding="utf-8") == "another"


def test_nothing_that_is_there_is_replaced(run, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        export(str(run), tmp_path / "out")


def test_a_missing_card_or_model_leaves_nothing_behind(run, tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        export(str(run), tmp_path / "out", card=tmp_path / "none.md")
    with pytest.raises(CheckpointError):
        export(str(tmp_path), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_windows_may_be_others_than_in_training(run, tmp_path):
    export(str(run), tmp_path / "out", max_length=128)
    before, after = (load_trained(str(one), task="qa", auto_class=QA).info for one in (run, tmp_path / "out"))
    assert after == before.model_copy(update={"windows": before.windows.model_copy(update={"max_length": 128})})
    with pytest.raises(ConfigError, match="positions"):
        export(str(run), tmp_path / "longer", max_length=4096)


def test_models_of_intents_are_exported_as_they_are_and_not_as_onnx(tmp_path, monkeypatch):
    monkeypatch.setattr("qakit.runs.train.draw_curves", lambda *_, **__: None)
    train(TASKS["intent"], config_of(write_data(tmp_path, "intent"), tmp_path / "run", epochs=1))
    assert (tmp_path / "out" / "qakit.json") in export(str(tmp_path / "run"), tmp_path / "out").files
    with pytest.raises(ConfigError, match="--to onnx: does not apply to"):
        export(str(tmp_path / "run"), tmp_path / "onnx", to="onnx")


def test_a_trimmed_model_answers_as_before(tmp_path):
    model = save_reader(tmp_path / "model")
    texts = tmp_path / "texts.json"
    write_dataset(QUESTIONS, texts, "jsonl")
    result = export(model, tmp_path / "out", trim=[texts])
    assert result.trimmed is not None
    assert result.trimmed.pieces_after < result.trimmed.pieces_before
    before, after = (
        [
            found
            for found, _ in read_answers(load_trained(str(folder), task="qa", auto_class=QA), QUESTIONS, ReadConfig())
        ]
        for folder in (model, tmp_path / "out")
    )
    assert before == after


def test_an_encoder_is_trimmed_to_be_fine_tuned(tmp_path):
    model = save_reader(tmp_path / "model")
    encoder, tokenizer = AutoModel.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    encoder.save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    (tmp_path / "texts.txt").write_text("a text", encoding="utf-8")
    result = export(str(tmp_path / "encoder"), tmp_path / "out", trim=[tmp_path / "texts.txt"], characters=True)
    assert not (tmp_path / "out" / "qakit.json").exists()
    assert AutoModel.from_pretrained(tmp_path / "out").config.vocab_size == result.trimmed.pieces_after
    with pytest.raises(ConfigError, match="is an encoder without a head; train it first"):
        export(str(tmp_path / "encoder"), tmp_path / "onnx", to="onnx", trim=[tmp_path / "texts.txt"])


def test_lengths_in_tokens_are_forgotten_where_tokens_change(tmp_path):
    model = save_reader(tmp_path / "model")
    info = json.loads((tmp_path / "model" / "qakit.json").read_text(encoding="utf-8"))
    info |= {"max_answer_length": 7, "length_prior": [-1.0, -2.0], "length_weight": 0.5}
    write_json(tmp_path / "model" / "qakit.json", info)
    (tmp_path / "texts.txt").write_text("a text", encoding="utf-8")
    result = export(model, tmp_path / "out", trim=[tmp_path / "texts.txt"], characters=True)
    kept = json.loads((tmp_path / "out" / "qakit.json").read_text(encoding="utf-8"))
    assert (kept["max_answer_length"], kept["length_prior"], kept["length_weight"]) == (None, [], 0.0)
    assert len(result.notes) == 2
    same = export(model, tmp_path / "same", trim=[tmp_path / "texts.txt"])
    assert same.notes == ()
    assert json.loads((tmp_path / "same" / "qakit.json").read_text(encoding="utf-8"))["length_weight"] == 0.5


def test_characters_belong_to_trimming(run, tmp_path):
    with pytest.raises(ConfigError, match="--characters: says which pieces --trim-vocabulary keeps; give both"):
        export(str(run), tmp_path / "out", characters=True)
