"""From spans to answers: the text is always cut from the context by character offsets, never decoded from token ids."""

from dataclasses import dataclass

from qakit.spans.decoding import Spans
from qakit.spans.tokenizing import trim


@dataclass(frozen=True, slots=True)
class PredictedAnswer:
    """One answer: `text == context[start:end]`; an empty text with start and end 0 means that there is none.

    `score` is the sum of start and end score, `probability` in [0, 1] (see `Spans`).
    """

    text: str
    start: int
    end: int
    score: float
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The n-best answers to one question, best first; none where its paragraph has nothing to choose from.

    `candidate` is the position, among the question's paragraphs, of the one that was read.
    """

    id: str
    candidate: int
    answers: tuple[PredictedAnswer, ...]

    @property
    def text(self) -> str:
        """The best answer's text, or an empty one."""
        return self.answers[0].text if self.answers else ""


def cut_answers(
    context: str, spans: Spans, *, null: float | None = None, null_threshold: float = 0.0
) -> tuple[PredictedAnswer, ...]:
    """Cut the spans out of the context, without the white space that some tokens carry at their edges.

    Args:
        null: score of "no answer", on the scale of the spans' scores; it comes first when it beats the best span by
            more than `null_threshold`, and where there is no span at all.
    """
    answers: dict[tuple[int, int], PredictedAnswer] = {}
    columns = (spans.start.tolist(), spans.end.tolist(), spans.score.tolist(), spans.probability.tolist())
    for first, last, score, probability in zip(*columns, strict=True):
        start, end = trim(context, first, last)
        if start < end:
            answers.setdefault((start, end), PredictedAnswer(context[start:end], start, end, score, probability))
    ranked = tuple(answers.values())
    if null is not None and (not ranked or null - ranked[0].score > null_threshold):
        return (PredictedAnswer("", 0, 0, null, 0.0), *ranked)
    return ranked
