"""Plain text as paragraphs, and where Chinese text falls into sentences and clauses."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qakit.data.formats import read_dataset
from qakit.data.records import Dataset, Paragraph, Record
from qakit.errors import DataError, Problem
from qakit.io import file_error, read_text

TEXT_SUFFIX = ".txt"
LONGEST_PARAGRAPH = 1000
"""Characters; longer paragraphs of plain text are cut at the end of a sentence."""

_SENTENCE = re.compile(r"[^。！？；!?;\n]*[。！？；!?;\n]?")
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Texts:
    """The distinct paragraphs of files, in order; the records of those that are data files; notes for the user."""

    paragraphs: tuple[Paragraph, ...]
    records: tuple[Record, ...]
    notes: tuple[str, ...]


def read_texts(paths: Sequence[Path], *, context: Path | None = None, lenient: bool = False) -> Texts:
    """What plain text (`.txt`) and data files of any schema hold.

    Paragraphs of plain text are parted by blank lines, or where there are none by line breaks, and have the name of
    their file as title. Each data file is read by itself, so ids need not differ over the files.

    Raises:
        DataError: with all the mistakes of all the files: one that cannot be read, is not UTF-8 or holds no text, or
            a bad data file.
    """
    found: dict[str, Paragraph] = {}
    datasets: list[Dataset] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            if path.suffix.lower() == TEXT_SUFFIX:
                paragraphs = _of_text(path)
            else:
                datasets.append(read_dataset([path], context=context, lenient=lenient))
                paragraphs = [paragraph for record in datasets[-1] for paragraph in record.paragraphs]
        except DataError as error:
            problems += error.problems
            continue
        for paragraph in paragraphs:
            found.setdefault(paragraph.text, paragraph)
    if problems:
        raise DataError(problems)
    records = tuple(record for dataset in datasets for record in dataset)
    return Texts(tuple(found.values()), records, tuple(_notes(datasets)))


def _notes(datasets: Sequence[Dataset]) -> Iterator[str]:
    skipped = sum(dataset.skipped for dataset in datasets)
    if skipped:
        yield f"{skipped} bad records skipped"
    yield from dict.fromkeys(note for dataset in datasets for note in dataset.notes)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """First character and end (exclusive) of each sentence of a text; together they are the whole text."""
    return (match.span() for match in _SENTENCE.finditer(text) if match.group())


def _of_text(path: Path) -> list[Paragraph]:
    text = read_text(path, allow_bom=True).strip()
    blocks = _BLANK_LINES.split(text)
    if len(blocks) == 1:
        blocks = text.splitlines()
    pieces = [piece for block in blocks for piece in _pieces(" ".join(block.split()))]
    if not pieces:
        raise file_error(path, "text", "the file holds none")
    return [Paragraph(f"{path.stem}-{number}", piece, path.stem) for number, piece in enumerate(pieces)]


def _pieces(block: str) -> Iterator[str]:
    """A block, or where it is too long as many of its sentences at a time as fit."""
    first = 0
    for start, end in sentences(block):
        if start > first and end - first > LONGEST_PARAGRAPH:
            yield block[first:start].strip()
            first = start
    if block[first:].strip():
        yield block[first:].strip()
