"""How models came to their answers, in the form that evaluations keep: no logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp

from qakit.metrics.places import Span
from qakit.metrics.questions import Choice, Reading
from qakit.spans.answers import PredictedAnswer
from qakit.spans.fitting import token_places
from qakit.spans.token_scores import TokenScores
from qakit.spans.tokenizing import trim

NBEST = 5
"""Answers that are kept of each question, at least."""


@dataclass(frozen=True)
class Read:
    """One question as it was read: what is kept of it, and the scores that tell what could have been answered.

    `max_length` is that of the longest answer, in tokens.
    """

    reading: Reading
    tokens: TokenScores
    max_length: int

    def reaches(self, span: Span) -> bool:
        """Whether some window holds that span of the paragraph between token boundaries, and it is not too long."""
        start, end = trim(self.reading.context, *span)
        tokens = self.tokens
        return any(
            last - first < self.max_length and tokens.char_start[first] == start and tokens.char_end[last] == end
            for first, last in token_places(tokens, start, end)
        )


def reading_of(
    candidate: int,
    context: str,
    answers: Sequence[PredictedAnswer],
    tokens: TokenScores,
    selection: Sequence[float] = (),
) -> Reading:
    """What is kept of a question whose paragraph number `candidate` was read.

    Args:
        selection: the candidates' log-probabilities, nothing without a selector.
    """
    windows = tuple(
        (int(tokens.char_start[first]), int(tokens.char_end[end - 1]))
        for first, end in pairwise(tokens.bounds.tolist())
        if first < end
    )
    choices = tuple(Choice(*answer) for answer in answers)
    return Reading(candidate, context, choices, windows, tuple(map(exp, selection)))
