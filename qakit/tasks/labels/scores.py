"""Scores files of labels: log-probabilities of all classes, of each text or of each of its words.

A file decodes to exactly what its model predicted, and several can be averaged, whatever their tokenizers: words are
words to all of them. Read and written without torch.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qakit.io import file_error, write_parquet
from qakit.spans.scores import ROWS, has_metadata, read_info, read_rows

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_VERSION = 1
METADATA_KEY = "qakit_labels"


@dataclass(frozen=True)
class LabelScores:
    """The scores of one record.

    Attributes:
        text: of a sentence its words with spaces between them.
        logs: log-probabilities of the L classes, but for a number that is the same for all, shape (P, L): at the one
            place of a text, or at each word; a word of which the tokenizer made nothing has NaN.
    """

    id: str
    text: str
    logs: NDArray[np.float32]


@dataclass(frozen=True)
class LabelScoresInfo:
    """The head of a scores file.

    Attributes:
        model: where the scores came from, for messages.
        names: of the classes, in the order of `LabelScores.logs`.
        follows_bio: only well-formed sequences of tags are looked for.
        oos_threshold: a text whose likeliest intent is less probable is out of scope.
        transitions: what a conditional random field adds for a tag (row) before the next one (column), then a row for
            the first tag and one for the last, shape (L + 2, L); empty where there is none.
    """

    task: str
    model: str
    names: tuple[str, ...]
    follows_bio: bool = False
    oos_threshold: float | None = None
    transitions: tuple[tuple[float, ...], ...] = ()
    format_version: int = FORMAT_VERSION


def write_label_scores(path: Path, records: Iterable[LabelScores], info: LabelScoresInfo) -> None:
    """Write a scores file, atomically."""
    import pyarrow as pa

    rows = list(records)
    columns = {
        "id": pa.array([row.id for row in rows], type=pa.string()),
        "text": pa.array([row.text for row in rows], type=pa.string()),
        "logs": pa.array([row.logs.ravel() for row in rows], type=pa.list_(pa.float32())),
    }
    write_parquet(
        path,
        columns,
        metadata={METADATA_KEY: json.dumps(asdict(info))},
        row_group_size=ROWS,
        use_dictionary=False,
        column_encoding={"logs.list.element": "BYTE_STREAM_SPLIT"},
    )


@dataclass(frozen=True)
class LabelScoresFile:
    """A scores file of which only the common part is in memory; with `one_place` each record has one place alone."""

    path: Path
    info: LabelScoresInfo
    one_place: bool = False

    def rows(self) -> Iterator[LabelScores]:
        """The records in the order of the file.

        Raises:
            DataError: the file is damaged.
        """
        return read_rows(self.path, self._records)

    def _records(self, batch: "pa.RecordBatch") -> Iterator[LabelScores]:
        names, texts = (batch.column(name).to_pylist() for name in ("id", "text"))
        for name, text, logs in zip(names, texts, batch.column("logs"), strict=True):
            values = logs.values.to_numpy(zero_copy_only=False).reshape(-1, len(self.info.names))
            known = np.isfinite(values).all(axis=1)
            is_whole = len(values) and (known | np.isnan(values).all(axis=1)).all()
            if not is_whole or (self.one_place and (len(values), known.sum()) != (1, 1)):
                raise ValueError(f"those of {name} are not a number for each class")
            yield LabelScores(name, text, values)


def open_label_scores(path: Path, *, one_place: bool = False) -> LabelScoresFile:
    """Read what a scores file of labels says of itself.

    Raises:
        DataError: the file is missing, is no such file, or was written by a newer qakit.
    """
    info = read_info(path, METADATA_KEY, LabelScoresInfo, FORMAT_VERSION, "labels")
    shape = (len(info.names) + 2, len(info.names))
    if not info.names or len(set(info.names)) < len(info.names):
        raise file_error(path, "metadata.names", "is empty, or has a class twice; the file is damaged")
    if info.transitions and np.shape(info.transitions) != shape:
        raise file_error(path, "metadata.transitions", f"is no table of {shape[0]} by {shape[1]}; the file is damaged")
    return LabelScoresFile(path, info, one_place)


def is_label_scores_file(path: Path) -> bool:
    """Whether a file is a scores file of labels."""
    return has_metadata(path, METADATA_KEY)


def check_same_texts(paths: Sequence[Path], row: Sequence[LabelScores]) -> None:
    """Make sure that the scores of one record, one a file, are of one text in as many places.

    Raises:
        DataError: naming the first file of another text.
    """
    for path, scores in zip(paths, row, strict=True):
        if scores.text != row[0].text or len(scores.logs) != len(row[0].logs):
            message = f"that of {scores.id} is another text than in {paths[0]}: not the same data"
            raise file_error(path, "text", message)
