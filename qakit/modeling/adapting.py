"""Changes to a model between loading and training: frozen and reinitialised layers, LoRA, multi-sample dropout."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from qakit.config import TrainConfig, TrickSettings
from qakit.errors import ConfigError
from qakit.modeling.token_types import token_type_embedding
from qakit.training.layers import embedding_modules, encoder_layers

_DROPOUT = 0.1  # the rate of BERT, for models whose config has none


def adapt(model: Any, config: TrainConfig) -> Any:
    """The model with the tricks of the settings applied, in place; with LoRA it is wrapped.

    Raises:
        ConfigError: a trick names more layers than the model has, the model lacks what a trick needs, or peft is not
            installed.
    """
    tricks = config.tricks
    layers = encoder_layers(model) if tricks.reinitialize_layers or tricks.freeze_layers else ()
    for name in ("reinitialize_layers", "freeze_layers"):
        if getattr(tricks, name) > len(layers):
            raise ConfigError(f"tricks.{name} is {getattr(tricks, name)}; the model has {len(layers)} layers")
    if tricks.freeze_layers + tricks.reinitialize_layers > len(layers):
        both = f"{tricks.freeze_layers} and {tricks.reinitialize_layers}"
        raise ConfigError(f"tricks.freeze_layers and reinitialize_layers ({both}) share some of {len(layers)} layers")
    # Frozen from the bottom, reinitialised from the top: upper layers are the most specific to pretraining.
    reinitialised = layers[len(layers) - tricks.reinitialize_layers :]
    _reinitialise(model, reinitialised)
    if tricks.reinitialize_head:
        _reinitialise(model, head_modules(model))
    if tricks.freeze_embeddings or tricks.freeze_layers:
        _freeze(embedding_modules(model))
    _freeze(layers[: tricks.freeze_layers])
    # Trained whatever else is frozen: new token types are copies, which tell the model nothing yet.
    learnt = [token_type_embedding(model).requires_grad_(True)] if config.windows.match_length else []
    if tricks.dropout_samples > 1:
        _sample_dropout(model, tricks.dropout_samples)
    if config.training.gradient_checkpointing:
        _checkpoint_gradients(model)
    # Last: it wraps modules, so names and classes are no longer those that the other tricks look for.
    return _with_lora(model, tricks, tricks.lora_rank, [*reinitialised, *learnt]) if tricks.lora_rank else model


def head_modules(model: Any) -> list[nn.Module]:
    """The modules of a model beside its encoder: the head of its task."""
    return [module for name, module in model.named_children() if name != model.base_model_prefix]


def merge_lora(model: Any) -> Any:
    """The model in transformers' own layout: with LoRA, a copy with the updates added to the weights."""
    # A copy, as the training goes on with the updates apart.
    return deepcopy(model).merge_and_unload() if hasattr(model, "merge_and_unload") else model


def _reinitialise(model: Any, modules: Any) -> None:
    """Initialise modules again as the model itself does (Zhang et al., 2021)."""
    for module in modules:
        for part in module.modules():
            for parameter in part.parameters(recurse=False):
                parameter._is_hf_initialized = False  # transformers skips what it has marked as loaded
            part._is_hf_initialized = False
            model._init_weights(part)


def _freeze(modules: Any) -> None:
    for module in modules:
        module.requires_grad_(False)


def _with_lora(model: Any, tricks: TrickSettings, rank: int, learnt: Sequence[nn.Module]) -> Any:
    """The model with low-rank updates of its encoder's linear layers (LoRA, Hu et al., 2022).

    The head and the `learnt` modules are trained whole. Frozen layers stay as they are.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise ConfigError("tricks.lora_rank needs the package peft: pip install 'qakit[lora]'") from None
    # Whole: head and reinitialised layers are random, and a low-rank update would leave most of them random.
    # By full names: peft matches the ends of names, so a head's `dropout` would be every dropout of the encoder too,
    # and the encoder's `dense` one of the head.
    whole = [part for part in (*head_modules(model), *learnt) if any(p.requires_grad for p in part.parameters())]
    within = {part for module in whole for part in module.modules()}
    encoder = set(model.base_model.modules())
    linears = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear) and part in encoder}
    names = {name.rpartition(".")[2] for name in linears}
    if unknown := sorted(set(tricks.lora_targets) - names):
        raise ConfigError(
            f"tricks.lora_targets: {', '.join(unknown)} is no linear layer; the encoder has {sorted(names)}"
        )
    wanted = set(tricks.lora_targets) or names
    targets = [
        name
        for name, part in linears.items()
        if name.rpartition(".")[2] in wanted and part.weight.requires_grad and part not in within
    ]
    if not targets:
        raise ConfigError(
            "tricks.lora_rank: every layer is frozen or reinitialised, so none is left to update; leave it out"
        )
    return get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=tricks.lora_alpha,
            lora_dropout=tricks.lora_dropout,
            target_modules=targets,
            modules_to_save=[name for name, part in model.named_modules() if part in whole],
        ),
    )


def _sample_dropout(model: Any, samples: int) -> None:
    """Let the head see the encoder's output through several dropout masks in training (Inoue, 2019).

    The head's output then holds the batch `samples` times: shape (samples * B, ...).
    """
    parts = [part for module in head_modules(model) for part in module.modules()]
    linears = [part for part in parts if isinstance(part, nn.Linear)]
    if not linears:
        raise ConfigError(f"tricks.dropout_samples: {type(model).__name__} ends in no linear layer; leave it out")
    rate = getattr(model.config, "hidden_dropout_prob", None) or _DROPOUT
    for part in parts:
        if isinstance(part, nn.Dropout):
            part.p = 0.0  # replaced by the masks of `repeat`; two dropouts would drop too much

    def repeat(module: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
        if not module.training:
            return None
        # Repeated before the last linear layer, so the encoder, which is nearly all of the work, runs once.
        repeated = inputs[0].repeat(samples, *[1] * (inputs[0].ndim - 1))
        return (torch.nn.functional.dropout(repeated, rate), *inputs[1:])

    linears[-1].register_forward_pre_hook(repeat)


def _checkpoint_gradients(model: Any) -> None:
    # The method was renamed within transformers 5.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    try:
        enable({"use_reentrant": False})  # reentrant checkpoints lose gradients where the embeddings are frozen
    except ValueError as error:
        raise ConfigError(f"training.gradient_checkpointing: {error}") from None
