"""A file being read: how its records are built, and the log of problems, repairs and notes that all files share.

Repair puts a misplaced answer where it most likely is in its context, and tells why its offset was wrong.
"""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import category, combining, normalize

from qakit.data.records import Answer, AnyRecord, Paragraph, Repair, occurrences
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


_NEAR = 1  # characters: counting from 1, or one lost character, is likelier than another unit of counting
_MARGIN = 15.0  # percent by which moving the ends of an alignment may improve its similarity
_REACH = 3  # characters by which the ends are moved
_INVISIBLE = ("Cc", "Cf")  # Unicode categories: control and format characters


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an answer in its context, in characters, `end` exclusive; `how` says in words how it was found."""

    start: int
    end: int
    how: str


def find_answer(text: str, context: str, stated: int, *, threshold: float) -> Place | None:
    """Find the most likely place of an answer that is not at its stated offset; None if it is not found.

    The first of these rules that finds a place decides:

    1. The exact text. Of several places: the one at most one character from `stated`; else one that `stated` gives when
       it counts UTF-16 units, UTF-8 bytes or other line ends; else the nearest.
    2. The text without differences of width, composition (NFKD), letter case, white space and invisible characters:
       the nearest place.
    3. A passage with at least `threshold` percent similarity (rapidfuzz's `ratio` of the best
       `partial_ratio_alignment`, both normalised as in 2) and the same digits.

    Args:
        stated: the offset in the file, in characters if it were right.
    """
    if not text.strip():
        return None
    if stated >= 0 and context.startswith(text, stated):
        return Place(stated, stated + len(text), "stands there")
    places = list(occurrences(text, context))
    if places:
        start, how = _choose(places, context, stated)
        return Place(start, start + len(text), how)
    wanted, _ = _folded(text)
    folded, origins = _folded(context)
    if not wanted:
        return None
    found = list(_folded_places(wanted, folded, origins, context))
    if found:
        start, end = min(found, key=lambda place: (abs(place[0] - stated), place))
        return Place(start, end, f"width, composition, capitals or white space differ; {_which(len(found))}")
    return _most_similar(wanted, folded, origins, threshold)


def _choose(places: Sequence[int], context: str, stated: int) -> tuple[int, str]:
    """Choose one of the places of the text, and say why."""
    nearest = min(places, key=lambda place: (abs(place - stated), place))
    if abs(nearest - stated) > _NEAR:
        for unit, weights in _units(context):
            offsets = [0, *accumulate(weights)]  # by character: its offset in this unit
            place = bisect_left(offsets, stated)
            if place < len(offsets) and offsets[place] == stated and place in places:
                return place, f"the offset counts {unit}"
    return nearest, f"{_which(len(places))}, {nearest - stated:+d}"


def _units(context: str) -> Iterator[tuple[str, list[int]]]:
    """Units that offsets may count instead of characters, with the number of units of each character."""
    yield "UTF-16 units", [1 + (character > "\uffff") for character in context]
    yield "UTF-8 bytes", [len(character.encode("utf-8", "surrogatepass")) for character in context]
    yield "line ends as two characters", [1 + (character == "\n") for character in context]
    pairs = zip(context, context[1:] + " ", strict=True)
    yield "line ends as one character", [0 if pair == ("\r", "\n") else 1 for pair in pairs]


def _which(count: int) -> str:
    return "its only place" if count == 1 else f"the nearest of {count} places"


def _folded(text: str) -> tuple[str, list[int]]:
    """The text without width, case, white space and the like, and for each character the place it comes from."""
    parts, origins = [], []
    for place, character in enumerate(text):
        # Casefolding can give composed characters again, so they are decomposed once more.
        for part in normalize("NFKD", normalize("NFKD", character).casefold()):
            if not part.isspace() and category(part) not in _INVISIBLE:
                parts.append(part)
                origins.append(place)
    return "".join(parts), origins


def _folded_places(wanted: str, folded: str, origins: Sequence[int], context: str) -> Iterator[tuple[int, int]]:
    """The spans in `context` that read `wanted` when folded, made of whole characters with their accents."""
    for first in occurrences(wanted, folded):
        last = first + len(wanted)
        begins = first == 0 or origins[first - 1] != origins[first]
        ends = last == len(origins) or origins[last - 1] != origins[last]
        end = origins[last - 1] + 1
        if begins and ends and not (end < len(context) and combining(context[end])):
            yield origins[first], end


def _most_similar(wanted: str, folded: str, origins: Sequence[int], threshold: float) -> Place | None:
    from rapidfuzz import fuzz

    if len(wanted) > len(folded):
        return None
    found = fuzz.partial_ratio_alignment(wanted, folded, score_cutoff=max(threshold - _MARGIN, 0))
    if found is None:
        return None
    # The alignment is as long as the answer; where characters were lost or added, an end has to move.
    shifts = sorted(range(-_REACH, _REACH + 1), key=abs)
    ends = [
        (first, last)
        for first in (found.dest_start + shift for shift in shifts)
        for last in (found.dest_end + shift for shift in shifts)
        if 0 <= first < last <= len(folded)
    ]
    first, last = max(ends, key=lambda span: fuzz.ratio(wanted, folded[slice(*span)]))
    score = fuzz.ratio(wanted, folded[first:last])
    # One wrong digit is a small difference in characters, and another answer.
    if score < threshold or _digits(wanted) != _digits(folded[first:last]):
        return None
    return Place(origins[first], origins[last - 1] + 1, f"{score:.1f} % alike")


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
