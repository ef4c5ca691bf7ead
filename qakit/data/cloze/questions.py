"""Questions made from texts that nobody has labelled: an answer-like piece of a sentence becomes what is asked for.

A cloze question is what is left of the sentence when its answer is taken out and a question word put in the place, worn
down until it looks as far from its sentence as people's questions do (in DRCD and CMRC 2018, 64 % of the characters of
a question are in the sentence of its answer and 83 % in the paragraph). The idea of training on such questions is that
of Lewis, Denoyer and Riedel, "Unsupervised Question Answering by Cloze Translation" (ACL 2019).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from random import Random

from qakit.config import ClozeSettings
from qakit.data.cloze.answer_candidates import NOUNS, AnswerCandidate, find_candidates, segment_sentences
from qakit.data.cloze.part_of_speech import Word, is_traditional, is_word, segment, to_traditional
from qakit.data.records import Answer, Paragraph, Record


@dataclass(frozen=True)
class EntitySwap:
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


class EntitySwaps:
    """Draws exchanges for the paragraphs it is made of: each piece for one of its kind and script in any of them."""

    def __init__(self, paragraphs: Sequence[Paragraph], share: float) -> None:
        self._share = share
        pools: defaultdict[tuple[bool, str], dict[str, None]] = defaultdict(dict)
        for paragraph in paragraphs if share else ():
            for piece, kind in _pieces(paragraph.text):
                pools[is_traditional(paragraph.text), kind][piece] = None
        self._pools = {key: tuple(pool) for key, pool in pools.items()}

    def draw(self, text: str, random: Random) -> EntitySwap:
        """An exchange of about that share of the pieces of one of the paragraphs."""
        if not self._share:
            return EntitySwap({})
        script = is_traditional(text)
        pieces = dict(_pieces(text))
        return EntitySwap(
            {
                piece: random.choice(self._pools[script, kind])
                for piece, kind in pieces.items()
                if random.random() < self._share
            }
        )


# What is asked for: the shares of the kinds among answers of DRCD and CMRC, and how people ask for each.
_SHARES = {"time": 17, "number": 13, "person": 14, "place": 14, "name": 12, "thing": 15, "phrase": 15}
_ASKED: dict[str, tuple[str, ...]] = {
    "time": ("什么时候", "何时", "哪一年", "哪年", "几年", "什么时间", "哪个时期", "哪一天"),
    "number": ("多少", "几", "多少", "有多少", "多大", "多长"),
    "person": ("谁", "谁", "哪位", "哪个人", "何人", "哪一位"),
    "place": ("哪里", "哪", "什么地方", "何处", "哪个地方", "哪儿"),
    "name": ("什么", "哪个", "哪一个", "何", "哪些"),
    "thing": ("什么", "什么", "哪个", "哪一个", "哪些", "何", "哪种"),
    "phrase": ("什么", "什么", "怎样", "如何", "哪些", "为什么", "何"),
}
_QUESTIONS_A_VERSION = 5
_HEADED = ("哪个", "什么", "哪一", "哪", "何")


def cloze_records(paragraphs: Sequence[Paragraph], settings: ClozeSettings, *, seed: int) -> Iterator[Record]:
    """Up to `settings.questions` cloze questions on each paragraph, each a record of that paragraph alone.

    They depend on the paragraph, the settings and the seed, and for the words put in the place of others on the other
    paragraphs. A paragraph without an answer-like piece has none.

    Raises:
        ConfigError: the package that finds words is not installed.
    """
    pool = tuple(word for paragraph in paragraphs[:: max(1, len(paragraphs) // 200)] for word in _worth(paragraph.text))
    exchanges = EntitySwaps(paragraphs, settings.exchange)
    for paragraph in paragraphs:
        key = f"cloze-{seed}-{_digest(paragraph.text)}"
        random, made = Random(key), 0
        for version, count in _versions(paragraph, settings, exchanges, random):
            for question, answer in _Maker(version, pool, settings, random).questions(count):
                yield Record(f"{key}-{made}", question, (version,), relevant=0, answers=(answer,))
                made += 1


def _versions(
    paragraph: Paragraph, settings: ClozeSettings, exchanges: EntitySwaps, random: Random
) -> Iterator[tuple[Paragraph, int]]:
    """The paragraph to ask about and how many questions: as it is, or one after the other with things exchanged."""
    if not settings.exchange:
        yield paragraph, settings.questions
        return
    for first in range(0, settings.questions, _QUESTIONS_A_VERSION):
        text = exchanges.draw(paragraph.text, random).text(paragraph.text)
        version = replace(paragraph, id=f"{paragraph.id}-{first}", text=text)
        yield version, min(_QUESTIONS_A_VERSION, settings.questions - first)


def noisy_copies(records: Sequence[Record], settings: ClozeSettings, *, seed: int) -> Iterator[Record]:
    """`settings.copies` copies of each answered record, the questions worn down as those of cloze questions are.

    With `settings.exchange` each copy has a paragraph of its own, in which, as in its question and answer, things are
    exchanged for those of the other records' paragraphs.
    """
    made: Counter[str] = Counter()
    exchanges = EntitySwaps([record.paragraphs[record.relevant or 0] for record in records], settings.exchange)
    for record in records:
        if record.span is None or record.span.start is None:
            continue
        key = f"copy-{seed}-{_digest(record.id + record.question)}"
        random = Random(key)
        for _ in range(settings.copies):
            name = f"{key}-{made[key]}"
            made[key] += 1  # on over records that share their id and question, as those of several files may
            exchange = exchanges.draw(record.context, random)
            question = exchange.text(record.question)
            worn = "".join(_worn([word.text for word in segment(question)], settings, random)).strip()
            text, answer = exchange.around(record.context, record.span)
            paragraph = record.paragraphs[record.relevant or 0]
            if settings.exchange:
                paragraph = replace(paragraph, id=name, text=text)
            yield Record(name, worn or question, (paragraph,), relevant=0, answers=(answer,))


class _Maker:
    """Makes the questions on one paragraph."""

    def __init__(self, paragraph: Paragraph, pool: Sequence[str], settings: ClozeSettings, random: Random) -> None:
        self._text = paragraph.text
        self._pool = pool
        self._settings = settings
        self._random = random
        self._sentences = segment_sentences(paragraph.text)
        lengths = {"shortest": settings.shortest_answer, "longest": settings.longest_answer}
        self._spans = [find_candidates(words, **lengths) for words in self._sentences]
        self._topics = _worth(paragraph.title) + _worth(paragraph.text)[:8] or [""]

    def questions(self, count: int) -> Iterator[tuple[str, Answer]]:
        """Up to `count` distinct questions with their answers, in the order they were made."""
        places: dict[str, list[tuple[int, AnswerCandidate]]] = {}
        for number, spans in enumerate(self._spans):
            for span in spans:
                places.setdefault(span.kind, []).append((number, span))
        kinds = [kind for kind in _SHARES if kind in places and kind in self._settings.kinds]
        seen: set[str] = set()
        for _ in range(count if kinds else 0):
            kind = self._random.choices(kinds, [_SHARES[name] for name in kinds])[0]
            number, span = self._random.choice(places[kind])
            question, answer = self._ask(self._sentences[number], span)
            if question not in seen:
                seen.add(question)
                yield question, answer

    def _ask(self, words: Sequence[Word], span: AnswerCandidate) -> tuple[str, Answer]:
        start, end = words[span.first].start, words[span.end - 1].end
        answer = Answer(self._text[start:end].rstrip(), start)
        asked = self._question_word(words, span)
        if is_traditional(self._text):
            asked = to_traditional(asked)
        left, right = self._near(words, span)
        left, right = self._worn_down(left), self._worn_down(right)
        parts = self._arranged(left, asked, right)
        if self._random.random() < self._settings.topic:
            parts.insert(0, self._random.choice(self._topics))
        return "".join(parts) + "？", answer

    def _question_word(self, words: Sequence[Word], span: AnswerCandidate) -> str:
        """How the answer is asked for, now and then by its last word: `哪个大学`, `多少公里`."""
        asked, last = self._random.choice(_ASKED[span.kind]), words[span.end - 1]
        if span.kind == "number" and last.tag in ("q", "n") and self._random.random() < 0.6:
            return self._random.choice(("多少", "几")) + last.text
        if span.kind in ("place", "name", "thing") and self._random.random() < 0.4:
            head = last.text if span.end - span.first > 1 else last.text[-1]
            return self._random.choice(_HEADED) + head
        return asked

    def _near(self, words: Sequence[Word], span: AnswerCandidate) -> tuple[list[str], list[str]]:
        """The words around the answer, as many as people's questions are long."""
        length = max(5.0, self._random.gauss(16, 6))  # characters; questions of DRCD and CMRC have 17 (median)
        share = self._random.random()
        left = _within(reversed(words[: span.first]), length * share)
        right = _within(iter(words[span.end :]), length * (1 - share))
        return left[::-1], right

    def _worn_down(self, words: Sequence[str]) -> list[str]:
        return _worn(words, self._settings, self._random, self._pool)

    def _arranged(self, left: list[str], asked: str, right: list[str]) -> list[str]:
        """In place, or with the halves changed over, or with the question word at the end."""
        if self._random.random() >= self._settings.shuffle:
            return [*left, asked, *right]
        return self._random.choice(([*right, *left, asked], [*left, *right, asked], [asked, *right, *left]))


def _worn(words: Sequence[str], settings: ClozeSettings, random: Random, pool: Sequence[str] = ()) -> list[str]:
    """The words without some that are dropped, others replaced by words of other texts, others without a character."""
    kept: list[str] = []
    for word in words:
        chance = random.random()
        if chance < settings.drop:
            continue
        if chance < settings.drop + settings.replace and pool:
            kept.append(random.choice(pool))
        elif len(word) > 1 and random.random() < settings.drop / 2:
            lost = random.randrange(len(word))
            kept.append(word[:lost] + word[lost + 1 :])
        else:
            kept.append(word)
    return kept


def _within(words: Iterator[Word], length: float) -> list[str]:
    """Words, without punctuation, until they have `length` characters."""
    taken: list[str] = []
    for word in words:
        if length <= 0:
            break
        if is_word(word.text):
            taken.append(word.text)
            length -= len(word.text)
    return taken


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


@lru_cache(maxsize=4096)
def _worth(text: str) -> list[str]:
    """The words of a text that a question could name: nouns and verbs of two characters or more."""
    return [word.text for word in segment(text) if len(word.text) > 1 and (word.tag in NOUNS or word.tag == "v")]


_KINDS = frozenset(("time", "number", "person", "place", "name"))
_SHORTEST = 2  # characters; a single one is also part of other words


def _crosses(match: re.Match[str], start: int, end: int) -> bool:
    """Whether a match lies neither inside nor outside of `start` to `end` (exclusive)."""
    outside = match.end() <= start or match.start() >= end
    return not outside and not (start <= match.start() and match.end() <= end)


@lru_cache(maxsize=4096)
def _pieces(text: str) -> Sequence[tuple[str, str]]:
    """What can be exchanged in a text, with the kind of each: found once for all that is made of a paragraph."""
    pieces = []
    for words in segment_sentences(text):
        for span in find_candidates(words):
            start, end = words[span.first].start, words[span.end - 1].end
            piece = text[start:end].rstrip()
            if span.kind in _KINDS and len(piece) >= _SHORTEST:
                pieces.append((piece, span.kind))
    return pieces
