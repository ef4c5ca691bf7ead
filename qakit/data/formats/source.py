"""Where readers put what they find: problems, notes and the ids already used."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from qakit.data.formats.shapes import ShapeError
from qakit.data.records import Answer, AnyRecord, Paragraph, Repair
from qakit.data.repair import find_answer
from qakit.errors import DataError, Problem, RecordError

_SHOWN_ID = 40
_REPAIRABLE = ("answer start", "answer_end")

Built = TypeVar("Built")
BuiltRecord = TypeVar("BuiltRecord", bound=AnyRecord)


@dataclass(slots=True)
class Journal:
    """What was found in all the files that are read together.

    `files` is how many there are. `faults` concern a file as a whole and always stop the reading; `problems` concern
    single records, which a lenient reader leaves out and counts in `skipped`. `notes` counts sentences that begin with
    the count.
    """

    lenient: bool = False
    files: int = 1
    repair: float | None = None  # likeness in percent that an answer needs to be put elsewhere; None: leave all
    repairs: list[Repair] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    places: dict[str, str] = field(default_factory=dict)  # record id -> where it was first used
    paragraph_lists: dict[Path, list[Paragraph | None]] = field(default_factory=dict)
    paragraphs: dict[tuple[str | None, str, str], Paragraph] = field(default_factory=dict)
    rows: int = 0  # table rows so far, the ids of rows that have none

    def raise_problems(self) -> None:
        """Raise `DataError` for the faults and, unless lenient, for the problems."""
        problems = self.faults + ([] if self.lenient else self.problems)
        if problems:
            raise DataError(problems)


@dataclass(frozen=True, slots=True)
class Source:
    """One file being read.

    `names` maps the fields of `RecordError` to the keys of the file's schema; `context` is the list of texts that the
    user named for ADL files.
    """

    path: Path
    journal: Journal
    names: Mapping[str, str]
    context: Path | None = None

    def about(self, path: Path) -> "Source":
        """The same for another file that belongs to this one."""
        return replace(self, path=path)

    def record(self, label: str, build: Callable[[], BuiltRecord]) -> BuiltRecord | None:
        """The record that `build` returns, or None when it raises or its id was used before."""
        repairs = len(self.journal.repairs)
        record = self.attempt(label, build)
        if record is None:
            del self.journal.repairs[repairs:]
            return None
        earlier = self.journal.places.get(record.id)
        if earlier is not None:
            del self.journal.repairs[repairs:]
            name = self.names.get("id", "id")
            self.reject(label, [(name, f"{record.id!r} is already the id of {earlier}; ids must differ")])
            return None
        self.journal.places[record.id] = f"{self.path}: {label}"
        return record

    def attempt(self, label: str, build: Callable[[], Built], *, records: int = 1) -> Built | None:
        """What `build` returns, or None when it raises; then `records` records are lost."""
        try:
            return build()
        except ShapeError as error:
            self.reject(label, error.faults, records=records)
        except RecordError as error:
            name = self.names.get(error.field, error.field)
            repairable = self.journal.repair is None and error.field in _REPAIRABLE
            self.journal.problems.append(Problem(str(self.path), label, name, error.message, repairable))
            self.journal.skipped += records
        return None

    def mend(self, name: str, context: str, answers: Iterable[Answer]) -> tuple[Answer, ...]:
        """The answers of the record of this name; where repairs are wanted, each where its text stands.

        What is found nowhere stays as it is, so that the record refuses it.
        """
        if self.journal.repair is None:
            return tuple(answers)
        return tuple(self._mended(name, context, answer, self.journal.repair) for answer in answers)

    def _mended(self, name: str, context: str, answer: Answer, threshold: float) -> Answer:
        if answer.start is None or (answer.start >= 0 and context.startswith(answer.text, answer.start)):
            return answer
        place = find_answer(answer.text, context, answer.start, threshold=threshold)
        if place is None:
            return answer
        text = context[place.start : place.end]
        self.repaired(name, "answer start", answer.start, place.start, place.how)
        self.repaired(name, "answer text", answer.text, text, place.how)
        return Answer(text, place.start)

    def repaired(self, name: str, field: str, before: int | str, after: int | str, how: str) -> None:
        """List a change to a field of the record of this name, if it is one."""
        if before != after:
            change = Repair(str(self.path), name, self.names.get(field, field), before, after, how)
            self.journal.repairs.append(change)

    def reject(self, label: str, faults: Iterable[tuple[str, str]], *, records: int = 1) -> None:
        """Note problems, as (field, message) pairs, that cost `records` records."""
        self.journal.problems += [Problem(str(self.path), label, name, message) for name, message in faults]
        self.journal.skipped += records

    def note(self, sentence: str, count: int = 1) -> None:
        """Count something that was done to the data; `sentence` goes on after the count."""
        if count:
            self.journal.notes[sentence] += count


def label(place: str, value: Any, key: str = "id") -> str:
    """`place` with the record's id, where it has one: `questions[3] (id 17)`."""
    if not isinstance(value, dict) or not isinstance(value.get(key), str | int):
        return place
    shown = json.dumps(value[key], ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return f"{place} (id {shown if len(shown) <= _SHOWN_ID else shown[:_SHOWN_ID] + '…'})"
