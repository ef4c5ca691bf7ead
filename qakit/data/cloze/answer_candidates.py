"""Pieces of a text that could be the answer to a question, by the parts of speech of its words."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from qakit.data.cloze.part_of_speech import Word, is_word, segment
from qakit.data.texts import sentences

_NUMERALS = "〇零一二三四五六七八九十百千万亿萬億两兩几數数"
_TIME_ENDS = tuple("年月日号世纪代期初末间")
NOUNS = frozenset(("n", "nr", "nrt", "ns", "nt", "nz", "ng", "vn", "an", "j", "eng", "l", "i", "s"))
_CONTENT = NOUNS | {"m", "t", "q", "v", "a", "b", "f", "x"}
_NAMES = frozenset(("nt", "nz", "eng", "j"))
_PERSONS = frozenset(("nr", "nrt"))
_SHORTEST_ANSWER, _LONGEST_ANSWER = 2, 30  # characters; where it is two, a figure may be shorter
_MOST_WORDS = 8
_SHORTEST_SOURCE = 6  # characters of a sentence worth asking about


@dataclass(frozen=True)
class AnswerCandidate:
    """Words `first` to `end` (exclusive) of a sentence, and the kind of answer that they are."""

    first: int
    end: int
    kind: str


def segment_sentences(text: str) -> list[list[Word]]:
    """The words of each sentence that is long enough to ask about, with offsets into the text."""
    bounds = [(start, end) for start, end in sentences(text) if end - start >= _SHORTEST_SOURCE]
    words = segment(text)
    places = [word.start for word in words]
    inside = (words[bisect_left(places, start) : bisect_left(places, end)] for start, end in bounds)
    return [[word for word in run if word.end <= end] for run, (_, end) in zip(inside, bounds, strict=True)]


def find_candidates(
    words: Sequence[Word], *, shortest: int = _SHORTEST_ANSWER, longest: int = _LONGEST_ANSWER
) -> list[AnswerCandidate]:
    """The runs of words that could be an answer, with the kind of each.

    Args:
        shortest, longest: characters of an answer, both inclusive; with a shortest of 2 a digit alone is one too.
    """
    spans = []
    for first in range(len(words)):
        for end in range(first + 1, min(first + _MOST_WORDS, len(words)) + 1):
            run = words[first:end]
            if run[-1].end - run[0].start > longest or not _may_hold(run[-1], end - first):
                break
            if not _is_too_short(run, shortest) and (kind := _kind(run, words, first, end)):
                spans.append(AnswerCandidate(first, end, kind))
    return spans


def _may_hold(word: Word, length: int) -> bool:
    """Whether an answer may go on with this word: anything but what parts clauses."""
    return word.text not in "，。！？；：、,!?;:" and (length > 1 or is_word(word.text) or word.opens)


def _is_too_short(run: Sequence[Word], shortest: int) -> bool:
    text = "".join(word.text for word in run)
    if shortest == _SHORTEST_ANSWER:
        return len(text) < shortest and not text[0].isdigit()
    return len(text.rstrip()) < shortest


def _kind(run: Sequence[Word], words: Sequence[Word], first: int, end: int) -> str | None:
    """The kind of answer that a run of words is, None where it is none.

    Args:
        run: words `first` to `end` (exclusive) of `words`.
    """
    if run[0].opens and run[-1].closes and len(run) > 2:
        return "name"
    if any(word.opens or word.closes for word in run):
        return None
    before, after = words[first - 1] if first else None, words[end] if end < len(words) else None
    if run[0].tag in ("m", "t"):
        return _count(run, before, after)
    return _noun(run, before, after) or _phrase(run, before, after)


def _noun(run: Sequence[Word], before: Word | None, after: Word | None) -> str | None:
    """`person`, `place`, `name` or `thing` where a run is a whole one."""
    tags = {word.tag for word in run}
    if (before and before.joins(run[0])) or (after and run[-1].joins(after)):
        return None
    if tags <= _PERSONS | {"x"} and run[-1].tag != "x":
        return "person"
    if not tags <= NOUNS:
        return None
    return "place" if run[-1].tag == "ns" else "name" if run[-1].tag in _NAMES else "thing"


def _phrase(run: Sequence[Word], before: Word | None, after: Word | None) -> str | None:
    """`phrase` where a run is a clause, or all of one from behind its verb."""
    begins = before is None or before.parts or before.tag in ("v", "p")
    ends = after is None or after.parts
    return "phrase" if begins and ends and len(run) > 1 and {run[0].tag, run[-1].tag} <= _CONTENT else None


def _count(run: Sequence[Word], before: Word | None, after: Word | None) -> str | None:
    """`time` or `number` where a run that begins with a number is one as a whole."""
    if (before and before.tag in ("m", "t")) or (after and after.tag in ("m", "q")):
        return None
    if not all(word.tag in ("m", "t", "q", "x", "n", "f") for word in run) or len(run) > 6:
        return None
    if not (run[0].tag == "t" or run[0].text[0] in _NUMERALS or run[0].text[0].isdigit()):
        return None
    if run[-1].text[-1] in _TIME_ENDS or all(word.tag == "t" for word in run):
        return "time"
    return "number" if run[-1].tag in ("m", "q", "n") and sum(word.tag == "n" for word in run) < 2 else None
