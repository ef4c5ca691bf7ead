"""Predicted labels, and the files they are handed in as: CSV `id,intent`, and `id,tags` with a space between tags."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qakit.data.labelled import Schema
from qakit.errors import DataError, Problem
from qakit.io import csv_text, file_error, read_csv_rows, write_text

_COLUMNS = {"intent": "intent", "slots": "tags"}


@dataclass(frozen=True, slots=True)
class LabelPrediction:
    """What was predicted for a record: an intent, or tags with a space between them.

    `ranked` are the likeliest intents with their probabilities, best first, where they are known; `probability` is that
    of the best intent, or of all tags of the sentence together.
    """

    id: str
    label: str
    ranked: tuple[tuple[str, float], ...] = ()
    probability: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The label, and after it the other likeliest ones."""
        return (self.label, *(name for name, _ in self.ranked if name != self.label))


def render_labels(predictions: Iterable[LabelPrediction], schema: Schema) -> str:
    """A prediction file as text."""
    return csv_text(("id", _COLUMNS[schema]), ((one.id, one.label) for one in predictions))


def ranked_intents(prediction: LabelPrediction) -> list[dict[str, str | float]]:
    """The likeliest intents with their probabilities, as JSON."""
    return [{"intent": name, "probability": probability} for name, probability in prediction.ranked]


def read_labels(path: Path, schema: Schema) -> dict[str, LabelPrediction]:
    """The predictions of a file, by id.

    Raises:
        DataError: it has not these two columns, a row of too many or too few cells, or an id twice.
    """
    column = _COLUMNS[schema]
    found: dict[str, LabelPrediction] = {}
    problems: list[Problem] = []
    for line, row in read_csv_rows(path):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        if not {"id", column} <= row.keys():
            raise file_error(path, "header", f"has the columns {', '.join(row)}; expected id,{column}")
        if row["id"] in found:
            problems.append(Problem(str(path), f"line {line}", "id", f"{row['id']!r} stands twice"))
        found[row["id"]] = LabelPrediction(row["id"], row[column])
    if problems:
        raise DataError(problems)
    return found


def write_labels(predictions: Iterable[LabelPrediction], path: Path, schema: Schema) -> None:
    """Write a prediction file in one step."""
    write_text(path, render_labels(predictions, schema))
