"""Scores files: where models with different tokenizers, windows and folds meet.

One row a question, in parquet: the context that was read, and the start and end logit of every token of every window
with the characters it covers. So a file decodes to exactly what its model predicted, and several files can be averaged
by character. Read and written without torch.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qakit.errors import ConfigError
from qakit.io import file_error, write_parquet
from qakit.spans.decoding import Floats, Offsets, TokenScores

FORMAT_VERSION = 2  # 2 adds `temperature` and `length_bonus`
_METADATA_KEY = "qakit"


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
    """What the whole file has in common.

    Attributes:
        schema: data schema of the questions, which names the prediction format and the metric.
        model: where the scores came from, for messages.
        max_answer_length: tokens of the longest answer to look for with this model's tokens.
        max_answer_characters: the same in characters, for where several models' scores are combined.
        null_threshold, temperature: see `DecodingSettings`.
        length_bonus: what the score of a span of 1, 2, ... of this model's tokens has added to it; longer ones have
            the last.
    """

    schema: str
    model: str
    max_answer_length: int
    max_answer_characters: int
    null_threshold: float = 0.0
    temperature: float = 1.0
    length_bonus: tuple[float, ...] = ()
    format_version: int = FORMAT_VERSION


def by_character(tokens: TokenScores) -> tuple[Offsets, Floats, Offsets, Floats]:
    """Start positions and logits, end positions and logits of a question, each position once at its highest logit.

    A start logit belongs to the offset of a token's first character, an end logit to the offset after its last one
    (exclusive). Tokens of white space alone are left out.
    """
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
    columns["context"] = columns["context"].dictionary_encode()
    write_parquet(path, columns, metadata={_METADATA_KEY: json.dumps(asdict(info))})


def read_scores(path: Path) -> tuple[list[QuestionScores], ScoresInfo]:
    """Read a scores file whole.

    Raises:
        DataError: the file is missing, is no scores file, or was written by a newer qakit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise file_error(path, "file", f"is not a readable parquet file: {error}") from None
    packed = (table.schema.metadata or {}).get(_METADATA_KEY.encode())
    if packed is None:
        raise file_error(path, "metadata", "is not a scores file; `qakit predict --scores FILE` writes one")
    metadata = json.loads(packed)
    if metadata["format_version"] > FORMAT_VERSION:
        message = f"{metadata['format_version']} is newer than this qakit reads ({FORMAT_VERSION}); upgrade qakit"
        raise file_error(path, "format_version", message)
    metadata["length_bonus"] = tuple(metadata.get("length_bonus", ()))
    return [_question(row) for row in table.to_pylist()], ScoresInfo(**metadata)


def is_scores_file(path: Path) -> bool:
    """Whether a file is a scores file, and not one of predictions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _METADATA_KEY.encode() in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def _question(row: dict[str, Any]) -> QuestionScores:
    tokens = TokenScores(
        start=np.asarray(row["start"], dtype=np.float32),
        end=np.asarray(row["end"], dtype=np.float32),
        char_start=np.asarray(row["char_start"], dtype=np.int32),
        char_end=np.asarray(row["char_end"], dtype=np.int32),
        bounds=np.asarray(row["bounds"], dtype=np.int64),
        null=row["null"],
    )
    return QuestionScores(row["id"], row["context"], row["candidate"], tuple(row["selection"]), tokens)


def read_members(paths: Sequence[Path]) -> tuple[list[list[QuestionScores]], list[ScoresInfo]]:
    """Read scores files of the same questions.

    Returns:
        For every question, in the order of the first file, its scores in each file; and what each file says of itself.

    Raises:
        DataError: a file lacks questions of the first one, has others, or another text as the paragraph of one: two
            files that number their questions from 0 may have the same ids.
        ConfigError: the same file twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigError("the same scores file is named twice: " + ", ".join(map(str, paths)))
    members, infos = zip(*(read_scores(path) for path in paths), strict=True)
    order = [question.id for question in members[0]]
    indexed = [{question.id: question for question in member} for member in members]
    for path, member in zip(paths[1:], indexed[1:], strict=True):
        _check_same_questions(order, list(member), paths[0], path)
        _check_same_texts(indexed[0], member, paths[0], path)
    return [[member[question] for member in indexed] for question in order], list(infos)


def _check_same_questions(expected: Sequence[str], found: Sequence[str], first: Path, other: Path) -> None:
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    if missing or extra:
        message = f"has other questions than {first}: {_some(missing)} missing, {_some(extra)} more"
        raise file_error(other, "id", message)


def _check_same_texts(
    expected: Mapping[str, QuestionScores], found: Mapping[str, QuestionScores], first: Path, other: Path
) -> None:
    for question, scores in expected.items():
        member = found[question]
        if member.candidate == scores.candidate and member.context != scores.context:
            message = f"paragraph {scores.candidate} of {question} is another text than in {first}: not the same data"
            raise file_error(other, "context", message)


def _some(ids: Sequence[str]) -> str:
    return f"{len(ids)} ({', '.join(ids[:3])})" if ids else "none"
