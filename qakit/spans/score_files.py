"""Scores files as parquet files: what they say of themselves, their ids, and their rows a batch at a time."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from qakit.errors import DataError
from qakit.io import file_error

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import DataclassInstance

_AGAIN = "write it again with `qakit predict --scores`"
ROWS = 256  # of a group, which are written, and decoded, at a time


class HasId(Protocol):
    """A row of a scores file."""

    @property
    def id(self) -> str:
        """The id of its record."""
        ...


class HasModel(Protocol):
    """What a scores file says of itself."""

    @property
    def model(self) -> str:
        """Where the scores came from, for messages."""
        ...


Row = TypeVar("Row")
Info = TypeVar("Info", bound="DataclassInstance")
Row_co = TypeVar("Row_co", bound=HasId, covariant=True)
Info_co = TypeVar("Info_co", bound=HasModel, covariant=True)


class ScoresSource(Protocol, Generic[Row_co, Info_co]):
    """A scores file of any kind, of which nothing is held in memory but what all its rows have in common."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    @property
    def info(self) -> Info_co:
        """What all rows have in common."""
        ...

    def rows(self) -> Iterator[Row_co]:
        """The rows in the order of the file.

        Raises:
            DataError: the file is damaged.
        """
        ...


def read_metadata(path: Path, key: str) -> dict[str, Any] | None:
    """What a file says of itself under `key`; None where it is a parquet file without.

    Raises:
        DataError: the file is missing or no parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        packed = (pq.read_schema(path).metadata or {}).get(key.encode())
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    if packed is None:
        return None
    try:
        found: dict[str, Any] = json.loads(packed)
    except ValueError as error:
        raise file_error(path, f"metadata.{key}", f"is not JSON: {error}; {_AGAIN}") from None
    return found


def has_metadata(path: Path, key: str) -> bool:
    """Whether a file is parquet and says something of itself under `key`."""
    try:
        return read_metadata(path, key) is not None
    except DataError:
        return False


def read_info(path: Path, key: str, kind: type[Info], version: int, what: str) -> Info:
    """What a file says of itself under `key`.

    Args:
        kind: a dataclass.
        version: the newest `format_version` that is known.
        what: the kind of the file, for the message.

    Raises:
        DataError: the file is missing, is none of this kind, was written by a newer qakit, or is damaged.
    """
    found = read_metadata(path, key)
    if found is None:
        raise file_error(path, "metadata", f"is not a scores file of {what}; `qakit predict --scores FILE` writes one")
    written = found.get("format_version")
    if isinstance(written, int) and written > version:
        raise file_error(path, "format_version", f"{written} is newer than this qakit reads ({version}); upgrade qakit")
    try:
        info = TypeAdapter(kind).validate_json(
            json.dumps(found, ensure_ascii=False).encode(errors="replace"), strict=True
        )
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, (key, *fault["loc"])))
        raise file_error(path, f"metadata.{field}", f"{fault['msg']}; the file is damaged: {_AGAIN}") from None
    # A path that is no UTF-8 is kept as Python passes it on.
    return replace(info, **{name: found[name] for name, value in vars(info).items() if isinstance(value, str)})


def read_ids(path: Path) -> list[str]:
    """The ids of a file's rows, in their order.

    Raises:
        DataError: the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found: list[str] = pq.read_table(path, columns=["id"])["id"].to_pylist()
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    return found


def read_rows(path: Path, decode: "Callable[[pa.RecordBatch], Iterator[Row]]") -> Iterator[Row]:
    """The rows of a file, in order; not many are in memory at once.

    Args:
        decode: gives those of a batch.

    Raises:
        DataError: the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):  # asked for several, pyarrow decodes far ahead
                for batch in file.iter_batches(ROWS, row_groups=[group]):
                    yield from decode(batch)
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise file_error(path, "rows", f"are not those of a scores file: {error}; {_AGAIN}") from None


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.errno:
        return file_error(path, "file", os.strerror(error.errno))
    return file_error(path, "file", f"is not a readable parquet file, which `qakit predict --scores` writes: {error}")
