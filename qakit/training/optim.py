"""The optimiser, and the learning rate as a pure function of the optimiser step."""

import math
from collections.abc import Iterator
from typing import Any, get_args

import torch
from torch import nn

from qakit.config import Schedule

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


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trainable parameters of a model in groups for an optimiser: those that decay and those that do not.

    Biases, the parameters of normalisation layers and everything with fewer than two dimensions do not decay, as in
    BERT's official optimiser (google-research/bert, `optimization.py`). Frozen parameters are left out, tied ones
    stand once. Groups keep the order of the model and are left out when empty. Call it before a model is sharded,
    as shards have lost their shapes.
    """
    plain = {id(parameter) for parameter in _undecayed(model)}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trainable if id(parameter) not in plain], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trainable if id(parameter) in plain], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


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
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019) over the trainable parameters, fused where device and dtype allow it.

    Its rate is 0 until `set_learning_rate` is called, which must happen before every step.

    Raises:
        ValueError: the model has no trainable parameter, or a value that AdamW refuses.
    """
    groups = parameter_groups(model, weight_decay)
    if not groups:
        raise ValueError("the model has no parameter to train: all are frozen")
    return torch.optim.AdamW(
        groups, lr=0.0, betas=(float(betas[0]), float(betas[1])), eps=eps, fused=_can_fuse(groups) or None
    )


def _can_fuse(groups: list[dict[str, Any]]) -> bool:
    parameters = [parameter for group in groups for parameter in group["params"]]
    return all(parameter.is_floating_point() and parameter.device.type in _FUSED_DEVICES for parameter in parameters)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Make the next steps of all parameter groups with `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate
