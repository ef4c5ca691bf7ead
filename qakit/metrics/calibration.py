"""Whether answers that are said to be right with a probability of 0.7 are right in 70 of 100 cases."""

from collections.abc import Sequence

import numpy as np

BINS = 15


def expected_calibration_error(probabilities: Sequence[float], right: Sequence[float], *, bins: int = BINS) -> float:
    """How far probability and share of right answers are apart, in percent, the mean over bins of equal width.

    Each bin (low, high] counts by the number of its answers; 0 belongs to the first (Guo et al., 2017, equation 3).

    Args:
        probabilities: in [0, 1], one an answer.
        right: 1 for an answer that is right, 0 for one that is not, or a score between.
    """
    sure, score = np.array(probabilities, dtype=np.float64), np.array(right, dtype=np.float64)
    if not len(sure):
        return 0.0
    place = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(place, sure - score, bins)
    return float(100.0 * np.abs(gaps).sum() / len(sure))
