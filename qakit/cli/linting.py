"""`qakit evaluate --lint`: how the faults of a prediction file look."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from qakit.cli.console import emit_json, plain, show
from qakit.data.lint.findings import KINDS, Finding, Level
from qakit.data.records import shorten
from qakit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from qakit.runs.lint import LintRequest, LintResult

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
