"""`ensemble`: one set of predictions from several models' scores files, for any task; runs without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.chunks import chunked
from qakit.config import EnsembleConfig
from qakit.runs.ensemble_weights import EnsembleReport, choose_weights, how_combined, open_checked
from qakit.tasks.base import EnsembleRequest, Task, refuse_unused


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
