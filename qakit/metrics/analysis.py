"""Analysis of all questions of an evaluation: scores with intervals, slices, losses, calibration, human agreement."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import nan
from statistics import fmean
from typing import Any

from qakit.metrics.calibration import Bin, expected_calibration_error, reliability_curve
from qakit.metrics.intervals import Interval, bootstrap_each
from qakit.metrics.presets import Scores, get_preset
from qakit.metrics.questions import QuestionResult
from qakit.metrics.slices import DIMENSIONS
from qakit.metrics.verdicts import losses


@dataclass(frozen=True)
class Agreement:
    """The mean score of an annotator, in percent, over the `total` questions that have several."""

    em: Interval
    f1: Interval
    total: int


@dataclass(frozen=True)
class Slice:
    """The questions that have one label in one dimension."""

    dimension: str
    label: str
    total: int
    em: Interval
    f1: Interval


@dataclass(frozen=True)
class Calibration:
    """Agreement of probabilities with the share of right answers, over the answers that have one.

    `error` is the expected calibration error in percent; `curve` its bins.
    """

    error: float
    curve: tuple[Bin, ...]


@dataclass(frozen=True)
class Analysis:
    """Scores by one preset and the questions behind them, in the same order; all figures in percent.

    Costly parts are computed on first use and kept.
    """

    metric: str
    scores: Scores
    questions: tuple[QuestionResult, ...]

    @property
    def groups(self) -> list[str]:
        """The bootstrap group of each question."""
        return [question.group for question in self.questions]

    @cached_property
    def intervals(self) -> tuple[Interval, Interval]:
        """EM and F1 with their 95 % intervals."""
        em, f1 = bootstrap_each(self._columns(), self.groups)
        return em, f1

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """Every slice that has a question, in the order of `DIMENSIONS`."""
        found = {
            (name, label): [question.slices.get(name) == label for question in self.questions]
            for name, labels in DIMENSIONS.items()
            for label in labels
        }
        found = {key: members for key, members in found.items() if any(members)}
        if not found:
            return ()
        em, f1 = self._columns()
        columns = [
            [value if is_in else nan for value, is_in in zip(column, members, strict=True)]
            for members in found.values()
            for column in (em, f1)
        ]
        intervals = iter(bootstrap_each(columns, self.groups))
        return tuple(
            Slice(name, label, sum(members), next(intervals), next(intervals))
            for (name, label), members in found.items()
        )

    @cached_property
    def losses(self) -> dict[str, float]:
        """The share of questions lost to each cause, in percent; with EM they add up to 100."""
        return losses(question.verdict for question in self.questions)

    @cached_property
    def calibration(self) -> Calibration | None:
        """Calibration of the answers that have a probability; None where none has."""
        known = [(question.probability, question.em / 100.0) for question in self.questions]
        sure = [(probability, right) for probability, right in known if probability is not None]
        if not sure:
            return None
        columns = [one for one, _ in sure], [one for _, one in sure]
        return Calibration(expected_calibration_error(*columns), tuple(reliability_curve(*columns)))

    @cached_property
    def human(self) -> Agreement | None:
        """Human agreement; None where no question has two answers."""
        golds: Mapping[str, Sequence[str]] = {question.id: question.references for question in self.questions}
        return agreement(golds, {question.id: question.group for question in self.questions}, self.metric)

    def _columns(self) -> list[list[float]]:
        return [[question.em for question in self.questions], [question.f1 for question in self.questions]]

    def summary(self) -> dict[str, Any]:
        """The analysis without its questions, as JSON."""
        summary: dict[str, Any] = {
            "em": self.scores.em,
            "f1": self.scores.f1,
            **_bounds(*self.intervals),
            "total": self.scores.total,
            "missing": self.scores.missing,
            **self.scores.extra,
            "losses": self.losses,
        }
        if self.human:
            em, f1 = self.human.em, self.human.f1
            summary["human"] = {"em": em.mean, "f1": f1.mean, **_bounds(em, f1), "total": self.human.total}
        if self.calibration:
            curve = [asdict(one) for one in self.calibration.curve]
            summary["calibration"] = {"error": self.calibration.error, "curve": curve}
        slices: dict[str, dict[str, Any]] = {}
        for one in self.slices:
            figures = {"total": one.total, "em": one.em.mean, "f1": one.f1.mean, **_bounds(one.em, one.f1)}
            slices.setdefault(one.dimension, {})[one.label] = figures
        return summary | {"slices": slices}


def agreement(
    golds: Mapping[str, Sequence[str]], groups: Mapping[str, Hashable], metric: str, *, confidence: float = 0.95
) -> Agreement | None:
    """Score annotators by a preset, each against the others; None where no question has two answers.

    A model is scored against one answer more than an annotator, so annotators come out a little too low.

    Args:
        groups: the bootstrap group of each question, such as its paragraph.
    """
    preset = get_preset(metric)
    several = {id_: answers for id_, answers in golds.items() if len(answers) > 1}
    if not several:
        return None
    em, f1 = [], []
    for answers in several.values():
        scores = [
            preset.score(text, [*answers[:number], *answers[number + 1 :]]) for number, text in enumerate(answers)
        ]
        em.append(100.0 * fmean(score.em for score in scores))
        f1.append(100.0 * fmean(score.f1 for score in scores))
    of_em, of_f1 = bootstrap_each([em, f1], [groups[id_] for id_ in several], confidence=confidence)
    return Agreement(of_em, of_f1, len(several))


def _bounds(em: Interval, f1: Interval) -> dict[str, list[float]]:
    return {"em_interval": [em.low, em.high], "f1_interval": [f1.low, f1.high]}
