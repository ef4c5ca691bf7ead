"""Repair of misplaced answers: where an answer most likely is in its context, and why its offset was wrong."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from unicodedata import category, combining, normalize

from qakit.data.records import occurrences

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
