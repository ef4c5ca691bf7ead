"""Plain text as paragraphs, and where Chinese text falls into sentences and clauses."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qakit.data.documents import read_documents
from qakit.data.formats import read_dataset
from qakit.data.records import Paragraph, Record
from qakit.errors import DataError, Problem
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
    their file as title. A text of a table or list (`qakit.data.documents`) that is too long for a paragraph is cut as
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
