"""Adversarial training (FGM, PGD, AWP): a second pass on inputs or weights that are perturbed to raise the loss."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qakit.config import TrickSettings

_SMALL = 1e-12  # so that a window without gradient is not divided by 0
_EPSILON = {"fgm": 1.0, "pgd": 1.0, "awp": 0.005}
# A step of PGD is this many times epsilon / steps: with exactly 1, only a straight path would reach the border.
_STEP_SHARE = 1.5


def build_adversary(model: nn.Module, tricks: TrickSettings) -> "EmbeddingAdversary | WeightAdversary | None":
    """The adversary that `tricks.adversarial` names; None without one."""
    if tricks.adversarial is None:
        return None
    epsilon = tricks.adversarial_epsilon or _EPSILON[tricks.adversarial]
    if tricks.adversarial == "awp":
        return WeightAdversary(model, epsilon)
    return EmbeddingAdversary(model, epsilon, steps=tricks.adversarial_steps if tricks.adversarial == "pgd" else 1)


class EmbeddingAdversary:
    """Perturbs embedded tokens along the gradient of the loss, each window within an L2 ball of radius `epsilon`.

    One step is the fast gradient method (Miyato et al., 2017); several steps are projected gradient descent (Madry et
    al., 2018; projected as in Zhu et al., 2020).
    """

    # The perturbation is added to the embedded tokens, as in the papers, not to the embedding matrix as in much public
    # code: so a window's perturbation does not depend on the windows beside it.

    def __init__(self, model: Any, epsilon: float, *, steps: int) -> None:
        self._epsilon = epsilon
        self._steps = steps
        self._delta: Tensor | None = None
        self._gradient: Tensor | None = None
        self._watches = False
        model.get_input_embeddings().register_forward_hook(self._move)

    def _move(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if self._watches:
            if not output.requires_grad:  # with frozen embeddings there would be no gradient to follow
                output = output.detach().requires_grad_()
            output.register_hook(self._keep)  # type: ignore[no-untyped-call]
        return output if self._delta is None else output + self._delta

    def _keep(self, gradient: Tensor) -> None:
        self._gradient = gradient.detach()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside the block: the pass on the unchanged input, whose gradient gives the first perturbation."""
        self._watches = True
        try:
            yield
        finally:
            self._watches = False

    @contextmanager
    def perturbed(self, loss: Callable[[], Tensor]) -> Iterator[None]:
        """Inside the block, the model sees perturbed embeddings.

        Args:
            loss: computes the loss of the watched batch through the bare model.
        """
        if self._gradient is None:  # nothing was watched
            yield
            return
        step = self._epsilon if self._steps == 1 else _STEP_SHARE * self._epsilon / self._steps
        self._delta = _scaled(self._gradient, step)
        try:
            for _ in range(self._steps - 1):
                self._delta.requires_grad_()
                # Only with respect to the perturbation: weights must not gather gradients of inner steps.
                (gradient,) = torch.autograd.grad(loss(), self._delta)
                self._delta = _projected(self._delta.detach() + _scaled(gradient, step), self._epsilon)
            self._delta = self._delta.detach()
            yield
        finally:
            self._delta = self._gradient = None


class WeightAdversary:
    """Perturbs each weight matrix along its gradient by `epsilon` times its own norm (AWP, Wu et al., 2020).

    The gradient is the one that the step has added up so far.
    """

    def __init__(self, model: nn.Module, epsilon: float) -> None:
        # Matrices only, as in the paper: biases and norms are few and small.
        self._weights = [
            parameter for parameter in model.parameters() if parameter.requires_grad and parameter.ndim > 1
        ]
        self._epsilon = epsilon

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside the block: the pass on the unchanged weights."""
        yield

    @contextmanager
    def perturbed(self, loss: Callable[[], Tensor]) -> Iterator[None]:
        """Inside the block, the model has perturbed weights; afterwards they are restored."""
        # Copies, since subtracting the perturbation again would not restore every bit.
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
    """L2 norm of each window's perturbation, shape (B, 1, 1)."""
    # (B, T, hidden) -> (B, 1, 1), in fp32: the squares of small fp16 gradients would vanish.
    norms: Tensor = torch.linalg.vector_norm(tensor.float(), dim=(1, 2), keepdim=True)
    return norms


def _scaled(gradient: Tensor, norm: float) -> Tensor:
    return (gradient.float() * (norm / (_norms(gradient) + _SMALL))).to(gradient.dtype)


def _projected(delta: Tensor, radius: float) -> Tensor:
    return delta * (radius / (_norms(delta) + _SMALL)).clamp(max=1.0).to(delta.dtype)
