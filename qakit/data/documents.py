"""Files of texts that nobody has asked anything yet: a table with a column for the text, or a list of strings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field

from qakit.data.formats.load import Document, Row, load
from qakit.data.formats.shapes import FilledText, Id, Shape, Text, parse
from qakit.data.formats.source import Journal, Source, label
from qakit.data.records import Paragraph
from qakit.errors import RecordError

_TEXT_COLUMNS = ("text", "context")


@dataclass(frozen=True, slots=True)
class Documents:
    """The texts of a file, in order and of any length, and the number of bad ones that were left out."""

    texts: tuple[Paragraph, ...]
    skipped: int = 0


class _Row(Shape):
    id: Id | None = Field(None, validation_alias=AliasChoices("id", "_id"))
    title: Text | None = None
    text: FilledText | None = None
    context: FilledText | None = None


def read_documents(path: Path, *, lenient: bool = False) -> Documents | None:
    """The texts of JSON lines, CSV, parquet or JSON: strings, or objects with `text` (or `context`), one or a list.

    `id` (or `_id`) and `title` may stand beside the text; texts without an id are numbered from 0. Gives None for a
    file of another shape.

    Raises:
        DataError: the file cannot be read, or bad texts, unless `lenient` leaves them out.
    """
    document = load(path, allow_bom=lenient)
    rows = _rows(document)
    if not _are_texts(rows):
        return None
    journal = Journal(lenient=lenient)
    source = Source(path, journal, {})
    texts = [text for number, row in enumerate(rows) if (text := _read(row, number, source))]
    journal.raise_problems()
    return Documents(tuple(texts), journal.skipped)


def _rows(document: Document) -> Sequence[Row]:
    """The rows of a table; JSON as rows, strings as objects with a text."""
    if document.kind != "json":
        return document.rows
    items = document.value if isinstance(document.value, list) else [document.value]
    return [Row(f"[{number}]", {"text": item} if isinstance(item, str) else item) for number, item in enumerate(items)]


def _are_texts(rows: Sequence[Row]) -> bool:
    keys = {key for row in rows if isinstance(row.value, dict) for key in row.value}
    return "question" not in keys and any(name in keys for name in _TEXT_COLUMNS)


def _read(row: Row, number: int, source: Source) -> Paragraph | None:
    if row.problem:
        source.reject(row.label, [(row.problem.field, row.problem.message)])
        return None
    return source.attempt(label(row.label, row.value), partial(_build, row.value, number))


def _build(value: Any, number: int) -> Paragraph:
    row = parse(_Row, value)
    text = row.text if row.text is not None else row.context
    if text is None:
        raise RecordError("text", f"is missing; expected one of {', '.join(_TEXT_COLUMNS)}")
    return Paragraph(row.id or str(number), text, row.title or "")
