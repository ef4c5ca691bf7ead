"""Predicted answers, and prediction files in the formats of the contests and of the official scripts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from qakit.data.schemas.file_content import FileContent, TableRow, load_content
from qakit.data.schemas.known import SCHEMAS
from qakit.data.schemas.shapes import Id, Shape, ShapeError, Text, describe, parse
from qakit.data.schemas.source import with_id
from qakit.errors import ConfigError, DataError, Problem, suggestion
from qakit.io import csv_text, file_error, write_json, write_parquet, write_text


class PredictedAnswer(NamedTuple):  # a tuple, since n-best lists have millions of them and tuples are fastest to make
    """One answer: `text == context[start:end]`; an empty text with start and end 0 means no answer.

    `score` is the sum of start score, end score and length prior, `probability` is in [0, 1] (see `Spans`).
    """

    text: str
    start: int
    end: int
    score: float
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The n-best answers to one question, best first; empty if its paragraph has no text to choose from.

    `candidate` is the position, among the question's paragraphs, of the one that was read.
    """

    id: str
    candidate: int
    answers: tuple[PredictedAnswer, ...]

    @property
    def text(self) -> str:
        """The text of the best answer, or an empty one."""
        return self.answers[0].text if self.answers else ""


CONTESTS = ("hw7", "adl2021", "adl2022")
"""Schemas whose contest has a prediction format of the same name; their test files have no answers."""
_TEXT_FORMATS = ("hw7", "adl2022", "adl2021", "squad", "jsonl", "csv")
PREDICTION_FORMATS: tuple[str, ...] = (*_TEXT_FORMATS, "parquet")
CSV_HEADERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"hw7": ("ID", "Answer"), "adl2022": ("id", "answer"), "csv": ("id", "answer")}
)
"""First lines of the prediction formats that are CSV."""


def choose_format(given: str | None, schema: str, out: Path | None) -> str:
    """Check the prediction format that the user asks for; without one, take the default.

    Raises:
        ConfigError: an unknown format, one that cannot be written to `out`, or no default.
    """
    if given is None:
        return default_format(schema, out)
    if given not in PREDICTION_FORMATS:
        near = suggestion(given, PREDICTION_FORMATS)
        raise ConfigError(f"--format {given}: unknown{near}; expected one of {', '.join(PREDICTION_FORMATS)}")
    if given == "parquet" and out is None:
        raise ConfigError("--format parquet is not text and cannot be printed: give --out")
    return given


def default_format(schema: str, out: Path | None) -> str:
    """The prediction format of the contest that has a data schema, unless the suffix of `out` needs another.

    Raises:
        ConfigError: an unknown suffix.
    """
    native = SCHEMAS[schema].predictions if schema in SCHEMAS else "jsonl"
    if out is None:
        return native
    by_suffix = {
        ".csv": native if native in ("hw7", "adl2022") else "csv",
        ".json": native if native == "adl2021" else "squad",
        ".jsonl": "jsonl",
        ".parquet": "parquet",
    }
    if out.suffix not in by_suffix:
        raise ConfigError(f"{out}: unknown suffix; expected one of {', '.join(by_suffix)}, or give --format")
    return by_suffix[out.suffix]


def write_outputs(
    predictions: Sequence[Prediction], *, out: Path | None, format: str, nbest_out: Path | None
) -> tuple[Path, ...]:
    """Write the best answers and the n-best lists, each only if it has a path; returns the files written."""
    if out:
        write_predictions(_best_texts(predictions), out, format)
    if nbest_out:
        write_json(nbest_out, answers_json(predictions))
    return tuple(file for file in (out, nbest_out) if file)


def render_texts(predictions: Sequence[Prediction], format: str) -> str:
    """Format the best answers as the text of a prediction file."""
    return render_predictions(_best_texts(predictions), format)


def answers_json(predictions: Sequence[Prediction]) -> dict[str, list[dict[str, Any]]]:
    """The n-best lists by question id, as JSON."""
    return {prediction.id: [answer._asdict() for answer in prediction.answers] for prediction in predictions}


def _best_texts(predictions: Sequence[Prediction]) -> dict[str, str]:
    return {prediction.id: prediction.text for prediction in predictions}


def write_predictions(answers: Mapping[str, str], path: Path, format: str) -> None:
    """Write answers by question id as a prediction file, atomically.

    Args:
        format: one of `render_predictions`, or parquet with the columns `id` and `answer`.

    Raises:
        ConfigError: another format.
    """
    if format == "parquet":
        write_parquet(path, {"id": list(answers), "answer": list(answers.values())})
    else:
        write_text(path, render_predictions(answers, format))


def render_predictions(answers: Mapping[str, str], format: str) -> str:
    """Format answers by question id as the text of a prediction file, in the order of `answers`.

    Args:
        format: hw7 (CSV `ID,Answer`, without ASCII commas in the answers), adl2022 and csv (CSV `id,answer`), adl2021
            and squad (one JSON object of answers by id), or jsonl (`{"id", "answer"}` per line).

    Raises:
        ConfigError: another format.
    """
    if format == "hw7":
        # The contest deletes ASCII commas from predictions and references alike.
        return csv_text(CSV_HEADERS[format], ((name, answer.replace(",", "")) for name, answer in answers.items()))
    if format in ("adl2022", "csv"):
        return csv_text(CSV_HEADERS[format], answers.items())
    if format in ("adl2021", "squad"):
        return json.dumps(dict(answers), ensure_ascii=False, indent=1) + "\n"
    if format == "jsonl":
        lines = ({"id": name, "answer": answer} for name, answer in answers.items())
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    raise ConfigError(f"{format!r} is not a text format for predictions; expected one of {', '.join(_TEXT_FORMATS)}")


class _Answer(Shape):
    id: Id
    answer: Text


def read_predictions(path: Path) -> dict[str, str]:
    """Read a prediction file: answers by question id, in the order of the file; an empty text is an answer too.

    The layout is told from the content: CSV with any header (the id in the first column, the answer in the second), one
    JSON object of answers by id, JSON lines of `{"id", "answer"}`, or parquet with these columns. A byte order mark,
    which spreadsheets add, is accepted.

    Raises:
        DataError: with all the mistakes: an id that occurs twice, a missing column, an answer that is not a string.
    """
    answers: dict[str, str] = {}
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for row in _rows(load_content(path, allow_bom=True)):
        place = with_id(row.place, row.value)
        try:
            given = _parse_answer(row)
        except ShapeError as error:
            problems += [Problem(str(path), place, field, message) for field, message in error.faults]
            continue
        if given.id in places:
            message = f"{given.id!r} is already the id of {places[given.id]}; ids must differ"
            problems.append(Problem(str(path), place, "id", message))
            continue
        places[given.id] = place
        answers[given.id] = given.answer
    if problems:
        raise DataError(problems, hint="qakit evaluate --lint lists all mistakes of a prediction file")
    if not answers:
        raise file_error(path, "predictions", "the file has none")
    return answers


def _rows(content: FileContent) -> Iterator[TableRow]:
    """One row with `id` and `answer` for each prediction, whatever the layout."""
    value = content.value
    if content.kind == "csv":
        for row in content.rows:
            if row.problem:
                yield row
                continue
            name, answer, *_ = _columns(row, content.path)
            yield TableRow(row.place, {"id": row.value[name], "answer": row.value[answer]})
    elif content.kind != "json":
        yield from content.rows
    elif not isinstance(value, dict):
        message = f"the top level is {describe(value)}; expected an object with answers by id, JSON lines or CSV"
        raise file_error(content.path, "predictions", message)
    elif value.keys() == {"id", "answer"}:
        yield from content.table_rows()  # JSON lines with a single line
    else:
        for name, answer in value.items():
            yield TableRow("answer", {"id": name, "answer": answer})


def _columns(row: TableRow, path: Path) -> list[str]:
    columns = list(row.value)
    if len(columns) < 2:
        message = f"has one column, {columns[0]!r}; expected the id in the first column and the answer in the second"
        raise file_error(path, "header", message)
    return columns


def _parse_answer(row: TableRow) -> _Answer:
    answer = parse(_Answer, row.checked_value())
    if not answer.id:
        raise ShapeError([("id", "is empty; expected the id of a question")])
    return answer


def detect_contest(path: Path) -> str:
    """The contest whose format a prediction file has: `hw7` if it has that contest's header, else `adl2022`.

    Raises:
        DataError: the file cannot be read.
    """
    content = load_content(path, allow_bom=True)
    header = tuple(content.rows[0].value or ()) if content.kind == "csv" else ()
    return "hw7" if header == CSV_HEADERS["hw7"] else "adl2022"
