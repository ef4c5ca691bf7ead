"""Adversarial training: a second pass on inputs or weights that were moved to where the loss is higher.

The perturbation is of the embedded tokens of each window, not of the embedding matrix, as in the papers: so it does not
depend on which windows share a pass.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qakit.config import TrickSettings

_SMALL = 1e-12
_EPSILON = {"fgm": 1.0, "pgd": 1.0, "awp": 0.005}
_STEP_SHARE = 1.5  # a step of PGD is this many times epsilon / steps, so that the border can be reached


def build_adversary(model: nn.Module, tricks: TrickSettings) -> "EmbeddingAdversary | WeightAdversary | None":
    """What `tricks.adversarial` asks for."""
    if tricks.adversarial is None:
        return None
    epsilon = tricks.adversarial_epsilon or _EPSILON[tricks.adversarial]
    if tricks.adversarial == "awp":
        return WeightAdversary(model, epsilon)
    return EmbeddingAdversary(model, epsilon, steps=tricks.adversarial_steps if tricks.adversarial == "pgd" else 1)


class EmbeddingAdversary:
    """Moves embedded tokens along the gradient of the loss, each window within a ball of radius `epsilon` (L2).

    One step is the fast gradient method (Miyato et al., 2017), several are projected gradient descent (Madry et al.,
    2018; projected as in Zhu et al., 2020).
    """

    def __init__(self, model: Any, epsilon: float, *, steps: int) -> None:
        self._epsilon = epsilon
        self._steps = steps
        self._delta: Tensor | None = None
        self._gradient: Tensor | None = None
        self._watches = False
        model.get_input_embeddings().register_forward_hook(self._move)

    def _move(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if self._watches:
            if not output.requires_grad:  # frozen embeddings
                output = output.detach().requires_grad_()
            output.register_hook(self._keep)  # type: ignore[no-untyped-call]
        return output if self._delta is None else output + self._delta

    def _keep(self, gradient: Tensor) -> None:
        self._gradient = gradient.detach()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The pass on the unchanged input, from whose gradient the perturbation starts."""
        self._watches = True
        try:
            yield
        finally:
            self._watches = False

    @contextmanager
    def perturbed(self, loss: Callable[[], Tensor]) -> Iterator[None]:
        """Inside, the model sees perturbed embeddings.

        Args:
            loss: the loss of the batch that was watched, through the bare model.
        """
        if self._gradient is None:
            yield
            return
        step = self._epsilon if self._steps == 1 else _STEP_SHARE * self._epsilon / self._steps
        self._delta = _scaled(self._gradient, step)
        try:
            for _ in range(self._steps - 1):
                self._delta.requires_grad_()
                (gradient,) = torch.autograd.grad(loss(), self._delta)
                self._delta = _projected(self._delta.detach() + _scaled(gradient, step), self._epsilon)
            self._delta = self._delta.detach()
            yield
        finally:
            self._delta = self._gradient = None


class WeightAdversary:
    """Moves each weight matrix along its gradient by `epsilon` times its own norm (Wu et al., 2020).

    The direction is that of the gradient which the step has gathered so far.
    """

    def __init__(self, model: nn.Module, epsilon: float) -> None:
        self._weights = [
            parameter for parameter in model.parameters() if parameter.requires_grad and parameter.ndim > 1
        ]
        self._epsilon = epsilon

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The pass on the unchanged weights."""
        yield

    @contextmanager
    def perturbed(self, loss: Callable[[], Tensor]) -> Iterator[None]:
        """Inside, the model has perturbed weights; afterwards they are, to the bit, what they were."""
        kept = [weight.detach().clone() for weight in self._weights]
        with torch.no_grad():
            for weight in self._weights:
                if weight.grad is not None:
                    scale = self._epsilon * weight.norm() / (weight.grad.norm() + _SMALL)
                    weight.add_(weight.grad * scale)
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, before in zip(self._weights, kept, strict=True):
                    weight.copy_(before)


def _norms(tensor: Tensor) -> Tensor:
    """The norm of each window's perturbation, shape (B, 1, 1)."""
    norms: Tensor = torch.linalg.vector_norm(tensor.float(), dim=(1, 2), keepdim=True)
    return norms


def _scaled(gradient: Tensor, norm: float) -> Tensor:
    return (gradient.float() * (norm / (_norms(gradient) + _SMALL))).to(gradient.dtype)


def _projected(delta: Tensor, radius: float) -> Tensor:
    return delta * (radius / (_norms(delta) + _SMALL)).clamp(max=1.0).to(delta.dtype)
