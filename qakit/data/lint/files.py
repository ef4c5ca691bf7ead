"""Prediction files read past their faults: as much of them as can be understood, and what is wrong with their form."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qakit.data.formats.load import load
from qakit.data.lint.findings import Finding
from qakit.data.lint.objects import is_one_line, read_lines, read_object
from qakit.data.lint.records import Entry
from qakit.data.lint.tables import read_table
from qakit.data.predictions import HEADERS
from qakit.errors import DataError
from qakit.io import UTF8_BOM, read_bytes

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
class Loose:
    """What a prediction file holds, and the faults of its form; no entry where it cannot be read at all."""

    layout: Layout
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]


def read_loosely(path: Path, form: str | None = None, ids: Collection[str] = ()) -> Loose:
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
        expected = HEADERS.get(form) if form else None
        entries, faults = read_table(text, expected, ids)
    else:
        entries, faults = (read_object if layout == "json" else read_lines)(text)
    return _with_form(Loose(layout, tuple(entries), (*findings, *faults)), form)


def _layout(text: str, path: Path) -> Layout:
    """As the strict reader tells it (`qakit.data.formats.load`), but that no JSON needs to be whole."""
    start = text.lstrip()
    if not start.startswith(("{", "[")):
        return "csv"
    first, _, rest = start.rstrip().partition("\n")
    one_each = first.startswith("{") and rest and (first.rstrip().endswith("}") or rest.startswith("{"))
    return "jsonl" if one_each or path.suffix in (".jsonl", ".ndjson") or is_one_line(text) else "json"


def _with_form(loose: Loose, form: str | None) -> Loose:
    expected = _LAYOUT_OF.get(form) if form else None
    if expected in (None, loose.layout):
        return loose
    fault = Finding("form", f"found {loose.layout}; {form} takes {expected}")
    return Loose(loose.layout, loose.entries, (fault, *loose.findings))


def _parquet(path: Path) -> Loose:
    try:
        rows = load(path).rows
    except DataError as error:
        return Loose("parquet", (), tuple(Finding("syntax", problem.message) for problem in error.problems))
    entries, findings = read_lines((row.label, row.value) for row in rows)
    return Loose("parquet", tuple(entries), tuple(findings))


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
