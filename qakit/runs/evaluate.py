"""`evaluate`: scores of predictions, of a scores file or of models, for any task. Only models need torch."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from qakit.config import DataSettings, ReadConfig
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.io import check_outputs, check_table_suffix, file_error, write_table
from qakit.tasks.base import EvaluateRequest, Task, refuse_unused

__all__ = ["EvaluateRequest", "evaluate"]


def evaluate(task: Task, request: EvaluateRequest, config: ReadConfig) -> tuple[Any, tuple[Path, ...]]:
    """Score what is asked for, and write details and report where they are asked for.

    Returns:
        The `Evaluation`, and the files that were written.

    Raises:
        ConfigError: not one thing to score, nothing to score it against, no such metric, an option that means nothing
            to the task, or a file that cannot be what its name says.
        DataError: a file that cannot be read.
    """
    refuse_unused(task, "evaluate", request, config.decoding)
    given = [request.pred, request.scores, request.model or request.selector]
    if sum(thing is not None for thing in given) != 1:
        raise ConfigError("give one thing to score: --pred, --scores, or --model and/or --selector")
    _check_files(request)
    task.check_request(request, config.decoding)
    result = _scored(task, request, config)
    files: list[Path] = []
    if request.details:
        write_table(result.rows, request.details)
        files.append(request.details)
    if request.report:
        files += task.write_report(result, request.report, _facts(request))
    return result, tuple(files)


def _check_files(request: EvaluateRequest) -> None:
    """Whatever is wrong with files is told before any work."""
    if request.details:
        check_table_suffix(request.details)
    if request.report and request.report.suffix not in (".html", ".htm"):
        raise ConfigError(f"--report {request.report}: is one HTML file; give it a name that ends in .html")
    for path in request.compare:
        if not path.is_file():
            raise file_error(path, "file", "No such file")
    inputs = (request.pred, request.scores, request.data, request.gold, request.context, *request.compare)
    check_outputs([request.details, request.report], filter(None, inputs))


def _scored(task: Task, request: EvaluateRequest, config: ReadConfig) -> Any:
    data = None
    if request.data:
        settings = DataSettings(train=(request.data,), context=request.context, lenient=request.lenient)
        data = task.read([request.data], settings)
    references = task.references_for(request, data)
    if request.pred:
        result = task.score_predictions(request.pred, references)
    elif request.scores:
        result = task.score_scores_file(request.scores, references)
    else:
        result = _score_models(task, request, _needed(data), references, config)
    comparisons = tuple(task.compare(path, result, references) for path in request.compare)
    return replace(result, comparisons=comparisons)


def _score_models(task: Task, request: EvaluateRequest, data: Dataset[Any], references: Any, config: ReadConfig) -> Any:
    models = task.load(request.model, request.selector, config)
    if not request.tune:
        return task.score_models(data, references, models, config)
    models, tuned = task.tune(request.tune, data, references, models, config)
    return replace(task.score_models(data, references, models, config), tuned=tuned)


def _needed(data: Dataset[Any] | None) -> Dataset[Any]:
    if data is None:
        raise ConfigError("--data: a model needs the questions it is to answer")
    return data


def _facts(request: EvaluateRequest) -> Sequence[tuple[str, object]]:
    """The inputs and the day, for the head of the report."""
    return [
        ("Model", request.model),
        ("Selector", request.selector),
        ("Predictions", request.pred),
        ("Scores file", request.scores),
        ("Data", request.data),
        ("Right answers", request.gold),
        ("Date", datetime.now().astimezone().date()),
    ]
