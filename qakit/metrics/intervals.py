"""Bootstrap intervals of mean scores, over groups of questions that belong together.

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
_DRAWS = 20_000_000  # in all, where nobody says how many: about a third of a second
_FEWEST, _MOST = 1_000, 10_000


class Interval(NamedTuple):
    """A mean and the ends of its confidence interval, on the scale of the scores."""

    mean: float
    low: float
    high: float


def bootstrap(
    scores: Sequence[float],
    groups: Sequence[Hashable],
    *,
    confidence: float = 0.95,
    resamples: int | None = None,
    seed: int = 0,
) -> Interval:
    """The mean of `scores` over all questions, with its interval.

    For the difference of two systems give the differences question by question: the interval is then a paired one.

    Args:
        scores: one a question.
        groups: what each question belongs to, such as its paragraph; a number of its own where nothing is shared.
        resamples: of as many groups as there are, drawn with replacement. When not given 10,000, or fewer (2,000 of
            10,000 groups, 1,000 at least), so that it takes no longer.

    Raises:
        ValueError: no question, not one group for each, or a confidence that is not between 0 and 1.
    """
    return bootstrap_each([scores], groups, confidence=confidence, resamples=resamples, seed=seed)[0]


def bootstrap_each(
    columns: Sequence[Sequence[float]],
    groups: Sequence[Hashable],
    *,
    confidence: float = 0.95,
    resamples: int | None = None,
    seed: int = 0,
) -> list[Interval]:
    """As `bootstrap`, for several scores of the same questions, over the same draws.

    Args:
        columns: a score a question; NaN where a question does not count, such as one outside a slice. Groups are drawn
            from all of them, so the interval knows that the size of a slice is chance too.

    Raises:
        ValueError: as `bootstrap`, or a column of NaN alone.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected a share between 0 and 1")
    means = resampled_means(columns, groups, resamples=resamples, seed=seed)
    tail = (1 - confidence) / 2
    bounds = np.nanquantile(means, [tail, 1 - tail], axis=0).T.tolist()
    return [Interval(float(np.nanmean(column)), low, high) for column, (low, high) in zip(columns, bounds, strict=True)]


def resampled_means(
    columns: Sequence[Sequence[float]], groups: Sequence[Hashable], *, resamples: int | None = None, seed: int = 0
) -> Doubles:
    """The mean of each column over the questions of each resample of the groups, shape (resamples, columns).

    NaN where a resample has no question that counts.

    Raises:
        ValueError: no question, not one group for each, or a column of NaN alone.
    """
    values = np.array(columns, dtype=np.float64).T
    if not len(groups) or len(values) != len(groups):
        raise ValueError(f"expected a group for each of some scores, found {len(values)} scores, {len(groups)} groups")
    counted = ~np.isnan(values)
    if not counted.any(axis=0).all():
        raise ValueError("expected scores in every column, found one of NaN alone")
    numbers: dict[Hashable, int] = {}
    owner = np.array([numbers.setdefault(group, len(numbers)) for group in groups])
    sums, counts = np.zeros((2, len(numbers), len(columns)))
    np.add.at(sums, owner, np.where(counted, values, 0.0))
    np.add.at(counts, owner, counted)
    if resamples is None:
        resamples = min(_MOST, max(_FEWEST, _DRAWS // len(numbers)))
    totals = _resampled_sums(np.concatenate([sums, counts], axis=1), resamples, seed)
    with np.errstate(invalid="ignore"):
        return totals[:, : len(columns)] / totals[:, len(columns) :]


def _resampled_sums(of_groups: Doubles, resamples: int, seed: int) -> Doubles:
    """The sums over the groups of each resample, shape (resamples, columns), of (groups, columns)."""
    random = np.random.default_rng(seed)
    size = len(of_groups)
    rows = max(1, _AT_ONCE // size)
    sums = []
    for first in range(0, resamples, rows):
        count = min(rows, resamples - first)
        drawn = random.integers(0, size, (count, size)) + size * np.arange(count)[:, None]
        # How often each group was drawn: one product with all columns is faster than to gather each of them.
        sums.append(np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size) @ of_groups)
    return np.concatenate(sums)
