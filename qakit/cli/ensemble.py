"""`qakit ensemble`."""

from pathlib import Path
from typing import Annotated

import typer

from qakit.cli import options as opt
from qakit.cli.console import guarded
from qakit.cli.printing import Output, ensemble_json, show_predictions, show_report
from qakit.config import EnsembleConfig
from qakit.config.base import WEIGHTS

Scores = Annotated[list[Path], typer.Argument(metavar="SCORES...", help="Scores files written by predict --scores.")]
TuneOn = Annotated[
    Path | None,
    typer.Option(help="Labelled data on which greedy chooses the weights.", rich_help_panel=WEIGHTS),
]
TuneScores = Annotated[
    list[Path] | None,
    typer.Option(
        help="The same members' scores files of --tune-on, one each; SCORES when not given.", rich_help_panel=WEIGHTS
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="The data of SCORES, with answers or labels: tells what each member adds.", rich_help_panel=WEIGHTS
    ),
]
Gold = Annotated[Path | None, typer.Option(help="Answers, for --data of questions without.", rich_help_panel=WEIGHTS)]
Out = Annotated[Path | None, typer.Option(help="File for the predictions; standard output when not given.")]


@opt.with_settings(EnsembleConfig, "method", "average", "weights", "metric", "nbest")
@guarded
def ensemble(
    *,
    scores: Scores,
    out: Out = None,
    flags: opt.Flags,
    tune_on: TuneOn = None,
    tune_scores: TuneScores = None,
    data: Data = None,
    gold: Gold = None,
    context: opt.Context = None,
    format: opt.Format = None,
    nbest_out: opt.NBestOut = None,
    config: opt.ConfigFile = None,
    set_: opt.Set = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Combine the scores files of several models, whatever their tokenizers."""
    from qakit.config.files import load_config
    from qakit.runs import ensemble as run
    from qakit.tasks.registry import task_of_scores
    from qakit.tasks.requests import EnsembleRequest

    settings = load_config(EnsembleConfig, config or (), overrides=set_ or (), flags=flags)
    request = EnsembleRequest(tuple(scores), tune_on, tuple(tune_scores or ()), data, gold, context, format)
    output, task = Output(json, quiet), task_of_scores(scores[0])
    result = run.ensemble(task, request, settings, out=out, nbest_out=nbest_out)
    show_predictions(task, result, output, told=ensemble_json(result.report, result.weights))
    show_report(result.report, result.weights, output, has_files=bool(result.files))


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ensemble")(ensemble)
