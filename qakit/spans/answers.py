"""From spans to answers: the text is always cut from the context by character offsets, never decoded from token ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

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
    """The answers to one question, as `cut_answers_of` cuts them."""
    return cut_answers_of([context], [spans], [null], null_threshold=null_threshold)[0]


def cut_answers_of(
    contexts: Sequence[str], found: Sequence[Spans], nulls: Sequence[float | None], *, null_threshold: float = 0.0
) -> list[tuple[PredictedAnswer, ...]]:
    """Cut the spans of each question out of its context, without the white space that some tokens carry at their edges.

    Args:
        nulls: each question's score of "no answer", on the scale of its spans' scores; it comes first when it beats the
            best span by more than `null_threshold`, and where there is no span at all; None where there is none.
    """
    bounds = list(accumulate(map(len, found), initial=0))
    starts, ends, scores, probabilities = (
        np.concatenate([getattr(spans, name) for spans in found]).tolist() if found else []
        for name in ("start", "end", "score", "probability")
    )
    texts = [
        context[start:end]
        for context, low, high in zip(contexts, bounds, bounds[1:], strict=False)
        for start, end in zip(starts[low:high], ends[low:high], strict=True)
    ]
    new = partial(tuple.__new__, PredictedAnswer)  # what `PredictedAnswer(...)` does, in two thirds of the time
    flat = list(map(new, zip(texts, starts, ends, scores, probabilities, strict=True)))
    ranked = [tuple(flat[low:high]) for low, high in pairwise(bounds)]
    if not all(texts) or texts != list(map(str.strip, texts)):
        ranked = list(map(_trimmed, contexts, ranked))
    return [
        answers
        if null is None or (answers and null - answers[0].score <= null_threshold)
        else (PredictedAnswer("", 0, 0, null, 0.0), *answers)
        for answers, null in zip(ranked, nulls, strict=True)
    ]


def _trimmed(context: str, answers: Sequence[PredictedAnswer]) -> tuple[PredictedAnswer, ...]:
    """The answers without white space at their edges; of those that become the same the best, of empty ones none."""
    trimmed: dict[tuple[int, int], PredictedAnswer] = {}
    for answer in answers:
        start, end = trim(context, answer.start, answer.end)
        if start < end:
            trimmed.setdefault((start, end), answer._replace(text=context[start:end], start=start, end=end))
    return tuple(trimmed.values())
