"""Averages of the weights over the steps of a training, which are evaluated and kept in place of the last weights."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from qakit.config import TrickSettings


class WeightAverage:
    """The exponential moving average (Polyak and Juditsky, 1992) or the plain one (SWA, Izmailov et al., 2018).

    Attributes:
        first_step: the average is of the weights after this step (from 1) and all later ones.
    """

    def __init__(self, model: nn.Module, tricks: TrickSettings, total_steps: int) -> None:
        if tricks.ema is not None:
            self._averaged, self.first_step = AveragedModel(model, multi_avg_fn=_exponential(tricks.ema)), 0
            self._averaged.update_parameters(model)  # it starts at the first weights
        else:
            self._averaged = AveragedModel(model)
            self.first_step = min(int((tricks.swa or 0.0) * total_steps) + 1, total_steps)

    def update(self, model: nn.Module, step: int) -> None:
        """Count in the weights after step number `step` (from 1)."""
        if step >= self.first_step:
            self._averaged.update_parameters(model)

    def model_after(self, step: int, model: nn.Module) -> nn.Module:
        """The model with the average weights; `model` itself while there is no average."""
        return self._averaged.module if step >= self.first_step else model

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        return self._averaged.state_dict()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        self._averaged.load_state_dict(dict(tensors))


def _exponential(decay: float) -> Callable[..., Any]:
    """The update of an exponential average, whose decay starts low, as in TensorFlow's `ExponentialMovingAverage`.

    Otherwise the average of a short training would be little but the weights that it started from.
    """

    def update(averaged: list[Tensor], current: list[Tensor], updates: Tensor | int) -> None:
        share = 1 - min(decay, (1 + int(updates)) / (10 + int(updates)))
        with torch.no_grad():
            torch._foreach_lerp_(averaged, current, share)

    return update


def build_average(model: nn.Module, tricks: TrickSettings, total_steps: int) -> WeightAverage | None:
    """What `tricks.ema` or `tricks.swa` asks for."""
    return None if tricks.ema is None and tricks.swa is None else WeightAverage(model, tricks, total_steps)
