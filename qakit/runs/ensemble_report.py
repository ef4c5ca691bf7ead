"""What each member adds to an ensemble: scores with intervals, bootstrapped over paragraphs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from qakit.metrics.intervals import Interval, bootstrap
from qakit.runs.ensemble_scores import Labelled, Scored, Weights


class Figures(NamedTuple):
    """EM and F1 in percent, or differences of them in points, with 95 % intervals."""

    em: Interval
    f1: Interval


@dataclass(frozen=True)
class MemberReport:
    """One member.

    Attributes:
        weight: over the largest weight.
        alone: its own scores.
        adds: what the ensemble scores more than without it, the other weights as they are; None where no other counts.
    """

    name: str
    weight: float
    alone: Figures
    adds: Figures | None


@dataclass(frozen=True)
class EnsembleReport:
    """How an ensemble does on labelled questions.

    Attributes:
        how: `fixed`: the weights do not come from these questions. `out-of-fold`: each part of the articles is scored
            with weights that the other parts chose, which is fair; `weight` and `in_sample` are of all parts.
        ensemble: its scores, as `how` says.
        best: the member that scores best alone here, by EM, then F1.
        gain: what the ensemble scores more than `best`. As `best` is chosen on the same questions, this rather
            understates the gain.
        in_sample: the scores of the weights on the questions that chose them: optimistic. None with fixed weights.
        unscored: labelled questions that the scores files do not have; they are left out.
    """

    metric: str
    how: str
    questions: int
    paragraphs: int
    unscored: int
    members: tuple[MemberReport, ...]
    ensemble: Figures
    best: str
    gain: Figures
    in_sample: Figures | None = None

    def summary(self) -> dict[str, Any]:
        """The report as JSON."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def report_fixed(pool: Labelled, weights: Weights) -> EnsembleReport:
    """The report of weights that were not chosen on these questions."""

    def scored(without: int | None) -> Scored | None:
        kept = _without(weights, without)
        return pool.under(kept) if any(kept) else None

    return _report(pool, weights, scored, "fixed")


def report_out_of_fold(pool: Labelled, weights: Weights, *, rounds: int, folds: int) -> EnsembleReport:
    """The report of weights that these questions chose: each part is scored with the choice of the others.

    Raises:
        ConfigError: the questions are of fewer articles than parts.
    """
    part = pool.folds(folds)
    chosen = [tuple(map(float, pool.best_weights(rounds, part != fold))) for fold in range(folds)]

    def scored(without: int | None) -> Scored | None:
        kept = [_without(one, without) for one in chosen]
        if not all(map(any, kept)):
            return None
        scores = np.stack([pool.under(one) for one in kept])
        return np.asarray(scores[part, np.arange(len(part))])

    report = _report(pool, weights, scored, "out-of-fold")
    in_sample = _figures(pool.under(weights), pool.paragraphs)
    return EnsembleReport(**{**vars(report), "in_sample": in_sample})


def _without(weights: Weights, member: int | None) -> Weights:
    return tuple(0.0 if number == member else weight for number, weight in enumerate(weights))


def _report(
    pool: Labelled, weights: Weights, scored: Callable[[int | None], Scored | None], how: str
) -> EnsembleReport:
    """The report.

    Args:
        scored: what the ensemble scores without a member, or whole; None where no other member counts.
    """
    together = scored(None)
    if together is None:
        raise ValueError("an ensemble has one member at least")
    numbers = range(len(pool.names))
    alone = [pool.alone(member) for member in numbers]
    best = max(numbers, key=lambda member: (*alone[member].mean(axis=0).tolist(), -member))
    members = []
    for member in numbers:
        rest = scored(member)
        adds = None if rest is None else _figures(together - rest, pool.paragraphs)
        own = _figures(alone[member], pool.paragraphs)
        members.append(MemberReport(pool.names[member], weights[member] / max(weights), own, adds))
    return EnsembleReport(
        metric=pool.metric,
        how=how,
        questions=len(pool.records),
        paragraphs=len(set(pool.paragraphs)),
        unscored=pool.unscored,
        members=tuple(members),
        ensemble=_figures(together, pool.paragraphs),
        best=pool.names[best],
        gain=_figures(together - alone[best], pool.paragraphs),
    )


def _figures(scored: Scored, groups: Sequence[str]) -> Figures:
    return Figures(*(bootstrap(scored[:, column].tolist(), groups) for column in (0, 1)))
