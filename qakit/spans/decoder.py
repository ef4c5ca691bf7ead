"""From token scores to answers: decode the best spans, cut them from the text, rerank them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from qakit.config import DecodingSettings
from qakit.data.brackets import CLOSING_OF, OPENING_OF, unpaired
from qakit.data.predictions import PredictedAnswer
from qakit.spans.decoding import Spans, decode_batch
from qakit.spans.token_scores import TokenScores
from qakit.spans.tokenizing import trim


@dataclass(frozen=True)
class Decoder:
    """The decoding of one model's scores.

    Attributes:
        settings: with `null_threshold` and `temperature` given.
        max_length: tokens of the longest answer.
        bonus: what the score of a span of 1, 2, ... tokens has added to it; longer ones have the last.
    """

    settings: DecodingSettings
    max_length: int
    bonus: tuple[float, ...] = ()

    @property
    def null_threshold(self) -> float:
        """See `DecodingSettings`."""
        return self.settings.null_threshold or 0.0

    @property
    def temperature(self) -> float:
        """See `DecodingSettings`."""
        return self.settings.temperature or 1.0

    def answers(self, contexts: Sequence[str], scored: Sequence[TokenScores]) -> Iterator[tuple[PredictedAnswer, ...]]:
        """The n-best answers of each question, best first.

        Where near-duplicates are left out, the pool doubles until `nbest` others are found, or there are no more.
        """
        if self.settings.distinct:
            return self._filled_up(contexts, scored)
        return (answers for answers, _ in self._reranked(contexts, scored, pool_size(self.settings)))

    def _filled_up(
        self, contexts: Sequence[str], scored: Sequence[TokenScores]
    ) -> Iterator[tuple[PredictedAnswer, ...]]:
        """The answers, with a pool that doubles for the questions that have too few."""
        answers: list[tuple[PredictedAnswer, ...]] = [()] * len(scored)
        todo, pool = list(range(len(scored))), pool_size(self.settings)
        while todo:
            found = self._reranked([contexts[number] for number in todo], [scored[number] for number in todo], pool)
            short = []
            for number, (answers[number], spans) in zip(todo, found, strict=True):
                # Fewer spans than the pool has room for means that there are no more.
                distinct = sum(bool(answer.text) for answer in answers[number])
                if distinct < self.settings.nbest and spans == pool:
                    short.append(number)
            todo, pool = short, 2 * pool
        return iter(answers)

    def _reranked(
        self, contexts: Sequence[str], scored: Sequence[TokenScores], pool: int
    ) -> Iterator[tuple[tuple[PredictedAnswer, ...], int]]:
        """The answers among so many best spans of each question, and how many there were."""
        length, temperature, bonus = self.max_length, self.temperature, self.bonus
        found = decode_batch(scored, max_length=length, nbest=pool, temperature=temperature, bonus=bonus)
        if self.settings.choose_by != "score":
            found = [
                sum_over_windows(spans, scores, max_length=length, temperature=temperature, bonus=bonus)
                for spans, scores in zip(found, scored, strict=True)
            ]
        nulls = [scores.null for scores in scored]
        answers = cut_answers_of(contexts, found, nulls, null_threshold=self.null_threshold)
        return (
            (rerank(context, each, self.settings), len(spans))
            for context, each, spans in zip(contexts, answers, found, strict=True)
        )


_NEAR = 10  # characters in which the other half of a pair is looked for
_NO_LEVERS = {
    *("max_answer_length", "nbest", "null_threshold", "oos_threshold", "temperature", "length_weight"),
    *("pool", "joint_paragraphs", "joint_weight", "shortlist"),
}  # settings that act before spans are reranked, or on other things
_SAME = 0.5  # share of all characters of two answers that near-duplicates have in common


@lru_cache
def pool_size(decoding: DecodingSettings) -> int:
    """The number of best spans that `rerank` chooses from; with all levers off it is `nbest`."""
    # Told by what is no lever: a new lever that is missing here would do nothing for a single answer.
    fields = DecodingSettings.model_fields
    is_plain = all(getattr(decoding, name) == fields[name].default for name in fields.keys() - _NO_LEVERS)
    return decoding.nbest if is_plain else max(decoding.nbest, decoding.pool)


def rerank(context: str, answers: Sequence[PredictedAnswer], decoding: DecodingSettings) -> tuple[PredictedAnswer, ...]:
    """The answers in the order that the settings ask for, at most `nbest` of them beside an empty one that comes first.

    Args:
        answers: best first, all cut from `context`. The first `pool_size` are reranked; the rest follow unchanged.
    """
    # "No answer" keeps its place in front: the threshold has decided on it already.
    none, spans = [answer for answer in answers if not answer.text], [answer for answer in answers if answer.text]
    if decoding.repair_brackets:
        spans = [repair_brackets(context, answer) for answer in spans]
    pool, further = spans[: pool_size(decoding)], spans[pool_size(decoding) :]
    if decoding.repair_brackets:  # two answers may have become the same
        pool = _first_of_each(pool)
    spans = [*_ordered(pool, decoding), *further]
    if further and decoding.repair_brackets:
        spans = _first_of_each(spans)
    if further and decoding.choose_by == "text":
        spans = _first_of_each_text(spans)
    if decoding.distinct:
        spans = drop_near_duplicates(spans)
    return (*none, *spans[: decoding.nbest])


def _ordered(spans: list[PredictedAnswer], decoding: DecodingSettings) -> list[PredictedAnswer]:
    if decoding.choose_by == "windows":
        return sorted(spans, key=lambda answer: -answer.probability)
    if decoding.choose_by == "text":
        return merge_equal_texts(spans)
    return sort_by_expected_f1(spans) if decoding.choose_by == "f1" else spans


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


def merge_equal_texts(answers: Sequence[PredictedAnswer]) -> list[PredictedAnswer]:
    """One answer for each text, at its best place, with the sum of the probabilities of all its places; best first."""
    sums: defaultdict[str, float] = defaultdict(float)
    best: dict[str, PredictedAnswer] = {}
    for answer in answers:
        sums[answer.text] += answer.probability
        best.setdefault(answer.text, answer)
    merged = [answer._replace(probability=min(1.0, sums[text])) for text, answer in best.items()]
    return sorted(merged, key=lambda answer: -answer.probability)


def sort_by_expected_f1(answers: Sequence[PredictedAnswer]) -> list[PredictedAnswer]:
    """The answers by their expected F1, were the right one among them with the probability of each."""
    bags = [Counter(answer.text) for answer in answers]

    def expected(bag: Counter[str]) -> float:
        return sum(answer.probability * _f1(bag, other) for answer, other in zip(answers, bags, strict=True))

    # Minimum Bayes risk over the pool (Kumar and Byrne, 2004); the sort is stable, so ties keep the order of scores.
    order = sorted(range(len(answers)), key=lambda number: -expected(bags[number]))
    return [answers[number] for number in order]


def _f1(one: Counter[str], other: Counter[str]) -> float:
    """F1 of two bags of characters."""
    return 2 * (one & other).total() / (one.total() + other.total())


def drop_near_duplicates(answers: Sequence[PredictedAnswer]) -> list[PredictedAnswer]:
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


def repair_brackets(context: str, answer: PredictedAnswer) -> PredictedAnswer:
    """The answer with both halves of every pair of brackets or quotation marks, or without the half at its edge.

    The other half is taken in, with what is between, where it is at most ten characters away; an answer whose half can
    neither be completed nor dropped stays as it is.
    """
    # Right answers of DRCD are never unbalanced, so moving an edge inside the text can only help; appending a character
    # that the text does not have there, as contest solutions do, cannot.
    start, end = answer.start, answer.end
    opened, closed = unpaired(context, start, end)
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
    if (start, end) == (answer.start, answer.end) or start >= end or any(unpaired(context, start, end)):
        return answer
    return answer._replace(text=context[start:end], start=start, end=end)


def sum_over_windows(
    spans: Spans, scores: TokenScores, *, max_length: int, temperature: float = 1.0, bonus: tuple[float, ...] = ()
) -> Spans:
    """The spans with their probability summed over all pairs of tokens, in all windows, that have their characters.

    The order and the scores stay. The arguments are those by which the spans were found.
    """
    if not len(spans) or (len(scores.bounds) == 2 and (np.diff(scores.char_start) > 0).all()):
        return spans  # no character begins two tokens
    window = np.repeat(np.arange(len(scores.bounds) - 1), np.diff(scores.bounds))
    # Relative to the best copy, whose own share is 1: so the sum is never below what the search gave.
    places = zip(spans.start.tolist(), spans.end.tolist(), spans.score.tolist(), strict=True)
    shares = [
        np.exp((_copies(scores, window, start, end, max_length, bonus) - best) / temperature).sum()
        for start, end, best in places
    ]
    return replace(spans, probability=np.minimum(spans.probability * np.maximum(shares, 1.0), 1.0))


def _copies(
    scores: TokenScores,
    window: NDArray[np.int64],
    start: int,
    end: int,
    max_length: int,
    bonus: tuple[float, ...],
) -> NDArray[np.float64]:
    """The score of each pair of tokens that has these characters."""
    filled = scores.char_start < scores.char_end
    # All pairs of a token that starts here and one that ends here, shape (starts, ends).
    first = np.flatnonzero((scores.char_start == start) & filled)[:, None]
    last = np.flatnonzero((scores.char_end == end) & filled)[None, :]
    further = last - first
    total = scores.start[first].astype(np.float64) + scores.end[last]
    fits = (window[first] == window[last]) & (further >= 0) & (further < max_length)
    if bonus:
        total = total + np.array(bonus)[np.clip(further, 0, len(bonus) - 1)]
    return np.asarray(total[fits], dtype=np.float64)


def cut_answers(
    context: str, spans: Spans, *, null: float | None = None, null_threshold: float = 0.0
) -> tuple[PredictedAnswer, ...]:
    """The answers to one question, as `cut_answers_of` cuts them."""
    return cut_answers_of([context], [spans], [null], null_threshold=null_threshold)[0]


def cut_answers_of(
    contexts: Sequence[str], found: Sequence[Spans], nulls: Sequence[float | None], *, null_threshold: float = 0.0
) -> list[tuple[PredictedAnswer, ...]]:
    """Cut the spans of each question out of its context, without the white space that some tokens carry at their edges.

    Args:
        nulls: each question's score of "no answer", on the scale of its spans' scores; it comes first when it beats the
            best span by more than `null_threshold`, and where there is no span at all; None where there is none.
    """
    # All questions in flat lists: numpy's numbers become Python's in one call, and tuples are made by one map.
    bounds = list(accumulate(map(len, found), initial=0))
    starts, ends, scores, probabilities = (
        np.concatenate([getattr(spans, name) for spans in found]).tolist() if found else []
        for name in ("start", "end", "score", "probability")
    )
    texts = [
        context[start:end]
        for context, low, high in zip(contexts, bounds, bounds[1:], strict=False)
        for start, end in zip(starts[low:high], ends[low:high], strict=True)
    ]
    new = partial(tuple.__new__, PredictedAnswer)  # what `PredictedAnswer(...)` does, in two thirds of the time
    flat = list(map(new, zip(texts, starts, ends, scores, probabilities, strict=True)))
    ranked = [tuple(flat[low:high]) for low, high in pairwise(bounds)]
    # Rare: byte-level tokens carry the space before a word. Comparing two lists is cheaper than trimming every answer.
    if not all(texts) or texts != list(map(str.strip, texts)):
        ranked = list(map(_trimmed, contexts, ranked))
    return [
        answers
        if null is None or (answers and null - answers[0].score <= null_threshold)
        else (PredictedAnswer("", 0, 0, null, 0.0), *answers)
        for answers, null in zip(ranked, nulls, strict=True)
    ]


def _trimmed(context: str, answers: Sequence[PredictedAnswer]) -> tuple[PredictedAnswer, ...]:
    """The answers without white space at their edges; of those that become the same the best, of empty ones none."""
    trimmed: dict[tuple[int, int], PredictedAnswer] = {}
    for answer in answers:
        start, end = trim(context, answer.start, answer.end)
        if start < end:
            trimmed.setdefault((start, end), answer._replace(text=context[start:end], start=start, end=end))
    return tuple(trimmed.values())
