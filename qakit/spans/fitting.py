"""Fit decoding to a development set: temperature, length prior, null threshold."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from qakit.spans.decoding import log_normalisers
from qakit.spans.token_scores import TokenScores

Doubles = NDArray[np.float64]

TEMPERATURES = (0.05, 20.0)
"""Between these one is looked for."""
_SMOOTHING = 0.5  # added to the count of each length: Jeffreys' prior
_GOLDEN = (5**0.5 - 1) / 2
_STEPS = 25
_SUREST = -1e-6  # log-probability: a wrong answer of probability 1 would have an infinite loss


def token_places(scores: TokenScores, start: int, end: int) -> list[tuple[int, int]]:
    """First and last (inclusive) token of the characters `start` to `end` (exclusive), in each window that has them."""
    places = []
    for low, high in pairwise(scores.bounds.tolist()):
        first = low + int(np.searchsorted(scores.char_end[low:high], start, side="right"))
        last = low + int(np.searchsorted(scores.char_start[low:high], end, side="left")) - 1
        whole = first <= last and scores.char_start[first] <= start and end <= scores.char_end[last]
        if whole:
            places.append((first, last))
    return places


def fit_length_prior(lengths: Sequence[int], size: int) -> tuple[float, ...]:
    """The log-probability of answers of 1 to `size` tokens; longer ones count for nothing.

    Half an answer is added to each length, so that none is impossible.
    """
    # Jeffreys' prior: no length is impossible because the development set lacks it.
    counts = np.bincount([length for length in lengths if length <= size], minlength=size + 1)[1:] + _SMOOTHING
    return tuple(np.log(counts / counts.sum()).tolist())


def fit_temperature(
    questions: Sequence[TokenScores],
    scores: Sequence[float],
    right: Sequence[float],
    *,
    max_length: int,
    bonus: tuple[float, ...] = (),
) -> tuple[float, float, float]:
    """The temperature (Guo et al., 2017) at which the probability of an answer tells best whether it is right.

    The loss is the log loss of "this answer is right", since that is what a probability is read for. The right span's
    own log-probability is no guide here: most of it comes from questions that the model has wrong in any case.

    Args:
        scores: of the answer to each question.
        right: 1 where that answer is right, 0 where it is not.

    Returns:
        The temperature, and the mean log loss without it and with it.
    """
    of_answer, label = np.array(scores, dtype=np.float64), np.array(right, dtype=np.float64)

    def loss(log_temperature: float) -> float:
        temperature = exp(log_temperature)
        logs = log_normalisers(questions, max_length=max_length, temperature=temperature, bonus=bonus)
        sure = np.minimum(of_answer / temperature - logs, _SUREST)
        return float(-(label * sure + (1 - label) * np.log(-np.expm1(sure))).mean())

    # A grid first: the loss may have more than one valley over so wide a range.
    grid = np.linspace(log(TEMPERATURES[0]), log(TEMPERATURES[1]), _STEPS)
    place = int(np.argmin([loss(value) for value in grid.tolist()]))
    found = _lowest(loss, float(grid[max(0, place - 1)]), float(grid[min(_STEPS - 1, place + 1)]))
    return exp(found), loss(0.0), loss(found)


def _lowest(function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-3) -> float:
    """The minimum of a function with one valley, by golden-section search (Kiefer, 1953)."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2


def fit_null_threshold(
    leads: Sequence[float],
    answered: Sequence[tuple[float, float]],
    empty: Sequence[tuple[float, float]],
) -> float:
    """The threshold of the highest EM, then F1: a question whose "no answer" leads by more gets none.

    The search of SQuAD 2.0's evaluation script: all ways to split the questions are tried. Of equal ones it is the one
    nearest to 0, and each lies half-way between two leads.

    Args:
        leads: by how much the score of "no answer" is above that of the best span, finite, one a question or more.
        answered: EM and F1 of each question if its span is the answer.
        empty: EM and F1 if it gets none.
    """
    # By rising lead, "answer the k lowest" are all the splits that one threshold can make.
    order = np.argsort(np.array(leads, dtype=np.float64), kind="stable")
    sorted_leads = np.array(leads, dtype=np.float64)[order]
    gains = (np.array(answered) - np.array(empty))[order]
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(gains, axis=0)])  # row k: the k lowest leads are answered
    edges = np.concatenate([sorted_leads[:1] - 2, sorted_leads, sorted_leads[-1:] + 2])
    splits = np.flatnonzero(edges[:-1] < edges[1:])
    # Half-way between two leads, so that neither is decided by rounding.
    middles = (edges[splits] + edges[splits + 1]) / 2
    thresholds = np.where(middles < edges[splits + 1], middles, edges[splits])
    ranking = zip(*np.round(sums[splits], 9).T.tolist(), (-np.abs(thresholds)).tolist(), strict=True)
    best = max(enumerate(ranking), key=lambda item: item[1])[0]
    return float(thresholds[best])
