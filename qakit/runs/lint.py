"""`evaluate --lint`: what is wrong with a prediction file, and what to say of answers just made. Runs without torch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.data.formats import read_dataset
from qakit.data.lint.answers import DEFAULT_LONGEST, LintQuestion, Rules, answer_findings, id_findings
from qakit.data.lint.files import read_loosely
from qakit.data.lint.findings import KINDS, LEVELS, Finding, Level
from qakit.data.predictions import CONTESTS, choose_format, read_predictions
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.metrics.presets import get_preset
from qakit.tasks.base import Task

_STRICT = ("hw7", "adl2022")
_FORM_OF_METRIC = {"hw7": "hw7", "adl": "adl2022", "adl2021": "adl2021"}


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
