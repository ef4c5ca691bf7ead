"""`qakit train-qa` and its siblings: one command per task, with the same options."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qakit.cli import options as opt
from qakit.cli.console import emit, guarded, say_if_remote
from qakit.cli.printing import show_dry_run, show_folds, show_training
from qakit.config import TrainConfig
from qakit.config.base import TASK_SUMMARIES, TRAINING

if TYPE_CHECKING:
    from qakit.tasks.base import Task

Resume = Annotated[
    str | None, typer.Option(metavar="auto|CHECKPOINT", rich_help_panel=TRAINING, help="Go on where a run stopped.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --out holds.")]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print all settings as YAML, and which are still needed, and exit.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Make three updates, report steps, time and memory, and write nothing.")
]


def _command(name: str, summary: str) -> Callable[..., None]:
    """A training command of the task `name`; the task's modules are loaded when it runs."""

    @opt.with_settings(
        TrainConfig,
        *("data.train", "data.dev", "data.train_on_dev", "out", "model", "windows", "training", "metric", "data"),
    )
    @guarded
    def command(
        *,
        set_: opt.Set = None,
        flags: opt.Flags,
        resume: Resume = None,
        overwrite: Overwrite = False,
        config: opt.ConfigFile = None,
        print_config: PrintConfig = False,
        dry_run: DryRun = False,
        json: opt.Json = False,
        quiet: opt.Quiet = False,
    ) -> None:
        from qakit.config.files import load_config, preview_config

        files, overrides = config or (), set_ or ()
        if print_config:
            emit(preview_config(TrainConfig, files, section=name, overrides=overrides, flags=flags))
            return
        if dry_run and flags["out"] is None:
            flags = {**flags, "out": Path("run")}  # a dry run needs no folder, but the config does
        settings = load_config(TrainConfig, files, section=name, overrides=overrides, flags=flags)
        say_if_remote(*([] if quiet else [settings.model.name, settings.model.tokenizer]))
        if dry_run:
            _dry_run(_task(name), settings, json=json, quiet=quiet)
        else:
            _train(_task(name), settings, resume=resume, overwrite=overwrite, json=json, quiet=quiet)

    command.__doc__ = summary
    return command


def _train(
    task: "Task", settings: TrainConfig, *, resume: str | None, overwrite: bool, json: bool, quiet: bool
) -> None:
    from qakit.cli.progress import training_progress
    from qakit.runs.folds import train_fold, train_folds
    from qakit.runs.train import train

    if settings.data.folds is not None and settings.data.fold is None:
        with training_progress(quiet=quiet) as listen:
            folds = train_folds(task, settings, resume=resume, overwrite=overwrite, listen=listen)
        show_folds(folds, json=json, quiet=quiet)
        return
    with training_progress(quiet=quiet) as listen:
        training = train if settings.data.fold is None else train_fold
        result = training(task, settings, resume=resume, overwrite=overwrite, listen=listen)
    show_training(result, json=json, quiet=quiet)


def _dry_run(task: "Task", settings: TrainConfig, *, json: bool, quiet: bool) -> None:
    from qakit.cli.progress import training_progress
    from qakit.runs.dry_run import dry_run

    with training_progress(quiet=quiet) as listen:
        result = dry_run(task, settings, listen=listen)
    show_dry_run(result, json=json)


def _task(name: str) -> "Task":
    from qakit.tasks.registry import TASKS

    return TASKS[name]


def register(app: typer.Typer) -> None:
    """Add one command a task to `app`."""
    for name, summary in TASK_SUMMARIES.items():
        app.command(f"train-{name}")(_command(name, summary))
