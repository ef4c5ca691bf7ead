"""Predictions in JSON, read past their faults: one object of answers by id, or an object a line or row."""

import json
from collections.abc import Iterable
from typing import Any

from qakit.data.formats.shapes import describe, surrogate_fault
from qakit.data.lint.findings import Finding
from qakit.data.lint.records import Entry
from qakit.errors import QakitError


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
