"""A model gets the token types that tell of exact matches, and says what it said before until it is trained."""

import pytest
import torch
import transformers

from qakit.config import ModelSettings, WindowSettings
from qakit.errors import ConfigError
from qakit.modeling.adapting import adapt, merge_lora
from qakit.modeling.batching import gather_batch
from qakit.modeling.building import build_for_training
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import load_trained, save_trained
from qakit.modeling.token_types import add_token_types, token_type_embedding
from qakit.spans.windowing import covering_windows, encode_pairs
from tests.modeling.tiny import (
    CHOICE,
    QA,
    SIZES,
    TOKENIZER,
    assert_equal_weights,
    tiny_bert,
    tiny_model,
    tokenizer,
    train_config,
    weights,
)

PAIRS = [("河山城海在何處？", "城海湖風河山城在雲林。"), ("石田", "石山田")]
TYPES = {"bert": {}, "electra": {"embedding_size": 8}, "roformer": {"embedding_size": 8}, "ernie": {}, "albert": {}}


def windows(match_length):
    return WindowSettings(max_length=64, match_length=match_length)


def scratch(**values):
    return ModelSettings.model_validate({"name": "bert", "from_scratch": True, "tokenizer": str(TOKENIZER), **values})


def saved(folder, model, match_length=0, task="qa"):
    save_trained(folder, model, tokenizer(), ModelInfo(task=task, windows=windows(match_length)))
    return ModelSettings(name=str(folder))


def inputs_of(match_length):
    pairs = encode_pairs(tokenizer(), PAIRS, windows(match_length))
    return gather_batch(pairs, covering_windows(pairs), range(len(PAIRS)), 0).inputs


def outputs_of(model, match_length, auto_class=QA):
    """The logits of the pairs' windows with the token types of that length."""
    inputs = inputs_of(match_length)
    if auto_class == CHOICE:
        inputs = {name: tensor[:, None] for name, tensor in inputs.items()}
    with torch.no_grad():
        return model.eval()(**inputs).to_tuple()


def assert_equal(found, expected):
    """The same, but for the last bits: some processors round sums otherwise where numbers lie elsewhere."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_these_pairs_have_types_of_all_lengths():
    assert set(inputs_of(3)["token_type_ids"].flatten().tolist()) == {0, 1, 2, 3, 4}


# From scratch


@pytest.mark.parametrize(
    ("family", "fields", "match_length", "types"),
    [
        ("bert", {}, 0, 2),
        ("bert", {}, 2, 4),
        ("bert", {"type_vocab_size": 4}, 2, 4),
        ("bert", {"type_vocab_size": 9}, 2, 9),
        ("roformer", {"embedding_size": 8}, 1, 3),
        ("deberta-v2", {}, 2, 4),
    ],
)
def test_a_new_model_has_the_types_that_it_needs_or_was_given(family, fields, match_length, types):
    model, _, fresh = build_for_training(scratch(**SIZES, name=family, **fields), QA, windows(match_length))
    assert (model.config.type_vocab_size, token_type_embedding(model).weight.shape[0]) == (types, types)
    assert fresh == []
    assert torch.isfinite(outputs_of(model, match_length)[0]).all()


def test_a_config_file_need_not_tell_the_types(tmp_path):
    transformers.BertConfig(**SIZES).save_pretrained(tmp_path)
    model, _, _ = build_for_training(scratch(name=str(tmp_path / "config.json")), QA, windows(2))
    assert model.config.type_vocab_size == 4


@pytest.mark.parametrize("types", [1, 3])
def test_fewer_types_than_needed_are_refused(types):
    with pytest.raises(ConfigError, match=f"^windows.match_length 2 needs 4 token types, and the model has {types} "):
        build_for_training(scratch(**SIZES, type_vocab_size=types), QA, windows(2))


# Fine-tuning


@pytest.mark.parametrize("auto_class", [QA, CHOICE])
@pytest.mark.parametrize("family", TYPES)
def test_a_trained_model_says_what_it_said_until_it_is_trained(family, auto_class, tmp_path):
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        family, **{**SIZES, **TYPES[family]}, vocab_size=len(tokenizer()), initializer_range=0.3
    )
    trained = getattr(transformers, auto_class).from_config(config)
    expected = outputs_of(trained, 0, auto_class)
    model, _, fresh = build_for_training(saved(tmp_path, trained), auto_class, windows(3))
    assert fresh == []
    assert model.config.type_vocab_size == max(5, config.type_vocab_size)
    assert_equal(outputs_of(model, 3, auto_class), expected)
    assert_equal(outputs_of(model, 0, auto_class), expected)
    with torch.no_grad():
        token_type_embedding(model).weight[3] += torch.randn(token_type_embedding(model).weight.shape[1])
    assert not torch.equal(outputs_of(model, 3, auto_class)[0], expected[0])
    assert_equal(outputs_of(model, 0, auto_class), expected)


def test_no_other_weight_changes_and_no_random_number_is_drawn(tmp_path):
    settings = saved(tmp_path, tiny_bert(seed=3))
    found, states = [], []
    for match_length in (0, 2):
        torch.manual_seed(0)
        found.append(weights(build_for_training(settings, QA, windows(match_length))[0]))
        states.append(torch.get_rng_state())
    types = [one.pop("bert.embeddings.token_type_embeddings.weight") for one in found]
    assert_equal_weights(*found)
    assert torch.equal(*states)
    assert torch.equal(types[1], types[0][[0, 1, 1, 1]])


@pytest.mark.parametrize("types", [4, 6])
def test_types_that_were_never_learnt_for_matches_become_copies(types, tmp_path):
    trained = tiny_bert(seed=3, type_vocab_size=types)
    own = token_type_embedding(trained).weight
    model, _, _ = build_for_training(saved(tmp_path, trained), QA, windows(2))
    assert torch.equal(token_type_embedding(model).weight, own[[0, 1, 1, 1, 4, 5][:types]])
    assert_equal(outputs_of(model, 2), outputs_of(trained, 0))


@pytest.mark.parametrize(
    ("known", "asked", "rows"), [(2, 2, [0, 1, 2, 3]), (2, 1, [0, 1, 2, 3]), (1, 3, [0, 1, 2, 2, 2])]
)
def test_types_that_were_learnt_for_matches_stay_and_longer_runs_begin_as_the_longest_known(
    known, asked, rows, tmp_path
):
    trained = tiny_bert(seed=3, type_vocab_size=2 + known)
    model, _, _ = build_for_training(saved(tmp_path, trained, known), QA, windows(asked))
    assert torch.equal(token_type_embedding(model).weight, token_type_embedding(trained).weight[rows])
    if asked >= known:
        assert_equal(outputs_of(model, asked), outputs_of(trained, known))


def test_a_grown_model_comes_back_from_its_folder_as_plain_transformers_reads_it(tmp_path):
    model, _, _ = build_for_training(saved(tmp_path / "first", tiny_bert(seed=3)), QA, windows(2))
    with torch.no_grad():
        token_type_embedding(model).weight[2:] += 1
    saved(tmp_path / "second", model, 2)
    plain = transformers.AutoModelForQuestionAnswering.from_pretrained(tmp_path / "second")
    loaded = load_trained(str(tmp_path / "second"), task="qa", auto_class=QA)
    for one in (plain, loaded.model):
        assert one.config.type_vocab_size == 4
        assert_equal_weights(weights(one), weights(model))
    assert loaded.windows_with(None).match_length == 2
    assert loaded.windows_with(WindowSettings(max_length=32)).match_length == 2
    assert loaded.windows_with(WindowSettings(match_length=None)).match_length == 2


def test_more_types_than_the_model_has_are_refused_when_it_reads(tmp_path):
    saved(tmp_path, tiny_bert())
    loaded = load_trained(str(tmp_path), task="qa", auto_class=QA)
    assert loaded.windows_with(WindowSettings(match_length=0)).match_length == 0
    with pytest.raises(ConfigError, match=r"^windows.match_length 1 needs 3 token types, and the model has 2 "):
        loaded.windows_with(WindowSettings(match_length=1))


# Models without token types


@pytest.mark.parametrize(
    ("family", "fields", "named"),
    [
        (
            "distilbert",
            {"dim": 16, "hidden_dim": 16, "n_layers": 1, "n_heads": 2},
            "DistilBertConfig has no type_vocab",
        ),
        ("xlnet", {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16}, "XLNetConfig has no type_vocab_size"),
    ],
)
def test_a_model_type_without_token_types_is_refused(family, fields, named):
    with pytest.raises(ConfigError, match=f"^windows.match_length needs a model with token types, and {named}"):
        build_for_training(scratch(name=family, **fields), QA, windows(1))


def test_a_trained_model_that_embeds_no_token_types_is_refused(tmp_path):
    settings = saved(tmp_path, tiny_model("deberta-v2"))
    with pytest.raises(ConfigError, match=r"and DebertaV2ForQuestionAnswering embeds none; set it to 0$"):
        build_for_training(settings, QA, windows(1))


def test_a_trained_model_that_does_not_embed_a_paragraphs_type_is_refused():
    with pytest.raises(ConfigError, match=r"that embeds token type 1, and BertForQuestionAnswering embeds 1; set it"):
        add_token_types(tiny_bert(type_vocab_size=1), tokenizer(), 2)


def test_a_tokenizer_that_gives_no_types_is_refused(tmp_path):
    own = transformers.BertTokenizer(vocab=tokenizer().get_vocab(), model_input_names=["input_ids", "attention_mask"])
    own.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"and \w*Tokenizer\w* gives its model none; set it to 0$"):
        build_for_training(scratch(**SIZES, tokenizer=str(tmp_path)), QA, windows(1))


# Frozen encoders


def trained_names(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("tricks", [{"freeze_embeddings": True}, {"freeze_layers": 1}])
def test_token_types_learn_though_the_other_embeddings_are_frozen(tricks):
    types = "bert.embeddings.token_type_embeddings.weight"
    found = []
    for match_length in (0, 1):
        config = train_config(tricks=tricks, windows={"match_length": match_length})
        found.append(trained_names(adapt(tiny_bert(type_vocab_size=3), config)))
    assert found[1] - found[0] == {types}
    assert found[0] < found[1]


@pytest.mark.parametrize("tricks", [{}, {"freeze_embeddings": True}])
def test_token_types_learn_beside_lora_and_are_merged(tricks, tmp_path):
    config = train_config(tricks={"lora_rank": 2, **tricks}, windows={"match_length": 2})
    model = adapt(tiny_bert(type_vocab_size=4), config)
    (name,) = {name for name in trained_names(model) if "token_type_embeddings" in name}
    with torch.no_grad():
        model.get_parameter(name)[2:] += 1
    expected = outputs_of(model, 2)
    assert not torch.equal(expected[0], outputs_of(tiny_bert(type_vocab_size=4), 2)[0])
    saved(tmp_path, merge_lora(model), 2)
    loaded = load_trained(str(tmp_path), task="qa", auto_class=QA).model
    assert weights(loaded).keys() == weights(tiny_bert()).keys()
    for one, other in zip(outputs_of(loaded, 2), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
