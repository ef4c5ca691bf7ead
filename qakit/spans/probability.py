"""Log-sum-exp over the tokens and the spans of many packed questions."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def log_sums(values: NDArray[np.float32], owners: NDArray[np.int64]) -> Doubles:
    """The logarithm of the sum of exponentials of each question's values; 0 where there is nothing to sum.

    The exponentials have 32 bits, as the values have: a sixth of the time, and errors of 1e-7.

    Args:
        owners: first value of each question, and the number of all, shape (questions + 1,).
    """
    sums = np.zeros(len(owners) - 1)
    counts = np.diff(owners)
    some = counts > 0
    if some.any():
        first = owners[:-1][some]
        # The peak is taken out before exp, so that nothing overflows; a question of -inf alone has none.
        peaks = np.maximum.reduceat(values, first)
        peaks = np.where(np.isfinite(peaks), peaks, np.float32(0))
        masses = np.add.reduceat(np.exp(values - np.repeat(peaks, counts[some])), first, dtype=np.float64)
        sums[some] = np.where(masses > 0, peaks + np.log(np.where(masses > 0, masses, 1.0)), 0.0)
    return sums


def log_mass_ratios(
    starts: Doubles,
    ends: Doubles,
    owners: NDArray[np.int64],
    factors: Iterable[tuple[slice | NDArray[np.int64], Doubles]],
) -> Doubles:
    """By how much factors for lengths change the sum of probability over all spans, as a logarithm.

    Args:
        starts: probability of each place as the start, shape (P,).
        ends: the same as the end, with zeros behind each window, so that no span leaves it; and behind the last as many
            as the longest span has tokens.
        owners: first place of each question, and P, shape (questions + 1,).
        factors: for spans of 1, 2, ... tokens the places where they may start, and the factor of each, or of all;
            longer ones are none.

    Returns:
        Shape (questions,); 0 where the spans have no probability.
    """
    # Two sums over the same spans, so that what window borders and the longest length cut off cancels in the ratio.
    plain, weighted = np.zeros((2, len(starts)))
    for further, (place, factor) in enumerate(factors):
        spans = starts[place] * ends[further : further + len(starts)][place]
        plain[place] += spans
        weighted[place] += factor * spans
    count = len(owners) - 1
    owner = np.repeat(np.arange(count), np.diff(owners))
    before, after = (np.bincount(owner, sums, count) for sums in (plain, weighted))
    ratios = np.divide(after, before, out=np.ones(count), where=(before > 0) & (after > 0))
    return np.asarray(np.log(ratios))


def log_sum_exp(values: NDArray[np.float32]) -> float:
    """The logarithm of the sum of exponentials; 0 where there is nothing to sum."""
    if not len(values) or np.isneginf(peak := values.max()):
        return 0.0
    return float(peak + np.log(np.exp(values.astype(np.float64) - peak).sum()))
