"""How far a mean score may be off: bootstrap intervals over groups of questions that belong together.

Questions on one paragraph are not independent: a hard paragraph is hard for all of them. So paragraphs are drawn,
each with all its questions (the cluster bootstrap: Davison and Hinkley, 1997, section 3.8), and the percentiles of the
means are taken (Efron, 1979). Two systems are compared on the same draws of the same questions (Koehn, 2004).
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
_AT_ONCE = 4_000_000  # numbers drawn at a time: 32 MB


class Interval(NamedTuple):
    """A mean, and between which values it lies with the confidence asked for; on the scale of the scores."""

    mean: float
    low: float
    high: float


def bootstrap(
    scores: Sequence[float],
    groups: Sequence[Hashable],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The mean of `scores` over all questions, with its interval.

    For the difference of two systems give the differences question by question: the interval is then a paired one.

    Args:
        scores: one a question.
        groups: what each question belongs to, such as its paragraph; a number of its own where nothing is shared.
        resamples: of as many groups as there are, drawn with replacement.

    Raises:
        ValueError: no question, not one group for each, or a confidence that is not between 0 and 1.
    """
    if not len(scores) or len(scores) != len(groups):
        raise ValueError(f"expected a group for each of some scores, found {len(scores)} scores, {len(groups)} groups")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected a share between 0 and 1")
    values = np.array(scores, dtype=np.float64)
    numbers: dict[Hashable, int] = {}
    owner = np.array([numbers.setdefault(group, len(numbers)) for group in groups])
    sums, counts = np.zeros((2, len(numbers)))
    np.add.at(sums, owner, values)
    np.add.at(counts, owner, 1.0)
    means = _resampled_means(sums, counts, resamples, seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    return Interval(float(values.mean()), low, high)


def _resampled_means(sums: Doubles, counts: Doubles, resamples: int, seed: int) -> Doubles:
    """The mean over the questions of the groups of each resample, shape (resamples,)."""
    random = np.random.default_rng(seed)
    size = len(sums)
    rows = max(1, _AT_ONCE // size)
    means = []
    for first in range(0, resamples, rows):
        drawn = random.integers(0, size, (min(rows, resamples - first), size))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)
