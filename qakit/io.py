"""Files: read with errors that a user can act on, written atomically."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem

UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path, *, allow_bom: bool = False) -> str:
    """Read a UTF-8 text file.

    Args:
        allow_bom: drop a byte order mark instead of refusing it.

    Raises:
        DataError: the file is missing, a folder, empty, in another encoding, or has a byte order mark.
    """
    raw = read_bytes(path)
    # UTF-16 without a byte order mark shows by the zero byte of its first ASCII character.
    if raw.startswith(_UTF16_BOMS) or b"\x00" in raw[:4]:
        raise file_error(path, "encoding", "is UTF-16 or UTF-32; save the file as UTF-8")
    if raw.startswith(UTF8_BOM):
        if not allow_bom:
            raise file_error(
                path, "encoding", "starts with a byte order mark; save it as UTF-8 without one, or use --lenient"
            )
        raw = raw.removeprefix(UTF8_BOM)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{raw[error.start]:02x} in line {line} is not UTF-8; save the file as UTF-8"
        raise file_error(path, "encoding", message) from None


def read_bytes(path: Path) -> bytes:
    """Read the bytes of a file.

    Raises:
        DataError: the file is missing, a folder, or holds nothing but white space.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise file_error(path, "file", error.strerror or str(error)) from None
    if not raw.strip():
        raise file_error(path, "file", "is empty")
    return raw


def parse_json(text: str, path: Path, record: str = WHOLE_FILE) -> Any:
    """Parse strict JSON: unlike Python's parser, it refuses NaN, infinity and repeated keys.

    Args:
        record: where the text is, for the message.

    Raises:
        DataError: with the line and column of a syntax error.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DataError([Problem(str(path), record, "JSON", f"{place}: {error.msg}")]) from None
    except (ValueError, RecursionError) as error:
        message = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError([Problem(str(path), record, "JSON", message)]) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {repeated!r} occurs twice in one object; keep one of them")
    return result


def read_json(path: Path, *, allow_bom: bool = False) -> Any:
    """Read and parse a UTF-8 JSON file. Raises `DataError`."""
    return parse_json(read_text(path, allow_bom=allow_bom), path)


def read_csv_rows(path: Path, *, allow_bom: bool = False) -> Iterator[tuple[int, dict[str, str] | Problem]]:
    """Read a CSV file with a header, as (line number of the row's last line, {column: cell}).

    A row with more or fewer cells than the header is replaced by its problem.

    Raises:
        DataError: a column name occurs twice, or a quote is never closed, after which rows cannot be told apart.
    """
    # strict: otherwise the csv module joins what follows a stray quote to the cell, silently.
    reader = csv.reader(io.StringIO(read_text(path, allow_bom=allow_bom), newline=""), strict=True)
    try:
        header = next(reader)
        if len(set(header)) < len(header):
            raise file_error(
                path, "header", f"a column name occurs twice: {', '.join(header)}; give every column a name of its own"
            )
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                message = f"has {len(cells)} cells; expected {len(header)}, as the header has"
                yield reader.line_num, Problem(str(path), f"line {reader.line_num}", "row", message)
            else:
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise file_error(path, "CSV", f"line {reader.line_num}: {error}") from None


def file_error(path: Path, field: str, message: str) -> DataError:
    """Make a `DataError` about a file as a whole."""
    return DataError([Problem(str(path), WHOLE_FILE, field, message)])


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def surrogate_fault(text: str) -> str | None:
    """Say why UTF-8 cannot encode a text: it holds half of a surrogate pair. None for a good text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = f"\\u{ord(text[error.start]):04x}"
        return f"holds half of a surrogate pair ({code} at {error.start}), which is no character; replace it"
    return None


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, from the system's cache to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Check, before any work, that no output would overwrite an input, a folder or another output.

    Args:
        outputs: None stands for an output that is not wanted.

    Raises:
        ConfigError: naming the path.
    """
    taken = {path.resolve(): "is an input" for path in inputs}
    for path in filter(None, outputs):
        reason = taken.get(path.resolve(), "is a folder" if path.is_dir() else "")
        if reason:
            raise ConfigError(f"{path}: {reason}; choose another name for the output")
        taken[path.resolve()] = "is also the name of another output"


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file whose content appears at `path` in one step when the block ends, and not at all if it raises.

    Of a symbolic link, the target is replaced. A pipe or device cannot be replaced: it is written to directly.
    """
    path = path.resolve()
    # newline "": CSV cells may hold line ends of their own, which must reach the file as they are.
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    if path.exists() and not path.is_file():
        with open(path, mode, **text) as file:  # type: ignore[call-overload]
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: a rename is atomic within one file system only.
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with open(temporary, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())  # before the rename: after a crash the name must not point to missing data
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_write(path) as file:
        file.write(text)


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write `value` as UTF-8 JSON, without \\u escapes, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False) + "\n")


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write JSON lines, atomically."""
    with atomic_write(path) as file:
        for value in values:
            file.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a CSV document with `\\n` line ends; cells are quoted only where they must be."""
    lines = _CsvLines()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return "".join(lines)


class _CsvLines(list[str]):
    """Receives the rows of a CSV writer, and ends them with `\\n`.

    The writer itself has to end rows with `\\r\\n`: only then does it quote a lone `\\r` in a cell.
    """

    def write(self, row: str) -> None:
        self.append(row.removesuffix("\r\n") + "\n")


def write_parquet(
    path: Path, columns: Mapping[str, Any], metadata: Mapping[str, str] | None = None, **options: Any
) -> None:
    """Write columns of equal length as parquet, atomically.

    Args:
        metadata: key-value pairs for the schema of the file.
        options: for `pyarrow.parquet.write_table`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(dict(columns)).replace_schema_metadata(dict(metadata or {}))
    with atomic_write(path, "wb") as file:
        pq.write_table(table, file, compression="zstd", **options)


TABLE_SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
# A spreadsheet takes a cell that begins so for a formula; the full-width forms too (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def check_table_suffix(path: Path) -> None:
    """Check, before any work, that `write_table` knows the suffix.

    Raises:
        ConfigError: it does not.
    """
    if path.suffix not in TABLE_SUFFIXES:
        raise ConfigError(f"{path}: the name must end in .csv, .json, .jsonl or .parquet")


def write_table(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows, at least one and all with the same keys, as `.csv`, `.json`, `.jsonl` or `.parquet`.

    CSV is for spreadsheets: lists are joined by ` | `, and `'` is put before a text that would be taken for a formula.

    Raises:
        ConfigError: another suffix.
    """
    check_table_suffix(path)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    if path.suffix == ".json":
        write_json(path, list(rows))
    elif path.suffix == ".jsonl":
        write_jsonl(path, rows)
    elif path.suffix == ".parquet":
        write_parquet(path, columns)
    else:
        write_text(path, csv_text(list(columns), (list(map(_spreadsheet_cell, row.values())) for row in rows)))


def _spreadsheet_cell(value: Any) -> Any:
    text = " | ".join(value) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA_STARTS) else text
