"""Span lengths in tokens, for each member of an ensemble whose tokenizers differ."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]


class LengthRule(NamedTuple):
    """Longest length and length prior of a model, in its own tokens.

    Attributes:
        max_length: tokens of the longest span that it gives.
        bonus: what the score of a span of 1, 2, ... tokens has added to it; longer ones have the last.
    """

    max_length: int
    bonus: tuple[float, ...] = ()


class TokenNumbers(NamedTuple):
    """Numbers of a model's tokens, by the characters at which spans begin and end.

    Attributes:
        begins: by the character at which the span starts: the first token that reaches beyond it, or, of several that
            begin where that one does, the first; shape (N,).
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
            there, rising or level; shape (N,).
    """

    rule: LengthRule
    first: Numbers
    last: Numbers

    @property
    def reach(self) -> Numbers:
        """Places of the longest span allowed from each start, shape (N,)."""
        # `last` rises, so the first place whose token is too far is found by bisection.
        stop = np.searchsorted(self.last, self.first + self.rule.max_length, side="left")
        return np.asarray(np.maximum(stop - np.arange(len(self.first)), 0), dtype=np.int32)


def added_by(rulers: Sequence[Ruler], start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.float32]:
    """The sum of all rules' bonuses for spans from some places to others."""
    total = np.zeros(np.broadcast_shapes(start.shape, end.shape))
    for rule, first, last in rulers:
        if rule.bonus:
            # A span of n tokens takes entry n - 1; longer ones are clipped to the last entry.
            total += np.array(rule.bonus).take(last[end] - first[start], mode="clip")
    return total.astype(np.float32)


def token_numbers(
    first: NDArray[np.int64], stop: NDArray[np.int64], window: NDArray[np.int64], size: int
) -> TokenNumbers:
    """Number a model's tokens in their order, those without characters too, each once in windows that overlap.

    Windows are taken to share whole characters' tokens, where they cut any.

    Args:
        first, stop: characters of each token, half-open, rising within a window; shape (N,).
        window: in which it is, rising, shape (N,).
        size: characters of the text.
    """
    # Tokens of one window that begin at one character are a run; there are several where some have no characters.
    runs = np.flatnonzero(np.diff(first, prepend=-1) | np.diff(window, prepend=-1))
    here, empty, end = np.zeros((3, size), dtype=np.int64)
    if len(runs):
        # By character: the tokens that begin here, those of them without characters, and the furthest end. Windows that
        # overlap give the same numbers twice, of which the maximum is one.
        np.maximum.at(here, first[runs], np.diff(np.append(runs, len(first))))
        np.maximum.at(empty, first[runs], np.add.reduceat((first >= stop).astype(np.int64), runs))
        np.maximum.at(end, first, stop)
    start = np.flatnonzero(here > empty)  # characters at which a token with characters begins
    beyond = np.maximum.accumulate(end[start])
    before = np.cumsum(here) - here  # tokens that begin further left
    # A span begins with the first token that reaches beyond its start, and ends with the last that starts by its end.
    begin_of = np.append((before + empty)[start], here.sum()).astype(np.int32)
    end_of = np.append(-1, (before + here - 1)[start]).astype(np.int32)
    place = np.arange(size)
    return TokenNumbers(
        begins=begin_of[np.searchsorted(beyond, place, side="right")],
        ends=end_of[np.searchsorted(start, place, side="right")],
        apart=here.max(initial=0) <= 1 and not empty.any() and bool((start[1:] >= beyond[:-1]).all()),
    )
