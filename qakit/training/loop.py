"""The training loop: a generator of optimiser steps that knows no task, prints nothing and saves nothing.

The records of a step are a pure function of its number, so resuming at a step is starting there. The loss of a step is
the sum over all its records divided by their number, so eight passes over one record equal two passes over four.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qakit.config import TrickSettings
from qakit.errors import QakitError
from qakit.training.adversarial import EmbeddingAdversary, WeightAdversary
from qakit.training.device import explain_out_of_memory
from qakit.training.objective import Classification, batch_loss
from qakit.training.optim import learning_rate_at, set_learning_rate
from qakit.training.order import Plan, passes_of_process

_MEMORY_ADVICE = (
    "lower training.batch_size and raise training.accumulation by the same factor, or set "
    "training.gradient_checkpointing"
)


@dataclass(frozen=True)
class TrainingBatch:
    """Tensors of one forward pass.

    Attributes:
        inputs: keyword arguments of the model.
        targets: what the loss needs besides the output.
        count: items that the loss sums over.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    count: int

    def to(self, device: torch.device) -> "TrainingBatch":
        """The same batch on `device`."""
        # A copy from pinned memory runs beside the computation; from other memory `non_blocking` does nothing.
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "TrainingBatch":
        """The same batch in pinned memory, from which CUDA copies asynchronously."""
        return self._with(Tensor.pin_memory)

    def _with(self, change: Callable[[Tensor], Tensor]) -> "TrainingBatch":
        inputs, targets = (
            {name: change(tensor) for name, tensor in part.items()} for part in (self.inputs, self.targets)
        )
        return TrainingBatch(inputs, targets, self.count)


class TrainingSet(Protocol):
    """Training data of a task; a batch is a pure function of its record numbers and the epoch."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each record's longest window, shape (records,)."""
        ...

    @property
    def rows(self) -> NDArray[np.int64]:
        """Windows of each record, shape (records,)."""
        ...

    def batch(self, index: Sequence[int], epoch: int) -> TrainingBatch:
        """The records with the numbers `index` as windows of `epoch`, on the CPU."""
        ...

    def classify(self, output: Any, targets: dict[str, Tensor]) -> Sequence[Classification]:
        """Logits and labels of each choice that the model makes.

        The output may hold the batch several times, one copy after the other (R-Drop, sampled dropout).
        """
        ...


class StepEvent(NamedTuple):
    """Result of one step: `step` counts from 1, `epoch` is the epochs completed, `loss` the mean over the items."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    records: int


@dataclass(frozen=True)
class Engine:
    """The parts that make a step.

    Attributes:
        model, optimizer: as prepared by `accelerator`.
        bare: the model without the wrapper of a distributed run.
    """

    model: Any
    optimizer: Any
    accelerator: Any
    bare: Any
    tricks: TrickSettings
    adversary: EmbeddingAdversary | WeightAdversary | None


def train_steps(engine: Engine, training_set: TrainingSet, plan: Plan, *, first_step: int = 0) -> Iterator[StepEvent]:
    """Train from step `first_step` (from 0) to the end; one event after each update of the weights.

    Raises:
        QakitError: the loss or the gradient is not finite; the weights are still those before the step. A gradient that
            overflows in fp16 is no error: accelerate skips that step and lowers the loss scale.
        ResourceError: the device is out of memory.
    """
    numbers = range(first_step, plan.total_steps)
    # The next step's windows are gathered while the device computes this one.
    work = _prefetch(lambda step: _load(training_set, plan, step, engine.accelerator), numbers)
    for step, (batches, records) in zip(numbers, work, strict=True):
        rate = _learning_rate(plan, step)
        set_learning_rate(engine.optimizer, rate)
        with explain_out_of_memory(_MEMORY_ADVICE):
            loss = _accumulate(engine, training_set, batches)
        norm = _clip(engine.model, engine.accelerator, plan.settings.max_gradient_norm)
        # Before the update: the weights of the last good step are still there to be saved.
        _check_finite(engine.accelerator, plan, step, loss, norm)
        engine.optimizer.step()
        engine.optimizer.zero_grad(set_to_none=True)
        yield StepEvent(step + 1, plan.epochs_done(step + 1), loss, rate, norm, records)


def _check_finite(accelerator: Any, plan: Plan, step: int, loss: float, norm: float) -> None:
    """Raise `QakitError` where the loss or the norm of the gradient of a step (from 0) is not finite."""
    advice = f"lower training.learning_rate ({plan.settings.learning_rate:g})"
    if accelerator.mixed_precision == "fp16":
        advice += ", or train in fp32 or bf16 instead of fp16"
    # With a loss scaler an infinite gradient is routine: the scaler finds it and skips the step.
    for name, value in (("loss", loss), ("gradient's norm", 0.0 if accelerator.scaler else norm)):
        if not math.isfinite(value):
            raise QakitError(f"the {name} of step {step + 1} is {value}; {advice}")


def _prefetch(load: Callable[[int], Any], numbers: range) -> Iterator[Any]:
    """The results of `load` for each number; a thread computes the next one while the current one is in use."""
    with ThreadPoolExecutor(1) as thread:
        # One ahead and no more: a queue would hold batches in memory that a stopped training never uses.
        ahead = [thread.submit(load, number) for number in numbers[:1]]
        for number in numbers:
            value = ahead.pop().result()
            if number + 1 in numbers:
                ahead.append(thread.submit(load, number + 1))
            yield value


def _load(
    training_set: TrainingSet, plan: Plan, step: int, accelerator: Any
) -> tuple[list[tuple[TrainingBatch, float]], int]:
    """This process' batches of a step (from 0) with the weight of each, and the number of records of all processes."""
    epoch, passes = plan.step(step)
    shares = passes_of_process(passes, process=accelerator.process_index, processes=accelerator.num_processes)
    # A process whose share of the last pass is empty runs one record with weight 0: all processes must take part in the
    # exchange of gradients, and no record may count twice.
    batches = [
        (training_set.batch((share if len(share) else passes[0][:1]).tolist(), epoch), float(len(share) > 0))
        for share in shares
    ]
    if accelerator.device.type == "cuda":
        batches = [(batch.pinned(), weight) for batch, weight in batches]
    return batches, sum(map(len, passes))


def _learning_rate(plan: Plan, step: int) -> float:
    return learning_rate_at(
        step,
        peak=plan.settings.learning_rate,
        total_steps=plan.total_steps,
        warmup_steps=plan.warmup_steps,
        schedule=plan.settings.schedule,
    )


def _accumulate(engine: Engine, training_set: TrainingSet, batches: list[tuple[TrainingBatch, float]]) -> float:
    """Add up the gradients of one step's mean loss; returns the loss."""
    accelerator = engine.accelerator
    count = _sum_over_processes(accelerator, sum(batch.count * weight for batch, weight in batches))
    # DDP averages gradients over processes; times their number, the average is the sum that `count` divides.
    scale = accelerator.num_processes / count
    losses = []
    for number, (batch, weight) in enumerate(batches):
        is_last = number == len(batches) - 1  # one exchange of gradients a step, not one a pass
        losses.append(_run_pass(engine, training_set, batch, scale * weight, synchronise=is_last))
    # Only here is a loss read, which waits for a GPU; until then the passes queue up behind each other.
    summed = sum(weight * float(loss) for loss, (_, weight) in zip(losses, batches, strict=True))
    return _sum_over_processes(accelerator, summed) / count


def _run_pass(
    engine: Engine, training_set: TrainingSet, batch: TrainingBatch, scale: float, *, synchronise: bool
) -> Tensor:
    """Add up the gradients of one pass, and of the adversarial pass after it; returns the loss of the first."""
    accelerator, adversary = engine.accelerator, engine.adversary
    moved = batch.to(accelerator.device)
    inputs = _twice(moved.inputs) if engine.tricks.r_drop else moved.inputs

    def loss_of(model: Any) -> Tensor:
        return batch_loss(training_set.classify(model(**inputs), moved.targets), engine.tricks)

    def backward(synchronise: bool) -> Tensor:
        accelerator.sync_gradients = synchronise  # DeepSpeed makes its update in this backward pass
        with nullcontext() if synchronise else accelerator.no_sync(engine.model):
            loss = loss_of(engine.model)
            accelerator.backward(loss * scale)
        return loss.detach()

    if adversary is None:
        return backward(synchronise)
    with adversary.watching():
        loss = backward(False)
    # The bare model: DDP does not support `autograd.grad`, with which PGD makes its inner steps.
    with adversary.perturbed(lambda: loss_of(engine.bare)):
        backward(synchronise)
    return loss


def _twice(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every window twice, shape (2 * B, ...): R-Drop compares two dropout masks on the same input."""
    return {name: torch.cat([tensor, tensor]) for name, tensor in inputs.items()}


def _sum_over_processes(accelerator: Any, value: float) -> float:
    if accelerator.num_processes == 1:
        return value
    # float64: a sum of counts must stay an exact integer.
    tensor = torch.tensor(value, dtype=torch.float64, device=accelerator.device)
    return float(accelerator.reduce(tensor, reduction="sum"))


def _clip(model: Any, accelerator: Any, max_norm: float) -> float:
    """Scale the gradients down to the norm `max_norm` (0: no limit); returns the norm they had."""
    # An infinite limit changes nothing but still measures the norm, which events report.
    norm = accelerator.clip_grad_norm_(model.parameters(), max_norm or math.inf)
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)  # under FSDP the norm is sharded too
