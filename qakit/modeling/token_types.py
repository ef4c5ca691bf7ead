"""Token types that mark exact matches between question and paragraph (`windows.match_length`).

A model gets the additional types here, and here it is checked that it has them.
"""

from typing import Any

import torch
from torch import nn

from qakit.errors import ConfigError
from qakit.spans.tokenizing import paragraph_type


def count_token_types(config: Any) -> int:
    """Number of token types in a transformers config; 0 for a model that takes them but embeds none.

    Raises:
        ConfigError: models of this type have no token types.
    """
    count: int | None = getattr(config, "type_vocab_size", None)
    if count is None:
        raise ConfigError(
            f"windows.match_length needs a model with token types, and {type(config).__name__} has no type_vocab_size; "
            "set it to 0"
        )
    return count


def required_token_types(tokenizer: Any, match_length: int) -> int:
    """Number of token types that windows with `match_length` use.

    Raises:
        ConfigError: the tokenizer gives its model no token types.
    """
    # Types 0 up to the paragraph's own, as the tokenizer numbers them, then one for each length of a match.
    return paragraph_type(tokenizer) + match_length + 1


def check_token_types(config: Any, tokenizer: Any, match_length: int | None) -> None:
    """Check that a model has the token types of its windows; without `match_length` any model will do.

    Raises:
        ConfigError: the model has too few token types.
    """
    if not match_length:
        return
    needed, count = required_token_types(tokenizer, match_length), count_token_types(config)
    if count < needed:
        raise ConfigError(
            f"windows.match_length {match_length} needs {needed} token types, and the model has {count} "
            "(type_vocab_size); train it with this setting, or lower it"
        )


def token_type_embedding(model: Any) -> nn.Embedding:
    """The embedding of a model's token types.

    Raises:
        ConfigError: the model embeds no token types.
    """
    # Transformers has no accessor for it; all encoders with token types keep it under these names.
    embedding = getattr(getattr(model.base_model, "embeddings", None), "token_type_embeddings", None)
    if not isinstance(embedding, nn.Embedding):
        raise ConfigError(
            f"windows.match_length needs a model with token types, and {type(model).__name__} embeds none; set it to 0"
        )
    return embedding


def add_token_types(model: Any, tokenizer: Any, match_length: int, *, known: int = 0) -> None:
    """Add the token types of `match_length` to a trained model, without changing its outputs yet.

    Each new type is a copy of the type that such tokens had before.

    Args:
        known: the `match_length` that the model was trained with; 0 for none.

    Raises:
        ConfigError: the model embeds no token types, or not the one of a paragraph.
    """
    embedding = token_type_embedding(model)
    needed = required_token_types(tokenizer, match_length)
    # Tokens of new, longer matches had the paragraph's type before or, in a model trained with `known` lengths, the
    # type of the longest of these: from there the copies start as what the model already computes.
    source = needed - 1 - match_length + min(known, match_length)
    count, width = embedding.weight.shape
    if source >= count:
        raise ConfigError(
            f"windows.match_length needs a model that embeds token type {source}, and {type(model).__name__} embeds "
            f"{count}; set it to 0"
        )
    # A model may have more types than it learnt for this purpose (ERNIE has four): the copies replace them.
    weight = embedding.weight.new_empty(max(count, needed), width)
    with torch.no_grad():
        weight[:count] = embedding.weight
        weight[source + 1 : needed] = embedding.weight[source]
    embedding.weight = nn.Parameter(weight)
    embedding.num_embeddings = model.config.type_vocab_size = len(weight)
