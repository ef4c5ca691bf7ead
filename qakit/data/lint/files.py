"""Prediction files read past their faults: as much of them as can be understood, and what is wrong with their form."""

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qakit.data.formats.file_content import load_content
from qakit.data.formats.shapes import describe
from qakit.data.lint.answers import Entry
from qakit.data.lint.findings import Finding
from qakit.data.predictions import CSV_HEADERS
from qakit.data.records import shorten
from qakit.errors import DataError, QakitError
from qakit.io import UTF8_BOM, read_bytes, surrogate_fault

Layout = Literal["csv", "json", "jsonl", "parquet"]

_LAYOUT_OF: Mapping[str, Layout] = {
    "hw7": "csv",
    "adl2022": "csv",
    "csv": "csv",
    "adl2021": "json",
    "squad": "json",
    "jsonl": "jsonl",
    "parquet": "parquet",
}
_OTHER_ENCODINGS = ("cp950", "gb18030")  # Big5 and GBK, as Chinese systems write
_FEW_BAD = 0.02  # share of a text's characters beyond ASCII: so many bad ones are damage, and not another encoding


@dataclass(frozen=True, slots=True)
class LooseFile:
    """What a prediction file holds, and the faults of its form; no entry where it cannot be read at all."""

    layout: Layout
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]


def read_loosely(path: Path, form: str | None = None, ids: Collection[str] = ()) -> LooseFile:
    """The predictions of a file that may be broken.

    Args:
        form: the prediction format that it is to have (`qakit.data.predictions`); None to take any.
        ids: those of the data; they tell a first row of answers from a header.

    Raises:
        DataError: there is no such file, or nothing in it.
    """
    raw = read_bytes(path)
    if raw.startswith(b"PAR1"):
        return _with_form(_parquet(path), form)
    text, findings = _decoded(raw)
    layout = _layout(text, path)
    if layout == "csv":
        expected = CSV_HEADERS.get(form) if form else None
        entries, faults = read_table(text, expected, ids)
    else:
        entries, faults = (read_object if layout == "json" else read_lines)(text)
    return _with_form(LooseFile(layout, tuple(entries), (*findings, *faults)), form)


def _layout(text: str, path: Path) -> Layout:
    """As the strict reader tells it (`qakit.data.formats.file_content`), but that no JSON needs to be whole."""
    start = text.lstrip()
    if not start.startswith(("{", "[")):
        return "csv"
    first, _, rest = start.rstrip().partition("\n")
    one_each = first.startswith("{") and rest and (first.rstrip().endswith("}") or rest.startswith("{"))
    return "jsonl" if one_each or path.suffix in (".jsonl", ".ndjson") or is_one_line(text) else "json"


def _with_form(loose: LooseFile, form: str | None) -> LooseFile:
    expected = _LAYOUT_OF.get(form) if form else None
    if expected in (None, loose.layout):
        return loose
    fault = Finding("form", f"found {loose.layout}; {form} takes {expected}")
    return LooseFile(loose.layout, loose.entries, (fault, *loose.findings))


def _parquet(path: Path) -> LooseFile:
    try:
        rows = load_content(path).rows
    except DataError as error:
        return LooseFile("parquet", (), tuple(Finding("syntax", problem.message) for problem in error.problems))
    entries, findings = read_lines((row.place, row.value) for row in rows)
    return LooseFile("parquet", tuple(entries), tuple(findings))


def _decoded(raw: bytes) -> tuple[str, list[Finding]]:
    """The text of the bytes, whatever their encoding, and what is wrong with that."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in raw[:2]:
        name = "utf-16-be" if raw.startswith((b"\xfe\xff", b"\x00")) else "utf-16-le"
        return raw.decode(name, "replace").removeprefix("\ufeff"), [Finding("encoding", "found UTF-16")]
    findings = [Finding("byte order mark", "the file begins with one")] if raw.startswith(UTF8_BOM) else []
    raw = raw.removeprefix(UTF8_BOM)
    returns = raw.count(b"\r\n")
    if returns:
        findings.append(Finding("line ends", f"{returns} lines end with \\r\\n"))
    try:
        return raw.decode("utf-8"), findings
    except UnicodeDecodeError:
        return _guessed(raw, findings)


def _guessed(raw: bytes, findings: list[Finding]) -> tuple[str, list[Finding]]:
    text = raw.decode("utf-8", "replace")
    if text.count("\ufffd") <= _FEW_BAD * sum(not character.isascii() for character in text):
        return text, [*findings, *_bad_lines(raw)]
    others = {name: raw.decode(name, "replace") for name in _OTHER_ENCODINGS}
    name = min(others, key=lambda name: others[name].count("\ufffd"))
    return others[name], [*findings, Finding("encoding", f"found something else, which reads as {name}")]


def _bad_lines(raw: bytes) -> Iterator[Finding]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield Finding("encoding", f"byte 0x{line[error.start]:02x} is not UTF-8", f"line {number}")


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys as they stand, the repeated ones too."""


class _BrokenError(QakitError):
    """A text is no JSON; the message says where and why."""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise _BrokenError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise _BrokenError("is nested too deeply" if isinstance(error, RecursionError) else str(error)) from None


def read_object(text: str) -> tuple[list[Entry], list[Finding]]:
    """The answers of one JSON object by id; of a list of objects with `id` and `answer`, too, which is a fault."""
    try:
        value = _parsed(text)
    except _BrokenError as error:
        return [], [Finding("syntax", f"is no JSON: {error}; nothing else could be looked at")]
    if isinstance(value, _Pairs):
        return _entries((f"answer {number}", *pair) for number, pair in enumerate(value, start=1))
    fault = Finding("form", f"found {describe(value)}; expected one object with the answers by id")
    if not isinstance(value, list):
        return [], [fault]
    entries, findings = read_lines((f"item {number}", item) for number, item in enumerate(value))
    return entries, [fault, *findings]


def is_one_line(text: str) -> bool:
    """Whether a text is a single JSON line for the strict reader: an object of `id` and `answer`."""
    try:
        value = _parsed(text)
    except _BrokenError:
        return False
    return isinstance(value, _Pairs) and {key for key, _ in value} == {"id", "answer"}


def read_lines(text: str | Iterable[tuple[str, Any]]) -> tuple[list[Entry], list[Finding]]:
    """The answers of JSON lines, or of values that stand at the places named, each with `id` and `answer`."""
    findings: list[Finding] = []
    triples: list[tuple[str, Any, Any]] = []
    for place, line in _lines(text) if isinstance(text, str) else text:
        try:
            value = _parsed(line) if isinstance(text, str) else line
        except _BrokenError as error:
            findings.append(Finding("syntax", f"is no JSON: {str(error).removeprefix('line 1, ')}", place))
            continue
        if not isinstance(value, _Pairs | dict):
            findings.append(Finding("values", f"found {describe(value)}; expected an object", place))
            continue
        cells = dict(value)
        missing = [name for name in ("id", "answer") if name not in cells]
        if missing:
            findings.append(Finding("columns", f"{' and '.join(missing)} missing; found {describe(cells)}", place))
        if "id" in cells:
            triples.append((place, cells["id"], cells.get("answer")))
    entries, faults = _entries(triples)
    return entries, [*findings, *faults]


def _lines(text: str) -> Iterable[tuple[str, str]]:
    return ((f"line {number}", line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def _entries(triples: Iterable[tuple[str, Any, Any]]) -> tuple[list[Entry], list[Finding]]:
    """Entries of (place, id, answer), of which either may be any JSON value."""
    entries: list[Entry] = []
    findings: list[Finding] = []
    for place, id_, answer in triples:
        if isinstance(id_, bool) or not isinstance(id_, str | int):
            findings.append(
                Finding("values", f"id: found {_described(id_)}; expected a string or a whole number", place)
            )
            continue
        name = _printable(str(id_))
        fault = surrogate_fault(answer) if isinstance(answer, str) else f"found {_described(answer)}; expected a string"
        if fault:
            findings.append(Finding("values", f"answer: {fault}", place, name))
        entries.append(Entry(place, name, None if fault else answer))
    return entries, findings


def _described(value: Any) -> str:
    return describe(dict(value) if isinstance(value, _Pairs) else value)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class _Row:
    """A row: its first and its last line, counted from 1, and its cells."""

    first: int
    last: int
    cells: Sequence[str]

    @property
    def place(self) -> str:
        """Where it stands, as the strict reader says it."""
        return f"line {self.last}"


@dataclass(frozen=True, slots=True)
class _Columns:
    """Positions of the id and of the answer, and how many columns there are."""

    id: int
    answer: int
    count: int


def read_table(
    text: str, header: tuple[str, str] | None = None, ids: Collection[str] = ()
) -> tuple[list[Entry], list[Finding]]:
    """The predictions of a CSV text, and the faults of its form.

    Args:
        header: what the first line is to be; None takes any.
        ids: those of the data: a first row whose id is one of them is no header.
    """
    first_line = text.split("\n", 1)[0]
    separator = next((mark for mark in (",", "\t", ";") if mark in first_line), ",")
    findings: list[Finding] = []
    if separator != ",":
        findings.append(Finding("columns", f"found {separator!r} between them; expected ','"))
    rows, faults = _rows(text, separator)
    findings += faults
    if not rows:
        return [], findings
    is_header = rows[0].cells[0] not in ids or [cell.casefold() for cell in rows[0].cells] == ["id", "answer"]
    findings += _header_faults(rows[0].cells if is_header else None, header)
    columns = _columns(rows[0].cells) if is_header else _Columns(0, 1, 2)
    entries: list[Entry] = []
    for row in rows[is_header:]:
        findings += _row_faults(row, columns)
        if len(row.cells) > columns.id:
            entries.append(Entry(row.place, row.cells[columns.id], _answer(row.cells, columns, separator)))
    return entries, findings


def _rows(text: str, separator: str) -> tuple[list[_Row], list[Finding]]:
    """The rows; line by line where a quote that nobody closes would swallow the rest of the file."""
    findings: list[Finding] = []
    try:
        found = list(_strict_rows(text, separator))
    except csv.Error:
        found = []
        for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
            try:
                cells = next(csv.reader([line], delimiter=separator, strict=True), [])
            except csv.Error as error:
                cells = [cell.strip('"') for cell in line.split(separator, 1)]
                findings.append(Finding("columns", f"found {shorten(line)}: {error}", f"line {number}"))
            found.append(_Row(number, number, cells))
    full = [row for row in found if row.cells]
    blank = [row.place for row in found if not row.cells and full and row.first < full[-1].last]
    if blank:
        findings.append(Finding("blank lines", f"found {len(blank)}", blank[0]))
    return full, findings


def _strict_rows(text: str, separator: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before = 0
    for cells in reader:
        yield _Row(before + 1, reader.line_num, cells)
        before = reader.line_num


def _header_faults(found: Sequence[str] | None, expected: tuple[str, str] | None) -> Iterator[Finding]:
    if found is None:
        wanted = ",".join(expected or ("id", "answer"))
        yield Finding("header", f"there is none: the first line is an answer; expected {wanted}", "line 1")
    elif expected is not None and tuple(found) != expected:
        message = f"found {shorten(','.join(found))}; expected {','.join(expected)}"
        yield Finding("header", message, "line 1")
    elif len(found) < 2:
        yield Finding("header", f"found one column, {shorten(found[0])}; expected the id and the answer", "line 1")


def _columns(header: Sequence[str]) -> _Columns:
    """By their names where it has them, in whatever letter case; else the first is the id and the next the answer."""
    names = [name.strip().casefold() for name in header]
    id_ = names.index("id") if "id" in names else 0
    following = id_ + 1 if id_ + 1 < len(names) else 1
    return _Columns(id_, names.index("answer") if "answer" in names else following, len(header))


def _row_faults(row: _Row, columns: _Columns) -> Iterator[Finding]:
    id_ = row.cells[columns.id] if len(row.cells) > columns.id else ""
    if len(row.cells) != columns.count:
        message = f"found {len(row.cells)} cells, {shorten(','.join(row.cells))}; expected {columns.count}"
        hint = ": is a comma in the answer without quotes around it?" if len(row.cells) > columns.count else ""
        yield Finding("columns", message + hint, row.place, id_)
    if row.last > row.first:
        yield Finding("quotes", f"one row goes on from line {row.first} to line {row.last}", row.place, id_)


def _answer(cells: Sequence[str], columns: _Columns, separator: str) -> str | None:
    """The answer, with what a comma without quotes parted from it; None where the row ends before."""
    if columns.answer >= len(cells):
        return None
    extra = max(0, len(cells) - columns.count) if columns.answer == columns.count - 1 else 0
    return separator.join(cells[columns.answer : columns.answer + 1 + extra])
