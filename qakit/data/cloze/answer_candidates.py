"""Answer candidates: runs of words that could answer a question, found by rules on parts of speech.

The rules were fitted to the kinds of answers in DRCD and CMRC 2018.
"""

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
_SHORTEST_ANSWER, _LONGEST_ANSWER = 2, 30  # characters; with a shortest of 2 a single digit is an answer too
_MOST_WORDS = 8
_SHORTEST_SENTENCE = 6  # characters; shorter ones leave nothing to ask with


@dataclass(frozen=True)
class AnswerCandidate:
    """Words `first` to `end` (exclusive) of a sentence, and the kind of answer: `time`, `number`, `person`, ..."""

    first: int
    end: int
    kind: str


def segment_sentences(text: str) -> list[list[Word]]:
    """The words of each sentence that is long enough to ask about, with offsets into the text.

    The text is segmented once, as a whole; a word across a sentence bound belongs to no sentence.
    """
    bounds = [(start, end) for start, end in sentences(text) if end - start >= _SHORTEST_SENTENCE]
    words = segment(text)
    places = [word.start for word in words]
    inside = (words[bisect_left(places, start) : bisect_left(places, end)] for start, end in bounds)
    return [[word for word in run if word.end <= end] for run, (_, end) in zip(inside, bounds, strict=True)]


def find_candidates(
    words: Sequence[Word], *, shortest: int = _SHORTEST_ANSWER, longest: int = _LONGEST_ANSWER
) -> list[AnswerCandidate]:
    """Find the runs of words that could be an answer, with the kind of each.

    Args:
        shortest, longest: characters of an answer, both inclusive; with a shortest of 2, a single digit is one too.
    """
    spans = []
    for first in range(len(words)):
        for end in range(first + 1, min(first + _MOST_WORDS, len(words)) + 1):
            run = words[first:end]
            if run[-1].end - run[0].start > longest or not _may_contain(run[-1], end - first):
                break  # a longer run would have the same fault
            if not _is_too_short(run, shortest) and (kind := _kind(run, words, first, end)):
                spans.append(AnswerCandidate(first, end, kind))
    return spans


def _may_contain(word: Word, length: int) -> bool:
    """Whether an answer may have this as its word number `length`: no punctuation that ends clauses."""
    return word.text not in "，。！？；：、,!?;:" and (length > 1 or is_word(word.text) or word.opens)


def _is_too_short(run: Sequence[Word], shortest: int) -> bool:
    text = "".join(word.text for word in run)
    if shortest == _SHORTEST_ANSWER:
        return len(text) < shortest and not text[0].isdigit()
    return len(text.rstrip()) < shortest


def _kind(run: Sequence[Word], words: Sequence[Word], first: int, end: int) -> str | None:
    """The kind of answer that a run of words is; None if it is not an answer.

    Args:
        run: words `first` to `end` (exclusive) of `words`.
    """
    # A title in its brackets: 《論語》.
    if run[0].opens and run[-1].closes and len(run) > 2:
        return "name"
    if any(word.opens or word.closes for word in run):
        return None
    before, after = words[first - 1] if first else None, words[end] if end < len(words) else None
    if run[0].tag in ("m", "t"):
        return _count(run, before, after)
    return _noun(run, before, after) or _phrase(run, before, after)


def _noun(run: Sequence[Word], before: Word | None, after: Word | None) -> str | None:
    """`person`, `place`, `name` or `thing` if a run is a complete noun phrase."""
    tags = {word.tag for word in run}
    # Part of a longer name is no answer: 臺灣 of 臺灣大學.
    if (before and before.joins(run[0])) or (after and run[-1].joins(after)):
        return None
    if tags <= _PERSONS | {"x"} and run[-1].tag != "x":
        return "person"
    if not tags <= NOUNS:
        return None
    return "place" if run[-1].tag == "ns" else "name" if run[-1].tag in _NAMES else "thing"


def _phrase(run: Sequence[Word], before: Word | None, after: Word | None) -> str | None:
    """`phrase` if a run is a whole clause, or all of it after a verb or preposition."""
    begins = before is None or before.ends_clause or before.tag in ("v", "p")
    ends = after is None or after.ends_clause
    return "phrase" if begins and ends and len(run) > 1 and {run[0].tag, run[-1].tag} <= _CONTENT else None


def _count(run: Sequence[Word], before: Word | None, after: Word | None) -> str | None:
    """`time` or `number` if a run that begins with a number is a complete one."""
    if (before and before.tag in ("m", "t")) or (after and after.tag in ("m", "q")):
        return None
    if not all(word.tag in ("m", "t", "q", "x", "n", "f") for word in run) or len(run) > 6:
        return None
    if not (run[0].tag == "t" or run[0].text[0] in _NUMERALS or run[0].text[0].isdigit()):
        return None
    if run[-1].text[-1] in _TIME_ENDS or all(word.tag == "t" for word in run):
        return "time"
    return "number" if run[-1].tag in ("m", "q", "n") and sum(word.tag == "n" for word in run) < 2 else None
