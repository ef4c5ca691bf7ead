"""The table of known encoders: as many parameters as each checkpoint is published with."""

import pytest
import torch
from transformers import AutoModel

from qakit.runs.dry_run import KNOWN, known_config

# Millions of parameters of the encoder, with its pooler where it has one.
PUBLISHED = {
    "base": 102,
    "large": 325,
    "multilingual": 178,
    "xlm-base": 278,
    "xlm-large": 560,
    "english": 109,
    "minilm": 22.7,
}


def size_of(name: str) -> str:
    if "xlm-roberta" in name:
        return "xlm-large" if "large" in name else "xlm-base"
    if "uncased" in name or "MiniLM" in name:
        return "minilm" if "MiniLM" in name else "english"
    if "multilingual" in name:
        return "multilingual"
    return "large" if "large" in name else "base"


@pytest.mark.parametrize("name", KNOWN)
def test_an_encoder_has_the_published_number_of_parameters(name: str):
    with torch.device("meta"):
        model = AutoModel.from_config(known_config(name))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert abs(parameters / 1e6 - PUBLISHED[size_of(name)]) < 0.6


def test_an_encoder_takes_windows_of_512_tokens():
    for name in KNOWN:
        config = known_config(name)
        offset = config.pad_token_id + 1 if config.model_type == "xlm-roberta" else 0
        assert config.max_position_embeddings - offset == 512


def test_other_names_are_not_known():
    assert known_config("hfl/chinese-macbert-huge") is None
    assert known_config("bert") is None


def test_each_call_gives_a_config_of_its_own():
    known_config("bert-base-chinese").hidden_size = 1
    assert known_config("bert-base-chinese").hidden_size == 768
