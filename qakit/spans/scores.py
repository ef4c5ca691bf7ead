"""Scores files: where models with different tokenizers, windows and folds meet.

One row a question, in parquet: the context that was read, and the start and end logit of every token of every window
with the characters it covers. So a file decodes to exactly what its model predicted, and several files can be averaged
by character. Read and written without torch.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from qakit.errors import DataError
from qakit.io import file_error, write_parquet
from qakit.spans.token_scores import Floats, Offsets, TokenScores

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import DataclassInstance

FORMAT_VERSION = 3  # 2 adds `temperature` and `length_bonus`, 3 leaves out `max_answer_characters`
_METADATA_KEY = "qakit"
_TOKEN_COLUMNS = {
    "start": np.float32,
    "end": np.float32,
    "char_start": np.int32,
    "char_end": np.int32,
    "bounds": np.int64,
}


@dataclass(frozen=True)
class QuestionScores:
    """The scores of one question over the paragraph that was read.

    Attributes:
        candidate: position of that paragraph among the question's candidates.
        selection: log-probability of each candidate paragraph, shape (C,); empty without a selector.
        tokens: the logits of that paragraph's tokens.
    """

    id: str
    context: str
    candidate: int
    selection: tuple[float, ...]
    tokens: TokenScores


@dataclass(frozen=True)
class ScoresInfo:
    """The head of a scores file of questions.

    Attributes:
        schema: data schema of the questions, which names the prediction format and the metric.
        model: where the scores came from, for messages.
        max_answer_length: tokens of the longest answer to look for with this model's tokens.
        null_threshold, temperature: see `DecodingSettings`.
        length_bonus: what the score of a span of 1, 2, ... of this model's tokens has added to it; longer ones have
            the last.
    """

    schema: str
    model: str
    max_answer_length: int
    _: KW_ONLY
    null_threshold: float = 0.0
    temperature: float = 1.0
    length_bonus: tuple[float, ...] = ()
    format_version: int = FORMAT_VERSION


def by_character(tokens: TokenScores) -> tuple[Offsets, Floats, Offsets, Floats]:
    """Start positions and logits, end positions and logits of a question, each position once at its highest logit.

    A start logit belongs to the offset of a token's first character, an end logit to the offset after its last one
    (exclusive). Tokens of white space alone are left out.
    """
    # White space alone has no character at which an answer could begin or end.
    filled = tokens.char_start < tokens.char_end
    starts = _highest(tokens.char_start[filled], tokens.start[filled])
    ends = _highest(tokens.char_end[filled], tokens.end[filled])
    return (*starts, *ends)


def _highest(positions: Offsets, values: Floats) -> tuple[Offsets, Floats]:
    distinct, inverse = np.unique(positions, return_inverse=True)
    best = np.full(len(distinct), -np.inf, dtype=np.float32)
    np.maximum.at(best, inverse, values)
    return distinct.astype(np.int32), best


def write_scores(path: Path, questions: Iterable[QuestionScores], info: ScoresInfo) -> None:
    """Write a scores file, atomically."""
    import pyarrow as pa

    # Arrow needs whole columns; a generator of questions is exhausted once.
    rows = list(questions)
    own: dict[str, Any] = {
        "id": pa.string(),
        "context": pa.string(),
        "candidate": pa.int32(),
        "selection": pa.list_(pa.float64()),
    }
    of_tokens: dict[str, Any] = {
        "start": pa.list_(pa.float32()),
        "end": pa.list_(pa.float32()),
        "char_start": pa.list_(pa.int32()),
        "char_end": pa.list_(pa.int32()),
        "bounds": pa.list_(pa.int64()),
        "null": pa.float64(),
    }
    columns = {name: pa.array([getattr(row, name) for row in rows], type=kind) for name, kind in own.items()}
    columns |= {
        name: pa.array([getattr(row.tokens, name) for row in rows], type=kind) for name, kind in of_tokens.items()
    }
    # Small groups can be read one at a time. Hardly two logits are equal, but their upper bytes are much alike.
    of_lists = {name: f"{name}.list.element" for name in _TOKEN_COLUMNS}
    logits = {of_lists.pop(name): "BYTE_STREAM_SPLIT" for name in ("start", "end")}
    write_parquet(
        path,
        columns,
        metadata={_METADATA_KEY: json.dumps(asdict(info))},
        row_group_size=ROWS,
        use_dictionary=["context", *of_lists.values()],
        column_encoding=logits,
    )


def read_scores(path: Path) -> tuple[list[QuestionScores], ScoresInfo]:
    """Read a scores file whole.

    Raises:
        DataError: the file is missing, is no scores file, or was written by a newer qakit.
    """
    file = open_scores(path)
    return list(file.rows()), file.info


@dataclass(frozen=True)
class ScoresFile:
    """A scores file of which nothing is held in memory but what all its questions have in common."""

    path: Path
    info: ScoresInfo

    def rows(self) -> Iterator[QuestionScores]:
        """The questions in the order of the file; their arrays are views of what was decoded, and cannot be written to.

        Raises:
            DataError: the file is damaged.
        """
        return read_rows(self.path, _questions)


def open_scores(path: Path) -> ScoresFile:
    """Read what a scores file says of itself.

    Raises:
        DataError: the file is missing, is no scores file, or was written by a newer qakit.
    """
    return ScoresFile(path, read_info(path, _METADATA_KEY, ScoresInfo, FORMAT_VERSION, "questions"))


def is_scores_file(path: Path) -> bool:
    """Whether a file is a scores file of questions, and not one of predictions."""
    return has_metadata(path, _METADATA_KEY)


def _questions(batch: "pa.RecordBatch") -> Iterator[QuestionScores]:
    """The rows of a batch. Lists become views of their column: a Python number a token would take most of the time."""
    columns = {name: _lists(batch.column(name), kind) for name, kind in _TOKEN_COLUMNS.items()}
    own = [batch.column(name).to_pylist() for name in ("id", "context", "candidate", "selection", "null")]
    for number, (name, context, candidate, selection, null) in enumerate(zip(*own, strict=True)):
        tokens = TokenScores(**{column: lists[number] for column, lists in columns.items()}, null=null)
        yield QuestionScores(name, context, candidate, tuple(selection), tokens)


def _lists(column: Any, kind: Any) -> list[Any]:
    """The lists of a column as arrays."""
    # Views of Arrow's buffers; `offsets[0]` is not 0 in a slice of a larger batch.
    values = column.flatten().to_numpy(zero_copy_only=False).astype(kind, copy=False)
    bounds = column.offsets.to_numpy() - column.offsets[0].as_py()
    return [values[first:stop] for first, stop in pairwise(bounds.tolist())]


_AGAIN = "write it again with `qakit predict --scores`"
ROWS = 256  # of a group, which are written, and decoded, at a time


class HasId(Protocol):
    """A row of a scores file."""

    @property
    def id(self) -> str:
        """The id of its record."""
        ...


class HasModel(Protocol):
    """The head of a scores file."""

    @property
    def model(self) -> str:
        """The model of the scores, for messages."""
        ...


Row = TypeVar("Row")
Info = TypeVar("Info", bound="DataclassInstance")
Row_co = TypeVar("Row_co", bound=HasId, covariant=True)
Info_co = TypeVar("Info_co", bound=HasModel, covariant=True)


class ScoresSource(Protocol, Generic[Row_co, Info_co]):
    """A scores file of any kind, of which nothing is held in memory but what all its rows have in common."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def info(self) -> Info_co:
        """The head of the file."""
        ...

    def rows(self) -> Iterator[Row_co]:
        """The rows in the order of the file.

        Raises:
            DataError: the file is damaged.
        """
        ...


def read_metadata(path: Path, key: str) -> dict[str, Any] | None:
    """The head of a file under `key`; None for a parquet file without one.

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
    """The head of a file under `key`, checked against its dataclass.

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


def check_same_questions(paths: Sequence[Path], row: Sequence[QuestionScores]) -> None:
    """Make sure that the scores of one question, one a file, are of the same paragraphs.

    Raises:
        DataError: a file has another text as a paragraph than the first one that read it, or another number of
            candidates: two files that number their records from 0 may have the same ids.
    """
    # By candidate: members may have read different paragraphs of a question, but the same number must be the same text.
    texts: dict[int, tuple[str, Path]] = {}
    counts: dict[int, Path] = {}
    for path, scores in zip(paths, row, strict=True):
        text, first = texts.setdefault(scores.candidate, (scores.context, path))
        if scores.context != text:
            message = f"paragraph {scores.candidate} of {scores.id} is another text than in {first}"
            raise file_error(path, "context", f"{message}: not the same data")
        if scores.selection:
            counts.setdefault(len(scores.selection), path)
    if len(counts) > 1:
        (count, first), (other, path) = list(counts.items())[:2]
        message = f"{other} candidates of {row[0].id}, where {first} has {count}: not the same data"
        raise file_error(path, "selection", message)
