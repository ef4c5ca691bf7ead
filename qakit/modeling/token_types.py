"""The token types that tell of exact matches (`windows.match_length`): those of a model, and how it gets more."""

from typing import Any

import torch
from torch import nn

from qakit.errors import ConfigError
from qakit.spans.tokenizing import paragraph_type


def token_types(config: Any) -> int:
    """How many token types a transformers config gives its model; 0 is a model that takes them but embeds none.

    Raises:
        ConfigError: models of its type have no token types.
    """
    count: int | None = getattr(config, "type_vocab_size", None)
    if count is None:
        raise ConfigError(
            f"windows.match_length needs a model with token types, and {type(config).__name__} has no type_vocab_size; "
            "set it to 0"
        )
    return count


def token_types_needed(tokenizer: Any, match_length: int) -> int:
    """Token types of the windows that a tokenizer's tokens make: a paragraph's own, one a length, and those before.

    Raises:
        ConfigError: the tokenizer gives its model none.
    """
    return paragraph_type(tokenizer) + match_length + 1


def check_token_types(config: Any, tokenizer: Any, match_length: int | None) -> None:
    """Make sure that a model has the token types of its windows; nothing is asked of it where `match_length` is none.

    Raises:
        ConfigError: it has not.
    """
    if not match_length:
        return
    needed, count = token_types_needed(tokenizer, match_length), token_types(config)
    if count < needed:
        raise ConfigError(
            f"windows.match_length {match_length} needs {needed} token types, and the model has {count} "
            "(type_vocab_size); train it with this setting, or lower it"
        )


def token_type_embedding(model: Any) -> nn.Embedding:
    """The module that embeds a model's token types.

    Raises:
        ConfigError: the model has none.
    """
    embedding = getattr(getattr(model.base_model, "embeddings", None), "token_type_embeddings", None)
    if not isinstance(embedding, nn.Embedding):
        raise ConfigError(
            f"windows.match_length needs a model with token types, and {type(model).__name__} embeds none; set it to 0"
        )
    return embedding


def add_token_types(model: Any, tokenizer: Any, match_length: int, *, known: int = 0) -> None:
    """Give a trained model the token types of `match_length`; at first they do what it did without them.

    The type of each new length is a copy of the type that such tokens had before: that of the paragraph or, where the
    model was trained to tell `known` lengths apart, that of the longest of these. A model that has as many types
    without having learnt them for this (ERNIE has four) gets the copies in their place.

    Raises:
        ConfigError: it embeds no token types, or not that of a paragraph.
    """
    embedding = token_type_embedding(model)
    needed = token_types_needed(tokenizer, match_length)
    source = needed - 1 - match_length + min(known, match_length)
    count, width = embedding.weight.shape
    if source >= count:
        raise ConfigError(
            f"windows.match_length needs a model that embeds token type {source}, and {type(model).__name__} embeds "
            f"{count}; set it to 0"
        )
    weight = embedding.weight.new_empty(max(count, needed), width)
    with torch.no_grad():
        weight[:count] = embedding.weight
        weight[source + 1 : needed] = embedding.weight[source]
    embedding.weight = nn.Parameter(weight)
    embedding.num_embeddings = model.config.type_vocab_size = len(weight)
