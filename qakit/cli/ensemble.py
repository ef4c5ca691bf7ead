"""`qakit ensemble`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qakit.cli import labelled
from qakit.cli import options as opt
from qakit.cli.console import guarded
from qakit.cli.options import Wanted
from qakit.cli.printing import show_predictions, show_report, told_of
from qakit.config import EnsembleConfig
from qakit.config.base import WEIGHTS

if TYPE_CHECKING:
    from qakit.runs.ensemble_weights import EnsembleRequest

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
    from qakit.runs.ensemble_weights import EnsembleRequest
    from qakit.tasks.labels.scores import is_label_scores_file

    settings = load_config(EnsembleConfig, config or (), overrides=set_ or (), flags=flags)
    request = EnsembleRequest(tuple(scores), tune_on, tuple(tune_scores or ()), data, gold, context)
    wanted = Wanted(out, format, None, nbest_out, json=json, quiet=quiet)
    if is_label_scores_file(scores[0]):
        labelled.ensemble(request, settings, wanted)
    else:
        _of_questions(request, settings, wanted)


def _of_questions(request: "EnsembleRequest", settings: EnsembleConfig, wanted: Wanted) -> None:
    from qakit.errors import ConfigError
    from qakit.runs import ensemble as run

    if settings.oos_threshold is not None:
        raise ConfigError("oos_threshold: is for intents, and these are scores of questions; leave it out")
    result = run.ensemble(request, settings, out=wanted.out, format=wanted.format, nbest_out=wanted.nbest_out)
    told = told_of(result.report, result.weights)
    show_predictions(result, json=wanted.json, quiet=wanted.quiet, told=told)
    show_report(result.report, result.weights, wanted, has_files=bool(result.files))


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ensemble")(ensemble)
