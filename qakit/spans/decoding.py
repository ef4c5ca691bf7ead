"""From logits to answers: the exact best spans over all windows of a question. Arrays in, spans out.

A candidate is a start token and an end token of one window, start not after end, at most `max_length` tokens. Its
score is the sum of their logits. Raw logits are compared across windows; a span that stands in several windows counts
with its best score. Ties go to the smaller start offset, then to the smaller end offset: the result depends on nothing
but the input.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Offsets = NDArray[np.int32]


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
        score: start logit + end logit, shape (S,).
        probability: that of the start times that of the end, each a softmax over all windows of the question together,
            shape (S,).
    """

    start: Offsets
    end: Offsets
    score: Floats
    probability: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start)


def best_spans(scores: TokenScores, *, max_length: int, nbest: int = 1) -> Spans:
    """The `nbest` spans of highest score with different character offsets, exactly.

    For every start token the best end in reach is found by a running maximum. Let t be the lowest of the best scores of
    the `nbest` best start characters: as each of those starts brings one span of its own, no span below t is among the
    `nbest` best, so only start tokens that reach t need their ends listed.

    Args:
        max_length: tokens of the longest span, 1 or more.
    """
    scores = _without_white_space(scores)
    last = _last_in_reach(scores.bounds, max_length)
    reach = scores.start + _running_maximum(scores.end, last, max_length)
    rows, threshold = _rows_that_matter(reach, scores.char_start, nbest)
    ends = rows[:, None] + np.arange(min(max_length, int((last - np.arange(len(last))).max(initial=0)) + 1))
    inside = ends <= last[rows][:, None]
    ends = np.where(inside, ends, 0)
    total = np.where(inside, scores.start[rows][:, None] + scores.end[ends], -np.inf)
    keep = np.isfinite(total) & (total >= threshold)
    start = np.broadcast_to(scores.char_start[rows][:, None], ends.shape)[keep]
    return _ranked(scores, start, scores.char_end[ends[keep]], total[keep], nbest)


def _without_white_space(scores: TokenScores) -> TokenScores:
    """The scores with the tokens that have no characters forbidden."""
    empty = scores.char_start >= scores.char_end
    if not empty.any():
        return scores
    start, end = (np.where(empty, np.float32(-np.inf), logits) for logits in (scores.start, scores.end))
    return replace(scores, start=start, end=end)


def _last_in_reach(bounds: NDArray[np.int64], max_length: int) -> NDArray[np.int64]:
    """The last token at which a span that begins at each token may end, shape (N,)."""
    window_last = np.repeat(bounds[1:] - 1, np.diff(bounds))
    return np.minimum(window_last, np.arange(len(window_last)) + max_length - 1)


def _running_maximum(values: Floats, last: NDArray[np.int64], max_length: int) -> Floats:
    """The maximum of `values[i : last[i] + 1]` for every i, in log2(max_length) passes over doubled ranges.

    `last` must not fall, and `last[i] < i + max_length`.
    """
    index = np.arange(len(values))
    length = last - index + 1
    best, result, size = values, values.copy(), 1
    while True:
        fits = (length >= size) & (length < 2 * size)  # two ranges of `size` cover these lengths
        other = last[fits] - size + 1
        result[fits] = np.maximum(best[fits], best[other])
        size *= 2
        if size > max_length or size > len(values):
            return result
        shifted = np.full_like(best, -np.inf)
        shifted[: len(best) - size // 2] = best[size // 2 :]
        best = np.maximum(best, shifted)


def _rows_that_matter(reach: Floats, char_start: Offsets, nbest: int) -> tuple[NDArray[np.int64], float]:
    """The start tokens whose best score reaches that of the `nbest` best start characters, and that score."""
    order = np.argsort(-reach, kind="stable")
    order = order[np.isfinite(reach[order])]
    _, first = np.unique(char_start[order], return_index=True)
    if len(first) <= nbest:
        return order, -np.inf
    threshold = float(reach[order[np.partition(first, nbest - 1)[nbest - 1]]])
    return order[reach[order] >= threshold], threshold


def _ranked(scores: TokenScores, start: Offsets, end: Offsets, total: Floats, nbest: int) -> Spans:
    """The first `nbest` by (score falling, start, end), each pair of offsets once, at its best score."""
    order = np.lexsort((end, start, -total))
    start, end, total = start[order], end[order], total[order]
    _, first = np.unique(start.astype(np.int64) << 32 | end, return_index=True)
    first = np.sort(first)[:nbest]
    start, end, total = start[first], end[first], total[first]
    normaliser = log_sum_exp(scores.start) + log_sum_exp(scores.end)
    likelihood = np.minimum(total.astype(np.float64) - normaliser, 0.0)  # the sums in float32 may be rounded up
    return Spans(start=start, end=end, score=total, probability=np.exp(likelihood))


def log_sum_exp(values: Floats) -> float:
    """The logarithm of the sum of exponentials; 0 where there is nothing to sum."""
    if not len(values) or np.isneginf(peak := values.max()):
        return 0.0
    return float(peak + np.log(np.exp(values.astype(np.float64) - peak).sum()))
