"""Tables with one question a row: JSON lines, CSV and parquet."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from qakit.data.formats.documents import Document, Row
from qakit.data.formats.shapes import Id, Shape, ShapeError, Text, keys_in_use, parse
from qakit.data.formats.source import Source, label
from qakit.data.records import Answer, Paragraph, Record
from qakit.errors import DataError, RecordError
from qakit.io import csv_text, parse_json, write_jsonl, write_parquet, write_text

NAMES = {"answer text": "answers.text", "answer start": "answers.start"}
_JSON_COLUMNS = frozenset({"answers", "answer_start", "paragraphs", "paragraph_ids", "titles", "relevant"})
_TEXT_COLUMNS = frozenset({"id", "question"})
_BOOLEANS = {"true": True, "false": False}
_NUMBERED = "questions have no id: the file has no such column, and the number of the row stands for it"


def _from_hub(value: Any) -> Any:
    """The hub's `{"text": [...], "answer_start": [...]}` as a list of objects; all else as it is."""
    if not isinstance(value, dict):
        return value
    texts, starts = value.get("text"), value.get("answer_start")
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        raise PydanticCustomError("answers", "expected a list of objects, or lists text and answer_start of one length")
    return [{"text": text, "start": start} for text, start in zip(texts, starts, strict=True)]


class _Span(Shape):
    text: Text
    start: int | None = Field(validation_alias=AliasChoices("start", "answer_start"))


class _Row(Shape):
    id: Id = ""
    question: Text
    context: Text | None = None
    context_id: Id | None = None
    title: Text | None = None
    paragraphs: list[Text] | None = None
    paragraph_ids: list[Id] | None = None
    titles: list[Text] | None = None
    relevant: int | None = None
    answers: Annotated[list[_Span] | None, BeforeValidator(_from_hub)] = None
    answer: Text | None = None
    answer_text: Text | None = None
    answer_start: int | None = None
    is_impossible: bool | None = None


def read(document: Document, source: Source) -> Iterator[Record]:
    """The questions of a table.

    A column `paragraphs` holds several candidates and `relevant` the position (not the id) of the right one; otherwise
    `context` is the only one. A file without an `id` column has its rows numbered from 0, through all the files that
    are read together.
    """
    rows = (Row("line 1", document.value),) if document.kind == "json" else document.rows
    required = keys_in_use((row.value for row in rows), ("id", "answers"))
    journal = source.journal
    for row in rows:
        number, journal.rows = journal.rows, journal.rows + 1
        if row.problem:
            source.reject(row.label, [(row.problem.field, row.problem.message)])
            continue
        build = partial(_build, row, document.kind, source, required, str(number))
        record = source.record(label(row.label, row.value), build)
        if record is not None:
            source.note(_NUMBERED, "id" not in required)
            yield record


def _build(row: Row, kind: str, source: Source, required: frozenset[str], number: str) -> Record:
    value = _decode(row, source.path) if kind == "csv" else row.value
    shape = parse(_Row, value, required=required & {"id"} if kind == "csv" else required)
    paragraphs = _paragraphs(shape, source)
    relevant = 0 if shape.relevant is None and len(paragraphs) == 1 else shape.relevant
    name = shape.id if "id" in required else number
    answers = _answers(shape)
    if relevant is not None and 0 <= relevant < len(paragraphs):
        answers = source.mend(name, paragraphs[relevant].text, answers)
    return Record(name, shape.question, paragraphs, relevant, answers, shape.is_impossible or False)


def _decode(row: Row, path: Path) -> dict[str, Any]:
    """The cells of a CSV row as values: empty ones left out, lists and numbers read as JSON."""
    values: dict[str, Any] = {}
    faults = []
    for column, cell in row.value.items():
        if column in _JSON_COLUMNS and cell:
            try:
                values[column] = parse_json(cell, path, row.label)
            except DataError as error:
                faults.append((column, f"is not JSON: {error.problems[0].message}"))
        elif column == "is_impossible" and cell:
            values[column] = _BOOLEANS.get(cell.lower(), cell)
        elif cell or column in _TEXT_COLUMNS:
            values[column] = cell
    if faults:
        raise ShapeError(faults)
    return values


def _paragraphs(row: _Row, source: Source) -> tuple[Paragraph, ...]:
    if row.paragraphs is None:
        if row.context is None:
            raise RecordError("context", "is missing; expected a text in context, or a list of them in paragraphs")
        return (_shared(source, row.context_id, row.context, row.title or ""),)
    if row.context is not None:
        raise RecordError("context", "is given beside paragraphs; expected one of the two")
    count = len(row.paragraphs)
    ids = [None] * count if row.paragraph_ids is None else row.paragraph_ids
    titles = [row.title or ""] * count if row.titles is None else row.titles
    for field, values in (("paragraph_ids", ids), ("titles", titles)):
        if len(values) != count:
            raise RecordError(field, f"has {len(values)} entries for {count} paragraphs")
    return tuple(_shared(source, *parts) for parts in zip(ids, row.paragraphs, titles, strict=True))


def _shared(source: Source, name: str | None, text: str, title: str) -> Paragraph:
    """One object for all rows with this paragraph; without an id it is numbered."""
    known = source.journal.paragraphs
    return known.setdefault((name, text, title), Paragraph(str(len(known)) if name is None else name, text, title))


def _answers(row: _Row) -> tuple[Answer, ...]:
    given = [key for key in ("answers", "answer", "answer_text") if getattr(row, key) is not None]
    if len(given) > 1:
        raise RecordError(given[1], f"is given beside {given[0]}; expected one of them")
    if row.answers is not None:
        return tuple(Answer(span.text, span.start) for span in row.answers)
    if not given:
        if row.answer_start is not None:
            raise RecordError("answer", f"is missing, but answer_start is {row.answer_start}")
        return ()
    if row.answer_start is None:
        raise RecordError("answer_start", "is missing; the text alone does not tell which of its places is meant")
    return (Answer(getattr(row, given[0]), row.answer_start),)


_ALWAYS = frozenset({"id", "question", "answers"})


def write(records: Sequence[Record], path: Path, *, schema: str) -> list[Path]:
    """Write a table. Columns that no record needs are left out.

    Args:
        schema: jsonl, csv (lists are JSON cells) or parquet.
    """
    rows = [_row(record) for record in records]
    if schema == "jsonl":
        write_jsonl(path, ({key: value for key, value in row.items() if value is not None} for row in rows))
        return [path]
    columns = [key for key in _row_keys(rows) if key in _ALWAYS or any(row[key] is not None for row in rows)]
    if schema == "parquet":
        write_parquet(path, {key: [row[key] for row in rows] for key in columns})
    else:
        write_text(path, csv_text(columns, ([_cell(row[key]) for key in columns] for row in rows)))
    return [path]


def _row(record: Record) -> dict[str, Any]:
    first, *others = record.paragraphs
    titles = [paragraph.title for paragraph in record.paragraphs]
    row: dict[str, Any] = {
        "id": record.id,
        "question": record.question,
        "context": None if others else first.text,
        "context_id": None if others else first.id,
        "title": None if others else first.title or None,
        "paragraphs": [paragraph.text for paragraph in record.paragraphs] if others else None,
        "paragraph_ids": [paragraph.id for paragraph in record.paragraphs] if others else None,
        "titles": titles if others and any(titles) else None,
        "relevant": record.relevant if others else None,
        "answers": [{"text": answer.text, "start": answer.start} for answer in record.answers],
        "is_impossible": record.impossible or None,
    }
    return row


def _row_keys(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(rows[0]) if rows else []


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
