"""The loss of a batch: cross-entropy with label smoothing, distillation and R-Drop, for every task.

Every task of qakit is a set of choices among classes, such as the token where an answer starts, so the loss is written
once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qakit.config import TrickSettings


@dataclass(frozen=True)
class Classification:
    """N choices among C classes, seen by S forward passes with different dropout masks.

    Attributes:
        logits: shape (S * N, C), the S passes one after the other; -inf where there is no class.
        labels: the right class of each choice, shape (N,).
        teacher: log-probabilities of the classes by other models, shape (N, C); -inf where they have no such class. A
            row of nothing but -inf has no teacher.
    """

    logits: Tensor
    labels: Tensor
    teacher: Tensor | None = None


def batch_loss(classifications: Sequence[Classification], tricks: TrickSettings) -> Tensor:
    """The loss summed over choices, averaged over passes and over classifications; a scalar."""
    return torch.stack([_loss(classification, tricks) for classification in classifications]).mean()


def _loss(classification: Classification, tricks: TrickSettings) -> Tensor:
    logits = classification.logits.float()  # 16 bits are too few for sums of exponentials
    # N choices, S passes: rows n, N + n, 2N + n, ... of the logits belong to choice n.
    samples = len(logits) // len(classification.labels)
    labels = classification.labels.repeat(samples)
    log_probabilities = logits.log_softmax(dim=-1)
    loss = _cross_entropy(log_probabilities, labels, tricks.label_smoothing)
    if classification.teacher is not None:
        teacher = classification.teacher.repeat(samples, 1)
        loss = _distilled(loss, logits, teacher, tricks.distill_weight, tricks.distill_temperature)
    # A sum over choices, not a mean: the loop divides by the choices of the whole step.
    total = loss.sum() / samples
    if tricks.r_drop:
        # (S * N, C) -> (S / 2, 2, N, C): R-Drop doubles each batch, so passes come in pairs.
        pairs = log_probabilities.view(-1, 2, len(classification.labels), logits.shape[1])
        total = total + tricks.r_drop / 2 * _divergence(pairs)
    return total


def _cross_entropy(log_probabilities: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy, shape (S * N,); smoothing (Szegedy et al., 2016) spreads over the classes that exist."""
    loss = -log_probabilities.gather(1, labels[:, None]).squeeze(1)
    if not smoothing:
        return loss
    # Masked classes have log-probability -inf: one of them in the mean would make the loss infinite.
    exists = log_probabilities > -torch.inf
    spread = -log_probabilities.masked_fill(~exists, 0.0).sum(dim=1) / exists.sum(dim=1)
    return (1 - smoothing) * loss + smoothing * spread


def _distilled(loss: Tensor, logits: Tensor, teacher: Tensor, weight: float, temperature: float) -> Tensor:
    """The loss mixed with the divergence from a teacher (Hinton et al., 2015), shape (S * N,)."""
    # Teacher and student are compared on the classes that both have, each renormalised over these.
    shared = (teacher > -torch.inf) & (logits > -torch.inf)
    taught = shared.any(dim=1)
    # The lowest finite number instead of -inf: rows without a shared class would become NaN, also in the gradient.
    lowest = torch.finfo(logits.dtype).min
    soft = (teacher.float() / temperature).masked_fill(~shared, lowest).log_softmax(dim=-1)
    student = (logits / temperature).masked_fill(~shared, lowest).log_softmax(dim=-1)
    # Soft targets scale gradients by 1 / temperature**2; the factor undoes that, as in the paper.
    divergence = torch.where(shared, soft.exp() * (soft - student), 0.0).sum(dim=1) * temperature**2
    return torch.where(taught, (1 - weight) * loss + weight * divergence, loss)


def _divergence(log_probabilities: Tensor) -> Tensor:
    """Half the symmetric divergence of the two passes of R-Drop (Liang et al., 2021), summed over N; a scalar.

    Args:
        log_probabilities: shape (pairs, 2, N, C).
    """
    first, second = log_probabilities.unbind(dim=1)
    # KL(first || second) + KL(second || first) = sum of (p - q)(log p - log q); masked classes are -inf in both.
    gap = torch.where(first > -math.inf, first - second, 0.0)
    # R-Drop adds up the cross-entropies of both passes. Here they are averaged, so the divergence is halved as well.
    return ((first.exp() - second.exp()) * gap).sum() / 2 / len(log_probabilities)
