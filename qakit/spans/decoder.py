"""From the scores of questions to their answers, by settings of which none is left open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qakit.config import DecodingSettings
from qakit.spans.answers import PredictedAnswer, cut_answers_of
from qakit.spans.choosing import chosen, searched
from qakit.spans.decoding import best_spans_of
from qakit.spans.overlap import summed_over_windows
from qakit.spans.token_scores import TokenScores


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
        """The n-best answers of each question, best first.

        Where near-duplicates are left out, so many spans are searched that `nbest` others are found, or all there are.
        """
        if self.settings.distinct:
            return self._filled_up(contexts, scored)
        return (answers for answers, _ in self._chosen(contexts, scored, searched(self.settings)))

    def _filled_up(
        self, contexts: Sequence[str], scored: Sequence[TokenScores]
    ) -> Iterator[tuple[PredictedAnswer, ...]]:
        """The answers, with a pool that doubles for the questions that have too few."""
        answers: list[tuple[PredictedAnswer, ...]] = [()] * len(scored)
        todo, pool = list(range(len(scored))), searched(self.settings)
        while todo:
            found = self._chosen([contexts[number] for number in todo], [scored[number] for number in todo], pool)
            short = []
            for number, (answers[number], spans) in zip(todo, found, strict=True):
                distinct = sum(bool(answer.text) for answer in answers[number])
                if distinct < self.settings.nbest and spans == pool:
                    short.append(number)
            todo, pool = short, 2 * pool
        return iter(answers)

    def _chosen(
        self, contexts: Sequence[str], scored: Sequence[TokenScores], pool: int
    ) -> Iterator[tuple[tuple[PredictedAnswer, ...], int]]:
        """The answers among so many best spans of each question, and how many there were."""
        length, temperature, bonus = self.max_length, self.temperature, self.bonus
        found = best_spans_of(scored, max_length=length, nbest=pool, temperature=temperature, bonus=bonus)
        if self.settings.choose_by != "score":
            found = [
                summed_over_windows(spans, scores, max_length=length, temperature=temperature, bonus=bonus)
                for spans, scores in zip(found, scored, strict=True)
            ]
        nulls = [scores.null for scores in scored]
        answers = cut_answers_of(contexts, found, nulls, null_threshold=self.null_threshold)
        return (
            (chosen(context, each, self.settings), len(spans))
            for context, each, spans in zip(contexts, answers, found, strict=True)
        )
