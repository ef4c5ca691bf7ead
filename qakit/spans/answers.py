"""From spans to answers: the text is always cut from the context by character offsets, never decoded from token ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qakit.spans.decoding import Spans
from qakit.spans.tokenizing import trim


class PredictedAnswer(NamedTuple):  # of which n-best lists have millions: a tuple is made fastest
    """One answer: `text == context[start:end]`; an empty text with start and end 0 means that there is none.

    `score` is the sum of start and end score and of a length prior, `probability` in [0, 1] (see `Spans`).
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
    starts, ends = spans.start.tolist(), spans.end.tolist()
    texts = [context[start:end] for start, end in zip(starts, ends, strict=True)]
    numbers = (spans.score.tolist(), spans.probability.tolist())
    ranked = tuple(map(PredictedAnswer, texts, starts, ends, *numbers))
    if any(text != text.strip() or not text for text in texts):
        ranked = _trimmed(context, ranked)
    if null is not None and (not ranked or null - ranked[0].score > null_threshold):
        return (PredictedAnswer("", 0, 0, null, 0.0), *ranked)
    return ranked


def _trimmed(context: str, answers: Sequence[PredictedAnswer]) -> tuple[PredictedAnswer, ...]:
    """The answers without white space at their edges; of those that become the same the best, of empty ones none."""
    trimmed: dict[tuple[int, int], PredictedAnswer] = {}
    for answer in answers:
        start, end = trim(context, answer.start, answer.end)
        if start < end:
            trimmed.setdefault((start, end), answer._replace(text=context[start:end], start=start, end=end))
    return tuple(trimmed.values())
