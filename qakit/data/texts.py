"""Plain text and unlabelled data as paragraphs, and the division of Chinese text into sentences."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from pydantic import AliasChoices, Field

from qakit.data.records import Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.data.schemas.file_content import FileContent, TableRow, load_content
from qakit.data.schemas.shapes import FilledText, Id, Shape, Text, parse
from qakit.data.schemas.source import ReadLog, Source, with_id
from qakit.errors import DataError, Problem, RecordError
from qakit.io import file_error, read_text

TEXT_SUFFIXES = (".txt", ".md")
DATA_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".parquet")
LONGEST_PARAGRAPH = 1000
"""Characters; longer paragraphs of plain text are cut at the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The distinct paragraphs of files, in order; the records of the data files among them; notes for the user."""

    paragraphs: tuple[Paragraph, ...]
    records: tuple[Record, ...]
    notes: tuple[str, ...]

    @property
    def strings(self) -> Iterator[str]:
        """All that a model reads of them: paragraphs, their titles, and questions."""
        yield from chain.from_iterable((paragraph.text, paragraph.title) for paragraph in self.paragraphs)
        yield from (record.question for record in self.records)


def read_texts(paths: Sequence[Path], *, context: Path | None = None, lenient: bool = False) -> Texts:
    """Read the paragraphs of plain text (`.txt`, `.md`), data files of any schema, and tables or lists of texts.

    Paragraphs of plain text are separated by blank lines, or if there are none by line breaks; their title is the name
    of the file. A text of a table or list (`read_text_table`) that is too long for a paragraph is cut like plain text.
    Each data file is read on its own, so ids may occur in several files.

    Raises:
        DataError: with all the mistakes of all the files: unreadable, not UTF-8, without text, or bad data.
    """
    files: list[FileTexts] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            files.append(_read_file(path, context=context, lenient=lenient))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    distinct: dict[str, Paragraph] = {}
    for paragraph in (paragraph for file in files for paragraph in file.paragraphs):
        distinct.setdefault(paragraph.text, paragraph)
    records = tuple(record for file in files for record in file.records)
    return Texts(tuple(distinct.values()), records, tuple(_notes(files)))


@dataclass(frozen=True, slots=True)
class FileTexts:
    """The paragraphs of one file, in order, and the number of bad ones left out; records and notes of a data file."""

    paragraphs: tuple[Paragraph, ...]
    skipped: int = 0
    records: tuple[Record, ...] = ()
    notes: tuple[str, ...] = ()


def _read_file(path: Path, *, context: Path | None, lenient: bool) -> FileTexts:
    if path.suffix.lower() in TEXT_SUFFIXES:
        return FileTexts(tuple(_read_plain_text(path)))
    try:
        dataset = read_dataset([path], context=context, lenient=lenient)
    except DataError as error:
        # No known schema of questions: it may still be a table of texts. Any other mistake is the file's own.
        if all(problem.field != "schema" for problem in error.problems):
            raise
        table = read_text_table(path, lenient=lenient)
        if table is None:
            raise
        return FileTexts(tuple(piece for text in table.paragraphs for piece in _cut(text)), table.skipped)
    paragraphs = tuple(paragraph for record in dataset for paragraph in record.paragraphs)
    return FileTexts(paragraphs, dataset.skipped, dataset.records, dataset.notes)


def _notes(files: Sequence[FileTexts]) -> Iterator[str]:
    skipped = sum(file.skipped for file in files)
    if skipped:
        yield f"{skipped} bad records skipped"
    yield from dict.fromkeys(note for file in files for note in file.notes)


_BLANK_LINES = re.compile(r"\n\s*\n")


def _read_plain_text(path: Path) -> list[Paragraph]:
    pieces = _split_paragraphs(read_text(path, allow_bom=True))
    if not pieces:
        raise file_error(path, "text", "the file has none")
    return [Paragraph(f"{path.stem}-{number}", piece, path.stem) for number, piece in enumerate(pieces)]


def _cut(text: Paragraph) -> list[Paragraph]:
    """A text itself, or if it is too long its paragraphs."""
    if len(text.text) <= LONGEST_PARAGRAPH:
        return [text]
    pieces = enumerate(_split_paragraphs(text.text))
    return [Paragraph(f"{text.id}-{number}", piece, text.title) for number, piece in pieces]


def _split_paragraphs(text: str) -> list[str]:
    """The paragraphs of a plain text, each as one line."""
    blocks = _BLANK_LINES.split(text.strip())
    if len(blocks) == 1:
        blocks = blocks[0].splitlines()
    return [piece for block in blocks for piece in _split_block(" ".join(block.split()))]


def _split_block(block: str) -> Iterator[str]:
    """Cut a block into pieces of whole sentences, as many as fit; a sentence that is too long stays whole."""
    first = 0
    for start, end in sentences(block):
        if start > first and end - first > LONGEST_PARAGRAPH:
            yield block[first:start].strip()
            first = start
    if block[first:].strip():
        yield block[first:].strip()


_TEXT_COLUMNS = ("text", "context")


class _TextRow(Shape):
    id: Id | None = Field(None, validation_alias=AliasChoices("id", "_id"))
    title: Text | None = None
    text: FilledText | None = None
    context: FilledText | None = None


def read_text_table(path: Path, *, lenient: bool = False) -> FileTexts | None:
    """Read texts from JSON lines, CSV, parquet or JSON: strings, or objects with `text` (or `context`), one or a list.

    Objects may also have `id` (or `_id`) and `title`; texts without an id are numbered from 0. The texts are not cut.

    Returns:
        None if the file has another shape.

    Raises:
        DataError: the file cannot be read, or has bad texts and `lenient` does not leave them out.
    """
    rows = _rows(load_content(path, allow_bom=lenient))
    keys = {key for row in rows if isinstance(row.value, dict) for key in row.value}
    if "question" in keys or keys.isdisjoint(_TEXT_COLUMNS):
        return None
    log = ReadLog(lenient=lenient)
    source = Source(path, log, {})
    built = (
        source.attempt(with_id(row.place, row.value), partial(_build, row, number)) for number, row in enumerate(rows)
    )
    paragraphs = tuple(paragraph for paragraph in built if paragraph)
    log.raise_problems()
    return FileTexts(paragraphs, log.skipped)


def _rows(content: FileContent) -> Sequence[TableRow]:
    """The rows of a table; the items of a JSON list as rows, strings as objects with a text."""
    if content.kind != "json":
        return content.rows
    items = content.value if isinstance(content.value, list) else [content.value]
    values = ({"text": item} if isinstance(item, str) else item for item in items)
    return [TableRow(f"[{number}]", value) for number, value in enumerate(values)]


def _build(row: TableRow, number: int) -> Paragraph:
    shape = parse(_TextRow, row.checked_value())
    text = shape.text if shape.text is not None else shape.context
    if text is None:
        raise RecordError("text", f"is missing; expected one of {', '.join(_TEXT_COLUMNS)}")
    return Paragraph(shape.id or str(number), text, shape.title or "")


_SENTENCE = re.compile(r"[^。！？；!?;\n]*[。！？；!?;\n]?")
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end (exclusive) of each sentence of a text, in characters; together they cover the whole text."""
    return (match.span() for match in _SENTENCE.finditer(text) if match.group())


def chinese_share(texts: Iterable[str]) -> float:
    """The share of Chinese characters among the letters of texts, 0 to 1; 1 if there are no letters at all."""
    letters = chinese = 0
    for text in texts:
        letters += sum(map(str.isalpha, text))
        chinese += len(_CHINESE.findall(text))
    return chinese / letters if letters else 1.0
