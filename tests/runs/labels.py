"""Tasks on labels through the runs that all tasks share, in as few words as tests want."""

from pathlib import Path
from typing import Any

from qakit.config import EnsembleConfig, ReadConfig
from qakit.data.labels import read_labelled
from qakit.data.records import Dataset
from qakit.runs.ensemble import EnsembleResult, ensemble
from qakit.runs.evaluate import evaluate
from qakit.runs.predict import PredictResult, predict
from qakit.tasks.base import Models
from qakit.tasks.labels.evaluation import LabelEvaluation
from qakit.tasks.registry import TASKS, task_of_scores
from qakit.tasks.requests import EnsembleRequest, EvaluateRequest


def read(path: Path, task: str) -> Dataset[Any]:
    return read_labelled([path], TASKS[task].schema)


def evaluate_labels(data: Path, task: str, config: ReadConfig | None = None, **request: Any) -> LabelEvaluation:
    return evaluate(TASKS[task], EvaluateRequest(data=data, **request), config or ReadConfig())[0]


def load_labeller(model: Path, task: str, config: ReadConfig | None = None) -> Models:
    return TASKS[task].load(str(model), None, config or ReadConfig())


def predict_labels(dataset: Dataset[Any], models: Models, **files: Path) -> PredictResult:
    return predict(TASKS[dataset.schema], dataset, models, ReadConfig(), **files)


def ensemble_labels(request: EnsembleRequest, config: EnsembleConfig, **files: Path) -> EnsembleResult:
    return ensemble(task_of_scores(request.scores[0]), request, config, **files)
