"""AdamW, the learning rate as a pure function of the step, and averages of the weights (EMA, SWA)."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from qakit.config import Schedule, TrickSettings
from qakit.training.layers import layer_heights

SCHEDULES = get_args(Schedule)

# By class name, since families of transformers bring their own (`LlamaRMSNorm`, `DebertaLayerNorm`).
_NORMS = ("LayerNorm", "RMSNorm")
_FUSED_DEVICES = frozenset({"cpu", "cuda", "mps", "xpu"})


def build_optimizer(
    model: nn.Module,
    *,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    layer_decay: float = 1.0,
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019) over the trainable parameters, fused where device and dtype allow it.

    Call `set_learning_rate` before every step; until then the rate is 0.

    Raises:
        ValueError: the model has no trainable parameter, or a value that AdamW refuses.
    """
    groups = parameter_groups(model, weight_decay, layer_decay)
    if not groups:
        raise ValueError("the model has no parameter to train: all are frozen")
    # Rate 0 until the first `set_learning_rate`: a forgotten call shows as a model that does not learn.
    return torch.optim.AdamW(
        groups, lr=0.0, betas=(float(betas[0]), float(betas[1])), eps=eps, fused=_can_fuse(groups) or None
    )


def parameter_groups(model: nn.Module, weight_decay: float, layer_decay: float = 1.0) -> list[dict[str, Any]]:
    """Parameter groups of the trainable parameters, with and without weight decay.

    Biases, the parameters of normalisation layers and everything with fewer than two dimensions do not decay, as in
    BERT's official optimiser (google-research/bert, `optimization.py`). With a `layer_decay` below 1 each layer has its
    own groups, whose `rate_share` of the learning rate falls by that factor per layer (Howard and Ruder, 2018): 1 above
    the layers, smallest for the embeddings. Tied parameters are listed once. Groups keep the model's order; empty ones
    are left out. Call this before the model is sharded: shards have lost their shapes.
    """
    # By id: tied parameters have several names, and parameters compare element by element.
    undecayed = {id(parameter) for parameter in _undecayed(model)}
    height_of = layer_heights(model) if layer_decay < 1 else {}
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}  # by (height, without decay)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((height_of.get(name, 0), id(parameter) in undecayed), []).append(parameter)
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


def _can_fuse(groups: list[dict[str, Any]]) -> bool:
    # Torch raises, instead of falling back, where one parameter does not allow the fused kernel.
    parameters = [parameter for group in groups for parameter in group["params"]]
    return all(parameter.is_floating_point() and parameter.device.type in _FUSED_DEVICES for parameter in parameters)


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
    """Learning rate of optimiser step number `step`.

    The rate rises linearly from 0 to `peak` over the warm-up (step 0 of a warm-up has rate 0) and then falls. Values
    equal, bit for bit, those of the `get_*_schedule_with_warmup` functions of `transformers.optimization` under torch's
    `LambdaLR`, up to the last step. After it the rate stays where it is, while their cosine rises again.

    Args:
        step: optimiser steps already made (0-based); micro-batches do not count.
        peak: the rate at the end of the warm-up.
        total_steps: optimiser steps of the whole training, including the warm-up.
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
    # Each formula is written as transformers has it: rearranged, it would round differently.
    if schedule == "linear":
        factor = max(0.0, (total_steps - step) / decay_steps)  # not 1 - progress
    elif schedule == "cosine":
        factor = 0.5 * (1.0 + math.cos(math.pi * progress))
    elif schedule == "polynomial":
        factor = ((peak - final) * (1 - progress) ** power + final) / peak
    else:
        factor = 1.0
    return peak * factor


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of the next steps: each parameter group gets its share of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate_share", 1.0)


def build_average(model: nn.Module, tricks: TrickSettings, total_steps: int) -> "WeightAverage | None":
    """The average that `tricks.ema` or `tricks.swa` asks for; None without either."""
    return None if tricks.ema is None and tricks.swa is None else WeightAverage(model, tricks, total_steps)


class WeightAverage:
    """An average of the weights over steps: exponential (Polyak and Juditsky, 1992) or SWA (Izmailov et al., 2018).

    Attributes:
        first_step: step (from 1) after which weights count, this one included.
    """

    def __init__(self, model: nn.Module, tricks: TrickSettings, total_steps: int) -> None:
        if tricks.ema is not None:
            self._averaged, self.first_step = AveragedModel(model, multi_avg_fn=_exponential(tricks.ema)), 0
            self._averaged.update_parameters(model)  # the first update copies, so the average starts at these weights
        else:
            self._averaged = AveragedModel(model)
            # At least the last step counts, however short the training is.
            self.first_step = min(int((tricks.swa or 0.0) * total_steps) + 1, total_steps)

    def update(self, model: nn.Module, step: int) -> None:
        """Add the weights after step number `step` (from 1) to the average."""
        if step >= self.first_step:
            self._averaged.update_parameters(model)

    def model_after(self, step: int, model: nn.Module) -> nn.Module:
        """The model with the average weights; `model` itself before `first_step`."""
        return self._averaged.module if step >= self.first_step else model

    def tensors(self) -> dict[str, Tensor]:
        """State for a checkpoint; the live tensors."""
        return self._averaged.state_dict()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        self._averaged.load_state_dict(dict(tensors))


def _exponential(decay: float) -> Callable[..., Any]:
    """The update of an exponential average, with the warm-up of TensorFlow's `ExponentialMovingAverage`."""

    def update(averaged: list[Tensor], current: list[Tensor], updates: Tensor | int) -> None:
        # A decay of 0.999 from the first step on would leave a short training little but its initial weights.
        share = 1 - min(decay, (1 + int(updates)) / (10 + int(updates)))
        with torch.no_grad():
            torch._foreach_lerp_(averaged, current, share)

    return update
