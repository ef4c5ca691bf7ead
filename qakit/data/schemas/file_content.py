"""The content of a data file, one JSON value or the rows of a table, and the schema that it follows."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qakit.data.schemas.known import SCHEMAS
from qakit.data.schemas.shapes import ShapeError, describe
from qakit.errors import DataError, Problem
from qakit.io import file_error, parse_json, read_csv_rows, read_text

_PARQUET_MAGIC = b"PAR1"
_JSONL_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table: a JSON value or cells by column, or the problem with a row that cannot be read.

    `place` says where it is, for messages: `line 3`.
    """

    place: str
    value: Any
    problem: Problem | None = None

    def checked_value(self) -> Any:
        """The value.

        Raises:
            ShapeError: the row cannot be read.
        """
        if self.problem:
            raise ShapeError([(self.problem.field, self.problem.message)])
        return self.value


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of a file: a `value` if `kind` is json, `rows` otherwise."""

    path: Path
    kind: Literal["json", "jsonl", "csv", "parquet"]
    value: Any = None
    rows: tuple[TableRow, ...] = ()

    def table_rows(self) -> tuple[TableRow, ...]:
        """The rows of a table; one JSON value counts as JSON lines with a single line."""
        return (TableRow("line 1", self.value),) if self.kind == "json" else self.rows


def load_content(path: Path, *, allow_bom: bool = False) -> FileContent:
    """Read a JSON, JSON lines, CSV or parquet file.

    The content decides first (parquet begins with PAR1, JSON with a bracket), then the suffix.

    Raises:
        DataError: the file is missing, empty, not UTF-8, or broken JSON, CSV or parquet. A single broken line, or a CSV
            row with too many or too few cells, does not raise: its row has a `problem`.
    """
    if _is_parquet(path):
        return FileContent(path, "parquet", rows=tuple(_parquet_rows(path)))
    text = read_text(path, allow_bom=allow_bom)
    first_line, _, rest = text.strip().partition("\n")
    begins_json = first_line.startswith(("{", "["))
    if path.suffix in _JSONL_SUFFIXES or (begins_json and rest and _is_object(first_line)):
        return FileContent(path, "jsonl", rows=tuple(_json_lines(text, path)))
    if not begins_json and (path.suffix == ".csv" or "," in first_line):
        rows = read_csv_rows(path, allow_bom=allow_bom)
        return FileContent(path, "csv", rows=tuple(_csv_row(f"line {line}", row) for line, row in rows))
    if not begins_json and path.suffix == ".txt":
        message = "is plain text, without questions: --to cloze generates some, --to tokenizer builds a vocabulary"
        raise file_error(path, "schema", message)
    return FileContent(path, "json", value=parse_json(text, path))


def _is_parquet(path: Path) -> bool:
    if path.suffix == ".parquet":
        return True
    try:
        with open(path, "rb") as file:
            return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    except OSError:
        return False  # read_text raises the error with its message


def _parquet_rows(path: Path) -> Iterator[TableRow]:
    import pyarrow.parquet as pq

    with explain_parquet_errors(path), open(path, "rb") as file:
        values = pq.read_table(file).to_pylist()
    return (TableRow(f"row {number}", value) for number, value in enumerate(values))


@contextmanager
def explain_parquet_errors(path: Path) -> Iterator[None]:
    """Turn errors of reading a parquet file into a `DataError`."""
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


def _csv_row(place: str, row: Mapping[str, str] | Problem) -> TableRow:
    return TableRow(place, None, row) if isinstance(row, Problem) else TableRow(place, row)


def _json_lines(text: str, path: Path) -> Iterator[TableRow]:
    # Not splitlines(): JSON strings may hold U+2028 and the like unescaped.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield parse_json_line(line, path, f"line {number}")


def parse_json_line(line: str, path: Path, place: str) -> TableRow:
    """One line of a JSON lines file as a row; its `problem` says why a line is not JSON."""
    try:
        return TableRow(place, parse_json(line, path, place))
    except DataError as error:
        (problem,) = error.problems
        message = problem.message.removeprefix("line 1, ")  # the parser saw this line alone
        return TableRow(place, None, Problem(problem.file, problem.record, problem.field, message))


ADL_2022_CANDIDATES = 4


def detect_schema(content: FileContent) -> str:
    """Name the schema of a file by the keys in it.

    ADL test files do not tell their year: with four candidates a question they count as adl2022, else as adl2021.

    Raises:
        DataError: no schema fits; the message describes the file and lists the schemas.
    """
    if content.kind == "json":
        schema = _json_schema(content.value)
        looks = f"the top level is {_describe_top(content.value)}"
    else:
        columns = {key: None for row in content.rows if isinstance(row.value, dict) for key in row.value}
        # If no row can be read, name the schema all the same: reading it then reports the problem of each row.
        broken = all(row.problem for row in content.rows)
        schema = content.kind if "question" in columns or broken else None
        looks = f"a {content.kind} table with the columns {', '.join(map(repr, list(columns)[:8])) or 'none'}"
    if schema is None:
        known = "; ".join(f"{name}: {schema.shape}" for name, schema in SCHEMAS.items())
        raise file_error(content.path, "schema", f"is not recognised: {looks}. Known schemas are {known}")
    return schema


def _json_schema(value: Any) -> str | None:
    if isinstance(value, list):
        return _list_schema([item for item in value if isinstance(item, dict)])
    if not isinstance(value, dict):
        return None
    if "data" in value:
        return _squad_schema(value)
    if "questions" in value:
        return "hw7"
    return "jsonl" if "question" in value and ("context" in value or "paragraphs" in value) else None


def _list_schema(items: list[dict[str, Any]]) -> str | None:
    keys = Counter(key for item in items for key in item)
    if keys["qas"] or keys["context_text"]:
        return "cmrc-flat"
    if not (keys["question"] and keys["paragraphs"]):
        return None
    if keys["answer"] or keys["answers"]:
        return "adl2022" if keys["answer"] >= keys["answers"] else "adl2021"
    candidates = (item.get("paragraphs") for item in items)
    four = all(isinstance(ids, list) and len(ids) == ADL_2022_CANDIDATES for ids in candidates)
    return "adl2022" if four else "adl2021"


def _squad_schema(value: dict[str, Any]) -> str:
    articles = list(_objects([value], "data"))
    paragraphs = list(_objects(articles, "paragraphs"))
    questions = list(_objects(paragraphs, "qas"))
    version = str(value.get("version", "")).removeprefix("v")
    if version.startswith("2") or any("is_impossible" in question for question in questions):
        return "squad2"
    if _any_id(articles) and _any_id(_objects(questions, "answers")):
        return "drcd"
    query_ids = any("_QUERY_" in str(question.get("id")) for question in questions)
    return "cmrc" if value.get("version") == "v1.0" or (query_ids and _any_id(paragraphs)) else "squad"


def _any_id(values: Iterable[dict[str, Any]]) -> bool:
    return any("id" in value for value in values)


def _objects(values: list[Any], key: str) -> Iterator[dict[str, Any]]:
    """The objects in the lists that `values` hold under `key`; anything else is passed over."""
    for value in values:
        items = value.get(key)
        if isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))


def _describe_top(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return describe(value)
    if all(isinstance(item, str) for item in value):
        return f"a list of {len(value)} strings (if this is ADL's context.json, name the file of questions instead)"
    is_labelled = isinstance(value[0], dict) and not {"text", "tokens"}.isdisjoint(value[0])
    hint = " (texts with labels are for train-intent and train-slots)" if is_labelled else ""
    return f"a list of {len(value)}, the first of them {describe(value[0])}{hint}"
