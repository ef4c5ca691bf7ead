"""`qakit ensemble`."""

from pathlib import Path
from typing import Annotated

import typer

from qakit.cli import options as opt
from qakit.cli.console import guarded
from qakit.cli.evaluate import Metric
from qakit.cli.printing import Output, ensemble_json, show_predictions, show_report

_WEIGHTS = "Weights and scores"
Scores = Annotated[list[Path], typer.Argument(metavar="SCORES...", help="Scores files written by predict --scores.")]
Method = Annotated[str | None, typer.Option(metavar="mean|vote|greedy", show_default="mean", help="How to combine.")]
Average = Annotated[
    str | None,
    typer.Option(metavar="log|probability", show_default="log", help="What the mean and greedy are an average of."),
]
Weights = Annotated[
    str | None,
    typer.Option(metavar="W,W,...", help="One weight for each of SCORES; 0 leaves out.", rich_help_panel=_WEIGHTS),
]
TuneOn = Annotated[
    Path | None,
    typer.Option(help="Labelled data on which greedy chooses the weights.", rich_help_panel=_WEIGHTS),
]
TuneScores = Annotated[
    list[Path] | None,
    typer.Option(
        help="The same members' scores files of --tune-on, one each; SCORES when not given.", rich_help_panel=_WEIGHTS
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="The data of SCORES, with answers or labels: tells what each member adds.", rich_help_panel=_WEIGHTS
    ),
]
Gold = Annotated[Path | None, typer.Option(help="Answers, for --data of questions without.", rich_help_panel=_WEIGHTS)]
Out = Annotated[Path | None, typer.Option(help="File for the predictions; standard output when not given.")]


@guarded
def ensemble(
    scores: Scores,
    out: Out = None,
    method: Method = None,
    average: Average = None,
    weights: Weights = None,
    tune_on: TuneOn = None,
    tune_scores: TuneScores = None,
    data: Data = None,
    gold: Gold = None,
    context: opt.Context = None,
    metric: Metric = None,
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
    from qakit.config.files import load_config
    from qakit.runs import ensemble as run
    from qakit.tasks.base import EnsembleRequest
    from qakit.tasks.registry import task_of_scores

    listed = weights.split(",") if weights else None
    flags = {"method": method, "average": average, "weights": listed, "metric": metric, "nbest": nbest}
    settings = load_config(EnsembleConfig, config or (), overrides=set_ or (), flags=flags)
    request = EnsembleRequest(tuple(scores), tune_on, tuple(tune_scores or ()), data, gold, context, format)
    output, task = Output(json, quiet), task_of_scores(scores[0])
    result = run.ensemble(task, request, settings, out=out, nbest_out=nbest_out)
    show_predictions(task, result, output, told=ensemble_json(result.report, result.weights))
    show_report(result.report, result.weights, output, has_files=bool(result.files))


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ensemble")(ensemble)
