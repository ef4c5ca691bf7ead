"""Texts with an intent, and sentences whose words have tags: the records of two tasks, and how their files are read.

The schemas are those of the ADL course's first homework: lists of `{"id", "text", "intent"}` and of
`{"id", "tokens", "tags"}`; test files lack the labels. JSON lines and parquet, and for intents CSV, have the same keys.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from qakit.data.formats.documents import Document, Row, load
from qakit.data.formats.shapes import FilledText, Id, Shape, describe, keys_in_use, parse, surrogate_fault
from qakit.data.formats.source import Journal, Source, label
from qakit.data.records import Dataset
from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem, RecordError
from qakit.io import csv_text, file_error, read_csv_rows, read_text, write_text

Schema = Literal["intent", "slots"]
"""Of a file; the name of its task too."""
OUT_OF_SCOPE = "oos"
"""The intent of texts that have none of the others, as CLINC150 names it."""


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """A text and what its author wants; `label` is None where the file does not tell.

    Raises:
        RecordError: an empty id.
    """

    id: str
    text: str
    label: str | None = None

    def __post_init__(self) -> None:
        _check_id(self.id)

    @property
    def article(self) -> str:
        """The text: equal ones stay together when data are split."""
        return self.text

    @property
    def texts(self) -> tuple[str, ...]:
        """The text."""
        return (self.text,)


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """A sentence in words and, where the file tells, the tag of each (BIO: `B-date`, `I-date`, `O`).

    Raises:
        RecordError: an empty id, or not one tag a word.
    """

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check_id(self.id)
        if not self.words:
            raise RecordError("words", "is empty; expected at least one word")
        if self.tags is not None and len(self.tags) != len(self.words):
            raise RecordError("tags", f"has {len(self.tags)} tags for {len(self.words)} words; expected one a word")
        for tag in self.tags or ():
            if not tag or any(map(str.isspace, tag)):
                raise RecordError("tags", f"{tag!r} is empty or has white space, which parts tags in prediction files")

    @property
    def label(self) -> str | None:
        """The tags with spaces between them, as prediction files have them."""
        return None if self.tags is None else " ".join(self.tags)

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(self.words)

    @property
    def word_spans(self) -> tuple[tuple[int, int], ...]:
        """Where in `text` each word stands: its first character, and the one behind its last."""
        ends = [end - 1 for end in accumulate(len(word) + 1 for word in self.words)]
        return tuple((end - len(word), end) for word, end in zip(self.words, ends, strict=True))

    @property
    def article(self) -> str:
        """The text: equal ones stay together when data are split."""
        return self.text

    @property
    def texts(self) -> tuple[str, ...]:
        """The text."""
        return (self.text,)


LabelledRecord = IntentRecord | SlotRecord


_NAMED = 3  # labels that a note gives as examples


def classes_of(record: LabelledRecord) -> tuple[str, ...]:
    """The names that a model has to know to be right about a record: its intent, or its tags; none without a label."""
    if isinstance(record, SlotRecord):
        return record.tags or ()
    return () if record.label is None else (record.label,)


def note_on_unknown(records: Iterable[LabelledRecord], known: Collection[str]) -> str | None:
    """A sentence on the records whose label no model can get right that knows these names alone; None without any."""
    labelled = [record for record in records if record.label is not None]
    strange = [found for found in (set(classes_of(record)).difference(known) for record in labelled) if found]
    if not strange:
        return None
    names = sorted(set().union(*strange))
    what = "a tag" if isinstance(labelled[0], SlotRecord) else "an intent"
    shown = ", ".join([*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])])
    verb = "has" if len(strange) == 1 else "have"
    return f"{len(strange)} of {len(labelled)} records {verb} {what} that the training data lack: {shown}"


class _Intent(Shape):
    id: Id
    text: FilledText
    intent: FilledText | None = None


class _Slots(Shape):
    id: Id
    tokens: list[FilledText]
    tags: list[FilledText] | None = None


def _intent(value: Any, required: Collection[str]) -> IntentRecord:
    shape = parse(_Intent, value, required=required)
    return IntentRecord(shape.id, shape.text, shape.intent)


def _slots(value: Any, required: Collection[str]) -> SlotRecord:
    shape = parse(_Slots, value, required=required)
    return SlotRecord(shape.id, tuple(shape.tokens), None if shape.tags is None else tuple(shape.tags))


_BUILDERS: Mapping[Schema, tuple[str, Callable[[Any, Collection[str]], LabelledRecord]]] = {
    "intent": ("intent", _intent),
    "slots": ("tags", _slots),
}
_TEXT_KEYS: Mapping[str, Schema] = {"text": "intent", "tokens": "slots"}
_SHORT = 100_000  # characters
_OF_QUESTIONS = {"question", "context", "paragraphs", "title"}
_EXPECTED = {"intent": '{"id", "text", "intent"}', "slots": '{"id", "tokens", "tags"}'}


def read_labelled(paths: Sequence[Path], schema: Schema, *, lenient: bool = False) -> Dataset[Any]:
    """The `IntentRecord`s or `SlotRecord`s of one or more files; their ids must differ over all of them.

    Args:
        lenient: leave out bad records, counting them, and accept a byte order mark.

    Raises:
        DataError: with all the mistakes of all the files; or no record is left.
        ConfigError: no file.
    """
    if not paths:
        raise ConfigError("no data file was named")
    journal = Journal(lenient=lenient, files=len(paths))
    records: list[LabelledRecord] = []
    for path in paths:
        try:
            records += _read(load(path, allow_bom=lenient), schema, journal)
        except DataError as error:
            journal.faults += error.problems
    if not records and not journal.faults and (lenient or not journal.problems):
        journal.faults += [*journal.problems, Problem(str(paths[0]), WHOLE_FILE, "records", "none is left")]
    journal.raise_problems()
    missing = sum(record.label is None for record in records)
    notes = (f"{missing} of {len(records)} records have no label",) if 0 < missing < len(records) else ()
    return Dataset(tuple(records), schema, tuple(paths), journal.skipped, notes)


def _read(document: Document, schema: Schema, journal: Journal) -> Iterator[LabelledRecord]:
    rows = _rows(document, schema)
    others = {schema_of_keys(row.value) for row in rows if isinstance(row.value, dict)} - {None}
    if others and schema not in others:
        (other,) = others
        message = f"is one of {other}, for the task of this name; expected {_EXPECTED[schema]}"
        raise file_error(document.path, "schema", message)
    key, build = _BUILDERS[schema]
    required = keys_in_use((row.value for row in rows), (key,))
    source = Source(document.path, journal, {"words": "tokens"})
    for row in rows:
        if row.problem:
            source.reject(row.label, [(row.problem.field, row.problem.message)])
            continue
        record = source.record(label(row.label, row.value), partial(build, row.value, required))
        if record is not None:
            yield record


def _rows(document: Document, schema: Schema) -> Sequence[Row]:
    if document.kind != "json":
        return document.rows
    value = document.value
    if isinstance(value, dict) and schema_of_keys(value) == schema:
        return (Row("line 1", value),)
    if not isinstance(value, list):
        raise file_error(document.path, "schema", f"found {describe(value)}; expected a list of {_EXPECTED[schema]}")
    return tuple(Row(f"records[{number}]", item) for number, item in enumerate(value))


def single_record(text: str, schema: Schema) -> Dataset[Any]:
    """A text of its own, as a dataset; its words are what white space parts.

    Raises:
        DataError: it is empty, or was no UTF-8.
    """
    if surrogate_fault(text):  # how Python passes bytes on that it cannot decode
        raise DataError([Problem("command line", "text", "encoding", "is not UTF-8; give it as UTF-8")])
    if not text.strip():
        raise DataError([Problem("command line", "text", "text", "is empty; expected a text")])
    record = IntentRecord("text", text) if schema == "intent" else SlotRecord("text", tuple(text.split()))
    return Dataset((record,), schema)


def schema_of(path: Path) -> Schema | None:
    """The schema of a file of intents or tags, told from its first record alone; None for anything else."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        from qakit.data.formats.documents import explained_parquet

        with explained_parquet(path):
            return schema_of_keys(pq.read_schema(path).names)
    try:
        text = read_text(path, allow_bom=True).lstrip()
    except DataError:
        return None  # the reader says what is wrong
    begin = text[1:].lstrip() if text.startswith("[") else text
    if not begin.startswith("{"):
        return schema_of_keys(text.partition("\n")[0].rstrip().replace('"', "").split(","))
    try:
        first = json.JSONDecoder().raw_decode(begin)[0] if begin is not text or _is_quickly_read(text) else {}
    except (ValueError, RecursionError):
        return None
    return schema_of_keys(first)


def _is_quickly_read(text: str) -> bool:
    """Whether a text that begins with an object is JSON lines or short, not one object as large as a whole file."""
    return len(text) < _SHORT or text.partition("\n")[0].rstrip().endswith("}")


def schema_of_keys(keys: Collection[str]) -> Schema | None:
    """The schema of a record with these keys, where it is one of intents or tags."""
    if _OF_QUESTIONS.intersection(keys):
        return None
    return next((schema for key, schema in _TEXT_KEYS.items() if key in keys), None)


def _check_id(name: str) -> None:
    if not name:
        raise RecordError("id", "is empty")


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
