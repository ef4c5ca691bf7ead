"""Texts with labels, their files, and files of predicted labels.

Two kinds of records: a text with one label (`TextRecord`), and a sentence in words with a tag for each
(`WordsRecord`). Which keys a file has for them is said by a `LabelSchema`, which each task on labels brings. The files
are those of the ADL course's first homework: lists of `{"id", "text", "intent"}` and of `{"id", "tokens", "tags"}`;
test files lack the labels. JSON lines, parquet and CSV have the same keys.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from qakit.data.records import Dataset
from qakit.data.schemas.file_content import FileContent, TableRow, load_content
from qakit.data.schemas.shapes import describe, keys_in_use
from qakit.data.schemas.source import ReadLog, Source, with_id
from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem, RecordError
from qakit.io import csv_text, file_error, read_csv_rows, read_text, surrogate_fault

OUT_OF_SCOPE = "oos"
"""The intent of texts that have none of the others, as CLINC150 names it."""


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A text and its label, such as an intent; `label` is None where the file does not tell.

    Raises:
        RecordError: an empty id.
    """

    id: str
    text: str
    label: str | None = None

    def __post_init__(self) -> None:
        _check_id(self.id)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that a model must know to be right: the label, where there is one."""
        return () if self.label is None else (self.label,)

    @property
    def article(self) -> str:
        """The text: equal ones stay together when data are split."""
        return self.text

    @property
    def texts(self) -> tuple[str, ...]:
        """The text."""
        return (self.text,)


@dataclass(frozen=True, slots=True)
class WordsRecord:
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
    def classes(self) -> tuple[str, ...]:
        """The classes that a model must know to be right: the tags, where they are known."""
        return self.tags or ()

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(self.words)

    @property
    def word_spans(self) -> tuple[tuple[int, int], ...]:
        """Character span of each word in `text`, half-open."""
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


LabelledRecord = TextRecord | WordsRecord


@dataclass(frozen=True)
class LabelSchema:
    """The keys of a task's data files, and how its records are built from them.

    Attributes:
        name: of the task.
        text_key, label_key: the keys by which files are recognised; `label_key` is the column of prediction files too.
        noun: a label in messages, with its article.
        parse: builds a record from a JSON object, given the keys that must be there.
        from_text: builds an unlabelled record from a text of its own.
    """

    name: str
    text_key: str
    label_key: str
    noun: str
    parse: Callable[[Any, Collection[str]], LabelledRecord]
    from_text: Callable[[str], LabelledRecord]

    @property
    def expected(self) -> str:
        """A record in messages."""
        return f'{{"id", "{self.text_key}", "{self.label_key}"}}'


_NAMED = 3  # labels that a note gives as examples
_NAMED_KEYS = 6
_SHORT = 100_000  # characters
_OF_QUESTIONS = {"question", "context", "paragraphs", "title"}


def note_on_unknown(records: Iterable[LabelledRecord], known: Collection[str], noun: str) -> str | None:
    """A sentence on records whose label a model with the `known` classes cannot predict; None without any."""
    labelled = [record for record in records if record.label is not None]
    strange = [found for found in (set(record.classes).difference(known) for record in labelled) if found]
    if not strange:
        return None
    names = sorted(set().union(*strange))
    shown = ", ".join([*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])])
    verb = "has" if len(strange) == 1 else "have"
    return f"{len(strange)} of {len(labelled)} records {verb} {noun} that the training data lack: {shown}"


def read_labelled(paths: Sequence[Path], schema: LabelSchema, *, lenient: bool = False) -> Dataset[Any]:
    """The records of one or more files; their ids must differ over all of them.

    Args:
        lenient: leave out bad records, counting them, and accept a byte order mark.

    Raises:
        DataError: with all the mistakes of all the files; or no record is left.
        ConfigError: no file.
    """
    if not paths:
        raise ConfigError("no data file was named")
    log = ReadLog(lenient=lenient, files=len(paths))
    records: list[LabelledRecord] = []
    for path in paths:
        try:
            records += _read(load_content(path, allow_bom=lenient), schema, log)
        except DataError as error:
            log.faults += error.problems
    if not records and not log.faults and (lenient or not log.problems):
        log.faults += [*log.problems, Problem(str(paths[0]), WHOLE_FILE, "records", "none is left")]
    log.raise_problems()
    missing = sum(record.label is None for record in records)
    notes = (f"{missing} of {len(records)} records have no label",) if 0 < missing < len(records) else ()
    return Dataset(tuple(records), schema.name, tuple(paths), log.skipped, notes)


def _read(content: FileContent, schema: LabelSchema, log: ReadLog) -> Iterator[LabelledRecord]:
    rows = _rows(content, schema)
    given = [row.value for row in rows if isinstance(row.value, dict)]
    if given and not any(schema_of_keys(value, [schema]) for value in given):
        keys = ", ".join(sorted(map(str, given[0]))[:_NAMED_KEYS])
        message = f"has records of the keys {keys}; expected {schema.expected}, for the task {schema.name}"
        raise file_error(content.path, "schema", message)
    required = keys_in_use((row.value for row in rows), (schema.label_key,))
    source = Source(content.path, log, {"words": "tokens"})
    for row in rows:
        record = source.build_record(with_id(row.place, row.value), partial(_parse, row, schema, required))
        if record is not None:
            yield record


def _parse(row: TableRow, schema: LabelSchema, required: Collection[str]) -> LabelledRecord:
    return schema.parse(row.checked_value(), required)


def _rows(content: FileContent, schema: LabelSchema) -> Sequence[TableRow]:
    if content.kind != "json":
        return content.rows
    value = content.value
    if isinstance(value, dict) and schema_of_keys(value, [schema]):
        return (TableRow("line 1", value),)
    if not isinstance(value, list):
        raise file_error(content.path, "schema", f"found {describe(value)}; expected a list of {schema.expected}")
    return tuple(TableRow(f"records[{number}]", item) for number, item in enumerate(value))


def single_record(text: str, schema: LabelSchema) -> Dataset[Any]:
    """A text of its own, as a dataset.

    Raises:
        DataError: it is empty, or was no UTF-8.
    """
    if surrogate_fault(text):  # how Python passes bytes on that it cannot decode
        raise DataError([Problem("command line", "text", "encoding", "is not UTF-8; give it as UTF-8")])
    if not text.strip():
        raise DataError([Problem("command line", "text", "text", "is empty; expected a text")])
    return Dataset((schema.from_text(text),), schema.name)


def schema_of(path: Path, schemas: Sequence[LabelSchema]) -> LabelSchema | None:
    """The schema that a file follows, told from its first record alone; None where it is none of `schemas`."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        from qakit.data.schemas.file_content import explain_parquet_errors

        with explain_parquet_errors(path):
            return schema_of_keys(pq.read_schema(path).names, schemas)
    try:
        text = read_text(path, allow_bom=True).lstrip()
    except DataError:
        return None  # the reader says what is wrong
    begin = text[1:].lstrip() if text.startswith("[") else text
    if not begin.startswith("{"):
        return schema_of_keys(text.partition("\n")[0].rstrip().replace('"', "").split(","), schemas)
    try:
        first = json.JSONDecoder().raw_decode(begin)[0] if begin is not text or _is_quickly_read(text) else {}
    except (ValueError, RecursionError):
        return None
    return schema_of_keys(first, schemas)


def _is_quickly_read(text: str) -> bool:
    """Whether a text that begins with an object is JSON lines or short, not one object as large as a whole file."""
    return len(text) < _SHORT or text.partition("\n")[0].rstrip().endswith("}")


def schema_of_keys(keys: Collection[str], schemas: Sequence[LabelSchema]) -> LabelSchema | None:
    """The schema of a record with these keys; of several with the same text key, the one whose label is there too."""
    if _OF_QUESTIONS.intersection(keys):
        return None
    found = [schema for schema in schemas if schema.text_key in keys]
    return next((schema for schema in found if schema.label_key in keys), found[0] if found else None)


def _check_id(name: str) -> None:
    if not name:
        raise RecordError("id", "is empty")


@dataclass(frozen=True, slots=True)
class LabelPrediction:
    """The predicted label of a record: a class, or tags with a space between them.

    `ranked` are the likeliest classes with their probabilities, best first, where they are known; `probability` is that
    of the best class, or of all tags of the sentence together.
    """

    id: str
    label: str
    ranked: tuple[tuple[str, float], ...] = ()
    probability: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The label, and after it the other likeliest ones."""
        return (self.label, *(name for name, _ in self.ranked if name != self.label))


def render_labels(predictions: Iterable[LabelPrediction], column: str) -> str:
    """A prediction file as text: CSV `id,COLUMN`."""
    return csv_text(("id", column), ((one.id, one.label) for one in predictions))


def ranked_labels(prediction: LabelPrediction, column: str) -> list[dict[str, str | float]]:
    """The likeliest labels with their probabilities, as JSON."""
    return [{column: name, "probability": probability} for name, probability in prediction.ranked]


def read_labels(path: Path, column: str) -> dict[str, LabelPrediction]:
    """The predictions of a CSV file `id,COLUMN`, by id.

    Raises:
        DataError: it has not these two columns, a row of too many or too few cells, or an id twice.
    """
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
