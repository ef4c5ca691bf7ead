"""Calibration of probabilities: of the answers with probability 0.7, 70 in 100 should be right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 15


@dataclass(frozen=True)
class Bin:
    """The answers whose probability is above `low` and at most `high`; 0 belongs to the first bin.

    Attributes:
        probability, right: mean probability and mean of what was right, in percent.
        total: the number of answers, above 0.
    """

    low: float
    high: float
    probability: float
    right: float
    total: int


def reliability_curve(probabilities: Sequence[float], right: Sequence[float], *, bins: int = BINS) -> list[Bin]:
    """The reliability curve: the share of right answers in bins of probability of equal width; empty bins are left out.

    Args:
        probabilities: in [0, 1], one an answer.
        right: 1 for an answer that is right, 0 for one that is not, or a score between.
    """
    sure, score = np.array(probabilities, dtype=np.float64), np.array(right, dtype=np.float64)
    # Bins are closed above: a probability of k / bins is in bin k - 1. One of 0 would fall below the first.
    place = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    totals = np.bincount(place, minlength=bins)
    sums = zip(np.bincount(place, sure, bins).tolist(), np.bincount(place, score, bins).tolist(), strict=True)
    return [
        Bin(number / bins, (number + 1) / bins, 100.0 * of_sure / total, 100.0 * of_score / total, total)
        for number, (total, (of_sure, of_score)) in enumerate(zip(totals.tolist(), sums, strict=True))
        if total
    ]


def expected_calibration_error(probabilities: Sequence[float], right: Sequence[float], *, bins: int = BINS) -> float:
    """Expected calibration error in percent: the mean gap, over the bins, of probability and share of right answers.

    Each bin is weighted by the number of its answers (Guo et al., 2017, equation 3). 0 without answers.
    """
    gaps = [one.total * abs(one.probability - one.right) for one in reliability_curve(probabilities, right, bins=bins)]
    return sum(gaps) / max(1, len(probabilities))
