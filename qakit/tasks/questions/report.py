"""Error report of an evaluation of questions (`evaluate --report`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from qakit import __version__
from qakit.errors import ConfigError, DataError
from qakit.io import write_text
from qakit.metrics.analysis import Analysis
from qakit.metrics.calibration import BINS
from qakit.report.curves import curves_of_run
from qakit.report.error_report import Card, Fact, Page, in_words, render
from qakit.tasks.questions.evaluation import QuestionEvaluation

Facts = Sequence[tuple[str, object]]

_INTERVALS = (
    "Intervals: 95 %, percentiles of the means of paragraphs drawn with replacement, each with all its questions."
)


def write_report(result: QuestionEvaluation, path: Path, *, facts: Facts = (), model: str | None = None) -> None:
    """Write the page of an evaluation of answers.

    Args:
        facts: inputs and settings for the page's head; those without a value are left out.
        model: a run folder, or the best model in one, whose learning curves are shown.
    """
    write_text(path, render(page_of(result, facts=facts, model=model)))


def page_of(result: QuestionEvaluation, *, facts: Facts = (), model: str | None = None) -> Page:
    """The page of an evaluation of answers; `write_report` tells the arguments.

    Raises:
        ConfigError: only a selector was scored, so there are no answers.
    """
    if result.analysis is None:
        raise ConfigError("--report: a selector alone gives no answers to show; give --model too")
    analysis, notes = result.analysis, [_INTERVALS]
    if result.unknown:
        notes.append(
            f"Predictions for questions that the data does not have, which count for nothing: {result.unknown:,}."
        )
    curves, problem = _curves(model)
    given = [*facts, ("Metric", result.metric), ("Source", in_words(result.source)), ("qakit", __version__)]
    about = next((Path(str(value)) for name, value in facts if value and name in ("Data", "Right answers")), None)
    return Page(
        title=f"Error report: {about.name}" if about else "Error report",
        questions=analysis.questions,
        facts=tuple(Fact(name, str(value)) for name, value in given if value),
        cards=tuple(_cards(result, analysis)),
        overall=analysis.intervals[0],
        slices=analysis.slices,
        curves=curves,
        reliability=analysis.calibration.curve if analysis.calibration else (),
        comparisons=result.comparisons,
        notes=(*notes, *problem),
    )


def _cards(result: QuestionEvaluation, analysis: Analysis) -> Iterator[Card]:
    yield from _score_cards(analysis, "" if result.source == "predictions" else in_words(result.source).lower())
    totals = analysis.scores.extra.items()
    yield from (Card(name, value) for name, value in totals if not name.endswith("_total"))  # these are counts
    if result.gold_analysis:
        yield from _score_cards(result.gold_analysis, "gold paragraph")
    if result.selection:
        yield Card("Selection", result.selection.mean, result.selection, "the relevant paragraph was read")
    if human := analysis.human:
        note = f"annotators against each other, {human.total:,} questions"
        yield Card("Human EM", human.em.mean, human.em, note)
        yield Card("Human F1", human.f1.mean, human.f1, note)
    if analysis.calibration:
        yield Card("Calibration error", analysis.calibration.error, note=f"ECE, {BINS} bins")


def _score_cards(analysis: Analysis, note: str) -> Iterator[Card]:
    for name, interval in zip(("EM", "F1"), analysis.intervals, strict=True):
        yield Card(name, interval.mean, interval, note)


def _curves(model: str | None) -> tuple[str | None, list[str]]:
    """The learning curves of the model's run, and a sentence where they cannot be drawn."""
    if model is None:
        return None, []
    try:
        return curves_of_run(Path(model)), []
    except DataError as error:  # scoring may have taken hours: a picture that fails must not lose its page
        return None, [f"There are no learning curves: {error}"]
