"""The command line: `app`, with one module per verb. Heavy packages are imported only when a command runs.

In: arguments. Out: results on standard output, messages on standard error, an exit code.
"""

import os
from typing import Annotated

import typer

from qakit import __version__
from qakit.cli import ensemble, evaluate, export, predict, preprocess, train
from qakit.cli.console import Commands, set_debug

app = typer.Typer(
    name="qakit",
    cls=Commands,
    help="Extractive question answering on transformers, Chinese first: train, evaluate, predict, ensemble.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"qakit {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of every error.")] = False,
) -> None:
    set_debug(debug)


preprocess.register(app)
train.register(app)
evaluate.register(app)
predict.register(app)
ensemble.register(app)
export.register(app)


def main() -> None:
    """Run the command line; transformers and the hub stay quiet unless their environment variables say otherwise."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    app()
