"""A file being read: how its records are built, and the log of problems, repairs and notes that all files share."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from qakit.data.records import Answer, AnyRecord, Paragraph, Repair
from qakit.data.repair import find_answer
from qakit.data.schemas.shapes import ShapeError
from qakit.errors import DataError, Problem, RecordError

_SHOWN_ID = 40  # characters
_REPAIRABLE = ("answer start", "answer_end")

Built = TypeVar("Built")
BuiltRecord = TypeVar("BuiltRecord", bound=AnyRecord)


@dataclass(slots=True)
class ReadLog:
    """Problems, repairs and notes of all files that are read together, and what these files share.

    Attributes:
        lenient: leave out bad records instead of raising their problems.
        files: the number of files.
        repair: similarity in percent that an answer needs to be moved; None: no repairs.
        repairs: all changes to answers.
        faults: problems of a file as a whole; they always stop the reading.
        problems: problems of single records.
        skipped: the number of bad records.
        notes: counts by sentence; the count is put before the sentence.
        places: where each record id was first used.
        paragraph_lists: texts by file, for schemas that keep them in a file of their own (ADL).
        paragraphs: paragraphs of tables by (id, text, title).
        rows: rows of tables so far; they number the questions of tables without ids.
    """

    lenient: bool = False
    files: int = 1
    repair: float | None = None
    repairs: list[Repair] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    places: dict[str, str] = field(default_factory=dict)
    paragraph_lists: dict[Path, list[Paragraph | None]] = field(default_factory=dict)
    paragraphs: dict[tuple[str | None, str, str], Paragraph] = field(default_factory=dict)
    rows: int = 0

    def raise_problems(self) -> None:
        """Raise `DataError` for the faults and, unless lenient, for the problems."""
        problems = self.faults + ([] if self.lenient else self.problems)
        if problems:
            raise DataError(problems)

    def sentences(self) -> tuple[str, ...]:
        """The notes as sentences, each beginning with its count."""
        return tuple(f"{count} {sentence}" for sentence, count in self.notes.items())


@dataclass(frozen=True, slots=True)
class Source:
    """One file being read.

    Attributes:
        log: where its problems, repairs and notes go.
        names: keys of the file's schema by the field that a `RecordError` names.
        context: the list of texts that the user named (ADL).
    """

    path: Path
    log: ReadLog
    names: Mapping[str, str]
    context: Path | None = None

    def about(self, path: Path) -> "Source":
        """The same for another file that belongs to this one."""
        return replace(self, path=path)

    def build_record(self, place: str, build: Callable[[], BuiltRecord]) -> BuiltRecord | None:
        """The record that `build` returns, or None when it raises or its id was used before."""
        repairs = len(self.log.repairs)
        record = self.attempt(place, build)
        earlier = self.log.places.get(record.id) if record else None
        if record is not None and earlier is None:
            self.log.places[record.id] = f"{self.path}: {place}"
            return record
        # The repairs of a record that is left out change nothing: take them back.
        del self.log.repairs[repairs:]
        if record is not None:
            message = f"{record.id!r} is already the id of {earlier}; ids must differ"
            self.reject(place, [(self.names.get("id", "id"), message)])
        return None

    def attempt(self, place: str, build: Callable[[], Built], *, records: int = 1) -> Built | None:
        """The result of `build`, or None if it raises; then `records` records are lost."""
        try:
            return build()
        except ShapeError as error:
            self.reject(place, error.faults, records=records)
        except RecordError as error:
            name = self.names.get(error.field, error.field)
            repairable = self.log.repair is None and error.field in _REPAIRABLE
            self.log.problems.append(Problem(str(self.path), place, name, error.message, repairable))
            self.log.skipped += records
        return None

    def reject(self, place: str, faults: Iterable[tuple[str, str]], *, records: int = 1) -> None:
        """Log problems, as (field, message) pairs, that cost `records` records."""
        self.log.problems += [Problem(str(self.path), place, name, message) for name, message in faults]
        self.log.skipped += records

    def note(self, sentence: str, count: int = 1) -> None:
        """Count something that was done to the data; `sentence` goes on after the count."""
        if count:
            self.log.notes[sentence] += count

    def repair_answers(self, record_id: str, context: str, answers: Iterable[Answer]) -> tuple[Answer, ...]:
        """The answers of a record; where repairs are wanted, each moved to where its text stands in the context.

        An answer that is found nowhere stays as it is: the record then refuses it.
        """
        if self.log.repair is None:
            return tuple(answers)
        return tuple(self._repair(record_id, context, answer, self.log.repair) for answer in answers)

    def _repair(self, record_id: str, context: str, answer: Answer, threshold: float) -> Answer:
        if answer.start is None or (answer.start >= 0 and context.startswith(answer.text, answer.start)):
            return answer
        place = find_answer(answer.text, context, answer.start, threshold=threshold)
        if place is None:
            return answer
        text = context[place.start : place.end]
        self.note_repair(record_id, "answer start", answer.start, place.start, place.how)
        self.note_repair(record_id, "answer text", answer.text, text, place.how)
        return Answer(text, place.start)

    def note_repair(self, record_id: str, field: str, before: int | str, after: int | str, how: str) -> None:
        """Log the change of a field, unless it kept its value."""
        if before != after:
            name = self.names.get(field, field)
            self.log.repairs.append(Repair(str(self.path), record_id, name, before, after, how))


def with_id(place: str, value: Any, key: str = "id") -> str:
    """`place` with the record's id, where it has one: `questions[3] (id 17)`."""
    if not isinstance(value, dict) or not isinstance(value.get(key), str | int):
        return place
    # Half a surrogate pair in an id would make the message itself unprintable.
    shown = json.dumps(value[key], ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return f"{place} (id {shown if len(shown) <= _SHOWN_ID else shown[:_SHOWN_ID] + '…'})"
