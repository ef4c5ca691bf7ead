"""Lenient reader of prediction files: reads past faults of encoding and syntax, and reports them as findings."""

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qakit.data.lint.answers import Entry
from qakit.data.lint.findings import Finding
from qakit.data.predictions import CSV_HEADERS
from qakit.data.records import shorten
from qakit.data.schemas.file_content import load_content
from qakit.data.schemas.shapes import describe
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


@dataclass(frozen=True, slots=True)
class LooseFile:
    """The predictions of a file, and the faults of its form; no entries if it cannot be read at all."""

    layout: Layout
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]


def read_loosely(path: Path, form: str | None = None, ids: Collection[str] = ()) -> LooseFile:
    """Read the predictions of a file that may be broken.

    Args:
        form: the prediction format that the file should have (`qakit.data.predictions`); None accepts any.
        ids: those of the data; they tell a first row of answers from a header.

    Raises:
        DataError: the file is missing or empty.
    """
    raw = read_bytes(path)
    if raw.startswith(b"PAR1"):
        layout, entries, findings = _read_parquet(path)
    else:
        text, findings = _decode(raw)
        layout = _detect_layout(text, path)
        if layout == "csv":
            entries, faults = _read_table(text, CSV_HEADERS.get(form) if form else None, ids)
        else:
            entries, faults = _read_object(text) if layout == "json" else _read_json_lines(text)
        findings = [*findings, *faults]
    expected = _LAYOUT_OF.get(form) if form else None
    if expected not in (None, layout):
        findings = [Finding("form", f"found {layout}; {form} takes {expected}"), *findings]
    return LooseFile(layout, tuple(entries), tuple(findings))


def _detect_layout(text: str, path: Path) -> Layout:
    """As the strict reader does (`qakit.data.schemas.file_content`), except that JSON may be broken."""
    start = text.lstrip()
    if not start.startswith(("{", "[")):
        return "csv"
    first, _, rest = start.rstrip().partition("\n")
    one_per_line = first.startswith("{") and rest and (first.rstrip().endswith("}") or rest.startswith("{"))
    return "jsonl" if one_per_line or path.suffix in (".jsonl", ".ndjson") or _is_single_json_line(text) else "json"


# --- encoding --------------------------------------------------------------------------------------------------------

_OTHER_ENCODINGS = ("cp950", "gb18030")  # Big5 and GBK, as Chinese systems write
_FEW_BAD = 0.02  # of the characters beyond ASCII: up to this share, bad bytes are damage and not another encoding


def _decode(raw: bytes) -> tuple[str, list[Finding]]:
    """The text of the bytes, whatever their encoding, and the faults of the encoding."""
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
        text, faults = _decode_bad_utf8(raw)
        return text, [*findings, *faults]


def _decode_bad_utf8(raw: bytes) -> tuple[str, list[Finding]]:
    text = raw.decode("utf-8", "replace")
    if text.count("\ufffd") <= _FEW_BAD * sum(not character.isascii() for character in text):
        return text, list(_bad_lines(raw))
    # The right encoding is the one that leaves the fewest bytes undecoded.
    others = {name: raw.decode(name, "replace") for name in _OTHER_ENCODINGS}
    name = min(others, key=lambda name: others[name].count("\ufffd"))
    return others[name], [Finding("encoding", f"found an encoding that looks like {name}")]


def _bad_lines(raw: bytes) -> Iterator[Finding]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield Finding("encoding", f"byte 0x{line[error.start]:02x} is not UTF-8", f"line {number}")


# --- JSON, JSON lines and parquet ------------------------------------------------------------------------------------


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its (key, value) pairs, which keeps repeated keys."""


class _SyntaxError(QakitError):
    """A text is not JSON; the message says where and why."""


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise _SyntaxError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise _SyntaxError("is nested too deeply" if isinstance(error, RecursionError) else str(error)) from None


def _is_single_json_line(text: str) -> bool:
    """Whether the strict reader takes a text for JSON lines with one line: an object of `id` and `answer`."""
    try:
        value = _parse(text)
    except _SyntaxError:
        return False
    return isinstance(value, _Pairs) and {key for key, _ in value} == {"id", "answer"}


def _read_parquet(path: Path) -> tuple[Layout, list[Entry], list[Finding]]:
    try:
        rows = load_content(path).rows
    except DataError as error:
        return "parquet", [], [Finding("syntax", problem.message) for problem in error.problems]
    return "parquet", *_read_rows((row.place, row.value) for row in rows)


def _read_object(text: str) -> tuple[list[Entry], list[Finding]]:
    """The answers of one JSON object by id; also those of a list of objects with `id` and `answer`, with a fault."""
    try:
        value = _parse(text)
    except _SyntaxError as error:
        return [], [Finding("syntax", f"is not JSON: {error}; nothing else could be checked")]
    if isinstance(value, _Pairs):
        return _make_entries((f"answer {number}", *pair) for number, pair in enumerate(value, start=1))
    fault = Finding("form", f"found {describe(value)}; expected one object with the answers by id")
    if not isinstance(value, list):
        return [], [fault]
    entries, findings = _read_rows((f"item {number}", item) for number, item in enumerate(value))
    return entries, [fault, *findings]


def _read_json_lines(text: str) -> tuple[list[Entry], list[Finding]]:
    broken: list[Finding] = []

    def rows() -> Iterator[tuple[str, Any]]:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                yield f"line {number}", _parse(line)
            except _SyntaxError as error:
                # The parser saw this line alone, so its own line number is always 1.
                message = f"is not JSON: {str(error).removeprefix('line 1, ')}"
                broken.append(Finding("syntax", message, f"line {number}"))

    entries, findings = _read_rows(rows())
    return entries, [*broken, *findings]


def _read_rows(rows: Iterable[tuple[str, Any]]) -> tuple[list[Entry], list[Finding]]:
    """The answers of (place, value) rows, each value an object with `id` and `answer`."""
    findings: list[Finding] = []
    triples: list[tuple[str, Any, Any]] = []
    for place, value in rows:
        if not isinstance(value, _Pairs | dict):
            findings.append(Finding("values", f"found {describe(value)}; expected an object", place))
            continue
        cells = dict(value)
        missing = [name for name in ("id", "answer") if name not in cells]
        if missing:
            findings.append(Finding("columns", f"{' and '.join(missing)} missing; found {describe(cells)}", place))
        if "id" in cells:
            triples.append((place, cells["id"], cells.get("answer")))
    entries, faults = _make_entries(triples)
    return entries, [*findings, *faults]


def _make_entries(triples: Iterable[tuple[str, Any, Any]]) -> tuple[list[Entry], list[Finding]]:
    """Entries from (place, id, answer), where id and answer may be any JSON value."""
    entries: list[Entry] = []
    findings: list[Finding] = []
    for place, id_, answer in triples:
        if isinstance(id_, bool) or not isinstance(id_, str | int):
            message = f"id: found {_describe(id_)}; expected a string or a whole number"
            findings.append(Finding("values", message, place))
            continue
        # Half a surrogate pair in an id would make the findings unprintable.
        name = str(id_).encode("utf-8", "backslashreplace").decode()
        fault = surrogate_fault(answer) if isinstance(answer, str) else f"found {_describe(answer)}; expected a string"
        if fault:
            findings.append(Finding("values", f"answer: {fault}", place, name))
        entries.append(Entry(place, name, None if fault else answer))
    return entries, findings


def _describe(value: Any) -> str:
    return describe(dict(value) if isinstance(value, _Pairs) else value)


# --- CSV -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _CsvRow:
    """A row: its first and last line, counted from 1, and its cells."""

    first: int
    last: int
    cells: Sequence[str]

    @property
    def place(self) -> str:
        """The place in messages, in the words of the strict reader."""
        return f"line {self.last}"


@dataclass(frozen=True, slots=True)
class _Columns:
    """Positions of the id and of the answer, and the number of columns."""

    id: int
    answer: int
    count: int


def _read_table(text: str, header: tuple[str, str] | None, ids: Collection[str]) -> tuple[list[Entry], list[Finding]]:
    """The predictions of a CSV text, and the faults of its form.

    Args:
        header: the expected first line; None accepts any.
        ids: those of the data: a first row whose id is one of them is not a header.
    """
    first_line = text.split("\n", 1)[0]
    separator = next((mark for mark in (",", "\t", ";") if mark in first_line), ",")
    findings: list[Finding] = []
    if separator != ",":
        findings.append(Finding("columns", f"found {separator!r} between them; expected ','"))
    rows, faults = _parse_rows(text, separator)
    findings += faults
    if not rows:
        return [], findings
    is_header = rows[0].cells[0] not in ids or [cell.casefold() for cell in rows[0].cells] == ["id", "answer"]
    findings += _header_faults(rows[0].cells if is_header else None, header)
    columns = _find_columns(rows[0].cells) if is_header else _Columns(0, 1, 2)
    entries: list[Entry] = []
    for row in rows[is_header:]:
        findings += _row_faults(row, columns)
        if len(row.cells) > columns.id:
            entries.append(Entry(row.place, row.cells[columns.id], _answer(row.cells, columns, separator)))
    return entries, findings


def _parse_rows(text: str, separator: str) -> tuple[list[_CsvRow], list[Finding]]:
    """The rows; parsed line by line if a quote that is never closed would swallow the rest of the file."""
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
            found.append(_CsvRow(number, number, cells))
    full = [row for row in found if row.cells]
    # Blank lines at the end of the file are harmless: only those before the last row count.
    blank = [row.place for row in found if not row.cells and full and row.first < full[-1].last]
    if blank:
        findings.append(Finding("blank lines", f"found {len(blank)}", blank[0]))
    return full, findings


def _strict_rows(text: str, separator: str) -> Iterator[_CsvRow]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before = 0
    for cells in reader:
        yield _CsvRow(before + 1, reader.line_num, cells)
        before = reader.line_num


def _header_faults(found: Sequence[str] | None, expected: tuple[str, str] | None) -> Iterator[Finding]:
    if found is None:
        wanted = ",".join(expected or ("id", "answer"))
        yield Finding("header", f"is missing: the first line is an answer; expected {wanted}", "line 1")
    elif expected is not None and tuple(found) != expected:
        message = f"found {shorten(','.join(found))}; expected {','.join(expected)}"
        yield Finding("header", message, "line 1")
    elif len(found) < 2:
        yield Finding("header", f"found one column, {shorten(found[0])}; expected the id and the answer", "line 1")


def _find_columns(header: Sequence[str]) -> _Columns:
    """By name, in any letter case; without these names the first column is the id and the next one the answer."""
    names = [name.strip().casefold() for name in header]
    id_ = names.index("id") if "id" in names else 0
    following = id_ + 1 if id_ + 1 < len(names) else 1
    return _Columns(id_, names.index("answer") if "answer" in names else following, len(header))


def _row_faults(row: _CsvRow, columns: _Columns) -> Iterator[Finding]:
    id_ = row.cells[columns.id] if len(row.cells) > columns.id else ""
    if len(row.cells) != columns.count:
        message = f"found {len(row.cells)} cells, {shorten(','.join(row.cells))}; expected {columns.count}"
        hint = ": does the answer have a comma, but no quotes around it?" if len(row.cells) > columns.count else ""
        yield Finding("columns", message + hint, row.place, id_)
    if row.last > row.first:
        yield Finding("quotes", f"one row goes on from line {row.first} to line {row.last}", row.place, id_)


def _answer(cells: Sequence[str], columns: _Columns, separator: str) -> str | None:
    """The answer, joined again if unquoted commas divided it; None if the row is too short."""
    if columns.answer >= len(cells):
        return None
    extra = max(0, len(cells) - columns.count) if columns.answer == columns.count - 1 else 0
    return separator.join(cells[columns.answer : columns.answer + 1 + extra])
