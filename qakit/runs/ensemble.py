"""`ensemble`: one set of predictions from several models' scores files, for any task; runs without torch."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qakit.chunks import chunked
from qakit.config import DataSettings, EnsembleConfig
from qakit.data.records import AnyRecord
from qakit.data.splits import split_by_article
from qakit.errors import ConfigError
from qakit.io import check_outputs, file_error
from qakit.metrics.intervals import Interval, bootstrap
from qakit.spans.ensembling import Combined, Members, open_members
from qakit.tasks.base import Task, refuse_unused
from qakit.tasks.requests import EnsembleRequest

Weights = tuple[float, ...]
Counts = tuple[int, ...]
Score = tuple[float, ...]
Scored = NDArray[np.float64]
"""Scores of each record in percent, shape (Q, columns)."""
Figures = dict[str, Interval]
"""Scores by name, in percent, or differences of them in points, with 95 % intervals."""
AnyMembers = Members[Any, Any]
_PATIENCE = 5  # rounds without a better ensemble


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
    """Scores of an ensemble on labelled records.

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


@dataclass(frozen=True)
class EnsembleResult:
    """The combined predictions, in the order of the first scores file, and the files that were written.

    Attributes:
        members: the models whose scores were combined.
        weights: those given or found.
        report: what each member adds, where labelled records are given.
    """

    predictions: tuple[Any, ...]
    format: str
    members: tuple[str, ...]
    files: tuple[Path, ...]
    weights: tuple[float, ...] = ()
    report: EnsembleReport | None = None


def ensemble(
    task: Task,
    request: EnsembleRequest,
    config: EnsembleConfig,
    *,
    out: Path | None = None,
    nbest_out: Path | None = None,
) -> EnsembleResult:
    """Combine scores files of the same records.

    Args:
        out: the predictions, in `request.format` or what the data's contest takes.
        nbest_out: the n-best lists, one JSON object.

    Raises:
        ConfigError: an unknown format, or members or options that cannot be combined, or that mean nothing to the task.
        DataError: a file that is no scores file of the task, or one of other records.
    """
    refuse_unused(task, "ensemble", request)
    members = open_checked(task, request, config, [out, nbest_out])
    infos = task.configured(members.infos, config)
    schema = getattr(infos[0], "schema", task.name)
    chosen = task.prediction_format(request.format, schema, out, nbest_out)
    weights, report = choose_weights(task, request, config, members)
    how = how_combined(config)
    predictions = tuple(
        prediction
        for rows in chunked(members, task.records_at_once)
        for prediction in task.combine(rows, infos, how).predictions(weights)
    )
    files = task.write_predictions(predictions, out=out, format=chosen, nbest_out=nbest_out)
    return EnsembleResult(predictions, chosen, tuple(info.model for info in infos), files, weights, report)


@dataclass(frozen=True)
class ScoredMembers:
    """Members' scores of records whose labels are known.

    Attributes:
        names: of the members.
        records: the Q records that have both, in the order of the first scores file.
        metric: how they are scored.
        columns: names of the scores, the most important one first.
        texts: of each record that over which intervals are bootstrapped: its paragraph, or its text.
        score: the scores of the members together, under any weights.
        unscored: labelled records that the scores files do not have.
    """

    names: tuple[str, ...]
    records: tuple[AnyRecord, ...]
    metric: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    score: Callable[[Weights], Scored]
    unscored: int
    _scored: dict[Weights, Scored] = field(default_factory=dict)

    def alone(self, member: int) -> Scored:
        """The scores of one member."""
        return self.under(tuple(float(other == member) for other in range(len(self.names))))

    def under(self, weights: Weights) -> Scored:
        """The scores of the members together."""
        if weights not in self._scored:
            self._scored[weights] = self.score(weights)
        return self._scored[weights]

    def best_weights(self, rounds: int, records: NDArray[np.bool_] | None = None) -> Counts:
        """The weights of the highest scores, the first of which counts most, that greedy forward selection finds.

        Args:
            records: on which, shape (Q,); all when not given.
        """

        def score(counts: Counts) -> tuple[float, ...]:
            scored = self.under(tuple(map(float, counts)))
            return tuple((scored if records is None else scored[records]).mean(axis=0).tolist())

        return forward_selection(len(self.names), score, rounds=rounds)

    def folds(self, count: int) -> NDArray[np.int64]:
        """For each record one of `count` parts that share no article, shape (Q,).

        Raises:
            ConfigError: there are fewer articles.
        """
        articles = len({record.article for record in self.records})
        if articles < count:
            raise ConfigError(
                f"the labelled records are of {articles} articles, which cannot be split into {count} parts to score "
                "the weights fairly; give more of them, or --set folds=N"
            )
        parts = split_by_article(self.records, [1 / count] * count, seed=0)
        part_of = {record.id: number for number, part in enumerate(parts) for record in part}
        return np.array([part_of[record.id] for record in self.records])


def how_combined(config: EnsembleConfig) -> Combined:
    """The method that combines members under given weights."""
    return Combined("vote" if config.method == "vote" else "mean", config.average, config.nbest)


def open_checked(
    task: Task, request: EnsembleRequest, config: EnsembleConfig, outputs: Sequence[Path | None]
) -> AnyMembers:
    """Open the files that are combined.

    Raises:
        ConfigError: options that contradict each other, or an output that is an input.
        DataError: files that cannot be combined.
    """
    _check(request, config)
    check_outputs(outputs, request.inputs)
    return open_members(request.scores, task.open_scores, task.check_members)


def _check(request: EnsembleRequest, config: EnsembleConfig) -> None:
    """Options that contradict each other."""
    count = len(request.scores)
    if config.weights is not None and len(config.weights) != count:
        given = ",".join(f"{weight:g}" for weight in config.weights)
        raise ConfigError(f"--weights {given}: {len(config.weights)} for {count} scores files; give one for each")
    if config.method == "greedy" and not request.tune_on:
        raise ConfigError("--method greedy: give --tune-on, labelled data on which it chooses the weights")
    if config.method != "greedy" and (request.tune_on or request.tune_scores):
        raise ConfigError(
            f"--tune-on and --tune-scores are for --method greedy, not {config.method}; to score SCORES, give --data"
        )
    if request.tune_scores and len(request.tune_scores) != count:
        raise ConfigError(
            f"--tune-scores: {len(request.tune_scores)} files for {count} members; give the scores file of each member "
            "on the questions of --tune-on, in the order of SCORES"
        )
    if request.gold and not request.data:
        raise ConfigError("--gold: give --data too, the questions of SCORES whose answers these are")
    if request.data and request.tune_on and not request.tune_scores:
        raise ConfigError("--data: SCORES are those of --tune-on; give --tune-scores, the members' scores of --tune-on")


def choose_weights(
    task: Task, request: EnsembleRequest, config: EnsembleConfig, members: AnyMembers
) -> tuple[tuple[float, ...], EnsembleReport | None]:
    """The weights, and the report where labelled records are given: on `data`, else on those that chose them."""
    weights = config.weights or (1.0,) * len(request.scores)
    tuned = None
    if request.tune_on:
        tune_members = members
        if request.tune_scores:
            tune_members = open_members(request.tune_scores, task.open_scores, task.check_members)
        _check_order(members, tune_members)
        tuned = score_members(task, request, request.tune_on, None, tune_members, config)
        weights = tuple(map(float, tuned.best_weights(config.rounds)))
    if request.data:
        return weights, report_fixed(score_members(task, request, request.data, request.gold, members, config), weights)
    if tuned:
        return weights, report_out_of_fold(tuned, weights, rounds=config.rounds, folds=config.folds)
    return weights, None


def _check_order(members: AnyMembers, tune_members: AnyMembers) -> None:
    """The weight that a member gets must not go to another one."""
    names, others = ([info.model for info in one.infos] for one in (members, tune_members))
    if names != others and Counter(names) == Counter(others):
        raise ConfigError(
            f"--tune-scores are of {', '.join(others)}, SCORES of {', '.join(names)}: give both in the same order"
        )


def score_members(
    task: Task, request: EnsembleRequest, data: Path, gold: Path | None, members: AnyMembers, config: EnsembleConfig
) -> ScoredMembers:
    """The members' scores of a dataset's labelled records, under any weights.

    Raises:
        DataError: no labelled record is among the members', or scores are of other texts.
    """
    dataset = task.read([data], DataSettings(train=(data,), context=request.context))
    infos = task.configured(members.infos, config)
    references = task.references(dataset, gold, config.metric).judged(infos)
    records = shared_records(members, references.labelled, dataset.files)
    ids = {record.id for record in records}
    best_only = replace(how_combined(config), nbest=1)
    combiners = []
    for rows in chunked((row for row in members if row[0].id in ids), task.records_at_once):
        task.check_same_texts([row[0] for row in rows], references, data, request.scores[0])
        combiners.append(task.combine(rows, infos, best_only))

    def score(weights: Weights) -> Scored:
        found = [prediction for combiner in combiners for prediction in combiner.predictions(weights)]
        return np.array([references.score(prediction) for prediction in found], dtype=np.float64)

    return ScoredMembers(
        names=tuple(map(str, request.scores)),
        records=records,
        metric=references.metric,
        columns=references.columns,
        texts=tuple(map(references.group, records)),
        score=score,
        unscored=references.total - len(records),
    )


def shared_records(members: AnyMembers, records: Sequence[AnyRecord], files: Sequence[Path]) -> tuple[Any, ...]:
    """The labelled records that scores files have too, in their order.

    Args:
        files: that the records are from, for the message.

    Raises:
        DataError: there is none.
    """
    known = {record.id: record for record in records}
    shared = tuple(known[name] for name in members.ids if name in known)
    if not shared:
        some = next(iter(members.ids), None), next(iter(known), None)
        file = ", ".join(map(str, files)) or "the data"
        message = f"no record has a label in {file}: it has {some[0]!r}, the data {some[1]!r}"
        raise file_error(Path(members.files[0].path), "id", message)
    return shared


def report_fixed(pool: ScoredMembers, weights: Weights) -> EnsembleReport:
    """The report of weights that were not chosen on these records."""

    def scored(without: int | None) -> Scored | None:
        kept = _without(weights, without)
        return pool.under(kept) if any(kept) else None

    return _report(pool, weights, scored, "fixed")


def report_out_of_fold(pool: ScoredMembers, weights: Weights, *, rounds: int, folds: int) -> EnsembleReport:
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
    pool: ScoredMembers, weights: Weights, scored: Callable[[int | None], Scored | None], how: str
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


def _figures(scored: Scored, pool: ScoredMembers) -> Figures:
    columns = zip(pool.columns, scored.T.tolist(), strict=True)
    return {name: bootstrap(values, pool.texts) for name, values in columns}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def forward_selection(size: int, score: Callable[[Counts], Score], *, rounds: int) -> Counts:
    """Choose how often each of `size` members counts, by greedy forward selection with replacement.

    From nothing, the member that helps most is added, again and again, and the best of the ensembles on that way is
    kept (Caruana, Niculescu-Mizil, Crew and Ksikes, ICML 2004). A member may be added many times: its count is its
    weight. Unlike there, a member that has all the weight is not added again, which would change nothing: two members
    that disagree often score no more than the better one, and a third decides between them.

    Ties go to the earlier member, then to the ensemble of fewer rounds. The search ends early when five rounds
    brought nothing.

    Args:
        score: of an ensemble, larger is better; it is asked for counts without a common divisor, some of them again.
        rounds: members that are added at most.

    Returns:
        The counts without their common divisor.
    """
    counts: Counts = (0,) * size
    best, reached, since = counts, None, 0
    for _ in range(rounds):
        added = [(*counts[:member], counts[member] + 1, *counts[member + 1 :]) for member in range(size)]
        added = [option for option in added if _reduced(option) != _reduced(counts)]
        if not added:
            break
        scored = [score(_reduced(option)) for option in added]
        top = max(scored)
        counts = added[scored.index(top)]
        if reached is None or top > reached:
            best, reached, since = counts, top, 0
        else:
            since += 1
        if since == _PATIENCE:
            break
    return _reduced(best)


def _reduced(counts: Counts) -> Counts:
    divisor = gcd(*counts) or 1
    return tuple(count // divisor for count in counts)
