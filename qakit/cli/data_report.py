"""How `preprocess` tells of data: a table with one column for each part, then what was changed and found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from qakit.cli.console import emit, emit_json, say
from qakit.cli.results import show_files

if TYPE_CHECKING:
    from qakit.data.records import Repair
    from qakit.runs.outputs import PreprocessResult

_SHOWN_REPAIRS = 5


def show_preprocessing(result: "PreprocessResult", *, json: bool, quiet: bool) -> None:
    """The report: as a table with one column for each part of the data, or as JSON."""
    if json:
        emit_json(
            {
                "report": result.report,
                "repairs": list(map(asdict, result.repairs)),
                "files": list(map(str, result.files)),
                "notes": result.notes,
            }
        )
    else:
        for line in _columns(result.report):
            emit(line)
    if not quiet:
        for note in result.notes:
            say(note)
        for line in _repaired(result.repairs):
            say(line)
        show_files(result.files)


def _repaired(repairs: "Sequence[Repair]") -> Iterator[str]:
    """The first changes and how many there are in all."""
    if repairs:
        records = len({(repair.file, repair.record) for repair in repairs})
        yield f"repaired: {len(repairs)} fields of {records} records"
        yield from (f"  {repair}" for repair in repairs[:_SHOWN_REPAIRS])
        if len(repairs) > _SHOWN_REPAIRS:
            yield f"  ... and {len(repairs) - _SHOWN_REPAIRS} more"


def _columns(report: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One line a number, one column a part."""
    columns = [dict(_flat(part)) for part in report.values()]
    names = list(dict.fromkeys(name for column in columns for name in column))
    table = [
        ["", *report],
        *([name.replace("_", " "), *(_cell(column.get(name)) for column in columns)] for name in names),
    ]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for first, *cells in table:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *padded])


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a nested mapping by their spaced names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield prefix + name, value


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
