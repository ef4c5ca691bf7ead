"""`--dry-run`: a few steps of a training, and what they tell of the rest."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

import torch

from qakit.config import TrainConfig
from qakit.metrics.presets import get_preset
from qakit.modeling.dry_run_model import build_for_dry_run, without_waiting_for_the_hub
from qakit.runs.folder import RunFolder
from qakit.runs.setup import Run, set_up
from qakit.signals import StopSignals
from qakit.tasks.base import Task
from qakit.training.accelerator import make_accelerator
from qakit.training.events import Listener, Note
from qakit.training.learner import Learner
from qakit.training.loop import TrainingSet
from qakit.training.order import Plan


@dataclass(frozen=True)
class DryRun:
    """The plan of a training, measured.

    Attributes:
        parameters, trained: of the model, and how many of them are trained.
        questions: shown in an epoch; windows without an answer (`tricks.negative_windows`) count as questions.
        windows: of the first epoch; a selector has one for each candidate.
        tokens, padding: of the first epoch; `padding` is the share of padding in all that the model reads, 0 to 1.
        questions_per_step: of a full step, over all its passes and processes.
        steps_made: in this dry run, with `seconds_per_step` the median of all but the first.
        training_seconds: estimate for all steps; evaluations and checkpoints come on top.
        peak_memory_bytes: on a CUDA device what its tensors took at most, otherwise the memory of the process. The
            largest pass of the first epoch is among the steps.
        disk_bytes: what the run folder holds at most.
    """

    parameters: int
    trained: int
    device: str
    precision: str
    processes: int
    questions: int
    windows: int
    tokens: int
    padding: float
    questions_per_step: int
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int
    steps_made: int
    seconds_per_step: float
    training_seconds: float
    peak_memory_bytes: int
    checkpoint_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class _Epoch:
    """An epoch in figures; `largest_pass` is the number of the pass that the model reads most tokens in."""

    windows: int
    tokens: int
    read: int
    largest_pass: int


def dry_run(task: Task, config: TrainConfig, *, steps: int = 3, listen: Listener = lambda event: None) -> DryRun:
    """Prepare a training as `train` does, make its first steps, and write nothing.

    A well-known model that cannot be loaded is built in its shape with random weights, and a tokenizer that cannot be
    loaded is made from the training data.

    Args:
        steps: to make, where the training has as many. The first is the one with the largest pass.

    Raises:
        QakitError: one of its kinds, as `train`.
    """
    if config.metric:
        get_preset(config.metric)
    if config.data.folds and config.data.fold is None:
        listen(Note(f"the figures are those of fold 1; a training makes {config.data.folds} such"))
        config = config.model_copy(update={"data": config.data.model_copy(update={"fold": 1})})
    accelerator = make_accelerator(config.training, config.out)
    if accelerator.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(accelerator.device)
    folder = RunFolder(config.out, writes=False)
    with without_waiting_for_the_hub(config.model):
        run = set_up(task, config, accelerator, folder, StopSignals(), listen, build=build_for_dry_run)
    plan = run.learner.plan
    epoch = _first_epoch(run.prepared.training_set, plan)
    listen(Note(f"making {min(steps, plan.total_steps)} of {plan.total_steps} steps"))
    return _report(run, epoch, _timed_steps(run.learner, epoch.largest_pass, steps))


def _report(run: Run, epoch: _Epoch, seconds: Sequence[float]) -> DryRun:
    learner, plan = run.learner, run.learner.plan
    accelerator = learner.accelerator
    seconds_per_step = median(seconds[1:] or seconds)
    return DryRun(
        parameters=learner.parameters,
        trained=learner.trained,
        device=str(accelerator.device),
        precision=learner.precision,
        processes=accelerator.num_processes,
        questions=len(plan.lengths),
        windows=epoch.windows,
        tokens=epoch.tokens,
        padding=1 - epoch.tokens / epoch.read,
        questions_per_step=plan.step_records,
        steps_per_epoch=plan.steps_per_epoch,
        total_steps=plan.total_steps,
        warmup_steps=plan.warmup_steps,
        steps_made=len(seconds),
        seconds_per_step=seconds_per_step,
        training_seconds=seconds_per_step * plan.total_steps,
        peak_memory_bytes=_peak_memory(accelerator.device),
        checkpoint_bytes=learner.checkpoint_bytes,
        disk_bytes=run.bytes_to_write,
    )


def _first_epoch(training_set: TrainingSet, plan: Plan) -> _Epoch:
    """Count what the first epoch shows; every batch is made for that, and none is run."""
    windows, tokens, read = 0, 0, []
    for records in plan.passes(0):
        inputs = training_set.batch(records.tolist(), 0).inputs
        windows += inputs["input_ids"].shape[:-1].numel()
        tokens += int(inputs["attention_mask"].sum())
        read.append(inputs["input_ids"].numel())
    return _Epoch(windows, tokens, sum(read), read.index(max(read)))


def _timed_steps(learner: Learner, largest_pass: int, steps: int) -> list[float]:
    """Seconds of so many steps: the one with the largest pass, which takes most memory, and then the first ones."""
    plan = learner.plan
    largest = largest_pass // (plan.settings.accumulation * plan.processes)
    learner.steps_done = min(largest, plan.total_steps - 1)
    seconds = _seconds(learner, 1)
    learner.steps_done = 0
    return seconds + _seconds(learner, min(steps, plan.total_steps) - 1)


def _seconds(learner: Learner, steps: int) -> list[float]:
    """Seconds of each of the next steps."""
    seconds = []
    began = time.perf_counter()
    for _ in islice(learner.steps(), steps):
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
    return seconds


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
