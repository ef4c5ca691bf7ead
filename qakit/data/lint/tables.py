"""Predictions in CSV, read past their faults."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from qakit.data.lint.findings import Finding
from qakit.data.lint.records import Entry
from qakit.data.records import shorten


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
