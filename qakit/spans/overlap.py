"""Spans that stand in several windows: the sum of their probability, where the search gives the best of it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qakit.spans.decoding import Spans
from qakit.spans.token_scores import TokenScores


def summed_over_windows(
    spans: Spans, scores: TokenScores, *, max_length: int, temperature: float = 1.0, bonus: tuple[float, ...] = ()
) -> Spans:
    """The spans with their probability summed over all pairs of tokens, in all windows, that have their characters.

    The order and the scores stay. The arguments are those by which the spans were found.
    """
    if not len(spans) or (len(scores.bounds) == 2 and (np.diff(scores.char_start) > 0).all()):
        return spans  # no character begins two tokens
    window = np.repeat(np.arange(len(scores.bounds) - 1), np.diff(scores.bounds))
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
    first = np.flatnonzero((scores.char_start == start) & filled)[:, None]
    last = np.flatnonzero((scores.char_end == end) & filled)[None, :]
    further = last - first
    total = scores.start[first].astype(np.float64) + scores.end[last]
    fits = (window[first] == window[last]) & (further >= 0) & (further < max_length)
    if bonus:
        total = total + np.array(bonus)[np.clip(further, 0, len(bonus) - 1)]
    return np.asarray(total[fits], dtype=np.float64)
