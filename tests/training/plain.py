"""Training as transformers' users write it by hand, to compare the loop with."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import get_linear_schedule_with_warmup

from qakit.config import TrainConfig
from qakit.training.device import fast_dropout
from qakit.training.learner import Learner
from qakit.training.loop import TrainingBatch, TrainingSet
from qakit.training.order import Plan


def loop_losses(model: nn.Module, training_set: TrainingSet, config: TrainConfig, accelerator: Any) -> list[float]:
    """The loss of each step that qakit's loop makes; the model is trained."""
    return [event.loss for event in Learner(model, config, accelerator, training_set).steps()]


def plain_losses(model: nn.Module, training_set: TrainingSet, plan: Plan) -> list[float]:
    """The loss of each step of a plain loop over the same batches; the model is trained.

    A step is the mean of its passes, which must be of equal size; every question has as many candidates. The
    model's own loss of span extraction looks for answers in the padding too: it equals qakit's where there is none.
    """
    settings = plan.settings
    optimizer = torch.optim.AdamW(
        _groups(model, settings.weight_decay),
        lr=settings.learning_rate,
        betas=settings.adam_betas,
        eps=settings.adam_epsilon,
    )
    scheduler = get_linear_schedule_with_warmup(optimizer, plan.warmup_steps, plan.total_steps)
    losses = []
    model.train()
    with fast_dropout(torch.device("cpu")):  # the same masks
        for passes in _labelled_passes(training_set, plan):
            losses.append(sum(_backward(model, inputs, len(passes)) for inputs in passes))
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_gradient_norm)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return losses


def _backward(model: nn.Module, inputs: Mapping[str, Tensor], passes: int) -> float:
    loss = model(**inputs).loss / passes
    loss.backward()
    return float(loss.item())


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups["bias" in name or "LayerNorm" in name].append(parameter)
    return [{"params": groups[False], "weight_decay": weight_decay}, {"params": groups[True], "weight_decay": 0.0}]


def _labelled_passes(training_set: TrainingSet, plan: Plan) -> Iterator[list[dict[str, Tensor]]]:
    """The passes of each step, with labels under the names of transformers."""
    for step in range(plan.total_steps):
        epoch, passes = plan.step(step)
        yield [_with_labels(training_set.batch(numbers.tolist(), epoch)) for numbers in passes]


def _with_labels(batch: TrainingBatch) -> dict[str, Tensor]:
    if "relevant" not in batch.targets:
        return {**batch.inputs, **{name: batch.targets[name] for name in ("start_positions", "end_positions")}}
    inputs = {name: tensor.view(batch.count, -1, tensor.shape[-1]) for name, tensor in batch.inputs.items()}
    return {**inputs, "labels": batch.targets["relevant"]}
