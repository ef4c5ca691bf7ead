"""Whether one system is better than another on the same questions, or only happened to score higher."""

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
    """This system's mean score less the other's, in percent, and the p-value of there being none (two-sided)."""

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
        differences: by how much this one's are higher: paired bootstrap over groups of questions. The first score tells
            right from wrong.
        only_this, only_other: questions that only the one, or only the other, gets right.
        mcnemar: p-value of McNemar's exact test on these two counts.
        predictions, per_question: what the other system answered and its score, by question, where that is kept.
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
        """What it means: by both tests of what is right, as each can be fooled where the other is not."""
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
    """How a score is called in texts."""
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
        groups: what each question belongs to, such as its paragraph.
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
    """The p-value of McNemar's exact test: that a fair coin falls at least as unevenly (McNemar, 1947; two-sided).

    Questions that both systems, or neither, get right say nothing. Questions are taken as independent of each other.

    Example:
        >>> mcnemar(5, 0)
        0.0625
    """
    total = only_this + only_other
    tail: int = sum(comb(total, count) for count in range(min(only_this, only_other) + 1))
    power: int = 2**total
    return min(1.0, 2 * tail / power)
