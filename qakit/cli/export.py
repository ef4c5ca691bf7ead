"""`qakit export`: write a trained model for the hub, or as ONNX."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qakit.cli import options as opt
from qakit.cli.console import emit_json, guarded, say, say_if_remote
from qakit.cli.printing import show_files, show_trimming
from qakit.config.base import SETTINGS

Source = Annotated[str, typer.Argument(metavar="MODEL", help="A run folder, a folder or a hub name.")]
Out = Annotated[Path, typer.Option(help="The folder to make.")]
Precision = Annotated[
    str,
    typer.Option(
        metavar="fp32|bf16|fp16", help="Number format of the weights; fp16 and bf16 take half the space of fp32."
    ),
]
To = Annotated[
    str,
    typer.Option(metavar="torch|onnx|int8", help="Runtime; onnx and int8 are compared with the original."),
]
MaxLength = Annotated[
    int | None, typer.Option(help="Tokens of a window; as in training when not given.", rich_help_panel=SETTINGS)
]
Data = Annotated[
    Path | None, typer.Option(help="Questions to compare an ONNX model on; one built-in sample when not given.")
]
Trim = Annotated[
    list[Path] | None,
    typer.Option(
        "--trim-vocabulary",
        metavar="TEXTS",
        help="Keep the pieces that these texts or data files need, and all letters; repeatable.",
    ),
]
Characters = Annotated[
    bool, typer.Option("--characters", help="With --trim-vocabulary, make each Chinese character a token of its own.")
]
Card = Annotated[Path | None, typer.Option(help="A model card to use as README.md.")]


@guarded
def export(
    model: Source,
    out: Out,
    to: To = "torch",
    precision: Precision = "fp32",
    max_length: MaxLength = None,
    data: Data = None,
    card: Card = None,
    trim_vocabulary: Trim = None,
    characters: Characters = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Write a trained model without its run: for the hub and transformers, or as ONNX for onnxruntime."""
    from typing import get_args

    from qakit import config
    from qakit.errors import ConfigError
    from qakit.runs import export as run

    if precision not in get_args(config.Precision):
        raise ConfigError(f"--precision {precision}: expected one of {', '.join(get_args(config.Precision))}")
    say_if_remote(*([] if quiet else [model]))
    result = run.export(
        model,
        out,
        to=to,
        precision=precision,  # type: ignore[arg-type]
        max_length=max_length,
        card=card,
        data=data,
        trim=trim_vocabulary or (),
        characters=characters,
    )
    if json:
        trimmed = {"trimmed": asdict(result.trimmed)} if result.trimmed else {}
        emit_json({"files": result.files, "parity": result.parity._asdict() if result.parity else None, **trimmed})
    if quiet:
        return
    show_files(result.files)
    for note in result.notes:
        say(note)
    if report := result.trimmed:
        show_trimming(report)
    if parity := result.parity:
        say(f"compared on {parity.questions} questions: {parity.same:.2f} % the same answer")
        say(f"largest difference of a logit: {parity.logit_difference:.2g}")
        for name, value in parity.before.items():
            say(f"{name}: {value:.2f} before, {parity.after[name]:.2f} after")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("export")(export)
