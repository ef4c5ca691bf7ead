"""Which of the best spans to answer with: levers that come after the search, each off by default."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from qakit.config import DecodingSettings
from qakit.data.brackets import CLOSING_OF, OPENING_OF, halves
from qakit.spans.answers import PredictedAnswer
from qakit.spans.tokenizing import trim

_NEAR = 10  # characters in which the other half of a pair is looked for
_SAME = 0.5  # share of all characters of two answers that near-duplicates have in common


def searched(decoding: DecodingSettings) -> int:
    """How many best spans `chosen` chooses from: where near-duplicates are left out, others may have to follow."""
    plain = decoding.choose_by == "score" and not (decoding.repair_brackets or decoding.distinct)
    return decoding.nbest if plain else max(decoding.nbest, decoding.pool)


def chosen(context: str, answers: Sequence[PredictedAnswer], decoding: DecodingSettings) -> tuple[PredictedAnswer, ...]:
    """The answers in the order that the settings ask for, at most `nbest` of them beside an empty one that comes first.

    Args:
        answers: best first, all cut from `context`. Those behind the first that are chosen from, as many as `searched`
            tells, follow them as they are.
    """
    none, spans = [answer for answer in answers if not answer.text], [answer for answer in answers if answer.text]
    if decoding.repair_brackets:
        spans = [repaired(context, answer) for answer in spans]
    pool, further = spans[: searched(decoding)], spans[searched(decoding) :]
    if decoding.repair_brackets:
        pool = _first_of_each(pool)
    spans = [*_ordered(pool, decoding), *further]
    if further and decoding.repair_brackets:
        spans = _first_of_each(spans)
    if further and decoding.choose_by == "text":
        spans = _first_of_each_text(spans)
    if decoding.distinct:
        spans = without_near_duplicates(spans)
    return (*none, *spans[: decoding.nbest])


def _ordered(spans: list[PredictedAnswer], decoding: DecodingSettings) -> list[PredictedAnswer]:
    if decoding.choose_by == "windows":
        return sorted(spans, key=lambda answer: -answer.probability)
    if decoding.choose_by == "text":
        return by_text(spans)
    return by_expected_f1(spans) if decoding.choose_by == "f1" else spans


def _first_of_each(answers: Sequence[PredictedAnswer]) -> list[PredictedAnswer]:
    """The answers without those at a place that a better one has."""
    places: dict[tuple[int, int], PredictedAnswer] = {}
    for answer in answers:
        places.setdefault((answer.start, answer.end), answer)
    return list(places.values())


def _first_of_each_text(answers: Sequence[PredictedAnswer]) -> list[PredictedAnswer]:
    """The answers without those that have the text of a better one."""
    texts: dict[str, PredictedAnswer] = {}
    for answer in answers:
        texts.setdefault(answer.text, answer)
    return list(texts.values())


def by_text(answers: Sequence[PredictedAnswer]) -> list[PredictedAnswer]:
    """One answer for each text, at its best place, with the sum of the probabilities of all its places; best first."""
    sums: defaultdict[str, float] = defaultdict(float)
    best: dict[str, PredictedAnswer] = {}
    for answer in answers:
        sums[answer.text] += answer.probability
        best.setdefault(answer.text, answer)
    merged = [answer._replace(probability=min(1.0, sums[text])) for text, answer in best.items()]
    return sorted(merged, key=lambda answer: -answer.probability)


def by_expected_f1(answers: Sequence[PredictedAnswer]) -> list[PredictedAnswer]:
    """The answers by their expected F1, were the right one among them with the probability of each."""
    bags = [Counter(answer.text) for answer in answers]

    def expected(bag: Counter[str]) -> float:
        return sum(answer.probability * _f1(bag, other) for answer, other in zip(answers, bags, strict=True))

    order = sorted(range(len(answers)), key=lambda number: -expected(bags[number]))
    return [answers[number] for number in order]


def _f1(one: Counter[str], other: Counter[str]) -> float:
    """F1 of two bags of characters."""
    return 2 * (one & other).total() / (one.total() + other.total())


def without_near_duplicates(answers: Sequence[PredictedAnswer]) -> list[PredictedAnswer]:
    """The answers without those that share more than half of their characters, by place, with a better one."""
    kept: list[PredictedAnswer] = []
    for answer in answers:
        if all(_shared(answer, better) <= _SAME for better in kept):
            kept.append(answer)
    return kept


def _shared(one: PredictedAnswer, other: PredictedAnswer) -> float:
    """Characters of both answers over those of either."""
    both = min(one.end, other.end) - max(one.start, other.start)
    either = max(one.end, other.end) - min(one.start, other.start)
    return both / either if both > 0 else 0.0


def repaired(context: str, answer: PredictedAnswer) -> PredictedAnswer:
    """The answer with both halves of every pair of brackets or quotation marks, or without the half at its edge.

    The other half is taken in, with what is between, where it is at most ten characters away; an answer whose half can
    neither be completed nor dropped stays as it is.
    """
    start, end = answer.start, answer.end
    opened, closed = halves(context, start, end)
    for place in closed:
        found = context.rfind(OPENING_OF[context[place]], max(0, start - _NEAR), start)
        if found >= 0:
            start = found
        elif place == end - 1:
            end -= 1
    for place in opened:
        found = context.find(CLOSING_OF[context[place]], end, end + _NEAR)
        if found >= 0:
            end = found + 1
        elif place == start:
            start += 1
    start, end = trim(context, start, end)
    if (start, end) == (answer.start, answer.end) or start >= end or any(halves(context, start, end)):
        return answer
    return answer._replace(text=context[start:end], start=start, end=end)
