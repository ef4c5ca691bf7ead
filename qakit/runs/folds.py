"""Cross-validation: a training for each part of the data, and scores of every question by a model that never saw it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.config import DecodingSettings, ReadConfig, TrainConfig
from qakit.data.records import Dataset
from qakit.data.splits import held_out
from qakit.errors import ConfigError
from qakit.modeling.processes import is_main_process
from qakit.runs.folder import FoldFolder, RunFolder
from qakit.runs.predict import predict
from qakit.runs.train import train
from qakit.signals import StopSignals
from qakit.tasks.base import Task
from qakit.training.events import Listener, Note, TrainResult

SCORES = "scores.parquet"


@dataclass(frozen=True)
class FoldsResult:
    """Results of the trainings, in the order of the folds; `scores_file` has every question once, out of its fold."""

    out: Path
    results: tuple[TrainResult, ...]
    scores_file: Path | None
    seconds: float


def train_folds(
    task: Task,
    config: TrainConfig,
    *,
    resume: str | None = None,
    overwrite: bool = False,
    listen: Listener = lambda event: None,
) -> FoldsResult:
    """Train `data.folds` models, in `OUT/fold-1` and so on, each without one part of the data.

    For span extraction each model's scores of the part it never saw are written beside it, and all of them together to
    `OUT/out-of-fold.scores.parquet`, for `ensemble` or as a teacher. With `resume="auto"` folds that are done stay as
    they are, also those that `train_fold` made there one by one.

    Raises:
        QakitError, Stopped: as `train`.
    """
    began = time.monotonic()
    if resume not in (None, "auto"):
        raise ConfigError(f"--resume {resume}: with folds each has checkpoints of its own; give --resume auto")
    folder = RunFolder(config.out, writes=is_main_process())
    with StopSignals(), folder.opened(resume=resume is not None, overwrite=overwrite):
        if not overwrite:
            folder.require_same_folds(config)
        results = []
        for fold in range(1, (config.data.folds or 1) + 1):
            own = _config_of(config, fold)
            listen(Note(f"fold {fold} of {config.data.folds}, in {own.out}"))
            options = {"resume": resume, "overwrite": overwrite and fold == 1, "listen": listen}
            results.append(train_fold(task, own, folder=FoldFolder(folder, own, config), **options))
        scores_file = _merge(task, config, folder)
    return FoldsResult(config.out, tuple(results), scores_file, time.monotonic() - began)


def train_fold(task: Task, config: TrainConfig, **options: Any) -> TrainResult:
    """Train the model without part `data.fold`; for span extraction `OUT/scores.parquet` has its scores of that part.

    Args:
        options: as of `train`.

    Raises:
        QakitError, Stopped: as `train`.
    """
    result = train(task, config, **options)
    if task.merges_scores:
        _score(task, task.read(config.data.train, config.data), config)
    return result


def _config_of(config: TrainConfig, fold: int) -> TrainConfig:
    data = config.data.model_copy(update={"fold": fold})
    return config.model_copy(update={"data": data, "out": config.out / f"fold-{fold}"})


def _score(task: Task, data: Dataset[Any], config: TrainConfig) -> None:
    """Let a fold's model answer the part it never saw."""
    _, part = held_out(data, config.data.fold or 1, config.data.folds or 1)
    reading = ReadConfig(decoding=DecodingSettings(), inference=config.inference)
    models = task.load(str(config.out), None, reading)
    predict(task, part, models, reading, scores=config.out / SCORES)


def _merge(task: Task, config: TrainConfig, folder: RunFolder) -> Path | None:
    """All folds' scores in one file, in the order of the data."""
    if not task.merges_scores:
        return None
    out = folder.out_of_fold
    if not folder.writes:
        return out
    order = [record.id for record in task.read(config.data.train, config.data)]
    files = [_config_of(config, fold).out / SCORES for fold in range(1, (config.data.folds or 1) + 1)]
    task.merge_scores(out, order, files, model=str(folder.path))
    return out
