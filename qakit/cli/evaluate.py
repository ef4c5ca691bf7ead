"""`qakit evaluate`."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from qakit.cli import options as opt
from qakit.cli.console import emit_json, guarded, plain, say_if_remote, show
from qakit.cli.printing import Output, show_evaluation, show_files
from qakit.config import ReadConfig
from qakit.data.lint.findings import KINDS, Finding, Level
from qakit.data.records import shorten
from qakit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from qakit.runs.evaluate import LintRequest, LintResult
    from qakit.tasks.base import Task
    from qakit.tasks.requests import EvaluateRequest

Pred = Annotated[Path | None, typer.Option(help="Predictions to score: CSV, JSON, jsonl or parquet.")]
Scores = Annotated[Path | None, typer.Option(help="A scores file to score.")]
Data = Annotated[
    Path | None, typer.Option(help="The questions with their answers, in any schema; or texts with their labels.")
]
Gold = Annotated[Path | None, typer.Option(help="A file of right answers (id,answer), for data without answers.")]
Metric = Annotated[
    str | None,
    typer.Option(metavar="hw7|adl|adl2021|drcd|cmrc|squad|squad2", help="Scoring rule; the data's own by default."),
]
Tune = Annotated[
    list[str] | None,
    typer.Option(
        metavar="length|temperature|joint|null|oos",
        help="Find what scores best on --data, and keep it with --model; repeatable.",
    ),
]
Compare = Annotated[
    list[Path] | None,
    typer.Option(help="Predictions or a scores file of the same data to compare with; repeatable."),
]
Slices = Annotated[bool, typer.Option("--slices", help="Show the scores of groups of questions that are alike.")]
Lint = Annotated[bool, typer.Option("--lint", help="Do not score --pred, but list what is wrong with it.")]
Form = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="hw7|adl2022|adl2021|squad|csv|jsonl|parquet",
        help="With --lint, what --pred is to be; what the contest of --metric or of the data takes when not given.",
    ),
]
Longest = Annotated[
    int | None,
    typer.Option(min=1, help="With --lint, characters of the longest answer; of the longest right one, or 30."),
]
Report = Annotated[Path | None, typer.Option(help="A page of scores, losses and questions for the browser: .html.")]
Details = Annotated[Path | None, typer.Option(help="Each question's scores: .csv, .json, .jsonl or .parquet.")]


@opt.with_settings(
    ReadConfig,
    *("decoding.joint_paragraphs", "decoding.joint_weight", "decoding.max_answer_length"),
    *("windows.max_length", "windows.overlap", "windows.step", "inference"),
)
@guarded
def evaluate(
    *,
    pred: Pred = None,
    scores: Scores = None,
    model: opt.Model = None,
    selector: opt.Selector = None,
    data: Data = None,
    gold: Gold = None,
    context: opt.Context = None,
    metric: Metric = None,
    compare: Compare = None,
    slices: Slices = False,
    details: Details = None,
    report: Report = None,
    tune: Tune = None,
    lint: Lint = False,
    format: Form = None,
    longest: Longest = None,
    flags: opt.Flags,
    lenient: opt.Lenient = False,
    config: opt.ConfigFile = None,
    set_: opt.Set = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Score predictions, a scores file, or what models answer; or look for faults in predictions (--lint).

    Texts with labels are scored as such: --pred, or a --model of their task.
    """
    from qakit.tasks.registry import task_of_data
    from qakit.tasks.requests import EvaluateRequest

    request = EvaluateRequest(
        pred=pred,
        scores=scores,
        model=model,
        selector=selector,
        data=data,
        gold=gold,
        context=context,
        metric=metric,
        details=details,
        report=report,
        compare=tuple(compare or ()),
        slices=slices,
        lenient=lenient,
        tune=tuple(tune or ()),
    )
    output = Output(json, quiet)
    task = task_of_data(data, model)
    if lint or format or longest:
        from qakit.runs.evaluate import LintRequest

        _lint(
            task, LintRequest(pred, data, gold, context, format, metric, longest, lenient), request, output, lint=lint
        )
        return
    from qakit.runs import evaluate as run

    settings = opt.reading_config(config, set_, flags)
    say_if_remote(*([] if quiet else [model, selector]))
    result, files = run.evaluate(task, request, settings)
    show_evaluation(result, output, slices=slices)
    show_files([] if quiet else files)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("evaluate")(evaluate)


_EXAMPLES = 3
_STYLES: dict[Level, str] = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}


def _lint(task: "Task", request: "LintRequest", evaluation: "EvaluateRequest", output: Output, *, lint: bool) -> None:
    """Show what is wrong with a prediction file.

    Raises:
        ConfigError: --lint is not given, or an option that it has no use for is.
        typer.Exit: with the code of bad data, where a fault is an error.
    """
    from qakit.runs.evaluate import lint as look_at
    from qakit.tasks.requests import given_options

    if not lint:
        raise ConfigError("--format and --longest say what --lint is to expect; give --lint too")
    unused = ("scores", "model", "selector", "details", "report", "compare", "tune", "slices")
    for name in given_options(evaluation):
        if name in unused:
            raise ConfigError(f"--lint looks at a file of predictions; leave --{name} out")
    result = look_at(task, request)
    if output.json:
        emit_json(result.summary())
    else:
        show(Text("\n").join(_lines(result)))
    if result.counts["error"]:
        raise typer.Exit(DataError.exit_code)


def _lines(result: "LintResult") -> Iterator[Text]:
    counts = ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in result.counts.items())
    form = f", as {result.form}" if result.form else ""
    yield plain(f"{result.pred}: {result.total} predictions for {result.questions} questions{form}: {counts}")
    groups: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in result.findings:
        groups[finding.kind].append(finding)
    names = max(map(len, groups), default=0)
    digits = max((len(str(len(group))) for group in groups.values()), default=0)
    for kind, group in groups.items():
        level = result.level(group[0])
        expected = f"{kind:<{names}}  {len(group):>{digits}}  {KINDS[kind].expected}"
        yield Text.assemble((f"{level:<7}", _STYLES[level]), f"  {expected}")
        indent = " " * (7 + 2 + names + 2 + digits + 2)
        yield from (plain(indent + _example(finding)) for finding in group[:_EXAMPLES])
        if len(group) > _EXAMPLES:
            yield plain(f"{indent}... and {len(group) - _EXAMPLES} more")


def _example(finding: Finding) -> str:
    named = f"id {shorten(finding.id)}" if finding.id and shorten(finding.id) not in finding.message else ""
    place = f"{finding.place} ({named})" if finding.place and named else finding.place or named
    return f"{place}: {finding.message}" if place else finding.message
