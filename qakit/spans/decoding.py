"""Exact span decoding: the best spans over all windows of a question. Arrays in, spans out.

A candidate is a start token and an end token of one window, start not after end, at most `max_length` tokens. Its
score is the sum of their logits, and of what a length prior adds for its number of tokens; where other models have
rulers, their tokens count in both. Raw logits are compared across windows; a span that stands in several windows counts
with its best score. Ties go to the smaller start offset, then to the smaller end offset: the result depends on nothing
but the input.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from qakit.spans.probability import log_mass_ratios, log_sums
from qakit.spans.token_scores import Floats, Offsets, PackedScores, TokenScores

_AT_ONCE = 256  # questions: alone, calls of small arrays take most of the time; more leave the processor's cache
_BLOCKS = 3  # of tokens, for each start that is looked for
_LOWEST = np.finfo(np.float32).min  # of all spans that are not forbidden


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


def decode_batch(
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
        questions: all of them with as many rulers.
        max_length: tokens of the longest span, 1 or more; where there are rulers, they say it.
        temperature: divides scores where they become probabilities (Guo et al., 2017); the order stays.
        bonus: what the score of a span of 1, 2, ... tokens has added to it; longer ones have the last; likewise.
    """

    def found(some: Sequence[TokenScores], starts: int) -> list[Spans]:
        scores = PackedScores.of(some, max_length, bonus)
        threshold, owner, start, end, total = _candidates(scores, starts)
        spans = list(_ranked(scores, owner, start, end, total, nbest, temperature))
        # Spans in several windows are one: where that leaves too few, search again with twice as many starts.
        few = [n for n, one in enumerate(spans) if len(one) < nbest and threshold[n] > _LOWEST]
        for number, more in zip(few, found([some[n] for n in few], 2 * starts) if few else (), strict=True):
            spans[number] = more
        return spans

    return [spans for some in _in_groups(questions) for spans in found(some, nbest)]


def log_normalisers(
    questions: Sequence[TokenScores], *, max_length: int, temperature: float = 1.0, bonus: tuple[float, ...] = ()
) -> NDArray[np.float64]:
    """The log of the sum over all spans of exp(score / temperature), shape (questions,): the softmax's denominator."""
    groups = (PackedScores.of(some, max_length, bonus) for some in _in_groups(questions))
    return np.concatenate([np.zeros(0), *(_log_normalisers(scores, temperature) for scores in groups)])


def _in_groups(questions: Sequence[TokenScores]) -> Iterator[Sequence[TokenScores]]:
    return (questions[first : first + _AT_ONCE] for first in range(0, len(questions), _AT_ONCE))


def _candidates(scores: PackedScores, starts: int) -> tuple[Floats, NDArray[np.int64], Offsets, Offsets, Floats]:
    """A threshold for each question, that about so many `starts` reach, and all spans that reach it.

    The threshold is `_LOWEST` where all spans do. It is first looked for among the maxima over blocks of tokens.

    Returns:
        The thresholds; and question, first character, last character (exclusive) and score of the spans.
    """
    # The score of the best span from each place, shape (P,).
    best = scores.start_at[: scores.owners[-1]] + _best_ends(scores)
    # A rough threshold from the maxima of three blocks a start: at least `starts` places reach the nth highest maximum,
    # and finding it sorts `count` numbers a question in the place of all its places.
    sizes = np.diff(scores.owners)
    count = _BLOCKS * min(starts, int(sizes.max()))
    first = scores.owners[:-1, None] + sizes[:, None] * np.arange(count) // count
    blocks = np.maximum.reduceat(best, first.ravel())
    rough = np.where(sizes > starts, _nth_highest(blocks, np.full_like(sizes, count), starts), _LOWEST)
    # The exact threshold among the few places that reach the rough one.
    place = np.flatnonzero(best >= np.repeat(rough, sizes))
    owner = _range_of(place, scores.owners)
    threshold = np.maximum(rough, _nth_highest(best[place], np.bincount(owner, minlength=len(sizes)), starts))
    reaches = best[place] >= threshold[owner]
    place, owner = place[reaches], owner[reaches]
    # All spans from these starts, shape (starts, reach): a view, so that nothing is copied but the chosen rows.
    ends = sliding_window_view(scores.end_at, scores.reach)[place]
    # What lengths add goes to the end first, as in `_best_ends`: sums must be rounded alike.
    total = scores.start_at[place, None] + (ends + scores.added(place))
    found = np.flatnonzero(total >= threshold[owner, None])
    row = found // scores.reach
    # From places back to tokens: each window before a place has `reach` places of padding.
    token = (place - scores.reach * _range_of(place, scores.windows))[row]
    last = token + (found - row * scores.reach)
    return threshold, owner[row], scores.char_start[token], scores.char_end[last], total.ravel()[found]


def _best_ends(scores: PackedScores) -> Floats:
    """The highest logit of an end in reach of each place, with what the length adds, shape (P,)."""
    values, count = scores.end_at, int(scores.owners[-1])
    if scores.by_length:
        # A bonus differs from length to length, so the maximum is taken over the lengths one by one.
        best = np.full(count, -np.inf, dtype=np.float32)
        for further, (place, added) in enumerate(scores.lengths()):
            best[place] = np.maximum(best[place], values[further : further + count][place] + added)
        return best
    # Without one, doubling: maxima over 1, 2, 4, ... places, in log(reach) steps.
    size = 1
    while size < scores.reach:  # `values` are maxima over `size` places
        further = min(size, scores.reach - size)
        values = np.maximum(values[:-further], values[further:])
        size += further
    return values


def _nth_highest(values: Floats, counts: NDArray[np.int64], nth: int) -> Floats:
    """The `nth` highest of each run of so many values; `_LOWEST` where it has fewer, or forbidden ones."""
    width = max(nth, int(counts.max()))
    padded = np.full((len(counts), width), _LOWEST)
    padded[np.arange(width) < counts[:, None]] = values
    # `partition` puts the nth highest at its place without sorting the rest.
    return np.maximum(np.partition(padded, -nth, axis=1)[:, -nth], _LOWEST)


def _range_of(places: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the range, from one bound to the next, that each of the rising places is in."""
    return np.repeat(np.arange(len(bounds) - 1), np.diff(np.searchsorted(places, bounds)))


def _ranked(
    scores: PackedScores,
    owner: NDArray[np.int64],
    start: Offsets,
    end: Offsets,
    total: Floats,
    nbest: int,
    temperature: float,
) -> Iterator[Spans]:
    """Each question's first `nbest` by (score falling, start, end), each pair of offsets once, at its best score."""
    # One integer for (question, start, end): equal keys are copies of one span in several windows.
    width = int(end.max(initial=0)) + 1
    key = (owner * width + start) * width + end
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    kept = order[first]
    # A span that stands in several windows counts with its best score.
    total = np.maximum.reduceat(total[order], first) if len(first) else total
    owner, start, end = owner[kept], start[kept], end[kept]
    # One key, sorted stably: equal scores stay in the order of start and end. A float's bits rise with its magnitude.
    falling = -np.copysign(total.view(np.int32) & 0x7FFFFFFF, total)
    order = np.argsort(owner * 2.0**32 + falling, kind="stable")
    owners = np.searchsorted(owner, np.arange(len(scores.owners)))
    # The rank of each span within its question is below `nbest`.
    kept = order[np.arange(len(order)) - np.repeat(owners[:-1], np.diff(owners)) < nbest]
    # float64 from here on: differences of large logits would lose the digits of small probabilities.
    normaliser = _log_normalisers(scores, temperature)
    # Sums in float32 may have been rounded up.
    probability = np.exp(np.minimum(total[kept].astype(np.float64) / temperature - normaliser[owner[kept]], 0.0))
    columns = [start[kept], end[kept], total[kept], probability]
    bounds = np.cumsum([0, *np.minimum(np.diff(owners), nbest)])
    for low, high in pairwise(bounds.tolist()):
        yield Spans(*[column[low:high] for column in columns])


def _log_normalisers(scores: PackedScores, temperature: float) -> NDArray[np.float64]:
    """See `log_normalisers`."""
    # The division is in float32, as the logits are: a float64 divisor would convert them all.
    divisor = np.float32(temperature)
    of_start, of_end = (log_sums(logits / divisor, scores.bounds) for logits in (scores.start, scores.end))
    if not scores.by_length:
        return of_start + of_end
    # With a bonus, the product of both sums is corrected by the mean of exp(bonus / temperature) over spans.
    starts, ends = (
        np.exp((logits[: scores.owners[-1]] / divisor).astype(np.float64) - np.repeat(of_all, np.diff(scores.owners)))
        for logits, of_all in ((scores.start_at, of_start), (scores.end_at, of_end))
    )
    ends = np.append(ends, np.zeros(scores.reach))
    factors = ((place, np.exp(np.asarray(added, dtype=np.float64) / temperature)) for place, added in scores.lengths())
    return of_start + of_end + log_mass_ratios(starts, ends, scores.owners, factors)
