"""Cloze questions: a piece of a sentence becomes the answer, the rest of the sentence the question.

A question word takes the place of the answer, and words are dropped, replaced and moved until the question is as far
from its sentence as people's questions are (in DRCD and CMRC 2018, 64 % of the characters of a question are in the
sentence of its answer, and 83 % in the paragraph). The idea of training on questions so made is that of Lewis, Denoyer
and Riedel, "Unsupervised Question Answering by Cloze Translation" (ACL 2019).

Everything is drawn from (seed, text of the paragraph) in a fixed order: another order of draws gives other questions.

Answers are runs of words found by rules on parts of speech, which were fitted to the kinds of answers in DRCD and CMRC;
words and their parts of speech are those of jieba's dictionary (rjieba).
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256
from random import Random
from typing import Any

from qakit.config import ClozeSettings
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.script import get_converter
from qakit.data.texts import sentences
from qakit.errors import ConfigError

_OPENING, _CLOSING, _CLAUSE_ENDS = "《「『“（(〈【", "》」』”）)〉】", "，。！？；：、,!?;:\n"
_PURPOSE = "telling scripts apart"
_NAME_PARTS = frozenset(["n", "nr", "nrt", "ns", "nt", "nz", "ng", "eng"])


@dataclass(frozen=True, slots=True)
class Word:
    """A word: its text, its start and end (exclusive) in characters of the segmented text, and its part of speech.

    Tags are those of jieba: `n` noun, `nr` person, `ns` place, `nt` organisation, `nz` other name, `m`
    number, `q` measure, `t` time, `v` verb, `p` preposition, `x` punctuation, `eng` Latin letters.
    """

    text: str
    start: int
    end: int
    tag: str

    @property
    def opens(self) -> bool:
        """Whether it is an opening bracket or quotation mark."""
        return self.text in _OPENING

    @property
    def closes(self) -> bool:
        """Whether it is a closing bracket or quotation mark."""
        return self.text in _CLOSING

    @property
    def ends_clause(self) -> bool:
        """Whether it is punctuation that ends a clause."""
        return self.text in _CLAUSE_ENDS

    def joins(self, following: "Word") -> bool:
        """Whether the word and the following one form one name: two nouns, or parts of a foreign name."""
        return "·" in (self.text, following.text) or {self.tag, following.tag} <= _NAME_PARTS


@lru_cache(maxsize=4096)
def segment(text: str) -> Sequence[Word]:
    """Segment a text into words; together they are the whole text.

    Raises:
        ConfigError: `rjieba` or `opencc` is not installed.
    """
    simplified = get_converter("t2s", _PURPOSE)(text)
    words, start = [], 0
    # The dictionary has Simplified words. If the conversion changes the length, offsets would not fit the text.
    for word, tag in _segmenter().tag(simplified if len(simplified) == len(text) else text):
        words.append(Word(text[start : start + len(word)], start, start + len(word), tag))
        start += len(word)
    return words


@lru_cache(maxsize=4096)
def is_traditional(text: str) -> bool:
    """Whether a text has characters that are written differently in Simplified Chinese."""
    return get_converter("t2s", _PURPOSE)(text) != text


@cache
def to_traditional(phrase: str) -> str:
    """Convert a Simplified phrase to Traditional characters, in the forms used in Taiwan (`為`, `裡`)."""
    return get_converter("s2tw", _PURPOSE)(phrase)


def is_word(text: str) -> bool:
    """Whether a token is more than punctuation: any letter, digit or Chinese character."""
    return any(character.isalnum() for character in text)


@cache
def _segmenter() -> Any:
    try:
        import rjieba
    except ImportError:
        raise ConfigError("word segmentation needs the package rjieba: pip install 'qakit[text]'") from None
    return rjieba


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


_QUESTIONS_PER_SWAP = 5
_SAMPLED_PARAGRAPHS = 200


def cloze_records(paragraphs: Sequence[Paragraph], settings: ClozeSettings, *, seed: int) -> Iterator[Record]:
    """Generate up to `settings.questions` cloze questions on each paragraph, each a record of that paragraph alone.

    They depend on the paragraph, the settings and the seed; replacement words and swapped entities also depend on the
    other paragraphs. A paragraph without answer candidates has no questions.

    Raises:
        ConfigError: the package that segments words is not installed.
    """
    sample = paragraphs[:: max(1, len(paragraphs) // _SAMPLED_PARAGRAPHS)]
    pool = tuple(word for paragraph in sample for word in _topic_words(paragraph.text))
    swaps = EntitySwaps(paragraphs, settings.exchange)
    for paragraph in paragraphs:
        key = f"cloze-{seed}-{_digest(paragraph.text)}"
        random, number = Random(key), 0
        for version, count in _versions(paragraph, settings, swaps, random):
            for question, answer in _QuestionGenerator(version, pool, settings, random).generate(count):
                yield Record(f"{key}-{number}", question, (version,), relevant=0, answers=(answer,))
                number += 1


def _versions(
    paragraph: Paragraph, settings: ClozeSettings, swaps: "EntitySwaps", random: Random
) -> Iterator[tuple[Paragraph, int]]:
    """The paragraph and its number of questions: as it is, or in turn with other entities every few questions."""
    if not settings.exchange:
        yield paragraph, settings.questions
        return
    for first in range(0, settings.questions, _QUESTIONS_PER_SWAP):
        text = swaps.draw(paragraph.text, random).apply(paragraph.text)
        version = replace(paragraph, id=f"{paragraph.id}-{first}", text=text)
        yield version, min(_QUESTIONS_PER_SWAP, settings.questions - first)


def noisy_copies(records: Sequence[Record], settings: ClozeSettings, *, seed: int) -> Iterator[Record]:
    """Generate `settings.copies` copies of each answered record, with the same noise in the question as in cloze ones.

    With `settings.exchange` each copy has a paragraph of its own, in which entities are swapped for those of other
    records' paragraphs, as in its question and answer.
    """
    made: Counter[str] = Counter()
    swaps = EntitySwaps([record.paragraphs[record.relevant or 0] for record in records], settings.exchange)
    for record in records:
        if record.span is None or record.span.start is None:
            continue
        key = f"copy-{seed}-{_digest(record.id + record.question)}"
        random = Random(key)
        for _ in range(settings.copies):
            name = f"{key}-{made[key]}"
            made[key] += 1  # counted over all records: those of several files may share their id and question
            swap = swaps.draw(record.context, random)
            question = swap.apply(record.question)
            noisy = "".join(_add_noise([word.text for word in segment(question)], settings, random)).strip()
            text, answer = swap.apply_around(record.context, record.span)
            paragraph = record.paragraphs[record.relevant or 0]
            if settings.exchange:
                paragraph = replace(paragraph, id=name, text=text)
            yield Record(name, noisy or question, (paragraph,), relevant=0, answers=(answer,))


# --- the questions of one paragraph ----------------------------------------------------------------------------------

# In percent, of answers in DRCD and CMRC 2018.
_SHARE_OF_KIND = {"time": 17, "number": 13, "person": 14, "place": 14, "name": 12, "thing": 15, "phrase": 15}
# A word that occurs twice is drawn twice as often.
_QUESTION_WORDS: dict[str, tuple[str, ...]] = {
    "time": ("什么时候", "何时", "哪一年", "哪年", "几年", "什么时间", "哪个时期", "哪一天"),
    "number": ("多少", "几", "多少", "有多少", "多大", "多长"),
    "person": ("谁", "谁", "哪位", "哪个人", "何人", "哪一位"),
    "place": ("哪里", "哪", "什么地方", "何处", "哪个地方", "哪儿"),
    "name": ("什么", "哪个", "哪一个", "何", "哪些"),
    "thing": ("什么", "什么", "哪个", "哪一个", "哪些", "何", "哪种"),
    "phrase": ("什么", "什么", "怎样", "如何", "哪些", "为什么", "何"),
}
_BEFORE_NOUN = ("哪个", "什么", "哪一", "哪", "何")


class _QuestionGenerator:
    """Generates the questions on one paragraph."""

    def __init__(self, paragraph: Paragraph, pool: Sequence[str], settings: ClozeSettings, random: Random) -> None:
        self._text = paragraph.text
        self._pool = pool
        self._settings = settings
        self._random = random
        self._sentences = segment_sentences(paragraph.text)
        lengths = {"shortest": settings.shortest_answer, "longest": settings.longest_answer}
        self._candidates = [find_candidates(words, **lengths) for words in self._sentences]
        self._topics = _topic_words(paragraph.title) + _topic_words(paragraph.text)[:8] or [""]

    def generate(self, count: int) -> Iterator[tuple[str, Answer]]:
        """Up to `count` distinct questions with their answers, in the order in which they were drawn."""
        places: dict[str, list[tuple[int, AnswerCandidate]]] = {}
        for number, candidates in enumerate(self._candidates):
            for candidate in candidates:
                places.setdefault(candidate.kind, []).append((number, candidate))
        kinds = [kind for kind in _SHARE_OF_KIND if kind in places and kind in self._settings.kinds]
        seen: set[str] = set()
        for _ in range(count if kinds else 0):
            kind = self._random.choices(kinds, [_SHARE_OF_KIND[name] for name in kinds])[0]
            number, candidate = self._random.choice(places[kind])
            question, answer = self._ask(self._sentences[number], candidate)
            if question not in seen:
                seen.add(question)
                yield question, answer

    def _ask(self, words: Sequence[Word], candidate: AnswerCandidate) -> tuple[str, Answer]:
        start, end = words[candidate.first].start, words[candidate.end - 1].end
        answer = Answer(self._text[start:end].rstrip(), start)
        question_word = self._question_word(words, candidate)
        if is_traditional(self._text):
            question_word = to_traditional(question_word)
        left, right = self._surroundings(words, candidate)
        left = _add_noise(left, self._settings, self._random, self._pool)
        right = _add_noise(right, self._settings, self._random, self._pool)
        parts = self._arrange(left, question_word, right)
        if self._random.random() < self._settings.topic:
            parts.insert(0, self._random.choice(self._topics))
        return "".join(parts) + "？", answer

    def _question_word(self, words: Sequence[Word], candidate: AnswerCandidate) -> str:
        """A question word for the answer, sometimes with the answer's last word: `哪个大学`, `多少公里`."""
        asked, last = self._random.choice(_QUESTION_WORDS[candidate.kind]), words[candidate.end - 1]
        if candidate.kind == "number" and last.tag in ("q", "n") and self._random.random() < 0.6:
            return self._random.choice(("多少", "几")) + last.text
        if candidate.kind in ("place", "name", "thing") and self._random.random() < 0.4:
            noun = last.text if candidate.end - candidate.first > 1 else last.text[-1]
            return self._random.choice(_BEFORE_NOUN) + noun
        return asked

    def _surroundings(self, words: Sequence[Word], candidate: AnswerCandidate) -> tuple[list[str], list[str]]:
        """The words left and right of the answer, together about as long as people's questions."""
        length = max(5.0, self._random.gauss(16, 6))  # characters; questions of DRCD and CMRC have 17 (median)
        share = self._random.random()
        left = _take_words(reversed(words[: candidate.first]), length * share)
        right = _take_words(iter(words[candidate.end :]), length * (1 - share))
        return left[::-1], right

    def _arrange(self, left: list[str], question_word: str, right: list[str]) -> list[str]:
        """The question word in the answer's place, or with the halves swapped, or at an end."""
        if self._random.random() >= self._settings.shuffle:
            return [*left, question_word, *right]
        return self._random.choice(
            ([*right, *left, question_word], [*left, *right, question_word], [question_word, *right, *left])
        )


def _add_noise(words: Sequence[str], settings: ClozeSettings, random: Random, pool: Sequence[str] = ()) -> list[str]:
    """Drop some words, replace others by words of other texts, and drop a character of others."""
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


def _take_words(words: Iterator[Word], length: float) -> list[str]:
    """The first words, without punctuation, until they have `length` characters."""
    taken: list[str] = []
    for word in words:
        if length <= 0:
            break
        if is_word(word.text):
            taken.append(word.text)
            length -= len(word.text)
    return taken


@lru_cache(maxsize=4096)
def _topic_words(text: str) -> list[str]:
    """The words of a text that a question may be about: nouns and verbs of two characters or more."""
    return [word.text for word in segment(text) if len(word.text) > 1 and (word.tag in NOUNS or word.tag == "v")]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


# --- entity swap -----------------------------------------------------------------------------------------------------

_SWAPPED_KINDS = frozenset(("time", "number", "person", "place", "name"))
_SHORTEST_ENTITY = 2  # characters; a single one is also part of other words


class EntitySwaps:
    """Draws entity swaps for paragraphs: each entity is replaced by one of its kind and script from any of them."""

    def __init__(self, paragraphs: Sequence[Paragraph], share: float) -> None:
        self._share = share
        pools: defaultdict[tuple[bool, str], dict[str, None]] = defaultdict(dict)
        for paragraph in paragraphs if share else ():
            for entity, kind in _entities(paragraph.text):
                pools[is_traditional(paragraph.text), kind][entity] = None
        self._pools = {key: tuple(pool) for key, pool in pools.items()}

    def draw(self, text: str, random: Random) -> "EntitySwap":
        """A swap of about `share` of the entities in the text of one of the paragraphs."""
        if not self._share:
            return EntitySwap({})
        script = is_traditional(text)
        return EntitySwap(
            {
                entity: random.choice(self._pools[script, kind])
                for entity, kind in dict(_entities(text)).items()
                if random.random() < self._share
            }
        )


@lru_cache(maxsize=4096)
def _entities(text: str) -> Sequence[tuple[str, str]]:
    """The entities of a text that can be swapped, with their kinds."""
    entities = []
    for words in segment_sentences(text):
        for candidate in find_candidates(words):
            entity = text[words[candidate.first].start : words[candidate.end - 1].end].rstrip()
            if candidate.kind in _SWAPPED_KINDS and len(entity) >= _SHORTEST_ENTITY:
                entities.append((entity, candidate.kind))
    return entities


@dataclass(frozen=True)
class EntitySwap:
    """Replacements of entities, by entity. All occurrences are replaced, so that a text stays consistent."""

    replacements: Mapping[str, str]

    def apply(self, text: str) -> str:
        """The text with all entities replaced."""
        return self._replace(text, self._matches(text))

    def apply_around(self, text: str, answer: Answer) -> tuple[str, Answer]:
        """The text with all entities replaced, except those that cross a bound of the answer; and the answer in it."""
        if answer.start is None or answer.end is None:
            return self.apply(text), answer
        start, end = answer.start, answer.end
        matches = [match for match in self._matches(text) if not _crosses(match, start, end)]
        # The new answer starts where the replaced text before it ends, and ends where the replaced text up to it ends.
        before = self._replace(text[:start], [match for match in matches if match.end() <= start])
        up_to_end = self._replace(text[:end], [match for match in matches if match.end() <= end])
        return self._replace(text, matches), Answer(up_to_end[len(before) :], len(before))

    def _matches(self, text: str) -> list[re.Match[str]]:
        # An alternation takes the first that fits: longest first, so that 臺北市 is not taken for 臺北.
        longest_first = sorted(self.replacements, key=len, reverse=True)
        return list(re.finditer("|".join(map(re.escape, longest_first)), text)) if longest_first else []

    def _replace(self, text: str, matches: Sequence[re.Match[str]]) -> str:
        parts, end = [], 0
        for match in matches:
            parts += [text[end : match.start()], self.replacements[match.group()]]
            end = match.end()
        return "".join([*parts, text[end:]])


def _crosses(match: re.Match[str], start: int, end: int) -> bool:
    """Whether a match lies partly inside and partly outside of `start` to `end` (exclusive)."""
    outside = match.end() <= start or match.start() >= end
    return not outside and not (start <= match.start() and match.end() <= end)
