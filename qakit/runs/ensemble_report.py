"""What each member adds to an ensemble: scores with intervals, bootstrapped over paragraphs or texts."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from qakit.metrics.intervals import Interval, bootstrap
from qakit.runs.ensemble_scores import Labelled, Scored, Weights

Figures = dict[str, Interval]
"""Scores by name, in percent, or differences of them in points, with 95 % intervals."""


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
    """How an ensemble does on labelled records.

    Attributes:
        records, texts: how many there are, and of how many paragraphs or texts.
        how: `fixed`: the weights do not come from these records. `out-of-fold`: each part of the articles is scored
            with weights that the other parts chose, which is fair; `weight` and `in_sample` are of all parts.
        ensemble: its scores, as `how` says.
        best: the member that scores best alone here, by the first score, then the next.
        gain: what the ensemble scores more than `best`. As `best` is chosen on the same records, this rather
            understates the gain.
        in_sample: the scores of the weights on the records that chose them: optimistic. None with fixed weights.
        unscored: labelled records that the scores files do not have; they are left out.
    """

    metric: str
    how: str
    records: int
    texts: int
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
    """The report of weights that were not chosen on these records."""

    def scored(without: int | None) -> Scored | None:
        kept = _without(weights, without)
        return pool.under(kept) if any(kept) else None

    return _report(pool, weights, scored, "fixed")


def report_out_of_fold(pool: Labelled, weights: Weights, *, rounds: int, folds: int) -> EnsembleReport:
    """The report of weights that these records chose: each part is scored with the choice of the others.

    Raises:
        ConfigError: the records are of fewer articles than parts.
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
    in_sample = _figures(pool.under(weights), pool)
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
        adds = None if rest is None else _figures(together - rest, pool)
        own = _figures(alone[member], pool)
        members.append(MemberReport(pool.names[member], weights[member] / max(weights), own, adds))
    return EnsembleReport(
        metric=pool.metric,
        how=how,
        records=len(pool.records),
        texts=len(set(pool.texts)),
        unscored=pool.unscored,
        members=tuple(members),
        ensemble=_figures(together, pool),
        best=pool.names[best],
        gain=_figures(together - alone[best], pool),
    )


def _figures(scored: Scored, pool: Labelled) -> Figures:
    columns = zip(pool.columns, scored.T.tolist(), strict=True)
    return {name: bootstrap(values, pool.texts) for name, values in columns}
