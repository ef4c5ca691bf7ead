"""What is wrong with one answer: pure functions on strings."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from qakit.data.brackets import halves
from qakit.data.records import shorten

DEFAULT_LONGEST = 30
"""Characters of the longest answer where no right answer is known; 10 of DRCD's 7,048 have more."""

_EDGE_PUNCTUATION = "，。、；：！？…,;:!?"
_TOKENS = re.compile(r"\[(?:UNK|CLS|SEP|PAD|MASK)\]|</?s>|<(?:unk|pad|mask|cls|sep)>|##|▁|\ufffd", re.IGNORECASE)
_WAYS = ("white space", "ASCII commas", "letter case", "width")
"""How `tokenizer.decode` and what people do after it change a text; `width` is NFKC."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What answers are held to.

    Attributes:
        longest: characters that the longest answer may have.
        without_commas: the contest deletes ASCII commas, from the answers as from the text that they are cut from.
        may_be_empty: an empty answer says that there is none.
    """

    longest: int = DEFAULT_LONGEST
    without_commas: bool = False
    may_be_empty: bool = False


def answer_faults(
    answer: str, rules: Rules, paragraphs: Sequence[str] = (), golds: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """The faults of an answer, as (kind, what was found) pairs.

    Args:
        paragraphs: the texts that it may be cut from; none where they are not known.
        golds: right answers: what equals one has no fault.
    """
    if answer in (_plain(golds) if rules.without_commas else golds):
        return
    text = answer.strip()
    if not text:
        if answer or not rules.may_be_empty:
            yield "empty", f"found {shorten(answer)}"
        return
    if text != answer:
        yield "white space", f"found {shorten(answer)}"
    if rules.without_commas:
        if "," in text:
            yield "commas", f"found {shorten(text)}; expected {shorten(text.replace(',', ''))}"
        text, paragraphs = text.replace(",", "").strip(), _plain(paragraphs)
    if not text:  # it was commas and nothing else
        return
    yield from _place_faults(text, paragraphs)
    yield from _look_faults(text, rules)


def _plain(texts: Collection[str]) -> list[str]:
    return [text.replace(",", "") for text in texts]


def _look_faults(text: str, rules: Rules) -> Iterator[tuple[str, str]]:
    """Faults that show without the paragraphs."""
    single = [text[place] for places in halves(text) for place in places]
    if single:
        yield "brackets", f"found {shorten(text)}, with {' and '.join(single)} alone"
    if len(text) > rules.longest:
        yield "too long", f"found {len(text)} characters, {shorten(text)}; expected at most {rules.longest}"
    if text[0] in _EDGE_PUNCTUATION or text[-1] in _EDGE_PUNCTUATION:
        yield "punctuation", f"found {shorten(text)}"


def _place_faults(text: str, paragraphs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Faults of a text that is no piece of any of the paragraphs."""
    if any(text in paragraph for paragraph in paragraphs):
        return
    token = _TOKENS.search(text)
    if token:
        yield "tokens", f"found {shorten(text)}, with {token.group()!r}"
        return
    if not paragraphs:
        return
    original = original_of(text, paragraphs)
    if original:
        piece, ways = original
        yield "altered", f"found {shorten(text)}; expected {shorten(piece)}, which differs in {' and '.join(ways)}"
    else:
        yield "not in the text", f"found {shorten(text)}"


def original_of(text: str, paragraphs: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """The piece of a paragraph that a text was made from, and what was changed; the least change that explains it.

    Example:
        >>> original_of("ucla", ["在 UCLA 任教"])
        ('UCLA', ('letter case',))
    """
    for count in range(1, len(_WAYS) + 1):
        for ways in combinations(_WAYS, count):
            wanted, _ = folded(text, ways)
            for paragraph in paragraphs:
                there, places = folded(paragraph, ways)
                found = there.find(wanted) if wanted else -1
                if found >= 0:
                    return paragraph[places[found] : places[found + len(wanted) - 1] + 1], ways
    return None


@lru_cache(maxsize=256)
def folded(text: str, ways: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """A text without some differences, and for each of its characters the place of the one that it came from."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        new = unicodedata.normalize("NFKC", character) if "width" in ways else character
        new = new.lower() if "letter case" in ways else new
        if "white space" in ways:
            new = "".join(new.split())
        if "ASCII commas" in ways:
            new = new.replace(",", "")
        characters.append(new)
        places += [place] * len(new)
    return "".join(characters), tuple(places)
