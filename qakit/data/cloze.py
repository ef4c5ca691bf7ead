"""Questions made from texts that nobody has labelled: an answer-like piece of a sentence becomes what is asked for.

A cloze question is what is left of the sentence when its answer is taken out and a question word put in the place, worn
down until it looks as far from its sentence as people's questions do (in DRCD and CMRC 2018, 64 % of the characters of
a question are in the sentence of its answer and 83 % in the paragraph). The idea of training on such questions is that
of Lewis, Denoyer and Riedel, "Unsupervised Question Answering by Cloze Translation" (ACL 2019).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from random import Random

from qakit.config import ClozeSettings
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.texts import sentences
from qakit.data.words import Word, has_words_of_its_own, is_traditional, traditional, words_of

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
_HEADED = ("哪个", "什么", "哪一", "哪", "何")
_NUMERALS = "〇零一二三四五六七八九十百千万亿萬億两兩几數数"
_TIME_ENDS = tuple("年月日号世纪代期初末间")
_NOUNS = frozenset(("n", "nr", "nrt", "ns", "nt", "nz", "ng", "vn", "an", "j", "eng", "l", "i", "s"))
_CONTENT = _NOUNS | {"m", "t", "q", "v", "a", "b", "f", "x"}
_NAMES = frozenset(("nt", "nz", "eng", "j"))
_PERSONS = frozenset(("nr", "nrt"))
_SHORTEST_ANSWER, _LONGEST_ANSWER = 2, 30  # characters; a figure may be shorter
_MOST_WORDS = 8
_SHORTEST_SOURCE = 6  # characters of a sentence worth asking about


@dataclass(frozen=True)
class _Span:
    """Words `first` to `end` (exclusive) of a sentence, and the kind of answer that they are."""

    first: int
    end: int
    kind: str


def cloze_records(paragraphs: Sequence[Paragraph], settings: ClozeSettings, *, seed: int) -> Iterator[Record]:
    """Up to `settings.questions` cloze questions on each paragraph, each a record of that paragraph alone.

    They depend on the paragraph, the settings and the seed, and for the words put in the place of others on the other
    paragraphs. A paragraph without an answer-like piece has none.

    Raises:
        ConfigError: the package that finds words is not installed.
    """
    pool = tuple(word for paragraph in paragraphs[:: max(1, len(paragraphs) // 200)] for word in _worth(paragraph.text))
    for paragraph in paragraphs:
        key = f"cloze-{seed}-{_digest(paragraph.text)}"
        maker = _Maker(paragraph, pool, settings, Random(key))
        for count, (question, answer) in enumerate(maker.questions()):
            yield Record(f"{key}-{count}", question, (paragraph,), relevant=0, answers=(answer,))


def noisy_copies(records: Sequence[Record], settings: ClozeSettings, *, seed: int) -> Iterator[Record]:
    """`settings.copies` copies of each answered record, the questions worn down as those of cloze questions are."""
    made: Counter[str] = Counter()
    for record in records:
        if record.span is None or record.span.start is None:
            continue
        key = f"copy-{seed}-{_digest(record.id + record.question)}"
        random = Random(key)
        words = [word.text for word in words_of(record.question)]
        paragraph = record.paragraphs[record.relevant or 0]
        for _ in range(settings.copies):
            question = "".join(_worn(words, settings, random)).strip() or record.question
            made[key] += 1  # on over records that share their id and question, as those of several files may
            yield Record(f"{key}-{made[key] - 1}", question, (paragraph,), relevant=0, answers=(record.span,))


class _Maker:
    """Makes the questions on one paragraph."""

    def __init__(self, paragraph: Paragraph, pool: Sequence[str], settings: ClozeSettings, random: Random) -> None:
        self._text = paragraph.text
        self._pool = pool
        self._settings = settings
        self._random = random
        self._sentences = _sentence_words(paragraph.text)
        self._spans = [_answer_like(words) for words in self._sentences]
        self._topics = _worth(paragraph.title) + _worth(paragraph.text)[:8] or [""]

    def questions(self) -> Iterator[tuple[str, Answer]]:
        """Distinct questions with their answers, in the order they were made."""
        places: dict[str, list[tuple[int, _Span]]] = {}
        for number, spans in enumerate(self._spans):
            for span in spans:
                places.setdefault(span.kind, []).append((number, span))
        kinds = [kind for kind in _SHARES if kind in places]
        seen: set[str] = set()
        for _ in range(self._settings.questions if kinds else 0):
            kind = self._random.choices(kinds, [_SHARES[name] for name in kinds])[0]
            number, span = self._random.choice(places[kind])
            question, answer = self._ask(self._sentences[number], span)
            if question not in seen:
                seen.add(question)
                yield question, answer

    def _ask(self, words: Sequence[Word], span: _Span) -> tuple[str, Answer]:
        start, end = words[span.first].start, words[span.end - 1].end
        answer = Answer(self._text[start:end].rstrip(), start)
        asked = self._question_word(words, span)
        if is_traditional(self._text):
            asked = traditional(asked)
        left, right = self._near(words, span)
        left, right = self._worn_down(left), self._worn_down(right)
        parts = self._arranged(left, asked, right)
        if self._random.random() < self._settings.topic:
            parts.insert(0, self._random.choice(self._topics))
        return "".join(parts) + "？", answer

    def _question_word(self, words: Sequence[Word], span: _Span) -> str:
        """How the answer is asked for, now and then by its last word: `哪个大学`, `多少公里`."""
        asked, last = self._random.choice(_ASKED[span.kind]), words[span.end - 1]
        if span.kind == "number" and last.tag in ("q", "n") and self._random.random() < 0.6:
            return self._random.choice(("多少", "几")) + last.text
        if span.kind in ("place", "name", "thing") and self._random.random() < 0.4:
            head = last.text if span.end - span.first > 1 else last.text[-1]
            return self._random.choice(_HEADED) + head
        return asked

    def _near(self, words: Sequence[Word], span: _Span) -> tuple[list[str], list[str]]:
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
        if has_words_of_its_own(word.text):
            taken.append(word.text)
            length -= len(word.text)
    return taken


def _sentence_words(text: str) -> list[list[Word]]:
    """The words of each sentence that is long enough to ask about, with offsets into the text."""
    bounds = [(start, end) for start, end in sentences(text) if end - start >= _SHORTEST_SOURCE]
    words = words_of(text)
    places = [word.start for word in words]
    inside = (words[bisect_left(places, start) : bisect_left(places, end)] for start, end in bounds)
    return [[word for word in run if word.end <= end] for run, (_, end) in zip(inside, bounds, strict=True)]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


@lru_cache(maxsize=4096)
def _worth(text: str) -> list[str]:
    """The words of a text that a question could name: nouns and verbs of two characters or more."""
    return [word.text for word in words_of(text) if len(word.text) > 1 and (word.tag in _NOUNS or word.tag == "v")]


def _answer_like(words: Sequence[Word]) -> list[_Span]:
    """The runs of words that could be an answer, with the kind of each."""
    spans = []
    for first in range(len(words)):
        for end in range(first + 1, min(first + _MOST_WORDS, len(words)) + 1):
            run = words[first:end]
            if run[-1].end - run[0].start > _LONGEST_ANSWER or not _may_hold(run[-1], end - first):
                break
            if kind := _kind(run, words, first, end):
                spans.append(_Span(first, end, kind))
    return spans


def _may_hold(word: Word, length: int) -> bool:
    """Whether an answer may go on with this word: anything but what parts clauses."""
    return word.text not in "，。！？；：、,!?;:" and (length > 1 or has_words_of_its_own(word.text) or word.opens)


def _kind(run: Sequence[Word], words: Sequence[Word], first: int, end: int) -> str | None:
    """The kind of answer that a run of words is, None where it is none.

    Args:
        run: words `first` to `end` (exclusive) of `words`.
    """
    if run[0].opens and run[-1].closes and len(run) > 2:
        return "name"
    too_short = sum(len(word.text) for word in run) < _SHORTEST_ANSWER and not run[0].text[0].isdigit()
    if too_short or any(word.opens or word.closes for word in run):
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
    if not tags <= _NOUNS:
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
