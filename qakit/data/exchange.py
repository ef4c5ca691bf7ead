"""Names, times and numbers exchanged for others of their kind, so that a text met again is not known by heart."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from qakit.data.answer_like import answer_like, sentence_words
from qakit.data.records import Answer, Paragraph
from qakit.data.words import is_traditional

_KINDS = frozenset(("time", "number", "person", "place", "name"))
_SHORTEST = 2  # characters; a single one is also part of other words


@dataclass(frozen=True)
class Exchange:
    """Pieces of a text, and what stands for each of them instead."""

    instead: Mapping[str, str]

    def text(self, text: str) -> str:
        """The text with all that is exchanged."""
        return self._at(text, self._found(text))

    def around(self, text: str, answer: Answer) -> tuple[str, Answer]:
        """The text with all that is exchanged, but what reaches over a bound of the answer, and the answer in it."""
        if answer.start is None or answer.end is None:
            return self.text(text), answer
        start, end = answer.start, answer.end
        found = [match for match in self._found(text) if not _crosses(match, start, end)]
        before = self._at(text[:start], [match for match in found if match.end() <= start])
        inside = self._at(text[:end], [match for match in found if match.end() <= end])
        return self._at(text, found), Answer(inside[len(before) :], len(before))

    def _found(self, text: str) -> list[re.Match[str]]:
        longest_first = sorted(self.instead, key=len, reverse=True)
        return list(re.finditer("|".join(map(re.escape, longest_first)), text)) if longest_first else []

    def _at(self, text: str, matches: Sequence[re.Match[str]]) -> str:
        parts, end = [], 0
        for match in matches:
            parts += [text[end : match.start()], self.instead[match.group()]]
            end = match.end()
        return "".join([*parts, text[end:]])


def _crosses(match: re.Match[str], start: int, end: int) -> bool:
    """Whether a match lies neither inside nor outside of `start` to `end` (exclusive)."""
    outside = match.end() <= start or match.start() >= end
    return not outside and not (start <= match.start() and match.end() <= end)


class Exchanges:
    """Draws exchanges for the paragraphs it is made of: each piece for one of its kind and script in any of them."""

    def __init__(self, paragraphs: Sequence[Paragraph], share: float) -> None:
        self._share = share
        pools: defaultdict[tuple[bool, str], dict[str, None]] = defaultdict(dict)
        for paragraph in paragraphs if share else ():
            for piece, kind in _pieces(paragraph.text):
                pools[is_traditional(paragraph.text), kind][piece] = None
        self._pools = {key: tuple(pool) for key, pool in pools.items()}

    def draw(self, text: str, random: Random) -> Exchange:
        """An exchange of about that share of the pieces of one of the paragraphs."""
        if not self._share:
            return Exchange({})
        script = is_traditional(text)
        pieces = dict(_pieces(text))
        return Exchange(
            {
                piece: random.choice(self._pools[script, kind])
                for piece, kind in pieces.items()
                if random.random() < self._share
            }
        )


@lru_cache(maxsize=4096)
def _pieces(text: str) -> Sequence[tuple[str, str]]:
    """What can be exchanged in a text, with the kind of each: found once for all that is made of a paragraph."""
    pieces = []
    for words in sentence_words(text):
        for span in answer_like(words):
            start, end = words[span.first].start, words[span.end - 1].end
            piece = text[start:end].rstrip()
            if span.kind in _KINDS and len(piece) >= _SHORTEST:
                pieces.append((piece, span.kind))
    return pieces
