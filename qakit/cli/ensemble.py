"""`qakit ensemble`."""

from pathlib import Path
from typing import Annotated

import typer

from qakit.cli import options as opt
from qakit.cli.console import guarded
from qakit.cli.results import show_predictions

Scores = Annotated[list[Path], typer.Argument(metavar="SCORES...", help="Scores files written by predict --scores.")]
Method = Annotated[str | None, typer.Option(metavar="mean|vote", show_default="mean", help="How to combine.")]
Out = Annotated[Path | None, typer.Option(help="File for the predictions; standard output when not given.")]


@guarded
def ensemble(
    scores: Scores,
    out: Out = None,
    method: Method = None,
    format: opt.Format = None,
    nbest: opt.NBest = None,
    nbest_out: opt.NBestOut = None,
    config: opt.ConfigFile = None,
    set_: opt.Set = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Combine the scores files of several models, whatever their tokenizers."""
    from qakit.config import EnsembleConfig
    from qakit.config_files import load_config
    from qakit.runs import ensemble as run

    settings = load_config(EnsembleConfig, config or (), overrides=set_ or (), flags={"method": method, "nbest": nbest})
    result = run.ensemble(scores, settings, out=out, format=format, nbest_out=nbest_out)
    show_predictions(result, json=json, quiet=quiet)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ensemble")(ensemble)
