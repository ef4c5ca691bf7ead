"""The one training loop: a generator of steps that knows no task, prints nothing and saves nothing.

The order of an epoch is a pure function of (seed, epoch), and a step knows its records by index, so training resumes
at any step by starting there. The loss of a step is a sum over all its records divided by their number, so eight passes
over one record equal two passes over four.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qakit.config import TrainingSettings
from qakit.errors import QakitError
from qakit.training.memory import explained_memory
from qakit.training.optim import learning_rate_at, set_learning_rate

_MEMORY_ADVICE = "lower training.batch_size and raise training.accumulation by the same factor"
_ORDER = 0  # keeps the draws of the order apart from other draws of the same seed and epoch


@dataclass(frozen=True)
class TrainingBatch:
    """What one forward pass takes: the model's keyword arguments, the loss's, and how many items the loss sums over."""

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    count: int

    def to(self, device: torch.device) -> "TrainingBatch":
        """The same batch on `device`."""
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        targets = {name: tensor.to(device, non_blocking=True) for name, tensor in self.targets.items()}
        return TrainingBatch(inputs, targets, self.count)


class TrainingSet(Protocol):
    """Records that became something to learn from; a batch is a pure function of its records and the epoch."""

    def __len__(self) -> int: ...

    def batch(self, index: Sequence[int], epoch: int) -> TrainingBatch:
        """The records of numbers `index`, as they look in `epoch`, on the CPU."""
        ...

    def loss(self, output: Any, targets: dict[str, Tensor]) -> Tensor:
        """The loss summed over the batch's items, from the model's output; a scalar."""
        ...


@dataclass(frozen=True)
class Plan:
    """How many steps there are and what each one takes.

    Attributes:
        records: size of the training set.
        step_records: records of one full step, over all forward passes and processes.
    """

    settings: TrainingSettings
    records: int
    step_records: int
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int


class StepEvent(NamedTuple):
    """What one step did: `step` counts from 1, `epoch` is the epochs done so far, `loss` the mean over its items."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    records: int


def make_plan(records: int, settings: TrainingSettings, *, processes: int = 1) -> Plan:
    """Count the steps of a training. The last step of an epoch takes what is left."""
    step_records = settings.batch_size * settings.accumulation * processes
    steps_per_epoch = math.ceil(records / step_records)
    total = math.ceil(settings.epochs * steps_per_epoch)
    total = min(total, settings.max_steps) if settings.max_steps else total
    warmup = settings.warmup * total if settings.warmup < 1 else settings.warmup
    return Plan(settings, records, step_records, steps_per_epoch, total, min(int(warmup), total))


def epoch_order(records: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order in which an epoch visits the records: a permutation that depends on nothing else."""
    return np.random.default_rng([seed, epoch, _ORDER]).permutation(records)


def step_index(plan: Plan, step: int) -> tuple[int, NDArray[np.int64]]:
    """The epoch of step number `step` (from 0), and the records it takes."""
    epoch, position = divmod(step, plan.steps_per_epoch)
    order = epoch_order(plan.records, seed=plan.settings.seed, epoch=epoch)
    return epoch, order[position * plan.step_records : (position + 1) * plan.step_records]


def share_of(index: NDArray[np.int64], batch_size: int, *, process: int, processes: int) -> list[NDArray[np.int64]]:
    """The forward passes of one process in a step: every process gets as many, the last ones maybe empty."""
    passes = math.ceil(len(index) / (batch_size * processes))
    return [index[(number * processes + process) * batch_size :][:batch_size] for number in range(passes)]


def train_steps(
    model: Any,
    optimizer: Any,
    training_set: TrainingSet,
    plan: Plan,
    accelerator: Any,
    *,
    first_step: int = 0,
) -> Iterator[StepEvent]:
    """Train from step `first_step` (from 0) to the end, one event after each update of the weights.

    Args:
        model, optimizer: prepared by `accelerator`.

    Raises:
        QakitError: the loss or the gradient is no longer a number; the weights are still those before the step. A
            gradient that overflows in fp16 is no error: that step is skipped, and the loss scale lowered.
        ResourceError: the device is out of memory.
    """
    for step in range(first_step, plan.total_steps):
        epoch, index = step_index(plan, step)
        rate = _rate(plan, step)
        set_learning_rate(optimizer, rate)
        with explained_memory(_MEMORY_ADVICE):
            loss = _accumulate(model, training_set, plan, accelerator, epoch, index)
        norm = _clip(model, accelerator, plan.settings.max_gradient_norm)
        for name, value in (("loss", loss), ("gradient's norm", 0.0 if accelerator.scaler else norm)):
            if not math.isfinite(value):
                raise QakitError(
                    f"the {name} of step {step + 1} is {value}; lower training.learning_rate "
                    f"({plan.settings.learning_rate:g}), or train in fp32 or bf16 instead of fp16"
                )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield StepEvent(step + 1, (step + 1) / plan.steps_per_epoch, loss, rate, norm, len(index))


def _rate(plan: Plan, step: int) -> float:
    return learning_rate_at(
        step,
        peak=plan.settings.learning_rate,
        total_steps=plan.total_steps,
        warmup_steps=plan.warmup_steps,
        schedule=plan.settings.schedule,
    )


def _accumulate(
    model: Any, training_set: TrainingSet, plan: Plan, accelerator: Any, epoch: int, index: NDArray[np.int64]
) -> float:
    """Gradients of one step's mean loss, and that loss.

    A process whose share of the last pass is empty runs one record with weight 0: all processes must take part in the
    exchange of gradients, and no record may count twice.
    """
    shares = share_of(
        index, plan.settings.batch_size, process=accelerator.process_index, processes=accelerator.num_processes
    )
    batches = [training_set.batch((share if len(share) else index[:1]).tolist(), epoch) for share in shares]
    weights = [float(len(share) > 0) for share in shares]
    local = sum(batch.count * weight for batch, weight in zip(batches, weights, strict=True))
    count = _sum_over_processes(accelerator, local)
    summed = 0.0
    for number, (batch, weight) in enumerate(zip(batches, weights, strict=True)):
        is_last = number == len(batches) - 1
        with nullcontext() if is_last else accelerator.no_sync(model):
            moved = batch.to(accelerator.device)
            loss = training_set.loss(model(**moved.inputs), moved.targets) * weight
            # Gradients are averaged over processes: times their number makes it the sum that `count` divides.
            accelerator.backward(loss * (accelerator.num_processes / count))
        summed += float(loss.detach())
    return _sum_over_processes(accelerator, summed) / count


def _sum_over_processes(accelerator: Any, value: float) -> float:
    if accelerator.num_processes == 1:
        return value
    tensor = torch.tensor(value, dtype=torch.float64, device=accelerator.device)
    return float(accelerator.reduce(tensor, reduction="sum"))


def _clip(model: Any, accelerator: Any, max_norm: float) -> float:
    """Scale the gradients down to `max_norm` (0: leave them) and give the norm they had."""
    return float(accelerator.clip_grad_norm_(model.parameters(), max_norm or math.inf))
