"""`qakit evaluate`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from qakit.cli import labelled
from qakit.cli import options as opt
from qakit.cli.console import emit_json, guarded, plain, say_if_remote, show
from qakit.cli.options import Asked
from qakit.cli.printing import show_evaluation, show_files
from qakit.config import ReadConfig
from qakit.data.lint.findings import KINDS, Finding, Level
from qakit.data.records import shorten
from qakit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from qakit.runs.lint import LintRequest, LintResult

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

    Data of intents or slots is scored as such: --pred, or a --model of the task.
    """
    given = locals()
    if lint or format or longest:
        from qakit.runs.lint import LintRequest

        others = ("scores", "model", "selector", "details", "report", "compare", "tune", "slices")
        check_lint({name: given[name] for name in others}, lint=lint)
        if data and labelled.schema_asked(Asked(data)):
            raise ConfigError(
                "--lint: is for answers to questions; qakit evaluate --pred checks labels as it scores them"
            )
        lint_predictions(LintRequest(pred, data, gold, context, format, metric, longest, lenient), json=json)
        return
    settings = opt.reading_config(config, set_, flags)
    if data and (schema := labelled.schema_asked(Asked(data))):
        labelled.evaluate(schema, given, settings)
        return
    from qakit.runs import evaluate as run

    request = run.EvaluateRequest(
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
        lenient=lenient,
        tune=tuple(tune or ()),
    )
    say_if_remote(*([] if quiet else [model, selector]))
    result = run.evaluate(request, settings)
    show_evaluation(result, json=json, slices=slices)
    show_files([] if quiet else [file for file in (details, report) if file])


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("evaluate")(evaluate)


_EXAMPLES = 3
_STYLES: dict[Level, str] = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}


def check_lint(others: Mapping[str, object], *, lint: bool) -> None:
    """Make sure that lint is asked for, and nothing that it has no place for.

    Args:
        others: options by their names, of which none may be given.

    Raises:
        ConfigError: naming the flag.
    """
    if not lint:
        raise ConfigError("--format and --longest say what --lint is to expect; give --lint too")
    for name, value in others.items():
        if value:
            raise ConfigError(f"--lint looks at a file of predictions; leave --{name} out")


def lint_predictions(request: "LintRequest", *, json: bool) -> None:
    """Show what is wrong with a prediction file.

    Raises:
        typer.Exit: with the code of bad data, where a fault is an error.
    """
    from qakit.runs.lint import lint

    result = lint(request)
    if json:
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
