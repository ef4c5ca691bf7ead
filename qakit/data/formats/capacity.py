"""Capacity of each schema, checked before writing so that no part of a record is lost silently."""

from collections.abc import Sequence
from dataclasses import dataclass

from qakit.data.formats.cmrc_flat import first_occurrence
from qakit.data.records import Record
from qakit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a schema can hold beyond one paragraph and its answer spans.

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


_TABLE = Capacity(candidates=True, impossible=True, free_texts=True)
CAPACITIES = {
    "hw7": Capacity(),
    "adl2021": Capacity(candidates=True, mixed=False),
    "adl2022": Capacity(candidates=True, mixed=False, several_answers=False),
    "squad": Capacity(),
    "squad2": Capacity(impossible=True),
    "drcd": Capacity(),
    "cmrc": Capacity(free_texts=True),
    "cmrc-flat": Capacity(free_texts=True, offsets=False),
    "jsonl": _TABLE,
    "csv": _TABLE,
    "parquet": _TABLE,
}


def check_capacity(records: Sequence[Record], schema: str) -> None:
    """Check that `schema` can hold the records.

    Titles and ids of paragraphs do not count: a schema without room for them drops them. Nor does the second annotator
    in hw7, whom the published files leave out too.

    Raises:
        ConfigError: naming the first record that does not fit, the reason, and a schema that fits.
    """
    capacity = CAPACITIES[schema]
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
