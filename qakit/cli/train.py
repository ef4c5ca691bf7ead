"""`qakit train-qa`, `train-select`, `train-intent` and `train-slots`: the same options for every task."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qakit.cli import options as opt
from qakit.cli.console import emit, guarded, say_if_remote
from qakit.cli.printing import show_dry_run, show_folds, show_training

if TYPE_CHECKING:
    from qakit.config import TrainConfig
    from qakit.tasks.base import Task

_TRAINING, _FOLDS = "Training", "Cross-validation"

Train = Annotated[list[Path] | None, typer.Option(help="Data to learn from, in any schema; repeatable.")]
Dev = Annotated[list[Path] | None, typer.Option(help="Data to find the best model with; repeatable.")]
TrainOnDev = Annotated[
    bool | None,
    typer.Option("--train-on-dev", help="Learn from --dev too; nothing is evaluated then, and the last model kept."),
]
Folds = Annotated[
    int | None,
    typer.Option(
        rich_help_panel=_FOLDS, help="Train as many models, each without one part of the data, to be evaluated on it."
    ),
]
Fold = Annotated[
    int | None, typer.Option(rich_help_panel=_FOLDS, help="Only the model without this part, from 1 to --folds.")
]
Out = Annotated[Path | None, typer.Option(help="The run folder to make.")]
Model = Annotated[
    str | None,
    typer.Option(
        help="Encoder to start from: a hub name, a folder, or with --from-scratch a model type or config file; "
        "lstm or gru for intents and slots.",
        rich_help_panel="Models",
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        help="A hub name, a folder, a vocab.txt or `words` (of the training data); the model's own by default.",
        rich_help_panel="Models",
    ),
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
BatchTokens = Annotated[
    int | None,
    typer.Option(rich_help_panel=_TRAINING, help="Tokens per forward pass, padding included; replaces --batch-size."),
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
Patience = Annotated[
    int | None,
    typer.Option(rich_help_panel=_TRAINING, help="Stop after this many evaluations in a row without a new best."),
]
GradientCheckpointing = Annotated[
    bool | None,
    typer.Option(
        "--gradient-checkpointing", rich_help_panel=_TRAINING, help="Less memory, about a third more time per update."
    ),
]
Compile = Annotated[
    bool | None, typer.Option("--compile", rich_help_panel=_TRAINING, help="Let torch compile the model.")
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
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print all settings as YAML, and which are still needed, and exit.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Make three updates, tell steps, time and memory, and write nothing.")
]


# The setting that each parameter of a training command sets.
_SETTING_OF = {
    "out": "out",
    "metric": "metric",
    "train": "data.train",
    "dev": "data.dev",
    "context": "data.context",
    "train_on_dev": "data.train_on_dev",
    "folds": "data.folds",
    "fold": "data.fold",
    "model": "model.name",
    "tokenizer": "model.tokenizer",
    "from_scratch": "model.from_scratch",
    "epochs": "training.epochs",
    "max_steps": "training.max_steps",
    "batch_size": "training.batch_size",
    "batch_tokens": "training.batch_tokens",
    "accumulation": "training.accumulation",
    "learning_rate": "training.learning_rate",
    "schedule": "training.schedule",
    "warmup": "training.warmup",
    "precision": "training.precision",
    "gradient_checkpointing": "training.gradient_checkpointing",
    "compile_": "training.compile",
    "patience": "training.patience",
    "seed": "training.seed",
    "evaluate_every": "training.evaluate_every",
    "save_every": "training.save_every",
    "max_length": "windows.max_length",
    "overlap": "windows.overlap",
    "step": "windows.step",
    "match_length": "windows.match_length",
}


def _command(name: str, summary: str) -> Callable[..., None]:
    """A training command of the task `name`; the task's modules are loaded when it runs."""

    @guarded
    def command(
        train: Train = None,
        dev: Dev = None,
        train_on_dev: TrainOnDev = None,
        set_: opt.Set = None,
        out: Out = None,
        context: opt.Context = None,
        model: Model = None,
        tokenizer: Tokenizer = None,
        from_scratch: FromScratch = None,
        epochs: Epochs = None,
        max_steps: MaxSteps = None,
        batch_size: BatchSize = None,
        batch_tokens: BatchTokens = None,
        accumulation: Accumulation = None,
        learning_rate: LearningRate = None,
        schedule: Schedule = None,
        warmup: Warmup = None,
        gradient_checkpointing: GradientCheckpointing = None,
        compile_: Compile = None,
        precision: opt.Precision = None,
        max_length: opt.MaxLength = None,
        overlap: opt.Overlap = None,
        step: opt.Step = None,
        match_length: opt.MatchLength = None,
        evaluate_every: EvaluateEvery = None,
        save_every: SaveEvery = None,
        patience: Patience = None,
        metric: Metric = None,
        folds: Folds = None,
        fold: Fold = None,
        seed: opt.Seed = None,
        resume: Resume = None,
        overwrite: Overwrite = False,
        lenient: opt.Lenient = False,
        config: opt.ConfigFile = None,
        print_config: PrintConfig = False,
        dry_run: DryRun = False,
        json: opt.Json = False,
        quiet: opt.Quiet = False,
    ) -> None:
        given = locals()
        from qakit.config import TrainConfig
        from qakit.config.files import load_config, preview_config

        flags = {setting: given[parameter] for parameter, setting in _SETTING_OF.items()}
        sources: dict[str, Any] = {
            "files": config or (),
            "section": name,
            "overrides": set_ or (),
            "flags": {**flags, "data.lenient": lenient or None},
        }
        if print_config:
            emit(preview_config(TrainConfig, **sources))
            return
        if dry_run and out is None:
            sources["flags"]["out"] = Path("run")  # it is never made
        settings = load_config(TrainConfig, **sources)
        say_if_remote(*([] if quiet else [settings.model.name, settings.model.tokenizer]))
        if dry_run:
            _dry_run(_task(name), settings, json=json, quiet=quiet)
        else:
            _train(_task(name), settings, resume=resume, overwrite=overwrite, json=json, quiet=quiet)

    command.__doc__ = summary
    return command


def _train(
    task: "Task", settings: "TrainConfig", *, resume: str | None, overwrite: bool, json: bool, quiet: bool
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


def _dry_run(task: "Task", settings: "TrainConfig", *, json: bool, quiet: bool) -> None:
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
    summaries = {
        "select": "Train a model that chooses the paragraph which holds the answer.",
        "qa": "Train a model that finds the answer in its paragraph.",
        "intent": "Train a model that tells what a text wants.",
        "slots": "Train a model that tags the words of a text.",
    }
    for name, summary in summaries.items():
        app.command(f"train-{name}")(_command(name, summary))
