"""From logits to answers: the exact best spans over all windows of a question. Arrays in, spans out.

A candidate is a start token and an end token of one window, start not after end, at most `max_length` tokens. Its
score is the sum of their logits, and of what a length prior adds for its number of tokens. Raw logits are compared
across windows; a span that stands in several windows counts with its best score. Ties go to the smaller start offset,
then to the smaller end offset: the result depends on nothing but the input.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qakit.spans.probability import log_mass_ratios, log_sums

Floats = NDArray[np.float32]
Offsets = NDArray[np.int32]

_TOGETHER = 64  # questions: their arrays stay in the processor's cache


@dataclass(frozen=True)
class TokenScores:
    """The start and end logits of one question over the paragraph tokens of all its windows, window after window.

    Question, special and padding tokens are not in it: that is the mask.

    Attributes:
        start, end: logits, shape (N,); -inf forbids a token, NaN is not allowed.
        char_start, char_end: character offsets of each token in the context, half-open, shape (N,); equal for a token
            of white space alone, at which no answer begins or ends.
        bounds: first token of each window, and N, shape (windows + 1,).
        null: score of "no answer", the sum of its start and end logit: the lowest of all windows; None where the model
            was never taught it.
        null_logits: the start and the end logit at the token that stands for "no answer", of the window where their
            sum is lowest, taught or not; None where the scores come from a file.
    """

    start: Floats
    end: Floats
    char_start: Offsets
    char_end: Offsets
    bounds: NDArray[np.int64]
    null: float | None = None
    null_logits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Spans:
    """The best spans of a question, best first; S of them.

    Attributes:
        start, end: character offsets in the context, half-open, shape (S,).
        score: start logit + end logit, and what the length prior adds, shape (S,).
        probability: that of the start times that of the end, each a softmax over all windows of the question together,
            of logits divided by the temperature; a length prior moves it from span to span, but leaves the sum over
            all spans as it was; shape (S,).
    """

    start: Offsets
    end: Offsets
    score: Floats
    probability: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start)


def best_spans(
    scores: TokenScores, *, max_length: int, nbest: int = 1, temperature: float = 1.0, bonus: tuple[float, ...] = ()
) -> Spans:
    """The best spans of one question, as `best_spans_of` finds them."""
    return best_spans_of([scores], max_length=max_length, nbest=nbest, temperature=temperature, bonus=bonus)[0]


def best_spans_of(
    questions: Sequence[TokenScores],
    *,
    max_length: int,
    nbest: int = 1,
    temperature: float = 1.0,
    bonus: tuple[float, ...] = (),
) -> list[Spans]:
    """For each question the `nbest` spans of highest score with different character offsets, exactly.

    For every start token the best end in reach is found by a running maximum. Let t be the lowest of the best scores of
    the `nbest` best start characters: as each of those starts brings one span of its own, no span below t is among the
    `nbest` best, so only start tokens that reach t need their ends listed. Questions of like length go together.

    Args:
        max_length: tokens of the longest span, 1 or more.
        temperature: divides scores where they become probabilities (Guo et al., 2017); the order stays.
        bonus: what the score of a span of 1, 2, ... tokens has added to it; longer ones have the last.
    """
    found: dict[int, Spans] = {}
    for numbers, together in _in_groups(questions, max_length, bonus):
        found |= zip(numbers, _best_spans(together, nbest, temperature), strict=True)
    return [found[number] for number in range(len(questions))]


def log_normalisers(
    questions: Sequence[TokenScores], *, max_length: int, temperature: float = 1.0, bonus: tuple[float, ...] = ()
) -> NDArray[np.float64]:
    """What a span's score, divided by the temperature, is above its log-probability, shape (questions,)."""
    logs = np.zeros(len(questions))
    for numbers, together in _in_groups(questions, max_length, bonus):
        logs[numbers] = _log_normalisers(together, temperature)
    return logs


def _in_groups(
    questions: Sequence[TokenScores], max_length: int, bonus: tuple[float, ...]
) -> Iterator[tuple[list[int], "_Together"]]:
    """Groups of questions of like length: their numbers and their scores."""
    order = sorted(range(len(questions)), key=lambda number: len(questions[number].start))
    for first in range(0, len(order), _TOGETHER):
        numbers = order[first : first + _TOGETHER]
        yield numbers, _Together.of([questions[number] for number in numbers], max_length, bonus)


@dataclass(frozen=True)
class _Together:
    """The scores of Q questions one behind the other, N tokens in all; the ends with room behind each window.

    Attributes:
        start: logits, -inf at white space, shape (N,).
        end: the same, and behind each window `reach` - 1 times -inf, which forbids spans that leave their window.
        place: index in `end` of each token, shape (N,).
        reach: tokens of the longest span.
        char_start, char_end: as in `TokenScores`; `char_end` for each place in `end`.
        owners: first token of each question, and N, shape (Q + 1,).
        bonus: for spans of 1 to `reach` tokens, shape (reach,); None where there is none, which costs less.
    """

    start: Floats
    end: Floats
    place: NDArray[np.int64]
    reach: int
    char_start: Offsets
    char_end: Offsets
    owners: NDArray[np.int64]
    bonus: Floats | None = None

    @classmethod
    def of(cls, questions: Sequence[TokenScores], max_length: int, bonus: tuple[float, ...] = ()) -> "_Together":
        columns = ("start", "end", "char_start", "char_end")
        start, end, char_start, char_end = (
            np.concatenate([getattr(one, name) for one in questions]) for name in columns
        )
        empty = char_start >= char_end
        if empty.any():
            start, end = (np.where(empty, np.float32(-np.inf), logits) for logits in (start, end))
        lengths = np.concatenate([np.diff(one.bounds) for one in questions])
        reach = min(max_length, max(1, int(lengths.max(initial=0))))
        place = np.arange(len(start)) + np.repeat(np.arange(len(lengths)) * (reach - 1), lengths)
        size = len(start) + len(lengths) * (reach - 1)
        ends, char_ends = np.full(size, -np.inf, dtype=np.float32), np.zeros(size, dtype=np.int32)
        ends[place], char_ends[place] = end, char_end
        owners = np.cumsum([0, *(len(one.start) for one in questions)])
        by_length = np.array((bonus + bonus[-1:] * reach)[:reach], dtype=np.float32) if bonus else None
        return cls(start, ends, place, reach, char_start, char_ends, owners, by_length)


def _best_spans(scores: _Together, nbest: int, temperature: float) -> Iterator[Spans]:
    best = scores.start + _best_ends(scores.end, scores.reach, scores.bonus)[scores.place]
    rows, owner, threshold = _starts_that_matter(best, scores, nbest)
    ends = scores.place[rows][:, None] + np.arange(scores.reach)
    # The bonus goes to the end first, as in `_best_ends`: sums must be rounded alike, or the threshold is not exact.
    of_ends = scores.end[ends] if scores.bonus is None else scores.end[ends] + scores.bonus
    total = scores.start[rows][:, None] + of_ends
    row, column = np.nonzero((total >= threshold[owner][:, None]) & (total > -np.inf))
    start, end = scores.char_start[rows[row]], scores.char_end[ends[row, column]]
    return _ranked(scores, owner[row], start, end, total[row, column], nbest, temperature)


def _best_ends(values: Floats, length: int, bonus: Floats | None) -> Floats:
    """The maximum of `values[i : i + length]`, the bonus of each place added, for every i."""
    if bonus is None:
        return _running_maximum(values, length)
    best: Floats = values + bonus[0]
    for further in range(1, min(length, len(values))):
        np.maximum(best[:-further], values[further:] + bonus[further], out=best[:-further])
    return best


def _running_maximum(values: Floats, length: int) -> Floats:
    """The maximum of `values[i : i + length]` for every i, in log2(length) passes over doubled ranges."""
    best, size = values, 1
    while size < length:
        further = min(size, length - size)
        best = np.maximum(best, np.append(best[further:], np.full(further, -np.inf, dtype=np.float32)))
        size += further
    return best


def _starts_that_matter(
    best: Floats, scores: _Together, nbest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The start tokens that reach their question's threshold, the question of each, and every question's threshold.

    The threshold is the best score of the `nbest`-th best start character, -inf where there are not so many.
    """
    lengths = np.diff(scores.owners)
    padded = np.full((len(lengths), max(1, int(lengths.max(initial=0)))), np.inf, dtype=np.float32)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = -best
    width = 2 * nbest  # where windows overlap, most characters are in two
    while True:
        token = _lowest(padded, width)
        highest = -np.take_along_axis(padded, token, axis=1)
        character = np.append(scores.char_start, 0)[np.minimum(scores.owners[:-1, None] + token, len(best))]
        threshold = _nth_distinct(highest, character, nbest)
        if width >= padded.shape[1] or (highest[:, -1] < threshold).all():
            owner, column = np.nonzero((highest >= threshold[:, None]) & (highest > -np.inf))
            return scores.owners[owner] + token[owner, column], owner, threshold
        width *= 2  # more tokens share a character, or a score, than that


def _lowest(values: Floats, count: int) -> NDArray[np.int64]:
    """Where the `count` lowest values of each row are, rising; all of them where there are fewer."""
    if count >= values.shape[1]:
        return np.argsort(values, axis=1)
    place = np.argpartition(values, count - 1, axis=1)[:, :count]
    return np.take_along_axis(place, np.argsort(np.take_along_axis(values, place, axis=1), axis=1), axis=1)


def _nth_distinct(values: Floats, names: Offsets, nth: int) -> NDArray[np.float64]:
    """The value at the `nth` different name in each row of falling values; -inf where the finite ones have fewer."""
    order = np.argsort(names, axis=1, kind="stable")
    by_name = np.take_along_axis(names, order, axis=1)
    is_first = np.ones(names.shape, dtype=bool)
    np.put_along_axis(is_first, order[:, 1:], by_name[:, 1:] != by_name[:, :-1], axis=1)
    reached = np.cumsum(is_first & np.isfinite(values), axis=1) >= nth
    place = reached.argmax(axis=1)
    return np.where(reached.any(axis=1), values[np.arange(len(values)), place], -np.inf)


def _ranked(
    scores: _Together,
    owner: NDArray[np.int64],
    start: Offsets,
    end: Offsets,
    total: Floats,
    nbest: int,
    temperature: float,
) -> Iterator[Spans]:
    """Each question's first `nbest` by (score falling, start, end), each pair of offsets once, at its best score."""
    width = int(end.max(initial=0)) + 1
    key = (owner * width + start) * width + end
    order = np.argsort(key)
    first = np.flatnonzero(np.append(True, np.diff(key[order]) != 0)[: len(order)])
    kept = order[first]
    total = np.maximum.reduceat(total[order], first) if len(first) else total
    owner, start, end = owner[kept], start[kept], end[kept]
    kept = np.lexsort((-total, owner))  # stable: equal scores stay in the order of start and end
    rank = np.arange(len(kept)) - np.searchsorted(owner[kept], owner[kept])
    kept = kept[rank < nbest]
    normaliser = _log_normalisers(scores, temperature)
    # Sums in float32 may have been rounded up.
    probability = np.exp(np.minimum(total[kept].astype(np.float64) / temperature - normaliser[owner[kept]], 0.0))
    columns = [start[kept], end[kept], total[kept], probability]
    for first, stop in pairwise(np.searchsorted(owner[kept], np.arange(len(scores.owners))).tolist()):
        yield Spans(*(column[first:stop] for column in columns))


def _log_normalisers(scores: _Together, temperature: float) -> NDArray[np.float64]:
    """See `log_normalisers`."""
    start, end = scores.start, scores.end[scores.place]
    if temperature != 1.0:
        start, end = start / np.float32(temperature), end / np.float32(temperature)
    of_start, of_end = log_sums(start, scores.owners), log_sums(end, scores.owners)
    if scores.bonus is None:
        return of_start + of_end
    counts = np.diff(scores.owners)
    starts = np.exp(start.astype(np.float64) - np.repeat(of_start, counts))
    ends = np.zeros(len(scores.end))
    ends[scores.place] = np.exp(end.astype(np.float64) - np.repeat(of_end, counts))
    factors = np.exp(scores.bonus.astype(np.float64) / temperature)
    return of_start + of_end + log_mass_ratios(starts, ends, scores.place, scores.owners, factors)


def log_sum_exp(values: Floats) -> float:
    """The logarithm of the sum of exponentials; 0 where there is nothing to sum."""
    if not len(values) or np.isneginf(peak := values.max()):
        return 0.0
    return float(peak + np.log(np.exp(values.astype(np.float64) - peak).sum()))
