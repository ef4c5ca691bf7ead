"""Plain text as paragraphs, and where Chinese text falls into sentences and clauses."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field

from qakit.data.formats import read_dataset
from qakit.data.formats.documents import Document, Row, load
from qakit.data.formats.shapes import FilledText, Id, Shape, Text, parse
from qakit.data.formats.source import Journal, Source, label
from qakit.data.records import Paragraph, Record
from qakit.errors import DataError, Problem, RecordError
from qakit.io import file_error, read_text

TEXT_SUFFIXES = (".txt", ".md")
DATA_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".parquet")
LONGEST_PARAGRAPH = 1000
"""Characters; longer paragraphs of plain text are cut at the end of a sentence."""

_SENTENCE = re.compile(r"[^。！？；!?;\n]*[。！？；!?;\n]?")
_BLANK_LINES = re.compile(r"\n\s*\n")
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


@dataclass(frozen=True, slots=True)
class Texts:
    """The distinct paragraphs of files, in order; the records of those that are data files; notes for the user."""

    paragraphs: tuple[Paragraph, ...]
    records: tuple[Record, ...]
    notes: tuple[str, ...]


def read_texts(paths: Sequence[Path], *, context: Path | None = None, lenient: bool = False) -> Texts:
    """What plain text (`.txt`, `.md`), data files of any schema, and tables and lists of texts hold.

    Paragraphs of plain text are parted by blank lines, or where there are none by line breaks, and have the name of
    their file as title. A text of a table or list (`qakit.data.texts`) that is too long for a paragraph is cut as
    plain text is. Each data file is read by itself, so ids need not differ over the files.

    Raises:
        DataError: with all the mistakes of all the files: one that cannot be read, is not UTF-8 or holds no text, or
            a bad data file.
    """
    found: dict[str, Paragraph] = {}
    parts: list[_Part] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            parts.append(_read(path, context=context, lenient=lenient))
        except DataError as error:
            problems += error.problems
            continue
        for paragraph in parts[-1].paragraphs:
            found.setdefault(paragraph.text, paragraph)
    if problems:
        raise DataError(problems)
    records = tuple(record for part in parts for record in part.records)
    return Texts(tuple(found.values()), records, tuple(_notes(parts)))


@dataclass(frozen=True, slots=True)
class _Part:
    """What one file holds."""

    paragraphs: Sequence[Paragraph]
    records: Sequence[Record] = ()
    skipped: int = 0
    notes: Sequence[str] = ()


def _read(path: Path, *, context: Path | None, lenient: bool) -> _Part:
    if path.suffix.lower() in TEXT_SUFFIXES:
        return _Part(_of_text(path))
    try:
        dataset = read_dataset([path], context=context, lenient=lenient)
    except DataError as error:
        if all(problem.field != "schema" for problem in error.problems):
            raise
        documents = read_documents(path, lenient=lenient)
        if documents is None:
            raise
        return _Part([piece for text in documents.texts for piece in _cut(text)], skipped=documents.skipped)
    paragraphs = [paragraph for record in dataset for paragraph in record.paragraphs]
    return _Part(paragraphs, dataset.records, dataset.skipped, dataset.notes)


def _notes(parts: Sequence[_Part]) -> Iterator[str]:
    skipped = sum(part.skipped for part in parts)
    if skipped:
        yield f"{skipped} bad records skipped"
    yield from dict.fromkeys(note for part in parts for note in part.notes)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """First character and end (exclusive) of each sentence of a text; together they are the whole text."""
    return (match.span() for match in _SENTENCE.finditer(text) if match.group())


def chinese_share(texts: Iterable[str]) -> float:
    """The share of Chinese characters among the letters of texts, 0 to 1; 1 where there are no letters at all."""
    letters = chinese = 0
    for text in texts:
        letters += sum(map(str.isalpha, text))
        chinese += len(_CHINESE.findall(text))
    return chinese / letters if letters else 1.0


def _of_text(path: Path) -> list[Paragraph]:
    pieces = _paragraphs_of(read_text(path, allow_bom=True))
    if not pieces:
        raise file_error(path, "text", "the file holds none")
    return [Paragraph(f"{path.stem}-{number}", piece, path.stem) for number, piece in enumerate(pieces)]


def _cut(document: Paragraph) -> list[Paragraph]:
    """A text itself, or where it is too long its paragraphs."""
    if len(document.text) <= LONGEST_PARAGRAPH:
        return [document]
    pieces = enumerate(_paragraphs_of(document.text))
    return [Paragraph(f"{document.id}-{number}", piece, document.title) for number, piece in pieces]


def _paragraphs_of(text: str) -> list[str]:
    """The paragraphs of a plain text, of which each is one line."""
    blocks = _BLANK_LINES.split(text.strip())
    if len(blocks) == 1:
        blocks = blocks[0].splitlines()
    return [piece for block in blocks for piece in _pieces(" ".join(block.split()))]


def _pieces(block: str) -> Iterator[str]:
    """A block, or where it is too long as many of its sentences at a time as fit."""
    first = 0
    for start, end in sentences(block):
        if start > first and end - first > LONGEST_PARAGRAPH:
            yield block[first:start].strip()
            first = start
    if block[first:].strip():
        yield block[first:].strip()


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
    texts = [text for number, row in enumerate(rows) if (text := _read_table(row, number, source))]
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


def _read_table(row: Row, number: int, source: Source) -> Paragraph | None:
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
