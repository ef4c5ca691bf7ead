"""The training commands: from files to a run folder."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from qakit.config import TrainConfig
from qakit.errors import CheckpointError, ConfigError
from qakit.io import write_text
from qakit.metrics.presets import get_preset
from qakit.modeling.adapting import merge_lora
from qakit.modeling.info import model_card
from qakit.modeling.models import LoadedModel, save_trained
from qakit.report.curves import draw_curves
from qakit.report.style import can_show
from qakit.runs.fingerprint import differences, machine_of
from qakit.runs.folder import RunFolder, data_hashes
from qakit.runs.setup import Run, set_up
from qakit.signals import Stopped, StopSignals
from qakit.tasks.base import Task
from qakit.training.accelerator import make_accelerator, tracking
from qakit.training.checkpoints import Checkpoint, latest_good_checkpoint, load_checkpoint
from qakit.training.events import Evaluated, Event, Listener, Note, Started, TrainResult
from qakit.training.learner import Learner
from qakit.training.loop import StepEvent
from qakit.training.order import Plan


@dataclass(frozen=True)
class _Progress:
    """State of the search for the best model.

    `step` and `scores` are the best ones so far, `waited` counts the evaluations since then, and `evaluated` is False
    when the last step was to be evaluated and was not.
    """

    step: int = 0
    scores: Mapping[str, float] | None = None
    waited: int = 0
    evaluated: bool = True


def train(
    task: Task,
    config: TrainConfig,
    *,
    resume: str | None = None,
    overwrite: bool = False,
    listen: Listener = lambda event: None,
    folder: RunFolder | None = None,
) -> TrainResult:
    """Train a model and keep the best one.

    Under `accelerate launch` every process calls this; the main one writes and tells the listener.

    Args:
        resume: `auto` goes on from the newest whole checkpoint of the run folder, where there is one; a path from that.
        overwrite: replace the run that the folder holds.
        listen: called with every event, in order.
        folder: the run folder, that of `config.out` when not given; a `FoldFolder` in a cross-validation.

    Raises:
        QakitError: one of its kinds, for all that a user can put right.
        Stopped: by SIGTERM or SIGINT, after a checkpoint was saved when steps had been made.
    """
    began = time.monotonic()
    if config.metric:
        get_preset(config.metric)
    if resume == "":
        raise ConfigError("--resume: give auto, or the path of a checkpoint")
    accelerator = make_accelerator(config.training, RunFolder(config.out).trackers)
    listen = listen if accelerator.is_main_process else _nothing
    folder = folder or RunFolder(config.out, writes=accelerator.is_main_process)
    with StopSignals() as stop, folder.opened(resume=resume is not None, overwrite=overwrite):
        if not overwrite:
            folder.require_same_folds(config)
        run = set_up(task, config, accelerator, folder, stop, listen)
        folder.require_room(run.bytes_to_write)
        folder.prepare(overwrite=overwrite)
        accelerator.wait_for_everyone()
        progress = _resume(run, resume)
        files = [*run.data_files, *config.tricks.distill]
        folder.describe(run.config, task.name, data_hashes(files))
        with tracking(accelerator, run.config), stop.deferred():
            progress = _train(run, progress)
    scores = progress.scores or {}
    return TrainResult(config.out, run.learner.steps_done, progress.step, scores, time.monotonic() - began)


def _nothing(event: Event) -> None:
    """The listener of all processes but the main one."""


def _train(run: Run, progress: _Progress) -> _Progress:
    learner, plan, settings = run.learner, run.learner.plan, run.config.training
    run.listen(_started(learner, run.task.unit))
    if not progress.evaluated:
        progress = _evaluate(run, progress)
    for event in _steps(run, progress):
        evaluate_now = _due(event.step, settings.evaluate_every, plan)
        if evaluate_now:
            progress = _evaluate(run, progress)
        saved = _due(event.step, settings.save_every, plan) if settings.save_every else evaluate_now
        if saved:
            _save(run, progress)
        if signal := run.learner.agree_on_signal(run.stop.received):
            if not saved:
                _save(run, progress)
            _draw(run)
            raise Stopped(signal)
        if _has_waited_enough(run, progress):
            run.listen(Note(f"stopped early: no better model in {progress.waited} evaluations"))
            if not saved:
                _save(run, progress)
            break
    if run.dev_data is None:
        progress = _Progress(learner.steps_done)
        _keep(run, progress)
    _draw(run)
    if signal := learner.agree_on_signal(run.stop.received):  # all is kept, but whoever called must not go on
        raise Stopped(signal)
    return progress


def _steps(run: Run, progress: _Progress) -> Iterator[StepEvent]:
    """The steps that are left, each logged and told."""
    if _has_waited_enough(run, progress):
        return
    for event in run.learner.steps():
        entry = _train_entry(event)
        run.folder.log({"kind": "train", "step": event.step, "epoch": event.epoch, **entry})
        run.learner.accelerator.log({f"train/{name}": value for name, value in entry.items()}, step=event.step)
        run.listen(event)
        yield event


def _has_waited_enough(run: Run, progress: _Progress) -> bool:
    patience = run.config.training.patience
    return patience is not None and run.dev_data is not None and progress.waited >= patience


def _due(step: int, every: int | None, plan: Plan) -> bool:
    return step == plan.total_steps or (step % every == 0 if every else plan.is_end_of_epoch(step))


def _started(learner: Learner, unit: str) -> Started:
    return Started(
        plan=learner.plan,
        first_step=learner.steps_done,
        parameters=learner.parameters,
        trained=learner.trained,
        device=str(learner.accelerator.device),
        precision=learner.precision,
        processes=learner.accelerator.num_processes,
        unit=unit,
    )


def _train_entry(event: StepEvent) -> dict[str, Any]:
    return {
        "loss": event.loss,
        "learning_rate": event.learning_rate,
        # Infinite, and not JSON, in a step that fp16 makes nothing of.
        "gradient_norm": event.gradient_norm if math.isfinite(event.gradient_norm) else None,
    }


def _evaluate(run: Run, progress: _Progress) -> _Progress:
    """Evaluate the model after the last step, where there is data for it, and keep it when it is the best so far.

    A signal ends it, and the checkpoint that is saved then says that it is still to be done.
    """
    learner, task = run.learner, run.task
    if run.dev_data is None:
        return progress
    step, epoch = learner.steps_done, learner.plan.epochs_done(learner.steps_done)
    source = str(run.folder.path)
    loaded = LoadedModel(
        learner.model_to_evaluate, run.tokenizer, run.prepared.info, source, is_sharded=learner.is_sharded
    )
    try:
        with run.stop.immediate() if learner.accelerator.num_processes == 1 else nullcontext():
            scores = task.evaluate(loaded, run.dev_data, run.config)
    except Stopped:
        _save(run, replace(progress, evaluated=False))
        _draw(run)
        raise
    is_best = progress.scores is None or _key(task, scores) > _key(task, progress.scores)
    run.folder.log({"kind": "evaluation", "step": step, "epoch": epoch, **scores})
    learner.accelerator.log({f"evaluation/{name}": value for name, value in scores.items()}, step=step)
    run.listen(Evaluated(step, epoch, scores, is_best))
    if not is_best:
        return replace(progress, waited=progress.waited + 1, evaluated=True)
    progress = _Progress(step, scores)
    _keep(run, progress)
    return progress


def _key(task: Task, scores: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(scores[name] for name in task.best_scores)


def _keep(run: Run, progress: _Progress) -> None:
    task, info = run.task, run.prepared.info
    card = model_card(
        run.config, info, progress.scores or {}, progress.step, pipeline_tag=task.pipeline_tag, usage=task.usage
    )

    weights = run.learner.weights() if run.learner.is_sharded else None

    def write(folder: Path) -> None:
        save_trained(folder, merge_lora(run.learner.model_to_evaluate), run.tokenizer, info, weights=weights)
        write_text(folder / "README.md", card)

    run.folder.replace_best(write, size=run.learner.model_bytes)


def _draw(run: Run) -> None:
    """Draw the curves. A picture that cannot be drawn is no reason to end otherwise than without it."""
    folder, name = run.folder, run.folder.path.name
    if not (folder.writes and folder.metrics.exists()):
        return
    try:
        draw_curves(folder.metrics, folder.curves, title=name if can_show(name) else "")
    except Exception as error:
        run.listen(Note(f"the curves could not be drawn: {error}"))


def _save(run: Run, progress: _Progress) -> None:
    machine = machine_of(run.learner.accelerator)
    state = {"identity": run.identity, "machine": machine, "progress": asdict(progress)}
    run.folder.save(run.learner.checkpoint(state), keep=run.config.training.keep_checkpoints)


def _resume(run: Run, resume: str | None) -> _Progress:
    """Put the learner where the checkpoint is, if there is one to resume from, and give the progress until then."""
    if resume is None:
        return _Progress()
    checkpoint = _checkpoint(run, resume)
    if checkpoint is None:
        run.folder.forget_after(0)
        run.listen(Note("no checkpoint to resume from: training starts at the beginning"))
        return _Progress()
    if changes := differences(checkpoint.state["identity"], run.identity):
        place = run.folder.path if resume == "auto" else resume
        raise CheckpointError(
            f"{place}: the run was made with other settings, so it cannot go on with these:\n" + "\n".join(changes)
        )
    if changes := differences(checkpoint.state["machine"], machine_of(run.learner.accelerator)):
        run.listen(Note("the machine has changed, so results may differ in the last digits:\n" + "\n".join(changes)))
    run.learner.restore(checkpoint)
    if resume != "auto":
        run.folder.take_over(Path(resume).resolve().parent.parent)
    progress = _progress_of(run, checkpoint)
    run.folder.forget_after(checkpoint.step, evaluated=progress.evaluated)
    run.listen(Note(f"resumed from step {checkpoint.step}"))
    return progress


def _progress_of(run: Run, checkpoint: Checkpoint) -> _Progress:
    """The progress until a checkpoint; where the best model it speaks of is gone, that of nothing evaluated yet."""
    progress = _Progress(**checkpoint.state["progress"])
    run.learner.accelerator.wait_for_everyone()
    if progress.scores is None or run.folder.best.exists():
        return progress
    run.listen(Note(f"the best model so far, of step {progress.step}, is gone: the best is found anew from here on"))
    return _Progress(evaluated=False)


def _checkpoint(run: Run, resume: str) -> Checkpoint | None:
    if resume != "auto":
        if RunFolder(Path(resume)).checkpoints.is_dir():
            raise ConfigError(
                f"--resume {resume}: is a run folder; give one of its checkpoints, or --resume auto with it as --out"
            )
        return load_checkpoint(Path(resume))
    found = latest_good_checkpoint(run.folder.checkpoints, warn=lambda text: run.listen(Note(text)))
    return found[1] if found else None
