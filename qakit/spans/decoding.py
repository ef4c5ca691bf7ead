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
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from qakit.spans.probability import log_mass_ratios, log_sums

Floats = NDArray[np.float32]
Offsets = NDArray[np.int32]

_TOGETHER = 256  # questions: their arrays stay in the processor's cache
_BLOCKS = 3  # of tokens, for each start that is looked for
_LOWEST = np.finfo(np.float32).min  # of all spans that are not forbidden


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

    For every start token the best end in reach is found by a running maximum. A threshold is guessed that about `nbest`
    starts reach with their best end, and all spans that reach it are listed, from those starts alone. Where that makes
    `nbest` different spans, they are the best there are; where it makes fewer, it is done again with a lower threshold.

    Args:
        max_length: tokens of the longest span, 1 or more.
        temperature: divides scores where they become probabilities (Guo et al., 2017); the order stays.
        bonus: what the score of a span of 1, 2, ... tokens has added to it; longer ones have the last.
    """

    def found(some: Sequence[TokenScores], starts: int) -> list[Spans]:
        scores = _Together.of(some, max_length, bonus)
        threshold, owner, start, end, total = _candidates(scores, starts)
        spans = list(_ranked(scores, owner, start, end, total, nbest, temperature))
        few = [n for n, one in enumerate(spans) if len(one) < nbest and threshold[n] > _LOWEST]
        for number, more in zip(few, found([some[n] for n in few], 2 * starts) if few else (), strict=True):
            spans[number] = more
        return spans

    return [spans for some in _in_groups(questions) for spans in found(some, nbest)]


def log_normalisers(
    questions: Sequence[TokenScores], *, max_length: int, temperature: float = 1.0, bonus: tuple[float, ...] = ()
) -> NDArray[np.float64]:
    """What a span's score, divided by the temperature, is above its log-probability, shape (questions,)."""
    groups = (_Together.of(some, max_length, bonus) for some in _in_groups(questions))
    return np.concatenate([np.zeros(0), *(_log_normalisers(scores, temperature) for scores in groups)])


def _in_groups(questions: Sequence[TokenScores]) -> Iterator[Sequence[TokenScores]]:
    return (questions[first : first + _TOGETHER] for first in range(0, len(questions), _TOGETHER))


@dataclass(frozen=True)
class _Together:
    """The scores of Q questions one behind the other, N tokens in W windows, and their logits with room behind each.

    With the room there are P places; behind the last is some more room.

    Attributes:
        start, end: logits, -inf at white space, shape (N,).
        char_start, char_end: as in `TokenScores`, shape (N,).
        bounds: first token of each question, and N, shape (Q + 1,).
        reach: tokens of the longest span; and places of the room, whose -inf forbid spans that leave their window.
        start_at, end_at: the logits by place, shape (P + reach - 1,).
        windows, owners: first place of each window and of each question, and P, shapes (W + 1,) and (Q + 1,).
        bonus: for spans of 1 to `reach` tokens, shape (reach,); None where there is none, which costs less.
    """

    start: Floats
    end: Floats
    char_start: Offsets
    char_end: Offsets
    bounds: NDArray[np.int64]
    reach: int
    start_at: Floats
    end_at: Floats
    windows: NDArray[np.int64]
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
            start[empty] = end[empty] = -np.inf
        last = np.cumsum([len(one.bounds) for one in questions]) - 1
        edges = np.concatenate([one.bounds for one in questions])
        lengths = np.delete(np.diff(edges), last[:-1])
        reach = min(max_length, max(1, int(lengths.max())))
        runs = np.stack([lengths, np.full_like(lengths, reach)], axis=1).ravel()
        is_token = np.repeat(np.tile([True, False], len(lengths)), runs)
        bounds = np.append(0, np.cumsum(edges[last]))
        by_length = np.array((bonus + bonus[-1:] * reach)[:reach], dtype=np.float32) if bonus else None
        return cls(
            start=start,
            end=end,
            char_start=char_start,
            char_end=char_end,
            bounds=bounds,
            reach=reach,
            start_at=_with_room(start, is_token, reach - 1),
            end_at=_with_room(end, is_token, reach - 1),
            windows=np.append(0, np.cumsum(lengths + reach)),
            owners=bounds + reach * np.append(0, last - np.arange(len(last))),
            bonus=by_length,
        )


def _with_room(logits: Floats, is_token: NDArray[np.bool_], more: int) -> Floats:
    """The logits where there is a token, -inf elsewhere, and `more` times -inf at the end."""
    spaced = np.full(len(is_token) + more, -np.inf, dtype=np.float32)
    spaced[: len(is_token)][is_token] = logits
    return spaced


def _candidates(scores: _Together, starts: int) -> tuple[Floats, NDArray[np.int64], Offsets, Offsets, Floats]:
    """A threshold for each question, that about so many `starts` reach, and all spans that reach it.

    The threshold is `_LOWEST` where all spans do. It is first looked for among the maxima over blocks of tokens.

    Returns:
        The thresholds; and question, first character, last character (exclusive) and score of the spans.
    """
    best = scores.start_at[: scores.owners[-1]] + _best_ends(scores.end_at, scores.reach, scores.bonus)
    sizes = np.diff(scores.owners)
    count = _BLOCKS * min(starts, int(sizes.max()))
    first = scores.owners[:-1, None] + sizes[:, None] * np.arange(count) // count
    blocks = np.maximum.reduceat(best, first.ravel())
    rough = np.where(sizes > starts, _nth_highest(blocks, np.full_like(sizes, count), starts), _LOWEST)
    place = np.flatnonzero(best >= np.repeat(rough, sizes))
    owner = _range_of(place, scores.owners)
    threshold = np.maximum(rough, _nth_highest(best[place], np.bincount(owner, minlength=len(sizes)), starts))
    reaches = best[place] >= threshold[owner]
    place, owner = place[reaches], owner[reaches]
    ends = sliding_window_view(scores.end_at, scores.reach)[place]
    # The bonus goes to the end first, as in `_best_ends`: sums must be rounded alike.
    total = scores.start_at[place, None] + (ends if scores.bonus is None else ends + scores.bonus)
    found = np.flatnonzero(total >= threshold[owner, None])
    row = found // scores.reach
    token = (place - scores.reach * _range_of(place, scores.windows))[row]
    last = token + (found - row * scores.reach)
    return threshold, owner[row], scores.char_start[token], scores.char_end[last], total.ravel()[found]


def _best_ends(values: Floats, length: int, bonus: Floats | None) -> Floats:
    """The maximum of `values[i : i + length]`, the bonus of each place added, for every i that has so many."""
    count = len(values) - length + 1
    if bonus is not None:
        best: Floats = values[:count] + bonus[0]
        for further in range(1, length):
            np.maximum(best, values[further : further + count] + bonus[further], out=best)
        return best
    size = 1
    while size < length:  # `values` are maxima over `size` places
        further = min(size, length - size)
        values = np.maximum(values[:-further], values[further:])
        size += further
    return values


def _nth_highest(values: Floats, counts: NDArray[np.int64], nth: int) -> Floats:
    """The `nth` highest of each run of so many values; `_LOWEST` where it has fewer, or forbidden ones."""
    width = max(nth, int(counts.max()))
    padded = np.full((len(counts), width), _LOWEST)
    padded[np.arange(width) < counts[:, None]] = values
    return np.maximum(np.partition(padded, -nth, axis=1)[:, -nth], _LOWEST)


def _range_of(places: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the ranges, each from one bound to the next, each of the rising places is in."""
    return np.repeat(np.arange(len(bounds) - 1), np.diff(np.searchsorted(places, bounds)))


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
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    kept = order[first]
    total = np.maximum.reduceat(total[order], first) if len(first) else total
    owner, start, end = owner[kept], start[kept], end[kept]
    # One key, sorted stably: equal scores stay in the order of start and end. A float's bits rise with its magnitude.
    falling = -np.copysign(total.view(np.int32) & 0x7FFFFFFF, total)
    order = np.argsort(owner * 2.0**32 + falling, kind="stable")
    owners = np.searchsorted(owner, np.arange(len(scores.owners)))
    kept = order[np.arange(len(order)) - np.repeat(owners[:-1], np.diff(owners)) < nbest]
    normaliser = _log_normalisers(scores, temperature)
    # Sums in float32 may have been rounded up.
    probability = np.exp(np.minimum(total[kept].astype(np.float64) / temperature - normaliser[owner[kept]], 0.0))
    columns = [start[kept], end[kept], total[kept], probability]
    bounds = np.cumsum([0, *np.minimum(np.diff(owners), nbest)])
    for low, high in pairwise(bounds.tolist()):
        yield Spans(*[column[low:high] for column in columns])


def _log_normalisers(scores: _Together, temperature: float) -> NDArray[np.float64]:
    """See `log_normalisers`."""
    divisor = np.float32(temperature)
    of_start, of_end = (log_sums(logits / divisor, scores.bounds) for logits in (scores.start, scores.end))
    if scores.bonus is None:
        return of_start + of_end
    starts, ends = (
        np.exp((logits[: scores.owners[-1]] / divisor).astype(np.float64) - np.repeat(of_all, np.diff(scores.owners)))
        for logits, of_all in ((scores.start_at, of_start), (scores.end_at, of_end))
    )
    factors = np.exp(scores.bonus.astype(np.float64) / temperature)
    return of_start + of_end + log_mass_ratios(starts, ends, scores.owners, factors)


def log_sum_exp(values: Floats) -> float:
    """The logarithm of the sum of exponentials; 0 where there is nothing to sum."""
    if not len(values) or np.isneginf(peak := values.max()):
        return 0.0
    return float(peak + np.log(np.exp(values.astype(np.float64) - peak).sum()))
