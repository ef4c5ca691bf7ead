"""How `ensemble` comes to its weights, and to a report of them, whatever the members are of."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from qakit.config import EnsembleConfig
from qakit.errors import ConfigError
from qakit.runs.ensemble_report import EnsembleReport, report_fixed, report_out_of_fold
from qakit.runs.ensemble_scores import Labelled
from qakit.runs.outputs import check_outputs
from qakit.spans.ensembling import Combined
from qakit.spans.members import Members

AnyMembers = TypeVar("AnyMembers", bound=Members[Any, Any])


@dataclass(frozen=True)
class EnsembleRequest:
    """What is combined, and on which labelled records weights are chosen and members reported.

    Attributes:
        scores: the files that are combined.
        tune_on: labelled records on which `greedy` chooses the weights.
        tune_scores: the same members' scores files of these records, in the order of `scores`; none where `scores` are
            of them.
        data: the records of `scores` with their labels, for the report.
        gold: a file of answers for `data` without.
        context: ADL's context.json of the data.
    """

    scores: tuple[Path, ...]
    tune_on: Path | None = None
    tune_scores: tuple[Path, ...] = ()
    data: Path | None = None
    gold: Path | None = None
    context: Path | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read, but for the context."""
        return tuple(filter(None, (*self.scores, *self.tune_scores, self.tune_on, self.data, self.gold)))


@dataclass(frozen=True)
class Kind(Generic[AnyMembers]):
    """What members are of: questions, or texts with labels.

    Attributes:
        open: opens scores files.
        labelled: the labelled records of a data file (with a file of answers, perhaps) that members have.
    """

    open: Callable[[Sequence[Path]], AnyMembers]
    labelled: Callable[[Path, Path | None, AnyMembers], Labelled]


def how_combined(config: EnsembleConfig) -> Combined:
    """How members are combined under given weights."""
    return Combined("vote" if config.method == "vote" else "mean", config.average, config.nbest)


def open_checked(
    request: EnsembleRequest, config: EnsembleConfig, kind: Kind[AnyMembers], outputs: Sequence[Path | None]
) -> AnyMembers:
    """Open the files that are combined.

    Raises:
        ConfigError: options that contradict each other, or an output that is an input.
        DataError: files that cannot be combined.
    """
    _check(request, config)
    check_outputs(outputs, request.inputs)
    return kind.open(request.scores)


def choose_weights(
    request: EnsembleRequest, config: EnsembleConfig, members: AnyMembers, kind: Kind[AnyMembers]
) -> tuple[tuple[float, ...], EnsembleReport | None]:
    """The weights, and the report where labelled records are given: on `data`, else on those that chose them."""
    weights = config.weights or (1.0,) * len(request.scores)
    tuned = None
    if request.tune_on:
        tune_members = kind.open(request.tune_scores) if request.tune_scores else members
        _check_order(members, tune_members)
        tuned = kind.labelled(request.tune_on, None, tune_members)
        weights = tuple(map(float, tuned.best_weights(config.rounds)))
    if request.data:
        return weights, report_fixed(kind.labelled(request.data, request.gold, members), weights)
    if tuned:
        return weights, report_out_of_fold(tuned, weights, rounds=config.rounds, folds=config.folds)
    return weights, None


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


def _check_order(members: Members[Any, Any], tune_members: Members[Any, Any]) -> None:
    """The weight that a member gets must not go to another one."""
    names, others = ([info.model for info in one.infos] for one in (members, tune_members))
    if names != others and Counter(names) == Counter(others):
        raise ConfigError(
            f"--tune-scores are of {', '.join(others)}, SCORES of {', '.join(names)}: give both in the same order"
        )
