"""A corpus of passages to search for answers: read from files and folders, ranked by BM25."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from os import PathLike
from pathlib import Path

from qakit.data.bm25 import BigramIndex
from qakit.data.records import Dataset, Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.data.schemas.file_content import TableRow, load_content
from qakit.data.schemas.shapes import Id, Shape, Text, keys_in_use, parse
from qakit.data.schemas.source import ReadLog, Source, with_id
from qakit.data.schemas.tables import NUMBERED
from qakit.data.texts import DATA_SUFFIXES, TEXT_SUFFIXES, read_texts
from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem, RecordError
from qakit.io import file_error

SUFFIXES = (*TEXT_SUFFIXES, *DATA_SUFFIXES)
_SHOWN_FILES = 5


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph of a corpus, and the file it was read from; None for a text given in Python."""

    paragraph: Paragraph
    file: Path | None = None

    @property
    def text(self) -> str:
        """The text in which an answer's offsets count."""
        return self.paragraph.text

    @property
    def document(self) -> str:
        """A name for the passage's document: its title, else its file's name, else its id."""
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
        """Read the passages of files, and of all files in folders, that are plain text or data files.

        A folder is searched with its subfolders, for files with a known suffix (`SUFFIXES`); hidden files and folders
        are skipped. `qakit.data.texts.read_texts` says how a file is divided into passages.

        Args:
            lenient: leave out bad records, and files of a folder that cannot be read, and say so in `notes`.

        Raises:
            ConfigError: no path.
            DataError: with all the mistakes of all the files; or no passage was found.
        """
        if not paths:
            raise ConfigError("a corpus needs at least one file or folder")
        return _read(_find_files(map(Path, paths)), lenient=lenient)

    @classmethod
    def of(cls, texts: Iterable[str | tuple[str, str]]) -> "Corpus":
        """Make a corpus of passages given as texts, or as pairs of a title and a text.

        Raises:
            ConfigError: no text.
            RecordError: a text is empty.
        """
        pairs = [("", given) if isinstance(given, str) else given for given in texts]
        passages: dict[str, Passage] = {}
        for number, (title, text) in enumerate(pairs):
            if not text.strip():
                raise RecordError(f"text {number}", "is empty")
            passages.setdefault(text, Passage(Paragraph(str(number), text, title)))
        if not passages:
            raise ConfigError("a corpus needs at least one text")
        return cls(tuple(passages.values()))

    @property
    def files(self) -> list[Path]:
        """The files that passages were read from."""
        return list(dict.fromkeys(passage.file for passage in self.passages if passage.file))

    def shortlist(self, question: str, count: int) -> list[tuple[Passage, float]]:
        """Rank passages by BM25 for a question: the best `count` with their scores, best first.

        Passages that share no two consecutive characters with the question are left out, unless the corpus has no more
        than `count` passages.
        """
        numbers, scores = self._index.nearest(question, count)
        found = zip(numbers.tolist(), scores.tolist(), strict=True)
        is_small = len(self.passages) <= count
        return [(self.passages[number], score) for number, score in found if score > 0 or is_small]

    @cached_property
    def _index(self) -> BigramIndex:
        """Built for the first question. The title is indexed too: a passage rarely repeats its own topic."""
        return BigramIndex([f"{passage.paragraph.title}\n{passage.text}" for passage in self.passages])


@dataclass(frozen=True, slots=True)
class _Files:
    """Files to read, by whether the user named them or a folder held them; files of folders with other suffixes."""

    is_named: dict[Path, bool]
    ignored: tuple[Path, ...]


def _find_files(paths: Iterable[Path]) -> _Files:
    """Look for files, also in folders.

    Raises:
        DataError: a file, or all files of a folder, have a suffix of neither text nor data.
    """
    found: dict[Path, tuple[Path, bool]] = {}  # by resolved path: a file that is reached twice is read once
    ignored: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        if not path.is_dir():
            found[path.resolve()] = (path, True)
            if path.exists() and not _has_known_suffix(path):
                problems += file_error(path, "name", f"ends in none of {', '.join(SUFFIXES)}").problems
            continue
        inside = list(_visible_files(path))
        kept = [file for file in inside if _has_known_suffix(file)]
        ignored += [file for file in inside if not _has_known_suffix(file)]
        for file in kept:
            found.setdefault(file.resolve(), (file, False))
        if not kept:
            problems += file_error(path, "folder", f"holds no file that ends in {', '.join(SUFFIXES)}").problems
    if problems:
        raise DataError(problems)
    return _Files(dict(found.values()), tuple(ignored))


def _has_known_suffix(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _visible_files(folder: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders, sorted, without hidden ones."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _read(files: _Files, *, lenient: bool) -> Corpus:
    passages: dict[str, Passage] = {}
    problems: list[Problem] = []
    notes: dict[str, None] = {}
    unreadable: list[Path] = []
    for file, is_named in files.is_named.items():
        try:
            texts = read_texts([file], lenient=lenient)
        except DataError as error:
            # A file that the user named must be readable; one that a folder happens to hold may be left out.
            if lenient and not is_named:
                unreadable.append(file)
            else:
                problems += error.problems if is_named else map(_with_hint, error.problems)
            continue
        notes |= dict.fromkeys(texts.notes)
        for paragraph in texts.paragraphs:
            passages.setdefault(paragraph.text, Passage(paragraph, file))
    if not (problems or passages):
        first = next(iter(files.is_named))
        problems += file_error(first, "corpus", "no passage was found in this file or any other").problems
    if problems:
        raise DataError(problems)
    count = len(files.is_named) - len(unreadable)
    summary = [f"{len(passages)} passages of {count} file{'s' if count > 1 else ''}", *notes]
    summary += [_list_files(unreadable, "could not be read")] if unreadable else []
    summary += [_list_files(files.ignored, "neither text nor data, passed over")] if files.ignored else []
    return Corpus(tuple(passages.values()), tuple(summary))


def _with_hint(problem: Problem) -> Problem:
    if problem.record != WHOLE_FILE:
        return problem
    return replace(problem, message=f"{problem.message}; --lenient leaves such files of a folder out")


def _list_files(files: Sequence[Path], what: str) -> str:
    shown = ", ".join(map(str, files[:_SHOWN_FILES])) + (", ..." if len(files) > _SHOWN_FILES else "")
    return f"{len(files)} file{'s' if len(files) > 1 else ''} {what}: {shown}"


class _Question(Shape):
    id: Id = ""
    question: Text


def read_corpus_questions(path: Path, *, context: Path | None = None, lenient: bool = False) -> Dataset:
    """Read questions to ask a corpus: a file of any schema, or a table (JSON lines, CSV, parquet) with `question`.

    Of a table only `id` and `question` are read. The question itself serves as the record's only paragraph, until
    passages of the corpus replace it.

    Args:
        context: ADL's list of texts, for files that have one.
        lenient: leave out bad records, and count them.

    Raises:
        DataError: with all the mistakes of the file.
        ConfigError: `context` for a schema that has none.
    """
    content = load_content(path, allow_bom=lenient)
    rows = content.table_rows()
    is_table = any(isinstance(row.value, dict) and "question" in row.value for row in rows)
    if context is not None or not is_table:
        return read_dataset([path], context=context, lenient=lenient)
    log = ReadLog(lenient=lenient)
    records = tuple(_read_questions(rows, Source(path, log, {})))
    log.raise_problems()
    if not records:
        raise DataError([*log.problems, *file_error(path, "records", "no valid record is left").problems])
    schema = "jsonl" if content.kind == "json" else content.kind
    return Dataset(records, schema, (path,), log.skipped, log.sentences())


def _read_questions(rows: Sequence[TableRow], source: Source) -> Iterator[Record]:
    required = keys_in_use((row.value for row in rows), ("id",))
    for number, row in enumerate(rows):
        record = source.build_record(with_id(row.place, row.value), partial(_build, row, required, number))
        if record is not None:
            source.note(NUMBERED, "id" not in required)
            yield record


def _build(row: TableRow, required: frozenset[str], number: int) -> Record:
    shape = parse(_Question, row.checked_value(), required=required)
    placeholder = Paragraph("question", shape.question)
    return Record(shape.id if "id" in required else str(number), shape.question, (placeholder,), relevant=0)
