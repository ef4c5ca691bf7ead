"""Windows fit a model's positions as its family counts them, and fields that follow from others come out right."""

from types import SimpleNamespace

import pytest
import torch
from transformers import XLNetConfig

from qakit.config import ModelSettings, WindowSettings
from qakit.errors import ConfigError
from qakit.modeling.building import build_for_training
from qakit.modeling.loading import positions_of

CLASS = "AutoModelForQuestionAnswering"
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def settings(name: str, tokenizer: str | None, **fields: int) -> ModelSettings:
    return ModelSettings.model_validate({"name": name, "tokenizer": tokenizer, "from_scratch": True, **TINY, **fields})


@pytest.mark.parametrize(("name", "limit"), [("bert", 40), ("roberta", 39), ("xlm-roberta", 39)])
def test_the_longest_window_is_what_the_model_can_run_and_no_more(name: str, limit: int, sample_data):
    """The sample tokenizer pads with id 0, so RoBERTa's family loses one position."""
    chosen = settings(name, str(sample_data / "tokenizer"), max_position_embeddings=40)
    model, tokenizer, _ = build_for_training(chosen, CLASS, WindowSettings(max_length=limit))
    assert tokenizer.pad_token_id == 0
    model(input_ids=torch.full((1, limit), 5), attention_mask=torch.ones((1, limit), dtype=torch.long))
    with pytest.raises(ConfigError, match=f"has {limit} positions: use {limit} or less"):
        build_for_training(chosen, CLASS, WindowSettings(max_length=limit + 1))


def test_relative_positions_set_no_limit():
    """XLNet's config has -1 positions."""
    model, tokenizer = SimpleNamespace(config=XLNetConfig()), SimpleNamespace(model_max_length=4096)
    assert positions_of(model, tokenizer) == 4096


def test_a_field_that_others_follow_from_can_be_set(sample_data):
    model, _, _ = build_for_training(
        settings("modernbert", str(sample_data / "tokenizer")), CLASS, WindowSettings(max_length=32)
    )
    assert len(model.config.layer_types) == model.config.num_hidden_layers == 1


def test_a_model_type_without_a_tokenizer_is_told_what_it_lacks():
    with pytest.raises(ConfigError, match="give --tokenizer"):
        build_for_training(settings("bert", None), CLASS, WindowSettings(max_length=32))


def test_a_misspelt_setting_of_the_section_itself_gets_a_suggestion(sample_data):
    chosen = settings("bert", str(sample_data / "tokenizer"), tokeniser=1)
    with pytest.raises(ConfigError, match=r"no such field \(did you mean tokenizer\?\)"):
        build_for_training(chosen, CLASS, WindowSettings(max_length=32))
