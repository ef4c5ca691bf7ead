"""Sums of probability over the tokens and the spans of many questions, which stand one behind the other."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def log_sums(values: NDArray[np.float32], owners: NDArray[np.int64]) -> Doubles:
    """The logarithm of the sum of exponentials of each question's values; 0 where there is nothing to sum.

    Args:
        owners: first value of each question, and the number of all, shape (questions + 1,).
    """
    sums = np.zeros(len(owners) - 1)
    some = np.flatnonzero(np.diff(owners))
    if len(some):
        first = owners[:-1][some]
        peaks = np.maximum.reduceat(values, first)
        peaks = np.where(np.isfinite(peaks), peaks, np.float32(0))
        shifted = values.astype(np.float64) - np.repeat(peaks, np.diff(owners)[some])
        with np.errstate(divide="ignore"):
            logs = peaks + np.log(np.add.reduceat(np.exp(shifted), first))
        sums[some] = np.where(np.isneginf(logs), 0.0, logs)
    return sums


def log_mass_ratios(
    starts: Doubles, ends: Doubles, place: NDArray[np.int64], owners: NDArray[np.int64], factors: Doubles
) -> Doubles:
    """By how much a factor for each length changes the sum of probability over all spans, as a logarithm.

    Args:
        starts: probability of each token as the start, shape (N,).
        ends: the same as the end, with zeros behind each window, so that no span leaves it.
        place: index in `ends` of each token, shape (N,).
        owners: first token of each question, and N, shape (questions + 1,).
        factors: for spans of 1, 2, ... tokens; longer ones are none.

    Returns:
        Shape (questions,); 0 where the spans have no probability.
    """
    ends = np.append(ends, np.zeros(len(factors)))
    plain, weighted = np.zeros((2, len(starts)))
    for further, factor in enumerate(factors.tolist()):
        spans = starts * ends[place + further]
        plain += spans
        weighted += factor * spans
    count = len(owners) - 1
    owner = np.repeat(np.arange(count), np.diff(owners))
    before, after = (np.bincount(owner, sums, count) for sums in (plain, weighted))
    ratios = np.divide(after, before, out=np.ones(count), where=(before > 0) & (after > 0))
    return np.asarray(np.log(ratios))
