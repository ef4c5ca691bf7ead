"""`qakit export`."""

from pathlib import Path
from typing import Annotated

import typer

from qakit.cli import options as opt
from qakit.cli.console import guarded, say_if_remote
from qakit.cli.results import show_files

Source = Annotated[str, typer.Argument(metavar="MODEL", help="A run folder, a folder or a hub name.")]
Out = Annotated[Path, typer.Option(help="The folder to make.")]
Precision = Annotated[
    str, typer.Option(metavar="fp32|bf16|fp16", help="Number format of the weights: fp16 is half of fp32's size.")
]
Card = Annotated[Path | None, typer.Option(help="A file to be its README.md.")]


@guarded
def export(model: Source, out: Out, precision: Precision = "fp32", card: Card = None, quiet: opt.Quiet = False) -> None:
    """Write a trained model alone, to ship or to load with transformers."""
    from typing import get_args

    from qakit import config
    from qakit.errors import ConfigError
    from qakit.runs import export as run

    if precision not in get_args(config.Precision):
        raise ConfigError(f"--precision {precision}: expected one of {', '.join(get_args(config.Precision))}")
    say_if_remote(*([] if quiet else [model]))
    files = run.export(model, out, precision=precision, card=card)  # type: ignore[arg-type]
    if not quiet:
        show_files(files)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("export")(export)
