"""`evaluate`: scores of predictions, of a scores file or of models, for any task; and `--lint`, their faults.

Only models need torch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from qakit.config import DataSettings, ReadConfig
from qakit.data.lint.answers import DEFAULT_LONGEST, LintQuestion, Rules, answer_findings, id_findings
from qakit.data.lint.files import read_loosely
from qakit.data.lint.findings import KINDS, LEVELS, Finding, Level
from qakit.data.predictions import CONTESTS, choose_format, read_predictions
from qakit.data.records import Dataset
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError
from qakit.io import check_outputs, check_table_suffix, file_error, write_table
from qakit.metrics.presets import get_preset
from qakit.tasks.base import Task, refuse_unused
from qakit.tasks.requests import EvaluateRequest

__all__ = ["EvaluateRequest", "evaluate"]
_STRICT = ("hw7", "adl2022")
_FORM_OF_METRIC = {"hw7": "hw7", "adl": "adl2022", "adl2021": "adl2021"}


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


@dataclass(frozen=True)
class LintRequest:
    """A prediction file to look at, and the form that it should have.

    Attributes:
        pred: the predictions; without them there is nothing to look at.
        data, gold: the questions, and a file of right answers; one of them will do.
        form: a prediction format; the one of the metric's or the data's contest when None.
        longest: characters of the longest answer; that of the right ones when None, or 30 where none is known.
    """

    pred: Path | None
    data: Path | None = None
    gold: Path | None = None
    context: Path | None = None
    form: str | None = None
    metric: str | None = None
    longest: int | None = None
    lenient: bool = False


@dataclass(frozen=True)
class LintResult:
    """The findings: errors first, each level in the order of `KINDS`, each kind in the order of the file.

    Attributes:
        form: the prediction format that was asked for; None where any will do.
        total: predictions in the file.
        questions: those of the data.
    """

    pred: Path
    form: str | None
    total: int
    questions: int
    findings: tuple[Finding, ...]

    def level(self, finding: Finding) -> Level:
        """The level of a finding under the contest's rule."""
        return finding.level(strict=self.form in _STRICT)

    @property
    def counts(self) -> Mapping[Level, int]:
        """The number of findings of each level."""
        found = Counter(map(self.level, self.findings))
        return {level: found[level] for level in LEVELS}

    def summary(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "pred": str(self.pred),
            "form": self.form,
            "total": self.total,
            "questions": self.questions,
            "counts": dict(self.counts),
            "findings": [
                {
                    "level": self.level(finding),
                    "kind": finding.kind,
                    "place": finding.place or None,
                    "id": finding.id or None,
                    "message": finding.message,
                    "expected": KINDS[finding.kind].expected,
                }
                for finding in self.findings
            ],
        }


def lint(task: Task, request: LintRequest) -> LintResult:
    """Look at a prediction file, whatever is wrong with it.

    Raises:
        ConfigError: no predictions, neither data nor right answers, or no such format or metric.
        DataError: mistakes in the data, no prediction file, or an empty one.
    """
    if not task.can_lint:
        raise ConfigError("--lint: is for answers to questions; qakit evaluate --pred checks labels as it scores them")
    if request.metric:
        get_preset(request.metric)
    if request.pred is None:
        raise ConfigError("--lint looks at a file of predictions; give --pred")
    if request.data is None and request.gold is None:
        raise ConfigError("give --data, the questions, or --gold, a file of right answers")
    dataset = None
    if request.data:
        dataset = read_dataset([request.data], context=request.context, lenient=request.lenient)
    form = _form(request, dataset)
    asked = _asked(dataset, read_predictions(request.gold) if request.gold else {})
    loose = read_loosely(request.pred, form, asked)
    findings = list(loose.findings)
    if loose.entries:  # where nothing could be read it would be wrong to say that all is missing
        findings += id_findings(loose.entries, asked)
        findings += answer_findings(loose.entries, asked, _rules(request, form, asked, dataset))
    return LintResult(request.pred, form, len(loose.entries), len(asked), tuple(_sorted(findings, form)))


def _sorted(findings: Sequence[Finding], form: str | None) -> list[Finding]:
    kinds = list(KINDS)
    strict = form in _STRICT
    return sorted(findings, key=lambda one: (LEVELS.index(one.level(strict=strict)), kinds.index(one.kind)))


def _form(request: LintRequest, dataset: Dataset | None) -> str | None:
    if request.form:
        return choose_format(request.form, "", request.pred)
    if request.metric in _FORM_OF_METRIC:
        return _FORM_OF_METRIC[request.metric]
    return dataset.schema if dataset and dataset.schema in CONTESTS else None


def _asked(dataset: Dataset | None, golds: Mapping[str, str]) -> dict[str, LintQuestion]:
    """The questions of the data, and of a file of right answers those that it adds."""
    asked = {
        record.id: LintQuestion(
            tuple(paragraph.text for paragraph in record.paragraphs),
            (golds[record.id],) if record.id in golds else tuple(record.references),
        )
        for record in dataset or ()
    }
    return asked or {id_: LintQuestion((), (gold,)) for id_, gold in golds.items()}


def _rules(request: LintRequest, form: str | None, asked: Mapping[str, LintQuestion], dataset: Dataset | None) -> Rules:
    known = max((len(gold) for question in asked.values() for gold in question.golds), default=DEFAULT_LONGEST)
    may_be_empty = dataset is not None and (dataset.schema == "squad2" or any(record.impossible for record in dataset))
    longest = known if request.longest is None else request.longest
    return Rules(longest, without_commas=form == "hw7", may_be_empty=may_be_empty)
