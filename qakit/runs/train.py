"""`train-qa` and `train-select`: from files to a run folder."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.config import TrainConfig
from qakit.data.formats import read_dataset
from qakit.data.records import Dataset
from qakit.errors import CheckpointError, ConfigError
from qakit.io import write_text
from qakit.metrics.presets import get_preset
from qakit.modeling.models import LoadedModel, build_for_training, save_trained
from qakit.report.curves import draw_curves
from qakit.runs.card import model_card
from qakit.runs.folder import RunFolder, data_hashes
from qakit.tasks.base import Prepared, Task
from qakit.training.checkpoints import (
    Checkpoint,
    latest_good_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from qakit.training.learner import Learner, make_accelerator
from qakit.training.loop import Plan, StepEvent

_WITHOUT_EFFECT = ("save_every", "keep_checkpoints")  # on the weights, and on which of them are the best


@dataclass(frozen=True)
class Note:
    """A sentence for the user."""

    text: str


@dataclass(frozen=True)
class Started:
    """Training begins, at step `first_step` (from 0) of the plan."""

    plan: Plan
    first_step: int
    parameters: int
    device: str
    precision: str
    processes: int


@dataclass(frozen=True)
class Evaluated:
    """The development scores, in percent, after a step; `is_best` when no earlier ones were as good."""

    step: int
    epoch: float
    scores: Mapping[str, float]
    is_best: bool


Event = Note | Started | StepEvent | Evaluated
Listener = Callable[[Event], None]


@dataclass(frozen=True)
class TrainResult:
    """What a training came to: `best_step` and `scores` (percent) are those of the model in `best`."""

    out: Path
    steps: int
    best_step: int
    scores: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class _Best:
    step: int = 0
    scores: Mapping[str, float] | None = None


@dataclass(frozen=True)
class _Run:
    """What stays the same during a training."""

    task: Task
    config: TrainConfig
    folder: RunFolder
    tokenizer: Any
    prepared: Prepared
    dev_data: Dataset | None
    identity: Mapping[str, Any]
    listen: Listener


def train(
    task: Task,
    config: TrainConfig,
    *,
    resume: str | None = None,
    overwrite: bool = False,
    listen: Listener = lambda event: None,
) -> TrainResult:
    """Train a model and keep the best one.

    Args:
        resume: `auto` goes on from the newest whole checkpoint of the run folder, where there is one; a path from that.
        overwrite: replace the run that the folder holds.
        listen: called with every event, in order.

    Raises:
        QakitError: one of its kinds, for all that a user can put right.
    """
    from accelerate.utils import set_seed

    began = time.monotonic()
    if config.metric:
        get_preset(config.metric)
    train_data = _read(config.data.train, config, listen)
    dev_data = _read(config.data.dev, config, listen) if config.data.dev else None
    if dev_data is not None and not any(map(task.can_score, dev_data)):
        files = ", ".join(map(str, dev_data.files))
        raise ConfigError(f"data.dev {files}: no question has a known answer to evaluate with; leave it out")
    accelerator = make_accelerator(config.training)
    set_seed(config.training.seed)
    model, tokenizer, fresh = build_for_training(config.model, task.auto_class, config.windows.max_length)
    if fresh:
        listen(Note(f"weights that {config.model.name} has not, drawn at random: {', '.join(fresh)}"))
    prepared = task.prepare(train_data, tokenizer, config)
    folder = RunFolder(config.out)
    folder.open(resume=resume is not None, overwrite=overwrite)
    hashes = data_hashes([*train_data.files, *(dev_data.files if dev_data else ())])
    run = _Run(task, config, folder, tokenizer, prepared, dev_data, _identity(task, config, train_data, hashes), listen)
    learner = Learner(model, config.training, accelerator)
    best = _resume(run, learner, resume)
    folder.describe(config, task.name, hashes)
    best = _train(run, learner, best)
    name = folder.path.name
    draw_curves(folder.metrics, folder.curves, title=name if name.isascii() else "")  # its font has no Chinese
    return TrainResult(config.out, learner.steps_done, best.step, best.scores or {}, time.monotonic() - began)


def _read(paths: tuple[Path, ...], config: TrainConfig, listen: Listener) -> Dataset:
    dataset = read_dataset(paths, context=config.data.context, lenient=config.data.lenient)
    names = ", ".join(path.name for path in paths)
    listen(Note(f"{names}: {len(dataset)} questions, schema {dataset.schema}"))
    if dataset.skipped:
        listen(Note(f"{names}: {dataset.skipped} bad records skipped"))
    for note in dataset.notes:
        listen(Note(note))
    return dataset


def _train(run: _Run, learner: Learner, best: _Best) -> _Best:
    plan = learner.plan(run.prepared.training_set)
    for note in run.prepared.notes:
        run.listen(Note(note))
    run.listen(_started(plan, learner))
    for event in learner.steps(run.prepared.training_set, plan):
        run.folder.log(_train_entry(event))
        run.listen(event)
        settings = run.config.training
        evaluate_now = _due(event.step, settings.evaluate_every, plan)
        if evaluate_now and run.dev_data is not None:
            best = _evaluate(run, learner, event, best, run.dev_data)
        if _due(event.step, settings.save_every, plan) if settings.save_every else evaluate_now:
            _save(run, learner, best)
    if run.dev_data is None:
        best = _Best(learner.steps_done)
        _keep(run, learner, best)
    return best


def _due(step: int, every: int | None, plan: Plan) -> bool:
    return step == plan.total_steps or step % (every or plan.steps_per_epoch) == 0


def _started(plan: Plan, learner: Learner) -> Started:
    accelerator = learner.accelerator
    return Started(
        plan=plan,
        first_step=learner.steps_done,
        parameters=sum(parameter.numel() for parameter in learner.model.parameters()),
        device=str(accelerator.device),
        precision="fp32" if accelerator.mixed_precision == "no" else accelerator.mixed_precision,
        processes=accelerator.num_processes,
    )


def _train_entry(event: StepEvent) -> dict[str, Any]:
    return {
        "kind": "train",
        "step": event.step,
        "epoch": event.epoch,
        "loss": event.loss,
        "learning_rate": event.learning_rate,
        # Infinite, and not JSON, in a step that fp16 makes nothing of.
        "gradient_norm": event.gradient_norm if math.isfinite(event.gradient_norm) else None,
    }


def _evaluate(run: _Run, learner: Learner, event: StepEvent, best: _Best, dev_data: Dataset) -> _Best:
    loaded = LoadedModel(learner.model, run.tokenizer, run.prepared.info, str(run.folder.path))
    scores = run.task.evaluate(loaded, dev_data, run.config)
    is_best = best.scores is None or _key(run.task, scores) > _key(run.task, best.scores)
    run.folder.log({"kind": "evaluation", "step": event.step, "epoch": event.epoch, **scores})
    run.listen(Evaluated(event.step, event.epoch, scores, is_best))
    if not is_best:
        return best
    best = _Best(event.step, scores)
    _keep(run, learner, best)
    return best


def _key(task: Task, scores: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(scores[name] for name in task.best_scores)


def _keep(run: _Run, learner: Learner, best: _Best) -> None:
    card = model_card(run.config, run.prepared.info, best.scores or {}, best.step)

    def write(folder: Path) -> None:
        save_trained(folder, learner.model, run.tokenizer, run.prepared.info)
        write_text(folder / "README.md", card)

    run.folder.replace_best(write)


def _save(run: _Run, learner: Learner, best: _Best) -> None:
    state = {"identity": run.identity, "best": {"step": best.step, "scores": best.scores}}
    save_checkpoint(run.folder.checkpoints, learner.checkpoint(state))
    prune_checkpoints(run.folder.checkpoints, keep=run.config.training.keep_checkpoints)


def _identity(task: Task, config: TrainConfig, train_data: Dataset, hashes: Mapping[str, str]) -> dict[str, Any]:
    """All that decides the weights: a checkpoint of anything else must not be resumed."""
    values = config.model_dump(mode="json")
    for section in ("out", "data", "inference", "metric"):
        del values[section]
    for name in _WITHOUT_EFFECT:
        del values["training"][name]
    data = {f"training file {number}": hashes[str(file)] for number, file in enumerate(train_data.files, 1)}
    return {"task": task.name, **values, "data": data}


def _resume(run: _Run, learner: Learner, resume: str | None) -> _Best:
    """Put the learner where the checkpoint is, if there is one to resume from, and give the best scores until then."""
    if resume is None:
        return _Best()
    checkpoint = _checkpoint(run, resume)
    if checkpoint is None:
        run.folder.forget_after(0)
        run.listen(Note("no checkpoint to resume from: training starts at the beginning"))
        return _Best()
    changes = _differences(checkpoint.state["identity"], run.identity)
    if changes:
        raise CheckpointError(
            f"{run.folder.path}: the run was made with other settings, so it cannot go on with these:\n"
            + "\n".join(changes)
        )
    learner.restore(checkpoint)
    run.folder.forget_after(checkpoint.step)
    run.listen(Note(f"resumed from step {checkpoint.step}"))
    return _Best(**checkpoint.state["best"])


def _checkpoint(run: _Run, resume: str) -> Checkpoint | None:
    if resume != "auto":
        return load_checkpoint(Path(resume))
    found = latest_good_checkpoint(run.folder.checkpoints, warn=lambda text: run.listen(Note(text)))
    return found[1] if found else None


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One line for each setting that is not the same, by its dotted name."""
    lines = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += _differences(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"  {prefix}{key}: was {before}, is {after}")
    return lines
