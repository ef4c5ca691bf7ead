"""The commands on questions, in as few words as tests want."""

from pathlib import Path
from typing import Any

from qakit.config import EnsembleConfig, ReadConfig
from qakit.runs import ensemble as ensembles
from qakit.runs import evaluate as evaluations
from qakit.runs import evaluate as linting
from qakit.runs import predict as predictions
from qakit.runs.ensemble import EnsembleResult
from qakit.runs.evaluate import LintRequest, LintResult
from qakit.tasks.questions.evaluation import QuestionEvaluation
from qakit.tasks.registry import QUESTIONS
from qakit.tasks.requests import EnsembleRequest, EvaluateRequest


def predict(*given: Any, **options: Any) -> predictions.PredictResult:
    return predictions.predict(QUESTIONS, *given, **options)


def evaluate(request: EvaluateRequest, config: ReadConfig) -> QuestionEvaluation:
    return evaluations.evaluate(QUESTIONS, request, config)[0]


def ensemble(request: EnsembleRequest, config: EnsembleConfig, **files: Path) -> EnsembleResult:
    return ensembles.ensemble(QUESTIONS, request, config, **files)


def lint(request: LintRequest) -> LintResult:
    return linting.lint(QUESTIONS, request)
