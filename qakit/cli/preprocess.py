"""`qakit preprocess`: options, and the printed report on the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qakit.cli import options as opt
from qakit.cli.console import emit_json, emit_line, guarded, say
from qakit.cli.printing import show_files
from qakit.config import PreprocessConfig
from qakit.report.text_tables import aligned

if TYPE_CHECKING:
    from qakit.data.leakage import Leak, Shared
    from qakit.data.records import Repair
    from qakit.runs.preprocess import PreprocessResult
    from qakit.spans.window_coverage import Reach

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...", help="Data files of any schema; plain text (.txt) too for --to cloze and tokenizer."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Folder to write to; without it, files are only checked.")]


@opt.with_settings(
    PreprocessConfig,
    *("to", "split", "candidates", "negatives", "first_answer", "script", "repair", "cloze", "vocabulary"),
    *("tokenizer", "reachability", "windows.max_length", "windows.overlap", "windows.step", "seed"),
)
@guarded
def preprocess(
    *,
    inputs: Inputs,
    out: Out = None,
    flags: opt.Flags,
    context: opt.Context = None,
    lenient: opt.Lenient = False,
    config: opt.ConfigFile = None,
    set_: opt.Set = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Check data files, report what they hold, convert and split them, add candidates, make questions from texts."""
    from qakit.config.files import load_config
    from qakit.runs import preprocess as run

    settings = load_config(PreprocessConfig, config or (), overrides=set_ or (), flags=flags)
    result = run.preprocess(inputs, settings, context=context, lenient=lenient, out=out)
    show_preprocessing(result, json=json, quiet=quiet)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("preprocess")(preprocess)


_SHOWN_REPAIRS, _SHOWN_EXAMPLES, _SHOWN_TEXT = 5, 3, 40
_SHARED = "shared, with % of the first and of the second"


def show_preprocessing(result: "PreprocessResult", *, json: bool, quiet: bool) -> None:
    """Print the report: a table with one column per part of the data, or JSON."""
    if json:
        emit_json(
            {
                "report": result.report,
                "leakage": list(map(_leak, result.leaks)),
                "reachability": {name: list(map(asdict, reaches)) for name, reaches in result.reach.items()},
                "repairs": list(map(asdict, result.repairs)),
                "files": list(map(str, result.files)),
                "notes": result.notes,
            }
        )
    else:
        for line in chain(_columns(result.report), _leak_lines(result.leaks), _reach_lines(result.reach)):
            emit_line(line)
    if not quiet:
        for note in result.notes:
            say(note)
        for line in _repaired(result.repairs):
            say(line)
        show_files(result.files)


def _leak(leak: "Leak") -> dict[str, Any]:
    """A leak as JSON values; `asdict` alone would write named tuples as lists."""
    kinds = {name: getattr(leak, name) for name in ("questions", "paragraphs")}
    counts = {
        name: {**asdict(shared), "examples": [example._asdict() for example in shared.examples]}
        for name, shared in kinds.items()
    }
    return {"first": leak.first, "second": leak.second, **counts}


def _leak_lines(leaks: "Sequence[Leak]") -> Iterator[str]:
    """A line per pair of parts that share questions or paragraphs, with percentages; then examples."""
    found = [leak for leak in leaks if leak.questions.count or leak.paragraphs.count]
    if leaks and not found:
        yield from ("", "no two parts share a question or a paragraph")
    if not found:
        return
    pairs = [f"{leak.first}, {leak.second}" for leak in found]
    width = max(map(len, [_SHARED, *pairs]))
    yield ""
    yield f"{_SHARED:<{width}}   questions    %    %  paragraphs    %    %"
    for pair, leak in zip(pairs, found, strict=True):
        yield f"{pair:<{width}}  {_share(leak.questions)}  {_share(leak.paragraphs)}"
    for leak in found[:_SHOWN_EXAMPLES]:
        shared = leak.questions if leak.questions.count else leak.paragraphs
        text, first, second = shared.examples[0]
        yield f"such as {_cut(text)} ({leak.first} {first}, {leak.second} {second})"


def _share(shared: "Shared") -> str:
    return f"{shared.count:>10}  {shared.first:>3.0f}  {shared.second:>3.0f}"


def _reach_lines(parts: "Mapping[str, Sequence[Reach]]") -> Iterator[str]:
    """A table per part, with a line per window length and overlap."""
    for name, reaches in parts.items():
        yield from ("", name)
        yield "window  overlap  windows a question  tokens a question  % of answers whole in one"
        for reach in reaches:
            held = "-" if reach.held is None else f"{reach.held:.2f}"
            counts = f"{reach.windows:>18.2f}  {reach.tokens:>17.1f}  {held:>25}"
            yield f"{reach.max_length:>6}  {reach.overlap:>7}  {counts}"


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_TEXT else text[:_SHOWN_TEXT] + "…")


def _repaired(repairs: "Sequence[Repair]") -> Iterator[str]:
    """The number of repairs and the first of them."""
    if repairs:
        records = len({(repair.file, repair.record) for repair in repairs})
        yield f"repaired: {len(repairs)} fields of {records} records"
        yield from (f"  {repair}" for repair in repairs[:_SHOWN_REPAIRS])
        if len(repairs) > _SHOWN_REPAIRS:
            yield f"  ... and {len(repairs) - _SHOWN_REPAIRS} more"


def _columns(report: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The report as a table: a row per figure, a column per part."""
    columns = [dict(_flat(part)) for part in report.values()]
    names = list(dict.fromkeys(name for column in columns for name in column))
    table = [
        ["", *report],
        *([name.replace("_", " "), *(_cell(column.get(name)) for column in columns)] for name in names),
    ]
    yield from aligned(table)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a nested mapping, by their keys joined with spaces."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield prefix + name, value


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
