"""Tables with one question per row: JSON lines, CSV and parquet."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from qakit.data.records import Answer, Paragraph, Record, occurrences, shorten
from qakit.data.schemas.file_content import FileContent, TableRow
from qakit.data.schemas.shapes import Id, Shape, ShapeError, Text, keys_in_use, parse
from qakit.data.schemas.source import Source, with_id
from qakit.errors import DataError, RecordError
from qakit.io import csv_text, parse_json, write_jsonl, write_parquet, write_text

NAMES = {"answer text": "answers.text", "answer start": "answers.start"}
_JSON_COLUMNS = frozenset({"answers", "answer_start", "paragraphs", "paragraph_ids", "titles", "relevant"})
_TEXT_COLUMNS = frozenset({"id", "question"})
_BOOLEANS = {"true": True, "false": False}
NUMBERED = "questions have no id, since the file has no column for it: they are numbered by row, from 0"


def _hub_answers(value: Any) -> Any:
    """Turn the hub's `{"text": [...], "answer_start": [...]}` into a list of objects; leave all else as it is."""
    if not isinstance(value, dict):
        return value
    texts, starts = value.get("text"), value.get("answer_start")
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        raise PydanticCustomError(
            "answers", "expected a list of objects, or an object with the lists text and answer_start, of equal length"
        )
    return [{"text": text, "start": start} for text, start in zip(texts, starts, strict=True)]


class _Span(Shape):
    text: Text
    start: int | None = Field(validation_alias=AliasChoices("start", "answer_start"))


class _Question(Shape):
    id: Id = ""
    question: Text
    context: Text | None = None
    context_id: Id | None = None
    title: Text | None = None
    paragraphs: list[Text] | None = None
    paragraph_ids: list[Id] | None = None
    titles: list[Text] | None = None
    relevant: int | None = None
    answers: Annotated[list[_Span] | None, BeforeValidator(_hub_answers)] = None
    answer: Text | None = None
    answer_text: Text | None = None
    answer_start: int | None = None
    is_impossible: bool | None = None


def read(content: FileContent, source: Source) -> Iterator[Record]:
    """Read the questions of a table.

    The column `paragraphs` holds several candidates and `relevant` the position (not the id) of the right one;
    otherwise `context` is the only paragraph. Without an `id` column rows are numbered from 0, over all files that are
    read together.
    """
    rows = content.table_rows()
    required = keys_in_use((row.value for row in rows), ("id", "answers"))
    log = source.log
    for row in rows:
        number, log.rows = log.rows, log.rows + 1
        build = partial(_build, row, content.kind, source, required, str(number))
        record = source.build_record(with_id(row.place, row.value), build)
        if record is not None:
            source.note(NUMBERED, "id" not in required)
            yield record


def _build(row: TableRow, kind: str, source: Source, required: frozenset[str], number: str) -> Record:
    value = row.checked_value()
    if kind == "csv":
        value = _parse_cells(value, row.place, source.path)
        required &= {"id"}  # an empty cell is no answer, not a missing one
    question = parse(_Question, value, required=required)
    paragraphs = _paragraphs(question, source)
    relevant = 0 if question.relevant is None and len(paragraphs) == 1 else question.relevant
    record_id = question.id if "id" in required else number
    answers = _answers(question)
    # A position outside the list is the record's to refuse.
    if relevant is not None and 0 <= relevant < len(paragraphs):
        answers = source.repair_answers(record_id, paragraphs[relevant].text, answers)
    return Record(record_id, question.question, paragraphs, relevant, answers, question.is_impossible or False)


def _parse_cells(cells: Mapping[str, str], place: str, path: Path) -> dict[str, Any]:
    """The cells of a CSV row as values: empty ones left out, lists and numbers parsed as JSON."""
    values: dict[str, Any] = {}
    faults = []
    for column, cell in cells.items():
        if column in _JSON_COLUMNS and cell:
            try:
                values[column] = parse_json(cell, path, place)
            except DataError as error:
                faults.append((column, f"is not JSON: {error.problems[0].message}"))
        elif column == "is_impossible" and cell:
            values[column] = _BOOLEANS.get(cell.lower(), cell)
        elif cell or column in _TEXT_COLUMNS:
            values[column] = cell
    if faults:
        raise ShapeError(faults)
    return values


def _paragraphs(row: _Question, source: Source) -> tuple[Paragraph, ...]:
    if row.paragraphs is None:
        if row.context is None:
            raise RecordError("context", "is missing; expected a text in context, or a list of texts in paragraphs")
        return (_shared(source, row.context_id, row.context, row.title or ""),)
    if row.context is not None:
        raise RecordError("context", "is given together with paragraphs; expected only one of them")
    count = len(row.paragraphs)
    ids = [None] * count if row.paragraph_ids is None else row.paragraph_ids
    titles = [row.title or ""] * count if row.titles is None else row.titles
    for field, values in (("paragraph_ids", ids), ("titles", titles)):
        if len(values) != count:
            raise RecordError(field, f"has {len(values)} entries; expected {count}, one for each paragraph")
    return tuple(_shared(source, *parts) for parts in zip(ids, row.paragraphs, titles, strict=True))


def _shared(source: Source, name: str | None, text: str, title: str) -> Paragraph:
    """One object for all rows with the same paragraph, which saves memory; without an id it is numbered."""
    known = source.log.paragraphs
    return known.setdefault((name, text, title), Paragraph(str(len(known)) if name is None else name, text, title))


def _answers(row: _Question) -> tuple[Answer, ...]:
    given = [key for key in ("answers", "answer", "answer_text") if getattr(row, key) is not None]
    if len(given) > 1:
        raise RecordError(given[1], f"is given together with {given[0]}; expected only one of them")
    if row.answers is not None:
        return tuple(Answer(span.text, span.start) for span in row.answers)
    if not given:
        if row.answer_start is not None:
            raise RecordError("answer", f"is missing, but answer_start is {row.answer_start}")
        return ()
    if row.answer_start is None:
        raise RecordError("answer_start", f"is missing, {_occurrence_count(getattr(row, given[0]), row)}: add it")
    return (Answer(getattr(row, given[0]), row.answer_start),)


def _occurrence_count(answer: str, row: _Question) -> str:
    """Say how often the context has an answer, so that the reader knows what adding an offset takes."""
    text = row.context if row.paragraphs is None else None
    if text is None or not answer.strip():
        return "and nothing else tells where the answer is"
    count = sum(1 for _ in occurrences(answer, text))
    return f"and {shorten(answer)} occurs {count} time{'' if count == 1 else 's'} in the context"


_ALWAYS_WRITTEN = frozenset({"id", "question", "answers"})


def write(records: Sequence[Record], path: Path, *, schema: str) -> list[Path]:
    """Write a table, without the columns that no record needs.

    Args:
        schema: jsonl, csv (lists are JSON cells) or parquet.
    """
    rows = [_row(record) for record in records]
    if schema == "jsonl":
        write_jsonl(path, ({key: value for key, value in row.items() if value is not None} for row in rows))
        return [path]
    columns = [
        key for key in (rows[0] if rows else ()) if key in _ALWAYS_WRITTEN or any(row[key] is not None for row in rows)
    ]
    if schema == "parquet":
        write_parquet(path, {key: [row[key] for row in rows] for key in columns})
    else:
        write_text(path, csv_text(columns, ([_cell(row[key]) for key in columns] for row in rows)))
    return [path]


def _row(record: Record) -> dict[str, Any]:
    first, *others = record.paragraphs
    titles = [paragraph.title for paragraph in record.paragraphs]
    return {
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


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
