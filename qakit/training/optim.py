"""The optimiser, and the learning rate as a pure function of the optimiser step."""

import math
from collections.abc import Iterator
from typing import Any, get_args

import torch
from torch import nn

from qakit.config import Schedule
from qakit.training.layers import layer_heights

SCHEDULES = get_args(Schedule)

# By class name, since families of transformers bring their own (`LlamaRMSNorm`, `DebertaLayerNorm`).
_NORMS = ("LayerNorm", "RMSNorm")
_FUSED_DEVICES = frozenset({"cpu", "cuda", "mps", "xpu"})


def learning_rate_at(
    step: int,
    *,
    peak: float,
    total_steps: int,
    warmup_steps: int,
    schedule: str,
    power: float = 1.0,
    final: float = 1e-7,
) -> float:
    """The learning rate with which optimiser step number `step` is made.

    The rate rises linearly from 0 to `peak` over the warm-up, so that with a warm-up step 0 is made with rate 0, and
    then falls. Values equal, bit for bit, those of the `get_*_schedule_with_warmup` functions of
    `transformers.optimization` under torch's `LambdaLR`, up to the last step; after it the rate stays where it is,
    where their cosine rises again. Being pure, the rate needs no state in a checkpoint.

    Args:
        step: optimiser steps already made (0-based); micro-batches do not count.
        peak: the rate at the end of the warm-up.
        total_steps: optimiser steps of the whole training, warm-up included.
        warmup_steps: optimiser steps of the warm-up; 0 for none.
        schedule: one of `SCHEDULES`: `linear` and `cosine` fall to 0, `polynomial` to `final`, `constant` stays.
        power: exponent of `polynomial`; the others ignore it.
        final: rate that `polynomial` falls to (transformers' default); the others ignore it.

    Raises:
        ValueError: an unknown schedule, a negative step or count, a polynomial with power <= 0 or `final` not below
            `peak`.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule is {schedule!r}; expected one of {', '.join(SCHEDULES)}")
    if min(step, total_steps, warmup_steps) < 0:
        raise ValueError(f"step {step}, total_steps {total_steps} and warmup_steps {warmup_steps} must not be negative")
    if schedule == "polynomial" and not (power > 0 and final < peak):
        raise ValueError(f"polynomial needs power > 0 and final < peak; got power {power}, final {final}, peak {peak}")
    if step < warmup_steps:
        return peak * (step / warmup_steps)
    decay_steps = max(1, total_steps - warmup_steps)
    progress = min((step - warmup_steps) / decay_steps, 1.0)
    if schedule == "linear":
        factor = max(0.0, (total_steps - step) / decay_steps)  # 1 - progress would round differently
    elif schedule == "cosine":
        factor = 0.5 * (1.0 + math.cos(math.pi * progress))
    elif schedule == "polynomial":
        factor = ((peak - final) * (1 - progress) ** power + final) / peak
    else:
        factor = 1.0
    return peak * factor


def parameter_groups(model: nn.Module, weight_decay: float, layer_decay: float = 1.0) -> list[dict[str, Any]]:
    """The trainable parameters of a model in groups for an optimiser: those that decay and those that do not.

    With a `layer_decay` below 1 each layer has groups of its own, whose `rate_share` of the learning rate falls by that
    factor from layer to layer (Howard and Ruder, 2018): 1 for all that is above the layers, least for the embeddings.

    Biases, the parameters of normalisation layers and everything with fewer than two dimensions do not decay, as in
    BERT's official optimiser (google-research/bert, `optimization.py`). Frozen parameters are left out, tied ones
    stand once. Groups keep the order of the model and are left out when empty. Call it before a model is sharded,
    as shards have lost their shapes.
    """
    plain = {id(parameter) for parameter in _undecayed(model)}
    height_of = layer_heights(model) if layer_decay < 1 else {}
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((height_of.get(name, 0), id(parameter) in plain), []).append(parameter)
    return [
        {
            "params": groups[key],
            "weight_decay": 0.0 if key[1] else weight_decay,
            "rate_share": layer_decay ** -min(key[0], 0),
        }
        for key in sorted(groups, key=lambda key: (-key[0], key[1]))
    ]


def _undecayed(model: nn.Module) -> Iterator[nn.Parameter]:
    for module in model.modules():
        is_norm = any(kind in type(module).__name__ for kind in _NORMS)
        for name, parameter in module.named_parameters(recurse=False):
            if is_norm or parameter.ndim < 2 or name.endswith("bias"):
                yield parameter


def build_optimizer(
    model: nn.Module,
    *,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    layer_decay: float = 1.0,
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019) over the trainable parameters, fused where device and dtype allow it.

    Its rate is 0 until `set_learning_rate` is called, which must happen before every step.

    Raises:
        ValueError: the model has no trainable parameter, or a value that AdamW refuses.
    """
    groups = parameter_groups(model, weight_decay, layer_decay)
    if not groups:
        raise ValueError("the model has no parameter to train: all are frozen")
    return torch.optim.AdamW(
        groups, lr=0.0, betas=(float(betas[0]), float(betas[1])), eps=eps, fused=_can_fuse(groups) or None
    )


def _can_fuse(groups: list[dict[str, Any]]) -> bool:
    parameters = [parameter for group in groups for parameter in group["params"]]
    return all(parameter.is_floating_point() and parameter.device.type in _FUSED_DEVICES for parameter in parameters)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Make the next steps of all parameter groups with their share of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate_share", 1.0)
