"""`evaluate --report`: an evaluation as a page to look at."""

from collections.abc import Sequence
from pathlib import Path

from qakit import __version__
from qakit.data.predictions import PredictedAnswer
from qakit.errors import ConfigError, DataError
from qakit.io import write_text
from qakit.metrics.analysis import Analysis
from qakit.metrics.calibration import BINS
from qakit.metrics.comparison import Comparison, shown_name
from qakit.metrics.intervals import Interval
from qakit.metrics.questions import QuestionResult
from qakit.report import error_report as shown
from qakit.report.curves import curves_of_run
from qakit.report.error_report import render
from qakit.tasks.questions.evaluation import QuestionEvaluation

Facts = Sequence[tuple[str, object]]

_PLACES = 6  # of probabilities
_INTERVALS = (
    "Intervals: 95 %, percentiles of the means of paragraphs drawn with replacement, each with all its questions."
)


def write_report(result: QuestionEvaluation, path: Path, *, facts: Facts = (), model: str | None = None) -> None:
    """Write the page of an evaluation of answers.

    Args:
        facts: what was given, for the page's head; those without a value are left out.
        model: whose learning curves are shown, where it is a run folder or the best model in one.
    """
    write_text(path, render(page_of(result, facts=facts, model=model)))


def page_of(result: QuestionEvaluation, *, facts: Facts = (), model: str | None = None) -> shown.Page:
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
    given = [*facts, ("Metric", result.metric), ("Source", _worded(result.source)), ("qakit", __version__)]
    about = next((Path(str(value)) for name, value in facts if value and name in ("Data", "Right answers")), None)
    places = _Places(analysis)
    return shown.Page(
        title=f"Error report: {about.name}" if about else "Error report",
        questions=tuple(places.question(question, result.comparisons) for question in analysis.questions),
        contexts=places.contexts,
        facts=tuple(shown.Fact(name, str(value)) for name, value in given if value),
        cards=tuple(_cards(result, analysis)),
        overall=_estimate(analysis.intervals[0]),
        slices=places.slices,
        curves=curves,
        reliability=analysis.calibration.curve if analysis.calibration else (),
        comparisons=tuple(map(_comparison, result.comparisons)),
        notes=(*notes, *problem),
    )


class _Places:
    """Places on the page of what several questions share: paragraphs and slices."""

    def __init__(self, analysis: Analysis) -> None:
        paragraphs = [paragraph for question in analysis.questions for paragraph in question.paragraphs]
        keys = dict.fromkeys((paragraph.text, paragraph.title) for paragraph in paragraphs)
        self._context_of = {key: number for number, key in enumerate(keys)}
        self.contexts = tuple(shown.Context(*key) for key in keys)
        groups: dict[str, list[shown.SliceRow]] = {}
        for one in analysis.slices:
            row = shown.SliceRow(one.label, one.total, _estimate(one.em), one.f1.mean)
            groups.setdefault(one.dimension, []).append(row)
        groups = {name: rows for name, rows in groups.items() if len(rows) > 1}  # one row divides nothing
        self._row_of = {name: {row.label: n for n, row in enumerate(rows)} for name, rows in groups.items()}
        self.slices = tuple(shown.SliceGroup(_worded(name), tuple(rows)) for name, rows in groups.items())

    def question(self, question: QuestionResult, comparisons: Sequence[Comparison]) -> shown.Question:
        """The question, by its places on the page."""
        reading = question.reading
        return shown.Question(
            id=question.id,
            question=question.question or "",
            references=question.references,
            prediction=question.prediction,
            verdict=question.verdict,
            em=question.em,
            f1=question.f1,
            confidence=_rounded(question.probability),
            slices=tuple(rows.get(question.slices.get(name, "")) for name, rows in self._row_of.items()),
            candidates=self._candidates(question),
            read=question.read,
            relevant=question.relevant,
            gold_spans=question.gold_spans,
            span=question.span,
            ranked=tuple(_ranked(answer, reading.context) for answer in reading.answers) if reading else (),
            windows=reading.windows if reading else (),
            others=tuple(_other(question.id, comparison) for comparison in comparisons),
        )

    def _candidates(self, question: QuestionResult) -> tuple[shown.Candidate, ...]:
        """The candidate paragraphs; of several also the selector's probability and the id."""
        paragraphs = question.paragraphs
        contexts = [self._context_of[paragraph.text, paragraph.title] for paragraph in paragraphs]
        if len(paragraphs) == 1:
            return (shown.Candidate(contexts[0]),)
        selection = question.reading.selection if question.reading else ()
        shares = map(_rounded, selection if len(selection) == len(paragraphs) else [None] * len(paragraphs))
        names = [paragraph.id for paragraph in paragraphs]
        return tuple(map(shown.Candidate, contexts, shares, names))


def _ranked(answer: PredictedAnswer, context: str) -> shown.Ranked:
    text = None if answer.text == context[answer.start : answer.end] else answer.text
    return shown.Ranked(answer.start, answer.end, _rounded(answer.probability), text)


def _other(id_: str, comparison: Comparison) -> shown.Other:
    return shown.Other(comparison.predictions.get(id_), 100.0 * comparison.per_question[id_].em)


def _cards(result: QuestionEvaluation, analysis: Analysis) -> list[shown.Card]:
    em, f1 = map(_estimate, analysis.intervals)
    note = "" if result.source == "predictions" else _worded(result.source).lower()
    cards = [shown.Card("EM", em, note), shown.Card("F1", f1, note)]
    totals = analysis.scores.extra.items()
    cards += [shown.Card(name, shown.Estimate(value)) for name, value in totals if not name.endswith("_total")]
    if result.gold_analysis:
        em, f1 = map(_estimate, result.gold_analysis.intervals)
        cards += [shown.Card("EM", em, "gold paragraph"), shown.Card("F1", f1, "gold paragraph")]
    if result.selection:
        cards.append(shown.Card("Selection", _estimate(result.selection), "the relevant paragraph was read"))
    if analysis.human:
        note = f"annotators against each other, {analysis.human.total:,} questions"
        cards.append(shown.Card("Human EM", _estimate(analysis.human.em), note))
        cards.append(shown.Card("Human F1", _estimate(analysis.human.f1), note))
    if analysis.calibration:
        error = shown.Estimate(analysis.calibration.error)
        cards.append(shown.Card("Calibration error", error, f"ECE, {BINS} bins"))
    return cards


def _comparison(comparison: Comparison) -> shown.Comparison:
    differences = tuple(
        shown.Difference(shown_name(score), _estimate(difference.interval), difference.p_value)
        for score, difference in comparison.differences.items()
    )
    return shown.Comparison(comparison.name, differences, comparison.sentence)


def _estimate(interval: Interval) -> shown.Estimate:
    return shown.Estimate(interval.mean, interval.low, interval.high)


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, _PLACES)


def _worded(name: str) -> str:
    """`Answer length` for `answer_length`."""
    return (
        name.replace("_", " ")
        .replace("gold-paragraph", "gold paragraph")
        .replace("end-to-end", "end to end")
        .capitalize()
    )


def _curves(model: str | None) -> tuple[str | None, list[str]]:
    """The learning curves of the run that a model is of, and a sentence where they cannot be drawn."""
    if model is None:
        return None, []
    try:
        return curves_of_run(Path(model)), []
    except DataError as error:  # scoring may have taken hours: a picture that fails must not lose its page
        return None, [f"There are no learning curves: {error}"]
