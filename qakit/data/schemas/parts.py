"""Tables too large for memory, read part by part: a JSON lines or parquet file, or a folder of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qakit.chunks import chunked
from qakit.data.records import Record
from qakit.data.schemas import tables
from qakit.data.schemas.file_content import FileContent, TableRow, explain_parquet_errors, parse_json_line
from qakit.data.schemas.source import ReadLog, Source
from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem
from qakit.io import file_error

SUFFIXES: Mapping[str, Literal["jsonl", "parquet"]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class Part:
    """The records of some consecutive rows of a file.

    Attributes:
        number: position of the part, counted from 0 over all files.
        skipped: bad rows that were left out.
        problems: the problems of these rows, at least one each.
        notes: sentences for the user.
    """

    number: int
    records: tuple[Record, ...]
    skipped: int
    notes: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


def find_tables(path: Path) -> list[Path]:
    """List the table files at a path: the file itself, or the tables of a folder, sorted by name.

    Raises:
        ConfigError: neither JSON lines nor parquet, or a folder without such files.
        DataError: the file is missing.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
        if not files:
            raise ConfigError(f"{path}: the folder has no files that end in {', '.join(SUFFIXES)}")
        return files
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"{path}: only JSON lines and parquet ({', '.join(SUFFIXES)}) are read part by part: "
            "convert it with qakit preprocess --to jsonl"
        )
    if not path.is_file():
        raise file_error(path, "file", "No such file or directory")
    return [path]


def nonempty_tables(path: Path) -> list[Path]:
    """`find_tables`, checked to have at least one row among them.

    Raises:
        ConfigError: as `find_tables`.
        DataError: the file is missing, or all files are empty.
    """
    files = find_tables(path)
    if all(next(_rows(file, 1), None) is None for file in files):
        raise DataError([Problem(str(file), WHOLE_FILE, "file", "is empty") for file in files])
    return files


def read_parts(files: Sequence[Path], size: int, *, first: int = 0, lenient: bool = False) -> Iterator[Part]:
    """Read the questions of tables, `size` rows at a time; a part never spans two files.

    Rows without an id are numbered from 0 through all files, as `read_dataset` numbers them. Ids are checked for
    duplicates within each part only: checking all would need all of them in memory.

    Args:
        first: number of the first part wanted; earlier ones are skipped without parsing them.

    Raises:
        DataError: with all the mistakes of a part, when the iterator reaches it.
    """
    number, rows_before = 0, 0
    for file in files:
        for chunk in chunked(_rows(file, size), size):
            if number >= first:
                content = FileContent(file, SUFFIXES[file.suffix], rows=tuple(_parse_rows(chunk, file)))
                yield _part(number, content, rows_before, lenient=lenient)
            number, rows_before = number + 1, rows_before + len(chunk)


def _part(number: int, content: FileContent, rows_before: int, *, lenient: bool) -> Part:
    log = ReadLog(lenient=lenient, rows=rows_before)
    records = tuple(tables.read(content, Source(content.path, log, tables.NAMES)))
    log.raise_problems()
    return Part(number, records, log.skipped, log.sentences(), tuple(log.problems))


def _parse_rows(rows: Sequence[TableRow], file: Path) -> Iterator[TableRow]:
    """Parse the rows that are still JSON text."""
    return (parse_json_line(row.value, file, row.place) if isinstance(row.value, str) else row for row in rows)


def _rows(file: Path, size: int) -> Iterator[TableRow]:
    """The rows of a table; those of JSON lines are not parsed yet, so that skipping them is cheap."""
    return _json_rows(file) if SUFFIXES[file.suffix] == "jsonl" else _parquet_rows(file, size)


def _json_rows(file: Path) -> Iterator[TableRow]:
    """The lines that are not blank, as text."""
    with open(file, encoding="utf-8", newline="\n") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    # A byte order mark decodes to this character.
                    yield TableRow(f"line {number}", line.removeprefix("\ufeff") if number == 1 else line)
        except UnicodeDecodeError as error:
            raise file_error(
                file, "encoding", f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
            ) from None


def _parquet_rows(file: Path, size: int) -> Iterator[TableRow]:
    import pyarrow.parquet as pq

    number = 0
    with explain_parquet_errors(file):
        table = pq.ParquetFile(file)
    with table:
        batches = table.iter_batches(batch_size=size)
        while True:
            with explain_parquet_errors(file):
                batch = next(batches, None)
            if batch is None:
                return
            for value in batch.to_pylist():
                yield TableRow(f"row {number}", value)
                number += 1
