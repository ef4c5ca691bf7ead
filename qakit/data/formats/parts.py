"""Tables too large for memory, read part by part: JSON lines and parquet, one file or a folder of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from qakit.data.formats import tables
from qakit.data.formats.documents import Document, Row, explained_parquet, json_line
from qakit.data.formats.source import Journal, Source
from qakit.data.records import Record
from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem
from qakit.io import UTF8_BOM, file_error

SUFFIXES: Mapping[str, Literal["jsonl", "parquet"]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a file: its number, counted from 0 over all files, its records, and what was left out and done.

    `problems` are those of the `skipped` rows, of which one may have several.
    """

    number: int
    records: tuple[Record, ...]
    skipped: int
    notes: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


def table_files(path: Path) -> list[Path]:
    """The file itself, or the tables of a folder, sorted by name.

    Raises:
        ConfigError: it is no JSON lines or parquet, or the folder has none.
        DataError: there is no such file.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
        if not files:
            raise ConfigError(f"{path}: holds no file that ends in {', '.join(SUFFIXES)}")
        return files
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"{path}: only JSON lines and parquet ({', '.join(SUFFIXES)}) are read part by part; "
            "qakit preprocess --to jsonl makes one"
        )
    if not path.is_file():
        raise file_error(path, "file", "No such file or directory")
    return [path]


def filled_tables(path: Path) -> list[Path]:
    """`table_files`, of which one at least has a row; others of a folder may have none.

    Raises:
        ConfigError: as `table_files`.
        DataError: there is no row in any of them, or no such file.
    """
    files = table_files(path)
    if all(next(_rows(file, 1), None) is None for file in files):
        raise DataError([Problem(str(file), WHOLE_FILE, "file", "is empty") for file in files])
    return files


def read_parts(files: Sequence[Path], size: int, *, first: int = 0, lenient: bool = False) -> Iterator[Part]:
    """The questions of tables, `size` rows at a time; a part never spans two files.

    Rows without an id are numbered from 0 through all files, as `read_dataset` numbers them. That ids differ is checked
    within each part only.

    Args:
        first: number of the first part wanted; those before are passed over without being parsed.

    Raises:
        DataError: with all the mistakes of a part, when it is its turn.
    """
    number, rows_before = 0, 0
    for file in files:
        rows = _rows(file, size)
        while chunk := list(islice(rows, size)):
            if number >= first:
                document = Document(file, SUFFIXES[file.suffix], rows=tuple(_parsed(chunk, file)))
                yield _part(number, document, rows_before, lenient=lenient)
            number, rows_before = number + 1, rows_before + len(chunk)


def _part(number: int, document: Document, rows_before: int, *, lenient: bool) -> Part:
    journal = Journal(lenient=lenient, rows=rows_before)
    records = tuple(tables.read(document, Source(document.path, journal, tables.NAMES)))
    journal.raise_problems()
    notes = tuple(f"{count} {note}" for note, count in journal.notes.items())
    return Part(number, records, journal.skipped, notes, tuple(journal.problems))


def _parsed(rows: Sequence[Row], file: Path) -> Iterator[Row]:
    """The rows, with those that are still text as JSON."""
    return (json_line(row.value, file, row.label) if isinstance(row.value, str) else row for row in rows)


def _rows(file: Path, size: int) -> Iterator[Row]:
    """The rows of a table; parquet is read `size` of them at a time."""
    return _json_rows(file) if SUFFIXES[file.suffix] == "jsonl" else _parquet_rows(file, size)


def _json_rows(file: Path) -> Iterator[Row]:
    """The lines that hold something, as text."""
    with open(file, encoding="utf-8", newline="\n") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield Row(f"line {number}", line.encode().removeprefix(UTF8_BOM).decode() if number == 1 else line)
        except UnicodeDecodeError as error:
            raise file_error(file, "encoding", f"byte 0x{error.object[error.start]:02x} is not UTF-8") from None


def _parquet_rows(file: Path, size: int) -> Iterator[Row]:
    import pyarrow.parquet as pq

    number = 0
    with explained_parquet(file):
        table = pq.ParquetFile(file)
    with table:
        batches = table.iter_batches(batch_size=size)
        while True:
            with explained_parquet(file):
                batch = next(batches, None)
            if batch is None:
                return
            for value in batch.to_pylist():
                yield Row(f"row {number}", value)
                number += 1
