"""Paired comparison of two systems on the same questions: bootstrap of the difference and McNemar's test."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any

import numpy as np

from qakit.metrics.intervals import Interval, resampled_means
from qakit.metrics.presets import QuestionScore

_ALPHA = 0.05


@dataclass(frozen=True)
class Difference:
    """This system's mean score minus the other's, in points, and the two-sided p-value of no difference."""

    interval: Interval
    p_value: float

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        mean, low, high = self.interval
        return {"difference": mean, "interval": [low, high], "p_value": self.p_value}


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same questions, or texts.

    Attributes:
        name: the other system.
        missing: questions without a prediction of the other system; each scores 0.
        other: its mean scores by name, in percent.
        differences: this one's minus the other's, by paired bootstrap over groups of questions. By the first score a
            question is right or wrong.
        only_this, only_other: questions that only the one, or only the other, gets right.
        mcnemar: p-value of McNemar's exact test on these two counts.
        predictions, per_question: the other system's answers and their scores, by question, where they are kept.
    """

    name: str
    missing: int
    other: Mapping[str, float]
    differences: Mapping[str, Difference]
    only_this: int
    only_other: int
    mcnemar: float
    predictions: Mapping[str, str] = field(default_factory=dict)
    per_question: Mapping[str, QuestionScore] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The outcome in one sentence; a difference is claimed only where both tests find it."""
        score, difference = next(iter(self.differences.items()))
        mean, low, high = difference.interval
        by = f"{shown_name(score)} {mean:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}, McNemar p = {self.mcnemar:.2g}"
        found = [not low <= 0 <= high, self.mcnemar < _ALPHA]
        if all(found):
            return f"{'better' if mean > 0 else 'worse'} than {self.name}, by more than chance explains ({by})"
        if any(found):
            return f"not surely {'better' if mean > 0 else 'worse'} than {self.name}: the two tests disagree ({by})"
        things = "questions" if score == "em" else "records"
        return f"no better and no worse than {self.name} as far as these {things} can tell ({by})"

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "other": self.name,
            **{f"other_{score}": mean for score, mean in self.other.items()},
            "missing": self.missing,
            **{score: difference.summary() for score, difference in self.differences.items()},
            "only_this": self.only_this,
            "only_other": self.only_other,
            "mcnemar_p_value": self.mcnemar,
            "meaning": self.sentence,
        }


def shown_name(score: str) -> str:
    """A score's name in texts: `EM`, `joint accuracy`."""
    return score.upper() if score in ("em", "f1") else score.replace("_", " ")


def compare(
    name: str,
    this: Mapping[str, Sequence[float]],
    other: Mapping[str, Sequence[float]],
    groups: Sequence[Hashable],
    *,
    missing: int = 0,
    seed: int = 0,
) -> Comparison:
    """Compare two systems, question by question.

    Args:
        this, other: their scores of the same questions in the same order, in [0, 1], by the names of the scores; by the
            first a question is right or wrong.
        groups: the bootstrap group of each question, such as its paragraph.
    """
    columns = {
        score: [100.0 * (a - b) for a, b in zip(scores, other[score], strict=True)] for score, scores in this.items()
    }
    means = resampled_means(list(columns.values()), groups, seed=seed)
    (first, *_) = columns.values()
    only_this, only_other = sum(gain > 0 for gain in first), sum(gain < 0 for gain in first)
    return Comparison(
        name=name,
        missing=missing,
        other={score: 100.0 * sum(scores) / len(scores) for score, scores in other.items()},
        differences={
            score: _difference(column, drawn) for (score, column), drawn in zip(columns.items(), means.T, strict=True)
        },
        only_this=only_this,
        only_other=only_other,
        mcnemar=mcnemar(only_this, only_other),
    )


def _difference(column: Sequence[float], drawn: np.ndarray[Any, np.dtype[np.float64]]) -> Difference:
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    # One resample more on either side, so that no p-value is 0 (Davison and Hinkley, 1997, section 4.2).
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum())) + 1
    return Difference(Interval(float(np.mean(column)), low, high), min(1.0, 2.0 * tail / (len(drawn) + 1)))


def mcnemar(only_this: int, only_other: int) -> float:
    """The two-sided p-value of McNemar's exact test: a fair coin falls at least as unevenly (McNemar, 1947).

    Questions that both systems get right, or both wrong, do not count. Questions are taken as independent.

    Example:
        >>> mcnemar(5, 0)
        0.0625
    """
    total = only_this + only_other
    tail: int = sum(comb(total, count) for count in range(min(only_this, only_other) + 1))
    power: int = 2**total
    return min(1.0, 2 * tail / power)
