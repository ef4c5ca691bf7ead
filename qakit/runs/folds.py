"""Cross-validation: a training for each part of the data, and scores of every question by a model that never saw it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.config import DecodingSettings, ReadConfig, TrainConfig
from qakit.config_files import load_config
from qakit.data.records import Dataset
from qakit.data.splits import held_out
from qakit.errors import ConfigError
from qakit.modeling.processes import is_main_process
from qakit.runs.events import Listener, Note, TrainResult
from qakit.runs.folder import RunFolder, data_hashes
from qakit.runs.predict import load_models, predict
from qakit.runs.train import train
from qakit.spans.scores import QuestionScores, ScoresInfo, read_scores, write_scores
from qakit.tasks.base import Task

SCORES = "scores.parquet"


@dataclass(frozen=True)
class FoldsResult:
    """What the trainings came to, in the order of the folds; `scores_file` has every question once, out of its fold."""

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
    they are.

    Raises:
        QakitError, Stopped: as `train`.
    """
    began = time.monotonic()
    if resume not in (None, "auto"):
        raise ConfigError(f"--resume {resume}: with folds each has checkpoints of its own; give --resume auto")
    folder = RunFolder(config.out, writes=is_main_process())
    with folder.opened(resume=resume is not None, overwrite=overwrite):
        data = task.read(config.data.train, config.data)
        if not overwrite:
            _check_folds(folder, config)
        folder.prepare(overwrite=overwrite)
        folder.describe(config, task.name, data_hashes(data.files))
        results, scores_file = _train_each(task, config, folder, data, resume, listen)
    return FoldsResult(config.out, results, scores_file, time.monotonic() - began)


def _check_folds(folder: RunFolder, config: TrainConfig) -> None:
    """Make sure that a run which is to go on is one of as many folds.

    Raises:
        ConfigError: it is not.
    """
    if folder.writes and folder.config.exists():
        before = load_config(TrainConfig, [folder.config]).data.folds
        if before != config.data.folds:
            message = f"{folder.path}: was made with data.folds {before}, not {config.data.folds}"
            raise ConfigError(f"{message}; give --overwrite or another --out")


def _train_each(
    task: Task, config: TrainConfig, folder: RunFolder, data: Dataset[Any], resume: str | None, listen: Listener
) -> tuple[tuple[TrainResult, ...], Path | None]:
    results, files = [], []
    for fold in range(1, (config.data.folds or 1) + 1):
        own = _config_of(config, fold)
        listen(Note(f"fold {fold} of {config.data.folds}, in {own.out}"))
        results.append(train(task, own, resume=resume, listen=listen))
        if task.name == "qa":
            files.append(_score(data, own, fold))
    if files and folder.writes:
        _merge(files, folder.out_of_fold, [record.id for record in data])
    return tuple(results), folder.out_of_fold if files else None


def _config_of(config: TrainConfig, fold: int) -> TrainConfig:
    data = config.data.model_copy(update={"fold": fold})
    return config.model_copy(update={"data": data, "out": config.out / f"fold-{fold}"})


def _score(data: Dataset, config: TrainConfig, fold: int) -> Path:
    """Let a fold's model answer the part it never saw."""
    _, part = held_out(data, fold, config.data.folds or 1)
    file = config.out / SCORES
    reading = ReadConfig(decoding=DecodingSettings(), inference=config.inference)
    predict(part, load_models(str(config.out), None), reading, scores=file)
    return file


def _merge(files: list[Path], out: Path, order: list[str]) -> None:
    """All folds' scores in one file, in the order of the data."""
    members = [read_scores(file) for file in files]
    questions = {question.id: question for question in _questions(members)}
    infos = [info for _, info in members]
    together = ScoresInfo(
        schema=infos[0].schema,
        model=str(out.parent),
        max_answer_length=max(info.max_answer_length for info in infos),
        max_answer_characters=max(info.max_answer_characters for info in infos),
        null_threshold=infos[0].null_threshold,
    )
    write_scores(out, (questions[name] for name in order if name in questions), together)


def _questions(members: list[tuple[list[QuestionScores], ScoresInfo]]) -> Iterator[QuestionScores]:
    for questions, _ in members:
        yield from questions
