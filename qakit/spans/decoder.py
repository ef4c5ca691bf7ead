"""From the scores of questions to their answers, by settings of which none is left open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qakit.config import DecodingSettings
from qakit.spans.answers import PredictedAnswer, cut_answers_of
from qakit.spans.choosing import chosen, searched
from qakit.spans.decoding import TokenScores, best_spans_of
from qakit.spans.overlap import summed_over_windows


@dataclass(frozen=True)
class Decoder:
    """How the scores of one model become answers.

    Attributes:
        settings: with `null_threshold` and `temperature` given.
        max_length: tokens of the longest answer.
        bonus: what the score of a span of 1, 2, ... tokens has added to it; longer ones have the last.
    """

    settings: DecodingSettings
    max_length: int
    bonus: tuple[float, ...] = ()

    @property
    def null_threshold(self) -> float:
        """See `DecodingSettings`."""
        return self.settings.null_threshold or 0.0

    @property
    def temperature(self) -> float:
        """See `DecodingSettings`."""
        return self.settings.temperature or 1.0

    def answers(self, contexts: Sequence[str], scored: Sequence[TokenScores]) -> Iterator[tuple[PredictedAnswer, ...]]:
        """The n-best answers of each question, best first."""
        nbest, length, temperature, bonus = searched(self.settings), self.max_length, self.temperature, self.bonus
        found = best_spans_of(scored, max_length=length, nbest=nbest, temperature=temperature, bonus=bonus)
        if self.settings.choose_by != "score":
            found = [
                summed_over_windows(spans, scores, max_length=length, temperature=temperature, bonus=bonus)
                for spans, scores in zip(found, scored, strict=True)
            ]
        nulls = [scores.null for scores in scored]
        answers = cut_answers_of(contexts, found, nulls, null_threshold=self.null_threshold)
        return (chosen(context, each, self.settings) for context, each in zip(contexts, answers, strict=True))
