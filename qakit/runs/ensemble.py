"""`ensemble`: one set of predictions from several models' scores files; runs without torch."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from qakit.config import EnsembleConfig
from qakit.data.formats import read_dataset
from qakit.errors import ConfigError
from qakit.metrics.presets import get_preset
from qakit.runs.ensemble_report import EnsembleReport, report_fixed, report_out_of_fold
from qakit.runs.ensemble_scores import TOGETHER, Labelled, labelled
from qakit.runs.evaluate import references_of
from qakit.runs.outputs import check_outputs, chosen_format, write_outputs
from qakit.spans.answers import Prediction
from qakit.spans.ensembling import Combined, combine
from qakit.spans.members import Members, open_members


@dataclass(frozen=True)
class EnsembleRequest:
    """What is combined, and on which labelled questions weights are chosen and members reported.

    Attributes:
        scores: the files that are combined.
        tune_on: labelled questions on which `greedy` chooses the weights.
        tune_scores: the same members' scores files of these questions, in the order of `scores`; none where `scores`
            are of them.
        data: the questions of `scores` with their answers, for the report.
        gold: a file of answers for `data` without.
        context: ADL's context.json of the data.
    """

    scores: tuple[Path, ...]
    tune_on: Path | None = None
    tune_scores: tuple[Path, ...] = ()
    data: Path | None = None
    gold: Path | None = None
    context: Path | None = None


@dataclass(frozen=True)
class EnsembleResult:
    """The combined predictions, in the order of the first scores file, and the files that were written.

    `weights` are those given or found, `report` what each member adds where answers are known.
    """

    predictions: tuple[Prediction, ...]
    format: str
    members: tuple[str, ...]
    files: tuple[Path, ...]
    weights: tuple[float, ...] = ()
    report: EnsembleReport | None = None


def ensemble(
    request: EnsembleRequest,
    config: EnsembleConfig,
    *,
    out: Path | None = None,
    format: str | None = None,
    nbest_out: Path | None = None,
) -> EnsembleResult:
    """Combine scores files of the same questions.

    Args:
        format: of the predictions; what the data's contest takes when not given.
        nbest_out: the n-best lists, one JSON object.

    Raises:
        ConfigError: an unknown format, or members or options that cannot be combined.
        DataError: a file that is no scores file, or one of other questions.
    """
    _check(request, config)
    inputs = filter(None, (*request.scores, *request.tune_scores, request.tune_on, request.data, request.gold))
    check_outputs([out, nbest_out], inputs)
    members = open_members(request.scores)
    chosen = chosen_format(format, members.infos[0].schema, out)
    how = Combined("vote" if config.method == "vote" else "mean", config.average, config.nbest)
    weights, report = _weights(request, config, members, how)
    predictions = tuple(_combined(members, how, weights))
    files = write_outputs(predictions, out=out, format=chosen, nbest_out=nbest_out)
    names = tuple(info.model for info in members.infos)
    return EnsembleResult(predictions, chosen, names, files, weights, report)


def _combined(members: Members, how: Combined, weights: Sequence[float]) -> Iterator[Prediction]:
    """The combined answers, some questions at a time."""
    rows = iter(members)
    while questions := list(islice(rows, TOGETHER)):
        yield from combine(questions, members.infos, how, weights)


def _weights(
    request: EnsembleRequest, config: EnsembleConfig, members: Members, how: Combined
) -> tuple[tuple[float, ...], EnsembleReport | None]:
    """The weights, and the report where labelled questions are given: on `data`, else on those that chose them."""
    weights = config.weights or (1.0,) * len(request.scores)
    tuned = None
    if request.tune_on:
        tune_members = open_members(request.tune_scores) if request.tune_scores else members
        _check_order(members, tune_members)
        tuned = _labelled(request, request.tune_on, None, tune_members, how, config)
        weights = tuple(map(float, tuned.best_weights(config.rounds)))
    if request.data:
        pool = _labelled(request, request.data, request.gold, members, how, config)
        return weights, report_fixed(pool, weights)
    if tuned:
        return weights, report_out_of_fold(tuned, weights, rounds=config.rounds, folds=config.folds)
    return weights, None


def _labelled(
    request: EnsembleRequest, data: Path, gold: Path | None, members: Members, how: Combined, config: EnsembleConfig
) -> Labelled:
    dataset = read_dataset([data], context=request.context)
    names = tuple(map(str, request.scores))
    best_only = Combined(how.method, how.average)
    return labelled(members, names, dataset, references_of(dataset, gold), best_only, config.metric)


def _check(request: EnsembleRequest, config: EnsembleConfig) -> None:
    """Options that contradict each other."""
    count = len(request.scores)
    if config.metric:
        get_preset(config.metric)
    if config.weights is not None and len(config.weights) != count:
        given = ",".join(f"{weight:g}" for weight in config.weights)
        raise ConfigError(f"--weights {given}: {len(config.weights)} for {count} scores files; give one for each")
    if config.method == "greedy" and not request.tune_on:
        raise ConfigError("--method greedy: give --tune-on, labelled questions on which it chooses the weights")
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


def _check_order(members: Members, tune_members: Members) -> None:
    """The weight that a member gets must not go to another one."""
    names, others = ([info.model for info in one.infos] for one in (members, tune_members))
    if names != others and Counter(names) == Counter(others):
        raise ConfigError(
            f"--tune-scores are of {', '.join(others)}, SCORES of {', '.join(names)}: give both in the same order"
        )
