"""`qakit train-qa` and `qakit train-select`: the same options for every task."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qakit.cli import options as opt
from qakit.cli.console import emit, guarded, say_if_remote
from qakit.cli.results import show_training

if TYPE_CHECKING:
    from qakit.tasks.base import Task

_TRAINING = "Training"

Train = Annotated[list[Path] | None, typer.Option(help="Data to learn from, in any schema; repeatable.")]
Dev = Annotated[list[Path] | None, typer.Option(help="Data to find the best model with; repeatable.")]
Out = Annotated[Path | None, typer.Option(help="The run folder to make.")]
Model = Annotated[
    str | None,
    typer.Option(
        help="Encoder to start from: a hub name, a folder, or with --from-scratch a model type or config file.",
        rich_help_panel="Models",
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(help="A hub name, a folder or a vocab.txt; the model's own by default.", rich_help_panel="Models"),
]
FromScratch = Annotated[
    bool | None,
    typer.Option(
        "--from-scratch",
        help="Random weights; --set model.hidden_size=32 and the like shape them.",
        rich_help_panel="Models",
    ),
]
Epochs = Annotated[
    float | None, typer.Option(rich_help_panel=_TRAINING, show_default="2", help="Passes over the data.")
]
MaxSteps = Annotated[
    int | None, typer.Option(rich_help_panel=_TRAINING, help="At most this many updates; --epochs may end it sooner.")
]
BatchSize = Annotated[
    int | None, typer.Option(rich_help_panel=_TRAINING, show_default="8", help="Questions per forward pass.")
]
Accumulation = Annotated[
    int | None, typer.Option(rich_help_panel=_TRAINING, show_default="1", help="Forward passes per update.")
]
LearningRate = Annotated[
    float | None,
    typer.Option("--learning-rate", "--lr", rich_help_panel=_TRAINING, show_default="3e-05", help="Its highest value."),
]
Schedule = Annotated[
    str | None,
    typer.Option(
        metavar="linear|cosine|polynomial|constant",
        rich_help_panel=_TRAINING,
        show_default="linear",
        help="How the learning rate falls.",
    ),
]
Warmup = Annotated[
    float | None,
    typer.Option(
        rich_help_panel=_TRAINING,
        show_default="0.1",
        help="Share of updates (or their number) in which the learning rate rises.",
    ),
]
EvaluateEvery = Annotated[
    int | None, typer.Option(rich_help_panel=_TRAINING, help="Updates between evaluations; an epoch's by default.")
]
SaveEvery = Annotated[
    int | None,
    typer.Option(rich_help_panel=_TRAINING, help="Updates between checkpoints; those between evaluations by default."),
]
Metric = Annotated[
    str | None,
    typer.Option(
        metavar="hw7|adl|adl2021|drcd|cmrc|squad|squad2",
        rich_help_panel=_TRAINING,
        help="Scoring rule of the evaluations; the data's own by default.",
    ),
]
Resume = Annotated[
    str | None, typer.Option(metavar="auto|CHECKPOINT", rich_help_panel=_TRAINING, help="Go on where a run stopped.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --out holds.")]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print all settings as YAML and exit.")]


# The setting that each parameter of a training command sets.
_SETTING_OF = {
    "out": "out",
    "metric": "metric",
    "train": "data.train",
    "dev": "data.dev",
    "context": "data.context",
    "model": "model.name",
    "tokenizer": "model.tokenizer",
    "from_scratch": "model.from_scratch",
    "epochs": "training.epochs",
    "max_steps": "training.max_steps",
    "batch_size": "training.batch_size",
    "accumulation": "training.accumulation",
    "learning_rate": "training.learning_rate",
    "schedule": "training.schedule",
    "warmup": "training.warmup",
    "precision": "training.precision",
    "seed": "training.seed",
    "evaluate_every": "training.evaluate_every",
    "save_every": "training.save_every",
    "max_length": "windows.max_length",
    "overlap": "windows.overlap",
    "step": "windows.step",
}


def _command(load_task: Callable[[], "Task"], summary: str) -> Callable[..., None]:
    """A training command; the task's modules are loaded when it runs."""

    @guarded
    def command(
        train: Train = None,
        dev: Dev = None,
        set_: opt.Set = None,
        out: Out = None,
        context: opt.Context = None,
        model: Model = None,
        tokenizer: Tokenizer = None,
        from_scratch: FromScratch = None,
        epochs: Epochs = None,
        max_steps: MaxSteps = None,
        batch_size: BatchSize = None,
        accumulation: Accumulation = None,
        learning_rate: LearningRate = None,
        schedule: Schedule = None,
        warmup: Warmup = None,
        precision: opt.Precision = None,
        max_length: opt.MaxLength = None,
        overlap: opt.Overlap = None,
        step: opt.Step = None,
        evaluate_every: EvaluateEvery = None,
        save_every: SaveEvery = None,
        metric: Metric = None,
        seed: opt.Seed = None,
        resume: Resume = None,
        overwrite: Overwrite = False,
        lenient: opt.Lenient = False,
        config: opt.ConfigFile = None,
        print_config: PrintConfig = False,
        json: opt.Json = False,
        quiet: opt.Quiet = False,
    ) -> None:
        given = locals()
        from qakit.config import TrainConfig
        from qakit.config_files import load_config, to_yaml

        flags = {setting: given[name] for name, setting in _SETTING_OF.items()}
        settings = load_config(
            TrainConfig, config, overrides=set_ or (), flags={**flags, "data.lenient": lenient or None}
        )
        if print_config:
            emit(to_yaml(settings))
            return
        from qakit.cli.progress import training_progress
        from qakit.runs.train import train as run

        say_if_remote(*([] if quiet else [settings.model.name, settings.model.tokenizer]))
        with training_progress(quiet=quiet) as listen:
            result = run(load_task(), settings, resume=resume, overwrite=overwrite, listen=listen)
        show_training(result, json=json, quiet=quiet)

    command.__doc__ = summary
    return command


def _qa() -> "Task":
    from qakit.tasks.qa import QuestionAnswering

    return QuestionAnswering()


def _select() -> "Task":
    from qakit.tasks.select import ParagraphSelection

    return ParagraphSelection()


def register(app: typer.Typer) -> None:
    """Add one command a task to `app`."""
    app.command("train-select")(_command(_select, "Train a model that chooses the paragraph which holds the answer."))
    app.command("train-qa")(_command(_qa, "Train a model that finds the answer in its paragraph."))
