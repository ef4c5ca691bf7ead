"""What a file is by its content: one JSON value, or the rows of a table."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qakit.errors import DataError, Problem
from qakit.io import file_error, parse_json, read_csv_rows, read_text

_PARQUET_MAGIC = b"PAR1"
_JSONL_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: a JSON value, cells by column, or the problem that there is no such thing."""

    label: str
    value: Any
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file: `value` where `kind` is json, `rows` otherwise."""

    path: Path
    kind: Literal["json", "jsonl", "csv", "parquet"]
    value: Any = None
    rows: tuple[Row, ...] = ()


def load(path: Path, *, allow_bom: bool = False) -> Document:
    """The content of a JSON, JSON-lines, CSV or parquet file.

    Content decides first (parquet begins with PAR1, JSON with a bracket), the suffix where content does not tell.

    Raises:
        DataError: no such file, nothing in it, another encoding than UTF-8, or broken JSON, CSV or parquet. A broken
            line of JSON lines, or a CSV row of too many or too few cells, is no fault of the file: its row has a
            `problem`.
    """
    if _is_parquet(path):
        return Document(path, "parquet", rows=tuple(_parquet_rows(path)))
    text = read_text(path, allow_bom=allow_bom)
    first_line, _, rest = text.strip().partition("\n")
    begins_json = first_line.startswith(("{", "["))
    if path.suffix in _JSONL_SUFFIXES or (begins_json and rest and _is_object(first_line)):
        return Document(path, "jsonl", rows=tuple(_json_lines(text, path)))
    if not begins_json and (path.suffix == ".csv" or "," in first_line):
        rows = read_csv_rows(path, allow_bom=allow_bom)
        return Document(path, "csv", rows=tuple(_csv_row(f"line {line}", row) for line, row in rows))
    if not begins_json and path.suffix == ".txt":
        message = "is plain text, without questions; --to cloze makes some, --to tokenizer a vocabulary"
        raise file_error(path, "schema", message)
    return Document(path, "json", value=parse_json(text, path))


def _is_parquet(path: Path) -> bool:
    if path.suffix == ".parquet":
        return True
    try:
        with open(path, "rb") as file:
            return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    except OSError:
        return False  # the text reader says what is wrong


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow.parquet as pq

    with explained_parquet(path), open(path, "rb") as file:
        values = pq.read_table(file).to_pylist()
    return (Row(f"row {number}", value) for number, value in enumerate(values))


@contextmanager
def explained_parquet(path: Path) -> Iterator[None]:
    """Turn what is wrong with a parquet file that is read meanwhile into a `DataError`."""
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0]
        raise file_error(path, "parquet", f"cannot be read: {reason}") from None


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _csv_row(label: str, row: Mapping[str, str] | Problem) -> Row:
    return Row(label, None, row) if isinstance(row, Problem) else Row(label, row)


def _json_lines(text: str, path: Path) -> Iterator[Row]:
    # Not splitlines(): JSON strings may hold U+2028 and its like as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        yield json_line(line, path, f"line {number}")


def json_line(line: str, path: Path, label: str) -> Row:
    """A line of JSON lines as a row, which has a problem where it is no JSON."""
    try:
        return Row(label, parse_json(line, path, label))
    except DataError as error:
        (problem,) = error.problems
        message = problem.message.removeprefix("line 1, ")
        return Row(label, None, Problem(problem.file, problem.record, problem.field, message))
