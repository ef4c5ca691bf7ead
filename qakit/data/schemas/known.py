"""The known schemas: how each looks, what it can hold, and what its contest asks for.

The reader and the writer of each stand in `qakit.data.schemas`, how one is told from others in `detect_schema`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qakit.data.records import Record
from qakit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Capacity:
    """The content that a schema can hold beyond one paragraph and its answer spans.

    Attributes:
        candidates: several paragraphs for a question.
        impossible: questions marked as having no answer.
        free_texts: answers that are no span of their context.
        several_answers: more than one answer for a question.
        offsets: the places of answers; otherwise an answer is where its text first occurs.
        mixed: labelled and unlabelled questions in one file.
    """

    candidates: bool = False
    impossible: bool = False
    free_texts: bool = False
    several_answers: bool = True
    offsets: bool = True
    mixed: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """What is to be known of a schema, beside its reader and writer.

    Attributes:
        shape: its files in a few words, for messages.
        capacity: what it can hold.
        metric: the preset that its contest scores by.
        predictions: the format of its contest's prediction files.
        suffix: of the files that `preprocess` names.
    """

    shape: str
    capacity: Capacity
    metric: str
    predictions: str
    suffix: str = ".json"


_ANYTHING = Capacity(candidates=True, impossible=True, free_texts=True)
SCHEMAS: Mapping[str, Schema] = {
    "hw7": Schema('an object with "questions" and "paragraphs"', Capacity(), "hw7", "hw7"),
    "adl2021": Schema(
        'a list of {"id", "question", "paragraphs", "relevant", "answers"}, with context.json',
        Capacity(candidates=True, mixed=False),
        "adl2021",
        "adl2021",
    ),
    "adl2022": Schema(
        'the same with "answer"', Capacity(candidates=True, mixed=False, several_answers=False), "adl", "adl2022"
    ),
    "squad": Schema('an object with "data": articles, "paragraphs", "qas", "answers"', Capacity(), "squad", "squad"),
    "squad2": Schema('squad with "is_impossible"', Capacity(impossible=True), "squad2", "squad"),
    "drcd": Schema("squad with ids of articles and answers", Capacity(), "drcd", "squad"),
    "cmrc": Schema('squad with version "v1.0" or ids like DEV_0_QUERY_1', Capacity(free_texts=True), "cmrc", "squad"),
    "cmrc-flat": Schema(
        'a list of {"context_id", "context_text", "qas"}', Capacity(free_texts=True, offsets=False), "cmrc", "squad"
    ),
    "jsonl": Schema('an object a line: "id", "question", "context", "answers"', _ANYTHING, "drcd", "jsonl", ".jsonl"),
    "csv": Schema("a table with those columns", _ANYTHING, "drcd", "jsonl", ".csv"),
    "parquet": Schema("the same table", _ANYTHING, "drcd", "jsonl", ".parquet"),
}
"""By name."""


def check_capacity(records: Sequence[Record], schema: str) -> None:
    """Check that `schema` can hold the records.

    Titles and ids of paragraphs do not count: a schema without room for them drops them. Nor does the second annotator
    in hw7, whom the published files leave out too.

    Raises:
        ConfigError: naming the first record that does not fit, the reason, and a schema that fits.
    """
    capacity = SCHEMAS[schema].capacity
    for record in records:
        fault = _misfit(record, capacity)
        if fault:
            raise ConfigError(f"{schema} cannot hold record {record.id!r}: {fault}")
    if not capacity.mixed and 0 < sum(bool(record.answers) for record in records) < len(records):
        raise ConfigError(
            f"{schema} cannot mix questions with and without an answer in one file: write two files, or choose jsonl"
        )


def _misfit(record: Record, capacity: Capacity) -> str | None:
    free = any(answer.start is None for answer in record.answers)
    if len(record.paragraphs) > 1:
        if not capacity.candidates:
            return f"it has {len(record.paragraphs)} candidate paragraphs; choose adl2021, adl2022 or jsonl"
        if not capacity.impossible and record.relevant is not None and not record.answers:
            return "it has a relevant paragraph and no answer; choose jsonl"
    if record.impossible and not capacity.impossible:
        return "it is marked impossible; choose squad2 or jsonl"
    if free and not capacity.free_texts:
        return "an answer is a free text without an offset; choose cmrc or jsonl"
    if len(record.answers) > 1 and not capacity.several_answers:
        return f"it has {len(record.answers)} answers; choose adl2021 or jsonl, or keep the first with --first-answer"
    return None if capacity.offsets else _later_occurrence(record)


def _later_occurrence(record: Record) -> str | None:
    for answer in record.answers:
        if answer.start != first_occurrence(answer.text, record.context):
            return (
                f"the schema has no offsets, so an answer is where its text first occurs, but {answer.text!r} is at "
                f"{answer.start}; choose cmrc or jsonl"
            )
    return None


def first_occurrence(text: str, context: str) -> int | None:
    """Offset of the first occurrence of a text; None where the context does not contain it."""
    start = context.find(text)
    return None if start < 0 else start
