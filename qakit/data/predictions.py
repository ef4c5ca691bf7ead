"""Prediction files: one answer text for each question id, as the contests and the official scripts want them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from qakit.data.formats.file_content import FileContent, TableRow, load_content
from qakit.data.formats.shapes import Id, Shape, ShapeError, Text, describe, parse
from qakit.data.formats.source import with_id
from qakit.errors import ConfigError, DataError, Problem, suggestion
from qakit.io import csv_text, file_error, write_json, write_parquet, write_text


class PredictedAnswer(NamedTuple):  # of which n-best lists have millions: a tuple is made fastest
    """One answer: `text == context[start:end]`; an empty text with start and end 0 means that there is none.

    `score` is the sum of start and end score and of a length prior, `probability` in [0, 1] (see `Spans`).
    """

    text: str
    start: int
    end: int
    score: float
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The n-best answers to one question, best first; none where its paragraph has nothing to choose from.

    `candidate` is the position, among the question's paragraphs, of the one that was read.
    """

    id: str
    candidate: int
    answers: tuple[PredictedAnswer, ...]

    @property
    def text(self) -> str:
        """The best answer's text, or an empty one."""
        return self.answers[0].text if self.answers else ""


CONTESTS = ("hw7", "adl2021", "adl2022")
"""Schemas whose contest has a prediction format of the same name; their test files hold no answers."""

CSV_HEADERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"hw7": ("ID", "Answer"), "adl2022": ("id", "answer"), "csv": ("id", "answer")}
)
"""First lines of the prediction formats that are CSV."""


class _Prediction(Shape):
    id: Id
    answer: Text


def read_predictions(path: Path) -> dict[str, str]:
    """The answers of a prediction file by question id, in the order of the file; an empty text is an answer too.

    The layout is told from the content: CSV with a header of any words (first column the id, second the answer), one
    JSON object of answers by id, JSON lines of `{"id", "answer"}`, or parquet with these columns. A byte order mark,
    which spreadsheets add, is accepted.

    Raises:
        DataError: with all the mistakes: an id that stands twice, a missing column, an answer that is no string.
    """
    predictions: dict[str, str] = {}
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for row in _rows(load_content(path, allow_bom=True)):
        place = with_id(row.place, row.value)
        try:
            prediction = _prediction(row)
        except ShapeError as error:
            problems += [Problem(str(path), place, field, message) for field, message in error.faults]
            continue
        if prediction.id in places:
            message = f"{prediction.id!r} is already the id of {places[prediction.id]}; ids must differ"
            problems.append(Problem(str(path), place, "id", message))
            continue
        places[prediction.id] = place
        predictions[prediction.id] = prediction.answer
    if problems:
        raise DataError(problems, hint="qakit evaluate --lint lists all that is wrong with a file of predictions")
    if not predictions:
        raise file_error(path, "predictions", "there are none")
    return predictions


def detect_contest(path: Path) -> str:
    """The contest in whose form a prediction file is: `hw7` where its header is that contest's, else `adl2022`.

    Raises:
        DataError: a file that cannot be read.
    """
    content = load_content(path, allow_bom=True)
    header = tuple(content.rows[0].value or ()) if content.kind == "csv" else ()
    return "hw7" if header == CSV_HEADERS["hw7"] else "adl2022"


def _prediction(row: TableRow) -> _Prediction:
    if row.problem:
        raise ShapeError([(row.problem.field, row.problem.message)])
    prediction = parse(_Prediction, row.value)
    if not prediction.id:
        raise ShapeError([("id", "is empty")])
    return prediction


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
        yield TableRow("line 1", value)  # JSON lines with a single line
    else:
        for name, answer in value.items():
            yield TableRow("answer", {"id": name, "answer": answer})


def _columns(row: TableRow, path: Path) -> list[str]:
    columns = list(row.value)
    if len(columns) < 2:
        message = f"has one column, {columns[0]!r}; expected the id in the first and the answer in the second"
        raise file_error(path, "header", message)
    return columns


def render_predictions(predictions: Mapping[str, str], format: str) -> str:
    """The exact document of a prediction file, with the ids in the order of `predictions`.

    Args:
        format: hw7 (CSV `ID,Answer`; ASCII commas are deleted from the answers, as that contest does on both sides),
            adl2022 and csv (CSV `id,answer`), adl2021 and squad (one JSON object of answers by id), or jsonl
            (`{"id", "answer"}` a line).

    Raises:
        ConfigError: another format.
    """
    if format not in _RENDERERS:
        raise ConfigError(f"{format!r} is no text format for predictions; known are {', '.join(_RENDERERS)}")
    return _RENDERERS[format](predictions)


def write_predictions(predictions: Mapping[str, str], path: Path, format: str) -> None:
    """Write a prediction file in one step.

    Args:
        format: those of `render_predictions`, or parquet with the columns `id` and `answer`.

    Raises:
        ConfigError: another format.
    """
    if format == "parquet":
        write_parquet(path, {"id": list(predictions), "answer": list(predictions.values())})
    else:
        write_text(path, render_predictions(predictions, format))


def _hw7(predictions: Mapping[str, str]) -> str:
    return csv_text(CSV_HEADERS["hw7"], ((name, answer.replace(",", "")) for name, answer in predictions.items()))


def _csv(predictions: Mapping[str, str]) -> str:
    return csv_text(CSV_HEADERS["csv"], predictions.items())


def _json_object(predictions: Mapping[str, str]) -> str:
    return json.dumps(dict(predictions), ensure_ascii=False, indent=1) + "\n"


def _jsonl(predictions: Mapping[str, str]) -> str:
    lines = ({"id": name, "answer": answer} for name, answer in predictions.items())
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


_RENDERERS: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "hw7": _hw7,
    "adl2022": _csv,
    "adl2021": _json_object,
    "squad": _json_object,
    "jsonl": _jsonl,
    "csv": _csv,
}
PREDICTION_FORMATS: tuple[str, ...] = (*_RENDERERS, "parquet")


_SQUAD_LIKE = ("squad", "squad2", "drcd", "cmrc", "cmrc-flat")


def choose_format(given: str | None, schema: str, out: Path | None) -> str:
    """The prediction format that was asked for, else the one that the data and the name of the file ask for.

    Raises:
        ConfigError: there is no such format, or it cannot be written there.
    """
    if given is None:
        return default_format(schema, out)
    if given not in PREDICTION_FORMATS:
        near = suggestion(given, PREDICTION_FORMATS)
        raise ConfigError(f"--format {given}: unknown{near}; expected one of {', '.join(PREDICTION_FORMATS)}")
    if given == "parquet" and out is None:
        raise ConfigError("--format parquet: is not text, so it needs a file; give --out")
    return given


def default_format(schema: str, out: Path | None) -> str:
    """The prediction format that the contest of a data schema takes; another suffix of `out` asks for another.

    Raises:
        ConfigError: the suffix tells no format.
    """
    native = schema if schema in CONTESTS else "squad" if schema in _SQUAD_LIKE else "jsonl"
    if out is None:
        return native
    by_suffix = {
        ".csv": native if native in ("hw7", "adl2022") else "csv",
        ".json": native if native == "adl2021" else "squad",
        ".jsonl": "jsonl",
        ".parquet": "parquet",
    }
    if out.suffix not in by_suffix:
        raise ConfigError(f"{out}: cannot tell the format by its name; use {', '.join(by_suffix)}, or give --format")
    return by_suffix[out.suffix]


def write_outputs(
    predictions: Sequence[Prediction], *, out: Path | None, format: str, nbest_out: Path | None
) -> tuple[Path, ...]:
    """Write the best answers and the n-best lists, each where it is asked for; gives the files written."""
    if out:
        write_predictions(_texts(predictions), out, format)
    if nbest_out:
        write_json(nbest_out, answers_json(predictions))
    return tuple(file for file in (out, nbest_out) if file)


def answers_json(predictions: Sequence[Prediction]) -> dict[str, list[dict[str, Any]]]:
    """The n-best lists by question id, as JSON."""
    return {prediction.id: [answer._asdict() for answer in prediction.answers] for prediction in predictions}


def render_texts(predictions: Sequence[Prediction], format: str) -> str:
    """The prediction file of the best answers, as text."""
    return render_predictions(_texts(predictions), format)


def _texts(predictions: Sequence[Prediction]) -> dict[str, str]:
    return {prediction.id: prediction.text for prediction in predictions}
