"""Many texts to find answers in: read from files and folders, indexed once, asked for those nearest to a question."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import Any

from qakit.data.bm25 import BigramIndex
from qakit.data.formats import read_dataset
from qakit.data.formats.documents import Document, Row, load
from qakit.data.formats.shapes import Id, Shape, Text, keys_in_use, parse
from qakit.data.formats.source import Journal, Source, label
from qakit.data.records import Dataset, Paragraph, Record
from qakit.data.texts import DATA_SUFFIXES, TEXT_SUFFIXES, read_texts
from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem, RecordError
from qakit.io import file_error

SUFFIXES = (*TEXT_SUFFIXES, *DATA_SUFFIXES)
_SHOWN_FILES = 5


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph of a corpus, and the file that it was read from; None for a text given in Python."""

    paragraph: Paragraph
    file: Path | None = None

    @property
    def text(self) -> str:
        """The text that an answer's offsets count in."""
        return self.paragraph.text

    @property
    def document(self) -> str:
        """What to call the document that the passage is of: its title, or the name of its file."""
        return self.paragraph.title or (self.file.name if self.file else self.paragraph.id)


@dataclass(frozen=True)
class Corpus:
    """Passages, each text once, in the order of the files. `notes` say in sentences what was read and what was not.

    Example:
        >>> corpus = Corpus.of(["《國富論》是亞當斯密寫的。", "學校位於臺北市。"])
        >>> [passage.text for passage, _ in corpus.shortlist("誰寫了《國富論》？", 1)]
        ['《國富論》是亞當斯密寫的。']
    """

    passages: tuple[Passage, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, *paths: str | PathLike[str], lenient: bool = False) -> "Corpus":
        """The passages of files, and of all files in folders, that hold plain text or are data files.

        In a folder, and the folders in it, files are known by their suffix (`SUFFIXES`); others, and those whose path
        has a part that begins with a dot, are passed over. What a file gives is told by
        `qakit.data.texts.read_texts`.

        Args:
            lenient: leave out bad records, and files of a folder that cannot be read, and say so in `notes`.

        Raises:
            ConfigError: no path.
            DataError: with all the mistakes of all the files; or there is no passage.
        """
        if not paths:
            raise ConfigError("a corpus is made of at least one file or folder")
        return _read(_Files.of(map(Path, paths)), lenient=lenient)

    @classmethod
    def of(cls, texts: Iterable[str | tuple[str, str]]) -> "Corpus":
        """A corpus of passages given as they are: texts, or pairs of a title and a text.

        Raises:
            ConfigError: there is none.
            RecordError: one is empty.
        """
        pairs = [("", given) if isinstance(given, str) else given for given in texts]
        passages: dict[str, Passage] = {}
        for number, (title, text) in enumerate(pairs):
            if not text.strip():
                raise RecordError(f"text {number}", "is empty")
            passages.setdefault(text, Passage(Paragraph(str(number), text, title)))
        if not passages:
            raise ConfigError("a corpus is made of at least one text")
        return cls(tuple(passages.values()))

    @property
    def files(self) -> list[Path]:
        """The files that passages were read from."""
        return list(dict.fromkeys(passage.file for passage in self.passages if passage.file))

    @cached_property
    def _index(self) -> BigramIndex:
        """Made when it is first asked; the title of a passage belongs to what it says."""
        return BigramIndex([f"{passage.paragraph.title}\n{passage.text}" for passage in self.passages])

    def shortlist(self, question: str, count: int) -> list[tuple[Passage, float]]:
        """The `count` passages nearest to a question with their BM25 scores, nearest first.

        Passages that share no two characters in a row with the question are listed only where the corpus has no more
        than `count`.
        """
        numbers, scores = self._index.nearest(question, count)
        found = zip(numbers.tolist(), scores.tolist(), strict=True)
        is_small = len(self.passages) <= count
        return [(self.passages[number], score) for number, score in found if score > 0 or is_small]


@dataclass(frozen=True, slots=True)
class _Files:
    """The files to read, each with whether its path was given itself, and those that were passed over."""

    read: dict[Path, bool]
    others: tuple[Path, ...]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "_Files":
        """Look into folders.

        Raises:
            DataError: a file that is neither text nor data, or a folder without one that is.
        """
        found: dict[Path, tuple[Path, bool]] = {}
        others: list[Path] = []
        problems: list[Problem] = []
        for path in paths:
            if not path.is_dir():
                found[path.resolve()] = (path, True)
                if path.exists() and not _is_readable(path):
                    problems += file_error(path, "name", f"ends in none of {', '.join(SUFFIXES)}").problems
                continue
            inside = list(_visible_files(path))
            kept = [file for file in inside if _is_readable(file)]
            others += [file for file in inside if not _is_readable(file)]
            for file in kept:
                found.setdefault(file.resolve(), (file, False))
            if not kept:
                problems += file_error(path, "folder", f"holds no file that ends in {', '.join(SUFFIXES)}").problems
        if problems:
            raise DataError(problems)
        return cls(dict(found.values()), tuple(others))


def _is_readable(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _visible_files(folder: Path) -> Iterator[Path]:
    """All files in a folder and in those in it, sorted, but for what is hidden."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _read(files: _Files, *, lenient: bool) -> Corpus:
    passages: dict[str, Passage] = {}
    problems: list[Problem] = []
    notes: dict[str, None] = {}
    left_out: list[Path] = []
    for file, is_named in files.read.items():
        try:
            texts = read_texts([file], lenient=lenient)
        except DataError as error:
            if lenient and not is_named:
                left_out.append(file)
            else:
                problems += error.problems if is_named else map(_with_hint, error.problems)
            continue
        notes |= dict.fromkeys(texts.notes)
        for paragraph in texts.paragraphs:
            passages.setdefault(paragraph.text, Passage(paragraph, file))
    if not (problems or passages):
        problems += file_error(
            next(iter(files.read)), "corpus", "neither this file nor another gave a passage"
        ).problems
    if problems:
        raise DataError(problems)
    count = len(files.read) - len(left_out)
    told = [f"{len(passages)} passages of {count} file{'s' if count > 1 else ''}", *notes]
    told += [_listed(left_out, "could not be read")] if left_out else []
    told += [_listed(files.others, "neither text nor data, passed over")] if files.others else []
    return Corpus(tuple(passages.values()), tuple(told))


def _with_hint(problem: Problem) -> Problem:
    if problem.record != WHOLE_FILE:
        return problem
    return replace(problem, message=f"{problem.message}; --lenient leaves such files of a folder out")


def _listed(files: Sequence[Path], what: str) -> str:
    shown = ", ".join(map(str, files[:_SHOWN_FILES])) + (", ..." if len(files) > _SHOWN_FILES else "")
    return f"{len(files)} file{'s' if len(files) > 1 else ''} {what}: {shown}"


_NUMBERED = "questions have no id: the file has no such column, and the number of the row stands for it"


class _Row(Shape):
    id: Id = ""
    question: Text


def read_bare_questions(path: Path, *, context: Path | None = None, lenient: bool = False) -> Dataset:
    """The questions of a file, in any schema; a table (JSON lines, CSV, parquet) needs no column but `question`.

    Of a table only `id` and `question` are looked at, and each record's only paragraph is the question itself: it
    stands there until the corpus has something better.

    Args:
        context: ADL's list of texts, for files that have one.
        lenient: leave out bad records, and count them.

    Raises:
        DataError: with all the mistakes of the file.
        ConfigError: `context` for a schema that has none.
    """
    document = load(path, allow_bom=lenient)
    rows = _question_rows(document)
    if context is not None or not rows:
        return read_dataset([path], context=context, lenient=lenient)
    journal = Journal(lenient=lenient)
    records = tuple(_read_questions_file(rows, Source(path, journal, {})))
    journal.raise_problems()
    if not records:
        raise DataError([*journal.problems, *file_error(path, "records", "none is left").problems])
    schema = "jsonl" if document.kind == "json" else document.kind
    notes = tuple(f"{count} {sentence}" for sentence, count in journal.notes.items())
    return Dataset(records, schema, (path,), journal.skipped, notes)


def _question_rows(document: Document) -> Sequence[Row]:
    """The rows of a table of questions; none where the file is something else."""
    rows = (Row("line 1", document.value),) if document.kind == "json" else document.rows
    return rows if any(isinstance(row.value, dict) and "question" in row.value for row in rows) else ()


def _read_questions_file(rows: Sequence[Row], source: Source) -> Iterator[Record]:
    required = keys_in_use((row.value for row in rows), ("id",))
    for number, row in enumerate(rows):
        if row.problem:
            source.reject(row.label, [(row.problem.field, row.problem.message)])
            continue
        record = source.record(label(row.label, row.value), partial(_build, row.value, required, number))
        if record is not None:
            source.note(_NUMBERED, "id" not in required)
            yield record


def _build(value: Any, required: frozenset[str], number: int) -> Record:
    row = parse(_Row, value, required=required)
    stand_in = Paragraph("question", row.question)
    return Record(row.id if "id" in required else str(number), row.question, (stand_in,), relevant=0)
