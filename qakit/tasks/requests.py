"""The options of `predict`, `evaluate` and `ensemble`, but for settings, as the command line hands them to a task."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PredictRequest:
    """The options of `predict`, but for settings: what is asked, of which models, and what is to be written."""

    data: Path | None = None
    context: Path | None = None
    question: str | None = None
    text: str | None = None
    corpus: tuple[Path, ...] = ()
    interactive: bool = False
    lenient: bool = False
    model: str | None = None
    selector: str | None = None
    backend: str | None = None
    out: Path | None = None
    format: str | None = None
    scores: Path | None = None
    nbest_out: Path | None = None
    part_size: int | None = None


@dataclass(frozen=True)
class EvaluateRequest:
    """The options of `evaluate`: what to score (`pred`, `scores`, or `model` with `selector`) against what.

    Attributes:
        data, gold: the records, and a file of right answers in the place of theirs.
        details: file for the rows of the result: `.csv`, `.json`, `.jsonl` or `.parquet`.
        report: page to write, `.html`.
        compare: predictions or scores files of the same records.
        tune: settings that are to score best on `data`, and to be kept with the model.
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
    slices: bool = False
    lenient: bool = False
    tune: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnsembleRequest:
    """The options of `ensemble`: the scores files, and labelled records for weights and report.

    Attributes:
        scores: the files that are combined.
        tune_on: labelled records on which `greedy` chooses the weights.
        tune_scores: the same members' scores files of these records, in the order of `scores`; none where `scores` are
            of them.
        data: the records of `scores` with their labels, for the report.
        gold: a file of answers for `data` without.
        context: ADL's context.json of the data.
    """

    scores: tuple[Path, ...]
    tune_on: Path | None = None
    tune_scores: tuple[Path, ...] = ()
    data: Path | None = None
    gold: Path | None = None
    context: Path | None = None
    format: str | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read, but for the context."""
        return tuple(filter(None, (*self.scores, *self.tune_scores, self.tune_on, self.data, self.gold)))


def given_options(request: object) -> dict[str, Any]:
    """The fields of a request that differ from their defaults, by the names of the options."""
    return {
        field.name.replace("_", "-"): getattr(request, field.name)
        for field in fields(request)  # type: ignore[arg-type]  # one of the dataclasses above
        if getattr(request, field.name) not in (None, False, ())
    }
