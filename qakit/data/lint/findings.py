"""Kinds of faults in prediction files, and the level of each: error, warning or note."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: shown to users, and a key for scripts.
        expected: the rule that is broken, as one clause.
        strict: the level under contests that compare strings as they are (hw7, adl2022).
        lax: the level elsewhere: other rules forgive some faults, and other data has right answers that look so.
    """

    name: str
    expected: str
    strict: Level
    lax: Level


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: its kind, what was found, its place (`line 3`; empty for the whole file), and the id."""

    kind: str
    message: str
    place: str = ""
    id: str = ""

    def level(self, *, strict: bool) -> Level:
        """The level of the fault, under a strict contest or elsewhere."""
        kind = KINDS[self.kind]
        return kind.strict if strict else kind.lax


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            # The file. Findings are shown in the order of this table.
            Kind("encoding", "the file is UTF-8", "error", "error"),
            Kind("byte order mark", "UTF-8 without a byte order mark, which JSON forbids", "warning", "warning"),
            Kind("line ends", "lines end with \\n alone; some readers take \\r as part of the answer", "note", "note"),
            Kind("syntax", "the file is valid CSV, JSON, JSON lines or parquet", "error", "error"),
            Kind("form", "the file has the format of the contest", "error", "error"),
            Kind("header", "the first line names the columns as the contest does", "error", "error"),
            Kind(
                "columns", "the id and the answer in each row, the answer in quotes if it has a comma", "error", "error"
            ),
            Kind("quotes", "a quote that opens an answer closes it in the same line", "warning", "warning"),
            Kind("blank lines", "no line is empty", "warning", "note"),
            Kind("values", "an answer is a string, and an id a string or a whole number", "error", "error"),
            Kind("rows", "one row for each question", "error", "warning"),
            # The ids.
            Kind("missing ids", "every question has an answer", "error", "error"),
            Kind("unknown ids", "every id is in the data", "error", "warning"),
            Kind("duplicate ids", "each id occurs once", "error", "error"),
            Kind("order", "the order is that of the data; no known contest requires it", "note", "note"),
            # The answers.
            Kind("empty", "an answer has text", "error", "error"),
            Kind("white space", "an answer neither begins nor ends with white space", "error", "warning"),
            Kind(
                "commas", "answers of HW7 have no ASCII commas: the contest deleted them from its own", "error", "error"
            ),
            Kind("tokens", "an answer is text, without a tokenizer's special tokens or marks", "error", "error"),
            Kind("altered", "an answer is a piece of the text, character for character", "error", "warning"),
            Kind("not in the text", "an answer is a piece of the text", "error", "error"),
            Kind("brackets", "brackets and quotation marks come in pairs", "error", "warning"),
            Kind("too long", "an answer is short", "warning", "warning"),
            Kind("punctuation", "an answer neither begins nor ends with a comma or full stop", "warning", "note"),
        )
    }
)
