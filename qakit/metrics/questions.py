"""Result of one question: scores, verdict, places of answers, slices. Rows, losses and the report come from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qakit.data.predictions import PredictedAnswer
from qakit.data.records import Paragraph, Record
from qakit.metrics.places import Span, nearest, places
from qakit.metrics.presets import QuestionScore
from qakit.metrics.slices import DIMENSIONS, Features, labels
from qakit.metrics.verdicts import Evidence, verdict_of


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading behind an answer, known of models and scores files but not of prediction files.

    Attributes:
        candidate: position of the paragraph that was read.
        context: its text.
        answers: the n-best list, best first; an empty text says that there is no answer.
        windows: first character and the one after the last of each window of the paragraph.
        selection: the selector's probability of each candidate; none where nothing was selected.
    """

    candidate: int
    context: str
    answers: tuple[PredictedAnswer, ...]
    windows: tuple[Span, ...]
    selection: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """A question with its references, prediction, scores and verdict.

    Attributes:
        question: None where only a file of right answers is known.
        references: the texts that count as right; none for a question without an answer.
        prediction: None where there is none, empty for "no answer".
        em, f1: in percent.
        verdict: one of `qakit.metrics.verdicts.VERDICTS`.
        paragraphs: the candidates; of a scores file without data the one that was read; otherwise none.
        relevant: position of the paragraph that holds the answer: as the data says, or where a right text was found.
        read: position of the paragraph that was read: as the model says, or where the predicted text was found.
        gold_spans: places of right answers in the relevant paragraph.
        span: place of the prediction in the paragraph that was read.
        reachable: whether a right answer is among the spans that the model chooses from; None where that is not known,
            or the relevant paragraph was not read.
        reading: n-best list and windows, where known.
        slices: the label of each of `qakit.metrics.slices.DIMENSIONS` that is known.
    """

    id: str
    question: str | None
    references: tuple[str, ...]
    prediction: str | None
    em: float
    f1: float
    verdict: str
    paragraphs: tuple[Paragraph, ...]
    relevant: int | None
    read: int | None
    gold_spans: tuple[Span, ...]
    span: Span | None
    reachable: bool | None
    reading: Reading | None
    slices: Mapping[str, str]

    @property
    def group(self) -> str:
        """The bootstrap group: the text of the paragraph, or the question alone."""
        place = self.relevant if self.relevant is not None else self.read
        if place is None:
            return f"question {self.id}" if not self.paragraphs else self.paragraphs[0].text
        return self.paragraphs[place].text

    @property
    def probability(self) -> float | None:
        """Probability of the answer in its paragraph, in [0, 1]; None for "no answer" and where unknown."""
        best = self.reading.answers[0] if self.reading and self.reading.answers else None
        return best.probability if best and best.text else None

    def row(self) -> dict[str, Any]:
        """The question as one row of a table; every question has the same columns."""
        relevant = None if self.relevant is None else self.paragraphs[self.relevant]
        gold, span = self.gold_spans[0] if self.gold_spans else (None, None), self.span or (None, None)
        return {
            "id": self.id,
            "question": self.question,
            "references": list(self.references),
            "prediction": self.prediction,
            "em": self.em,
            "f1": self.f1,
            "verdict": self.verdict,
            "title": relevant.title if relevant else None,
            "paragraph": relevant.id if relevant else None,
            "relevant": self.relevant,
            "read": self.read,
            "gold_start": gold[0],
            "gold_end": gold[1],
            "start": span[0],
            "end": span[1],
            "probability": self.probability,
            "windows": len(self.reading.windows) if self.reading else None,
            **{name: self.slices.get(name) for name in DIMENSIONS},
        }


def question_result(
    id_: str,
    references: Sequence[str],
    prediction: str | None,
    score: QuestionScore,
    *,
    record: Record | None = None,
    reading: Reading | None = None,
    reaches: Callable[[Span], bool] | None = None,
) -> QuestionResult:
    """Judge one question: find its answers in the paragraphs, give it a verdict and its slices.

    Args:
        references: the texts it was scored against; with `--gold` these are not the record's own answers.
        record: the question itself, where it is known.
        reaches: whether a place of the paragraph that was read is a span that the model could have chosen.
    """
    paragraphs, evidence = _gathered(record, references, prediction, reading, reaches, is_right=score.em == 1.0)
    return QuestionResult(
        id=id_,
        question=record.question if record else None,
        references=evidence.references,
        prediction=prediction,
        em=100.0 * score.em,
        f1=100.0 * score.f1,
        verdict=verdict_of(evidence),
        paragraphs=paragraphs,
        relevant=evidence.relevant,
        read=evidence.read,
        gold_spans=evidence.gold_spans,
        span=evidence.span,
        reachable=evidence.reachable,
        reading=reading,
        slices=labels(_features(record, evidence, paragraphs, reading)),
    )


def _gathered(
    record: Record | None,
    references: Sequence[str],
    prediction: str | None,
    reading: Reading | None,
    reaches: Callable[[Span], bool] | None,
    *,
    is_right: bool,
) -> tuple[tuple[Paragraph, ...], Evidence]:
    """The paragraphs, and the places of prediction and right answers in them."""
    paragraphs, read = _paragraphs(record, reading)
    relevant = _relevant(record, references, paragraphs, first=read)
    golds = _gold_spans(record, references, paragraphs, relevant)
    span: Span | None = None
    if reading:
        best = reading.answers[0] if reading.answers else None
        span = (best.start, best.end) if best and best.text else None
    elif prediction and paragraphs:
        read, span = _found(prediction, paragraphs, relevant, golds)
    reachable = any(map(reaches, golds)) if reaches and golds and read == relevant else None
    return paragraphs, Evidence(prediction, tuple(references), is_right, relevant, read, golds, span, reachable)


def _features(
    record: Record | None, evidence: Evidence, paragraphs: Sequence[Paragraph], reading: Reading | None
) -> Features:
    """The properties by which slices are formed."""
    relevant = evidence.relevant
    return Features(
        record.question if record else None,
        evidence.references,
        len(record.paragraphs) if record else None,
        paragraphs[relevant].text if relevant is not None else None,
        evidence.gold_spans,
        reading.windows if reading and evidence.read == relevant else (),
    )


def _paragraphs(record: Record | None, reading: Reading | None) -> tuple[tuple[Paragraph, ...], int | None]:
    """The known paragraphs, and the position of the one that was read."""
    if record:
        only = 0 if len(record.paragraphs) == 1 else None
        return record.paragraphs, reading.candidate if reading else only
    return ((Paragraph("", reading.context),), 0) if reading else ((), None)


def _relevant(
    record: Record | None, references: Sequence[str], paragraphs: Sequence[Paragraph], *, first: int | None = None
) -> int | None:
    """Position of the paragraph with the answer: as the data says, otherwise the first that holds a right text.

    Args:
        first: position of the paragraph to search first.
    """
    if record and record.relevant is not None:
        return record.relevant
    order = sorted(range(len(paragraphs)), key=lambda place: place != first)
    return next((p for p in order if any(places(text, paragraphs[p].text) for text in references)), None)


def _gold_spans(
    record: Record | None, references: Sequence[str], paragraphs: Sequence[Paragraph], relevant: int | None
) -> tuple[Span, ...]:
    """Places of the right answers in the relevant paragraph: the data's own, otherwise all places of their texts."""
    if relevant is None:
        return ()
    told = [
        (answer.start, answer.end)
        for answer in (record.answers if record else ())
        if answer.start is not None and answer.end is not None and answer.text in references
    ]
    context = paragraphs[relevant].text
    return tuple(dict.fromkeys(told or [place for text in references for place in places(text, context)]))


def _found(
    prediction: str, paragraphs: Sequence[Paragraph], relevant: int | None, golds: Sequence[Span]
) -> tuple[int | None, Span | None]:
    """Locate a predicted text: first in the relevant paragraph, there at the place nearest to a right answer."""
    for place in sorted(range(len(paragraphs)), key=lambda place: place != relevant):
        found = nearest(places(prediction, paragraphs[place].text), golds if place == relevant else ())
        if found:
            return place, found
    return (0 if len(paragraphs) == 1 else None), None
