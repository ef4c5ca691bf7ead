"""What a forward pass is held to: the loss of a batch, whatever its task.

Every task of qakit comes down to choices among classes, such as the place where an answer starts. Label smoothing,
R-Drop and distillation are written here once, for all of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qakit.config import TrickSettings


@dataclass(frozen=True)
class Classification:
    """N choices among C classes, as S forward passes with different dropout see them.

    Attributes:
        logits: shape (S * N, C), the S passes one after the other; -inf where there is no class.
        labels: the right class of each choice, shape (N,).
        teacher: log-probabilities that other models give the classes, shape (N, C); -inf where they see no class. A row
            of -inf alone has no teacher.
    """

    logits: Tensor
    labels: Tensor
    teacher: Tensor | None = None


def batch_loss(classifications: Sequence[Classification], tricks: TrickSettings) -> Tensor:
    """The loss summed over the choices and averaged over the passes and over the classifications; a scalar."""
    return torch.stack([_loss(classification, tricks) for classification in classifications]).mean()


def _loss(classification: Classification, tricks: TrickSettings) -> Tensor:
    logits = classification.logits.float()
    samples = len(logits) // len(classification.labels)
    labels = classification.labels.repeat(samples)
    log_probabilities = logits.log_softmax(dim=-1)
    loss = _cross_entropy(log_probabilities, labels, tricks.label_smoothing)
    if classification.teacher is not None:
        teacher = classification.teacher.repeat(samples, 1)
        loss = _distilled(loss, logits, teacher, tricks.distill_weight, tricks.distill_temperature)
    total = loss.sum() / samples
    if tricks.r_drop:
        pairs = log_probabilities.view(-1, 2, len(classification.labels), logits.shape[1])
        total = total + tricks.r_drop / 2 * _divergence(pairs)
    return total


def _cross_entropy(log_probabilities: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Shape (N,). Smoothed labels (Szegedy et al., 2016) are spread over the classes that there are."""
    loss = -log_probabilities.gather(1, labels[:, None]).squeeze(1)
    if not smoothing:
        return loss
    exists = log_probabilities > -torch.inf
    spread = -log_probabilities.masked_fill(~exists, 0.0).sum(dim=1) / exists.sum(dim=1)
    return (1 - smoothing) * loss + smoothing * spread


def _distilled(loss: Tensor, logits: Tensor, teacher: Tensor, weight: float, temperature: float) -> Tensor:
    """The loss, partly replaced by the divergence from a teacher (Hinton et al., 2015), shape (N,).

    Classes that either of the two does not see are left out on both sides.
    """
    shared = (teacher > -torch.inf) & (logits > -torch.inf)
    taught = shared.any(dim=1)
    lowest = torch.finfo(logits.dtype).min
    soft = (teacher.float() / temperature).masked_fill(~shared, lowest).log_softmax(dim=-1)
    student = (logits / temperature).masked_fill(~shared, lowest).log_softmax(dim=-1)
    divergence = torch.where(shared, soft.exp() * (soft - student), 0.0).sum(dim=1) * temperature**2
    return torch.where(taught, (1 - weight) * loss + weight * divergence, loss)


def _divergence(log_probabilities: Tensor) -> Tensor:
    """Half the symmetric divergence of the two passes of each pair, shape (pairs, 2, N, C), summed over N.

    R-Drop (Liang et al., 2021) adds up the cross-entropies of both passes; here they are averaged, so this is half of
    theirs as well.
    """
    first, second = log_probabilities.unbind(dim=1)
    gap = torch.where(first > -math.inf, first - second, 0.0)
    return ((first.exp() - second.exp()) * gap).sum() / 2 / len(log_probabilities)
