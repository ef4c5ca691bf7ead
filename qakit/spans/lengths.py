"""How long spans are to models that cut the same text into tokens of their own."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class LengthRule(NamedTuple):
    """What a model makes of a span's number of tokens.

    Attributes:
        max_length: tokens of the longest span that it gives.
        bonus: what the score of a span of 1, 2, ... tokens has added to it; longer ones have the last.
    """

    max_length: int
    bonus: tuple[float, ...] = ()


class TokenNumbers(NamedTuple):
    """Which of a model's tokens a span begins and ends with.

    Attributes:
        begins: by the character at which the span starts: the first token that reaches beyond it, shape (N,).
        ends: by its last character: the last token that starts there or before, shape (N,).
        apart: whether each token has characters of its own.
    """

    begins: Numbers
    ends: Numbers
    apart: bool


class Ruler(NamedTuple):
    """The lengths of spans in a model's own tokens. A span from place `i` to place `j` has `last[j] - first[i] + 1`.

    Attributes:
        rule: what is made of them.
        first, last: number of the model's token with which a span begins that starts at a place, and ends that ends
            there; neither ever falls; shape (N,).
    """

    rule: LengthRule
    first: Numbers
    last: Numbers

    @property
    def reach(self) -> int:
        """Places of the longest span that is not too long."""
        if not len(self.first):
            return 1
        behind = np.searchsorted(self.last, self.first + self.rule.max_length, side="left")
        return max(1, int((behind - np.arange(len(self.first))).max()))


def added_by(rulers: Sequence[Ruler], start: Numbers, end: Numbers) -> NDArray[np.float32]:
    """What all rules together add to spans from some places to others; -inf where each finds them too long."""
    total = np.zeros(np.broadcast_shapes(start.shape, end.shape))
    allowed = np.zeros(total.shape, dtype=np.bool_)
    for rule, first, last in rulers:
        length = np.maximum(last[end] - first[start], 0)  # without its first token
        allowed |= length < rule.max_length
        if rule.bonus:
            total += np.array(rule.bonus)[np.minimum(length, len(rule.bonus) - 1)]
    return np.where(allowed, total, -np.inf).astype(np.float32)


def token_numbers(first: Numbers, stop: Numbers, window: Numbers, size: int) -> TokenNumbers:
    """Number a model's tokens in their order, those without characters too, each once in windows that overlap.

    Args:
        first, stop: characters of each token, half-open, rising within a window; shape (N,).
        window: in which it is, rising, shape (N,).
        size: characters of the text.
    """
    runs = np.flatnonzero(np.diff(first, prepend=-1) | np.diff(window, prepend=-1))
    here, empty, end = np.zeros((3, size), dtype=np.int64)
    if len(runs):
        np.maximum.at(here, first[runs], np.diff(np.append(runs, len(first))))
        np.maximum.at(empty, first[runs], np.add.reduceat((first >= stop).astype(np.int64), runs))
        np.maximum.at(end, first, stop)
    start = np.flatnonzero(here > empty)
    if not len(start):
        return TokenNumbers(here, here, apart=True)
    before = np.cumsum(here) - here
    place, highest = np.arange(size), len(start) - 1
    begins = (before + empty)[start][np.minimum(np.searchsorted(end[start], place, side="right"), highest)]
    ends = (before + here - 1)[start][np.maximum(np.searchsorted(start, place, side="right") - 1, 0)]
    apart = here.max() == 1 and not empty.any() and bool((start[1:] >= end[start][:-1]).all())
    return TokenNumbers(begins, ends, apart)
