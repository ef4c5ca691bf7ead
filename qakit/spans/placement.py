"""Where the windows of a training stand in their paragraphs: a pure function of the seed and the epoch."""

import numpy as np
from numpy.typing import NDArray

from qakit.spans.tokenizing import Ints
from qakit.spans.windowing import EncodedPairs, Windows, windows_at

_PLACEMENT, _NEGATIVES = 1, 2  # keep the draws apart from other draws of the same seed and epoch


def training_windows(pairs: EncodedPairs, spans: Ints, *, seed: int, epoch: int) -> Windows:
    """One window a pair, at a place drawn from (seed, epoch, pair) among those that hold the whole answer.

    Every place at which the window is full, or holds the whole paragraph, is equally likely, so the answer stands
    anywhere in its window. A pair without an answer (a row of -1) gets a window anywhere. An answer longer than the
    window has no such place: see `qakit.spans.windowing.reachable`.

    Args:
        spans: first and last (inclusive) paragraph token of each pair's answer, or -1 twice, shape (P, 2).
    """
    last_place = np.maximum(pairs.paragraph_lengths - pairs.room, 0)
    answered = spans[:, 0] >= 0
    low = np.where(answered, np.clip(spans[:, 1] + 1 - pairs.room, 0, last_place), 0)
    high = np.where(answered, np.minimum(spans[:, 0], last_place), last_place)
    draws = np.random.default_rng([seed, epoch, _PLACEMENT]).random(len(pairs))
    first = (low + np.floor(draws * (np.maximum(high, low) - low + 1))).astype(np.int32)
    return windows_at(pairs, np.arange(len(pairs), dtype=np.int32), first)


def negative_windows(pairs: EncodedPairs, spans: Ints, count: int, *, seed: int, epoch: int) -> Windows:
    """Windows without a token of the answer, of `count` different pairs among those that have one, drawn at random.

    Every place that is clear of the answer is equally likely. Windows are in the order of their pairs.
    """
    generator = np.random.default_rng([seed, epoch, _NEGATIVES])
    owners = np.sort(generator.choice(np.flatnonzero(has_negatives(pairs, spans)), count, replace=False))
    before, after = _clear_places(pairs, spans)
    drawn = np.floor(generator.random(count) * (before + after)[owners]).astype(np.int32)
    behind = drawn >= before[owners]
    first = np.where(behind, spans[owners, 1] + 1 + drawn - before[owners], drawn).astype(np.int32)
    return windows_at(pairs, owners.astype(np.int32), first)


def has_negatives(pairs: EncodedPairs, spans: Ints) -> NDArray[np.bool_]:
    """Whether each pair has an answer and a full window without a token of it, shape (P,)."""
    before, after = _clear_places(pairs, spans)
    return (spans[:, 0] >= 0) & (before + after > 0)


def _clear_places(pairs: EncodedPairs, spans: Ints) -> tuple[Ints, Ints]:
    """How many full windows end before each answer, and how many begin after it, shapes (P,)."""
    last_place = pairs.paragraph_lengths - pairs.room
    before = np.maximum(spans[:, 0] - pairs.room + 1, 0)
    return before, np.maximum(last_place - spans[:, 1], 0)
