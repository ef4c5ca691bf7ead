"""`evaluate`: scores of predictions, of a scores file or of models. All but the last run without torch."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from qakit.config import ReadConfig
from qakit.data.formats import read_dataset
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.io import check_details, check_outputs, write_details
from qakit.metrics.presets import get_preset
from qakit.tasks.questions.evaluation import (
    EvaluateResult,
    References,
    check_compared,
    compare_with,
    evaluate_models,
    evaluate_predictions,
    evaluate_scores,
    evaluate_selector,
    evaluate_texts,
    references_of,
)

__all__ = [
    "EvaluateRequest",
    "EvaluateResult",
    "References",
    "evaluate",
    "evaluate_models",
    "evaluate_predictions",
    "evaluate_scores",
    "evaluate_texts",
    "references_of",
]


@dataclass(frozen=True)
class EvaluateRequest:
    """What to score (`pred`, `scores`, or `model` with `selector`) against what (`data`, `gold`).

    `details` is the file for the rows of the result: `.csv`, `.json`, `.jsonl` or `.parquet`. `report` is the page to
    write, `.html`. `compare` are predictions or scores files of the same questions. `tune` names settings of decoding
    (`qakit.tasks.questions.tuning.SETTING`) that are to score best on `data`, and to be kept with the model.
    """

    pred: Path | None = None
    scores: Path | None = None
    model: str | None = None
    selector: str | None = None
    data: Path | None = None
    gold: Path | None = None
    context: Path | None = None
    metric: str | None = None
    details: Path | None = None
    report: Path | None = None
    compare: tuple[Path, ...] = ()
    lenient: bool = False
    tune: tuple[str, ...] = ()


def evaluate(request: EvaluateRequest, config: ReadConfig) -> EvaluateResult:
    """Score what is asked for, and write details and report where they are asked for.

    Raises:
        ConfigError: not one thing to score, nothing to score it against, no such metric, or a file that cannot be what
            its name says.
        DataError: a file that cannot be read.
    """
    if request.metric:
        get_preset(request.metric)
    _check_files(request)
    if request.tune:
        from qakit.tasks.questions.tuning import check_tuning

        check_tuning(request.tune, request.model, config.decoding)
    result = _evaluate(request, config)
    if request.details:
        write_details(result.rows, request.details)
    if request.report:
        from qakit.tasks.questions.report import write_report

        write_report(result, request.report, facts=_facts(request), model=request.model)
    return result


def _check_files(request: EvaluateRequest) -> None:
    if request.details:
        check_details(request.details)
    if request.report:
        from qakit.tasks.questions.report import check_report

        check_report(request.report)
        if request.selector and not request.model:
            raise ConfigError("--report: a selector alone gives no answers to show; give --model too")
    check_compared(request.compare)
    inputs = (request.pred, request.scores, request.data, request.gold, request.context, *request.compare)
    check_outputs([request.details, request.report], filter(None, inputs))


def _facts(request: EvaluateRequest) -> list[tuple[str, object]]:
    """What was given, and the day, for the head of the report."""
    return [
        ("Model", request.model),
        ("Selector", request.selector),
        ("Predictions", request.pred),
        ("Scores file", request.scores),
        ("Data", request.data),
        ("Right answers", request.gold),
        ("Date", datetime.now().astimezone().date()),
    ]


def _evaluate(request: EvaluateRequest, config: ReadConfig) -> EvaluateResult:
    given = [request.pred, request.scores, request.model or request.selector]
    if sum(thing is not None for thing in given) != 1:
        raise ConfigError("give one thing to score: --pred, --scores, or --model and/or --selector")
    data = read_dataset([request.data], context=request.context, lenient=request.lenient) if request.data else None
    if request.selector and not request.model:
        if request.compare:
            raise ConfigError("--compare: a selector alone gives no answers to compare; give --model too")
        return evaluate_selector(_needed(data), request.selector, config)
    references = references_of(data, request.gold)
    result = _answers(request, data, references, config)
    if not (request.compare and result.analysis):
        return result
    compared = tuple(compare_with(path, result.analysis, references) for path in request.compare)
    return replace(result, comparisons=compared)


def _answers(
    request: EvaluateRequest, data: Dataset | None, references: References, config: ReadConfig
) -> EvaluateResult:
    """The scores of what is given."""
    if request.pred:
        return evaluate_predictions(request.pred, references, metric=request.metric)
    if request.scores:
        return evaluate_scores(request.scores, references, metric=request.metric)
    from qakit.tasks.questions.models import load_models

    models = load_models(request.model, request.selector, inference=config.inference)
    metric = request.metric or references.default_metric
    if not request.tune:
        return evaluate_models(_needed(data), references, models, config, metric=metric)
    from qakit.tasks.questions.tuning import tune

    models, tuned = tune(request.tune, _needed(data), references.golds, models, config, metric=metric)
    result = evaluate_models(_needed(data), references, models, config, metric=metric)
    return replace(result, tuned=tuple(tuned))


def _needed(data: Dataset | None) -> Dataset:
    if data is None:
        raise ConfigError("--data: a model needs the questions it is to answer")
    return data
