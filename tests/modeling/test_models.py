"""Models come from folders, files and configs, and whatever is wrong with those is told in one sentence."""

import json
import os
import shutil
import subprocess
import sys
import time
from textwrap import dedent

import pytest
import torch
import transformers

from qakit.config import ModelSettings, WindowSettings
from qakit.errors import CheckpointError, ConfigError
from qakit.modeling.building import build_for_training
from qakit.modeling.info import ModelInfo
from qakit.modeling.loading import load_tokenizer
from qakit.modeling.models import load_trained, save_trained
from tests.modeling.tiny import CHOICE, QA, SIZES, TOKENIZER, assert_equal_weights, tiny_bert, tokenizer, weights

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "河", "山", "hel", "##lo", "e", "，"]
WINDOWS = WindowSettings(max_length=64)
INFO = ModelInfo(task="qa", windows=WindowSettings(max_length=64, step=7), max_answer_length=5)


def settings(**values):
    return ModelSettings.model_validate({"name": "bert", "from_scratch": True, "tokenizer": str(TOKENIZER), **values})


def load(folder, task="qa"):
    return load_trained(str(folder), task=task, auto_class=QA if task == "qa" else CHOICE)


@pytest.fixture(scope="module")
def reader():
    return tiny_bert(QA, seed=3)


@pytest.fixture
def folder(reader, tmp_path):
    save_trained(tmp_path / "reader", reader, tokenizer(), INFO)
    return tmp_path / "reader"


# Tokenizers


def test_a_vocabulary_file_gives_berts_tokenizer(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    found = load_tokenizer(tmp_path / "vocab.txt")
    assert found.is_fast
    assert len(found) == len(VOCABULARY)
    assert found.tokenize("河山，Hello é湖") == ["河", "山", "，", "hel", "##lo", "e", "[UNK]"]
    assert found("河", "山")["input_ids"] == [2, 5, 3, 6, 3]


def test_a_folder_gives_its_tokenizer():
    assert load_tokenizer(TOKENIZER).get_vocab() == transformers.AutoTokenizer.from_pretrained(TOKENIZER).get_vocab()


@pytest.mark.parametrize("name", ["missing/vocab.txt", "missing", "someone/nothing-at-all"])
def test_a_tokenizer_that_is_not_there_is_named(name):
    with pytest.raises(CheckpointError, match=rf"^{name}: no such folder here, and the hub gave no tokenizer: "):
        load_tokenizer(name)


# From scratch


def test_a_folder_with_a_config_alone_has_no_tokenizer(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert", "vocab_size": 50}')
    with pytest.raises(CheckpointError, match=r"has no vocabulary: expected tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_a_model_type_is_built_with_the_fields_that_are_given_and_the_tokenizers_size():
    model, found, fresh = build_for_training(settings(**SIZES, hidden_dropout_prob=0.3), QA, WINDOWS)
    assert isinstance(model, transformers.BertForQuestionAnswering)
    assert {name: getattr(model.config, name) for name in SIZES} == SIZES
    assert model.config.hidden_dropout_prob == 0.3
    assert (model.config.vocab_size, model.config.pad_token_id) == (len(found), found.pad_token_id)
    assert model.get_input_embeddings().weight.shape == (len(found), 16)
    assert fresh == []


def test_a_config_file_is_built_with_fields_over_it(tmp_path):
    transformers.BertConfig(**SIZES, hidden_dropout_prob=0.3).save_pretrained(tmp_path)
    model, _, _ = build_for_training(settings(name=str(tmp_path / "config.json"), num_hidden_layers=1), CHOICE, WINDOWS)
    assert isinstance(model, transformers.BertForMultipleChoice)
    assert (model.config.num_hidden_layers, model.config.hidden_dropout_prob) == (1, 0.3)
    assert model.config.hidden_size == SIZES["hidden_size"]


def test_a_seed_fixes_the_weights():
    built = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        built.append(weights(build_for_training(settings(**SIZES), QA, WINDOWS)[0]))
    assert_equal_weights(built[0], built[1])
    assert any(not torch.equal(built[0][name], built[2][name]) for name in built[0])


@pytest.mark.parametrize(
    ("field", "hint"), [("hiden_size", r" \(did you mean hidden_size\?\)"), ("xyzzy", "$"), ("num_layers", ".*")]
)
def test_an_unknown_field_is_refused_with_a_suggestion(field, hint):
    with pytest.raises(ConfigError, match=rf"^model.{field}: BertConfig has no such field{hint}"):
        build_for_training(settings(**SIZES, **{field: 8}), QA, WINDOWS)


@pytest.mark.parametrize(
    "changes", [{"max_position_embeddings": 60}, {"max_position_embeddings": 1024, "windows": 513}]
)
def test_windows_longer_than_the_positions_are_refused(changes):
    asked = changes.pop("windows", 61)
    with pytest.raises(ConfigError, match=rf"windows.max_length is {asked}, but the model has {asked - 1} positions"):
        build_for_training(settings(**{**SIZES, **changes}), QA, WindowSettings(max_length=asked))


# Fine-tuning


def test_training_starts_from_the_weights_of_a_folder(reader, folder):
    model, _, fresh = build_for_training(ModelSettings(name=str(folder)), QA, WINDOWS)
    assert_equal_weights(weights(model), weights(reader))
    assert fresh == []


def test_weights_that_a_folder_does_not_have_are_named(reader, folder):
    model, _, fresh = build_for_training(ModelSettings(name=str(folder), hidden_dropout_prob=0.4), CHOICE, WINDOWS)
    assert [name for name in fresh if name.startswith("classifier")] == ["classifier.bias", "classifier.weight"]
    assert model.config.hidden_dropout_prob == 0.4
    words = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(model.state_dict()[words], reader.state_dict()[words])


def test_a_base_model_that_is_not_there_is_named_at_once():
    began = time.monotonic()
    with pytest.raises(
        CheckpointError, match=r"^nowhere/at-all: no such folder here, and the hub gave no model config: "
    ):
        build_for_training(ModelSettings(name="nowhere/at-all", tokenizer=str(TOKENIZER)), QA, WINDOWS)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("from_scratch", [False, True])
def test_a_model_stored_in_16_bits_is_trained_in_32(dtype, from_scratch, tmp_path):
    stored = tiny_bert(QA, seed=3).to(dtype)
    save_trained(tmp_path, stored, tokenizer(), INFO)
    read = dtype if torch.accelerator.is_available() else torch.float32  # a CPU computes in fp32
    assert {tensor.dtype for tensor in load(tmp_path).model.parameters()} == {read}
    model, _, _ = build_for_training(ModelSettings(name=str(tmp_path), from_scratch=from_scratch), QA, WINDOWS)
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    if not from_scratch:
        assert_equal_weights(weights(model), weights(stored.float()))


# Attention


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_is_computed_as_asked_for(attention, folder):
    built, _, _ = build_for_training(settings(**SIZES, attention=attention), QA, WINDOWS)
    loaded, _, _ = build_for_training(ModelSettings(name=str(folder), attention=attention), QA, WINDOWS)
    assert built.config._attn_implementation == loaded.config._attn_implementation == attention


@pytest.mark.parametrize("family", ["roformer", "bert"])
def test_attention_that_a_model_or_the_machine_does_not_have_is_refused(family):
    attention = "sdpa" if family == "roformer" else "flash_attention_2"
    with pytest.raises(ConfigError, match=f"^model.attention {attention}: "):
        build_for_training(settings(**SIZES, name=family, attention=attention), QA, WINDOWS)


# Trained models


@pytest.mark.parametrize("place", ["reader", "run"])
def test_a_trained_model_comes_from_its_folder_or_its_run(reader, folder, place):
    shutil.copytree(folder, folder.parent / "run" / "best")
    loaded = load(folder.parent / place)
    assert_equal_weights(weights(loaded.model), weights(reader))
    assert not loaded.model.training
    assert loaded.info == INFO
    assert loaded.tokenizer.get_vocab() == tokenizer().get_vocab()


def test_a_model_of_plain_transformers_needs_no_qakit_json(reader, tmp_path):
    reader.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert loaded.info == ModelInfo(task="qa", windows=WindowSettings(max_length=512))
    assert_equal_weights(weights(loaded.model), weights(reader))


def test_a_model_without_the_tasks_head_is_not_trained_for_it(reader, tmp_path):
    reader.bert.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"is not trained for this task: it has no qa_outputs.bias, qa_outputs"):
        load(tmp_path)


def test_a_selector_is_no_reader(tmp_path):
    info = INFO.model_copy(update={"task": "select"})
    save_trained(tmp_path, tiny_bert(CHOICE), tokenizer(), info)
    with pytest.raises(CheckpointError, match="was trained for the task select, not for qa"):
        load(tmp_path)
    assert load(tmp_path, "select").info == info


@pytest.mark.parametrize("name", ["missing/run", "run", "nowhere/at-all/really"])
def test_a_model_that_is_not_there_is_named_at_once(tmp_path, name):
    began = time.monotonic()
    with pytest.raises(CheckpointError, match=f"{name}: no such folder here, and the hub gave no") as caught:
        load(tmp_path / name)
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 5


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"neither best/config.json nor config.json is there"):
        load(tmp_path)


def _cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _overwrite(text):
    return lambda file: file.write_text(text, encoding="utf-8")


DAMAGE = {
    "cut weights": ("model.safetensors", _cut),
    "no weights": ("model.safetensors", lambda file: file.unlink()),
    "weights that are none": ("model.safetensors", _overwrite("no weights at all")),
    "weights of another size": ("config.json", lambda file: _change(file, hidden_size=32)),
    "cut config": ("config.json", _cut),
    "config of an unknown model": ("config.json", lambda file: _change(file, model_type="brt")),
    "config of a wrong type": ("config.json", lambda file: _change(file, hidden_size="wide")),
    "cut tokenizer": ("tokenizer.json", _cut),
    "empty tokenizer": ("tokenizer.json", _overwrite("{}")),
    "cut qakit.json": ("qakit.json", _cut),
    "qakit.json without task": ("qakit.json", _overwrite("{}")),
    "qakit.json that is a list": ("qakit.json", _overwrite("[]")),
    "qakit.json of a wrong type": ("qakit.json", lambda file: _change(file, max_answer_length="long")),
    "qakit.json that is not UTF-8": ("qakit.json", lambda file: file.write_bytes(b"\xff\xfe")),
}


def _change(file, **values):
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


@pytest.mark.parametrize(("name", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_an_error_that_names_the_model(folder, name, damage):
    damage(folder / name)
    with pytest.raises(CheckpointError, match=str(folder)):
        load(folder)


# Windows


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {"max_length": 64, "step": 7}),
        ({"max_length": 128}, {"max_length": 128, "step": 7}),
        ({"overlap": 5}, {"max_length": 64, "overlap": 5}),
        ({"step": 9}, {"max_length": 64, "step": 9}),
        ({"max_question_length": 6}, {"max_length": 64, "step": 7, "max_question_length": 6}),
        ({"step": None}, {"max_length": 64}),
        ({"max_length": 384, "overlap": 0}, {"max_length": 384, "overlap": 0}),
    ],
)
def test_windows_are_those_of_the_training_where_nothing_else_is_given(given, expected):
    changes = None if given is None else WindowSettings(**given)
    assert INFO.windows_with(changes) == WindowSettings(**expected)


def test_an_overlap_too_long_for_shorter_windows_is_not_kept():
    info = ModelInfo(task="qa", windows=WindowSettings(max_length=512, overlap=128))
    assert info.windows_with(WindowSettings(max_length=129)) == WindowSettings(max_length=129, overlap=128)
    assert info.windows_with(WindowSettings(max_length=128)) == WindowSettings(max_length=128)
    with pytest.raises(ConfigError, match="overlap"):
        info.windows_with(WindowSettings.model_construct({"max_length", "overlap"}, max_length=128, overlap=128))


def test_given_windows_are_held_against_the_models_positions(folder):
    loaded = load(folder)
    assert loaded.windows_with(WindowSettings(max_length=512)).max_length == 512
    with pytest.raises(ConfigError, match="max_length is 513, but the model has 512 positions"):
        loaded.windows_with(WindowSettings(max_length=513))


def test_a_model_of_the_hub_has_what_qakit_stored_beside_it(folder, tmp_path):
    """As `huggingface_hub` keeps what it has downloaded: offline, this is all that there is of the hub."""
    cached = tmp_path / "hub" / "models--someone--reader"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folder, cached / "snapshots" / ("0" * 40))
    script = f"""
        from qakit.modeling.models import load_trained
        loaded = load_trained("someone/reader", task="qa", auto_class="{QA}")
        print(loaded.info.max_answer_length, loaded.info.windows.step)
    """
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", dedent(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "7"]
