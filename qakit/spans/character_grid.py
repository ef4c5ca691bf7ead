"""Scores of several models on one grid of characters, where different tokenizers meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qakit.spans.probability import log_sums
from qakit.spans.scores import QuestionScores, ScoresInfo
from qakit.spans.token_lengths import Numbers, TokenNumbers, token_numbers
from qakit.spans.token_scores import TokenScores

Average = Literal["log", "probability"]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
_CUTS = ("char_start", "char_end", "bounds")
LEAST = 5e-324
"""The smallest positive float64, for probabilities that were rounded to 0 and would have no logarithm."""


class ReadParagraph(NamedTuple):
    """A paragraph of a question that some member read: `candidate` is its position among the question's candidates."""

    question: int
    candidate: int
    context: str


class Tokenization(NamedTuple):
    """A member's tokens of its Q questions' paragraphs.

    Attributes:
        paragraph: number of the paragraph that each question was answered from, shape (Q,).
        sizes: its number of tokens and of window bounds, shape (Q, 2).
        first, stop: characters of all tokens in their paragraph, half-open.
        edges: the window bounds of all questions.
    """

    paragraph: NDArray[np.int64]
    sizes: NDArray[np.int64]
    first: NDArray[np.int32]
    stop: NDArray[np.int32]
    edges: NDArray[np.int64]

    def equals(self, other: "Tokenization") -> bool:
        """Whether all arrays are the same."""
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in self._fields)


@dataclass(frozen=True)
class CharacterGrid:
    """Scores of M members for the N characters of P paragraphs, which stand one behind the other.

    A question's paragraphs are neighbours, in the order of its candidates.

    Attributes:
        average: of what `values` are to be averaged.
        bounds: first character of each paragraph, and N, shape (P + 1,).
        reads: whether a member has scores for the tokens of a paragraph, shape (M, P).
        values: for starts and for ends (the answer's last character), of each member, by character, shape (2, M, N): of
            "log" its log-probability, the member's lowest where it has no token boundary; of "probability" its
            probability, there 0. 0 on paragraphs that it did not read.
        known: whether a member has a boundary there, shape (2, M, N).
        nulls: the same of "no answer", shape (M, P); NaN where a member has no score for it.
        selection: log-probability of each paragraph among its question's candidates, shape (M, P); NaN where a member's
            file has none.
        numbers: of the tokens of each member; the same object for members that have the same tokens.
    """

    average: Average
    paragraphs: tuple[ReadParagraph, ...]
    bounds: NDArray[np.int64]
    reads: Bools
    values: NDArray[np.floating]
    known: Bools
    nulls: Doubles
    selection: Doubles
    numbers: tuple[TokenNumbers, ...]

    def averaged(self, members: Sequence[int], weights: Sequence[float]) -> tuple[TokenScores, ...]:
        """Each paragraph as one window of pieces, with the weighted average of the members that read it.

        Pieces are what lies between two neighbouring boundaries of any of their tokens. A piece at whose edge none of
        them has a boundary of that side has -inf there, and what lies between tokens is none.

        Args:
            members: positions of those that count, with the weight of each.
        """
        weight = np.array(weights)[:, None] * self.reads[members]
        # Where nobody read the paragraph all sums are 0, whatever divides them.
        total = np.maximum(weight.sum(axis=0), LEAST)
        nulls = (weight * np.where(self.reads[members], self.nulls[members], 0.0)).sum(axis=0) / total
        nulls = self._scores(nulls)
        first, stop = self._pieces(members)
        # The pieces of each paragraph are a range: both are in the order of the text.
        edges = np.searchsorted(first, self.bounds)
        page_of = np.repeat(np.arange(len(self.paragraphs)), np.diff(edges))
        start, end = (
            self._side(side, at, members, weights, total[page_of]) for side, at in enumerate((first, stop - 1))
        )
        # From characters of all paragraphs back to those of each.
        char_start, char_end = ((at - self.bounds[page_of]).astype(np.int32) for at in (first, stop))
        scores = []
        for (low, high), null in zip(pairwise(edges.tolist()), nulls.tolist(), strict=True):
            own, window = slice(low, high), np.array([0, high - low])
            null_score = None if isnan(null) else null
            scores.append(TokenScores(start[own], end[own], char_start[own], char_end[own], window, null_score))
        return tuple(scores)

    def _pieces(self, members: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last character (exclusive) of all pieces, by the boundaries of some members' tokens."""
        # A piece opens where any token starts, and behind the character where any token ends.
        starts, ends = (np.asarray(self.known[side, members].any(axis=0)) for side in (0, 1))
        opens = starts.copy()
        opens[1:] |= ends[:-1]
        first = np.flatnonzero(opens)
        stop = np.append(first[1:], len(opens))[: len(first)]
        # Characters between tokens, such as white space, have no boundary of their own and are no piece.
        bounded = starts[first] | ends[stop - 1]
        return first[bounded], stop[bounded]

    def numbered(self, paragraph: int, averaged: TokenScores, member: int) -> tuple[Numbers, Numbers]:
        """The member's tokens with which spans begin and end, by piece of an averaged paragraph."""
        begins, ends, _ = self.numbers[member]
        return begins[self.bounds[paragraph] + averaged.char_start], ends[
            self.bounds[paragraph] + averaged.char_end - 1
        ]

    def preferences(self, members: Sequence[int], weights: Sequence[float]) -> Doubles:
        """The mean of the selectors' log-probabilities of each paragraph, shape (P,); NaN where a member has none."""
        shares = np.array(weights)[:, None] / sum(weights)
        selection = self.selection[members]
        # A NaN of one member makes the sum NaN: without its selector there is no fair average.
        with np.errstate(divide="ignore"):
            averaged = np.log((shares * np.exp(selection)).sum(axis=0)) if self.average == "probability" else None
        return np.asarray((shares * selection).sum(axis=0) if averaged is None else averaged)

    def _side(
        self, side: int, at: NDArray[np.int64], members: Sequence[int], weights: Sequence[float], total: Doubles
    ) -> NDArray[np.float32]:
        """The averages at some characters, -inf where none has a boundary; `total` is the weight of those that read."""
        # Member by member: (M, pieces) at once would be as large as the grid.
        summed, known = np.zeros(at.shape), np.zeros(at.shape, dtype=np.bool_)
        for member, weight in zip(members, weights, strict=True):
            summed += weight * self.values[side, member, at]
            known |= self.known[side, member, at]
        return np.where(known, self._scores(summed / total), -np.inf).astype(np.float32)

    def _scores(self, averaged: Doubles) -> Doubles:
        """Averages as logarithms, which the decoder adds."""
        return averaged if self.average == "log" else np.log(np.maximum(averaged, LEAST))


def build_grid(
    questions: Sequence[Sequence[QuestionScores]], infos: Sequence[ScoresInfo], average: Average
) -> CharacterGrid:
    """Lay the members' scores of some questions out by character.

    Each member's logits are divided by its temperature and normalised over the paragraph, so that no member counts for
    more because its logits are larger. Where windows overlap a character has the highest of its logits.
    """
    paragraphs = _read_paragraphs(questions)
    # Members may have read different paragraphs of a question; each distinct one is laid out once.
    number = {(paragraph.question, paragraph.candidate): place for place, paragraph in enumerate(paragraphs)}
    bounds = np.cumsum([0, *(len(paragraph.context) for paragraph in paragraphs)])
    count = len(infos)
    reads = np.zeros((count, len(paragraphs)), dtype=np.bool_)
    nulls, selection = np.full((2, count, len(paragraphs)), np.nan)
    # float32 would round probabilities of unlikely characters to 0; logarithms lose nothing in it.
    values = np.zeros((2, count, int(bounds[-1])), dtype=np.float32 if average == "log" else np.float64)
    known = np.zeros(values.shape, dtype=np.bool_)
    cuts = []
    for member, info in enumerate(infos):
        own = [row[member] for row in questions]
        place = np.array([number[question, scores.candidate] for question, scores in enumerate(own)], dtype=np.int64)
        cuts.append(_tokenization_of(own, place))
        reads[member, place] = [len(scores.tokens.start) > 0 for scores in own]
        sums = np.zeros(len(paragraphs))
        for side in (0, 1):
            values[side, member], known[side, member], added = _laid_out(side, own, place, bounds, info, average)
            sums += added
        given = np.array([np.nan if scores.tokens.null is None else scores.tokens.null for scores in own])
        # Normalised as the spans are: by the sums of start and end together.
        nulls[member, place] = given / info.temperature - sums[place]
        selection[member] = [_selected(own[paragraph.question], paragraph.candidate) for paragraph in paragraphs]
    nulls = np.exp(nulls) if average == "probability" else nulls
    return CharacterGrid(
        average, paragraphs, bounds, reads, values, known, nulls, selection, _numbers_of(cuts, bounds, known)
    )


def _read_paragraphs(questions: Sequence[Sequence[QuestionScores]]) -> tuple[ReadParagraph, ...]:
    return tuple(
        ReadParagraph(number, candidate, context)
        for number, row in enumerate(questions)
        for candidate, context in sorted({scores.candidate: scores.context for scores in row}.items())
    )


def _tokenization_of(own: Sequence[QuestionScores], place: NDArray[np.int64]) -> Tokenization:
    tokens = [scores.tokens for scores in own]
    sizes = [(len(one.start), len(one.bounds)) for one in tokens]
    first, stop, edges = (np.concatenate([getattr(one, name) for one in tokens]) for name in _CUTS)
    return Tokenization(place, np.array(sizes), first, stop, edges)


def _numbers_of(cuts: Sequence[Tokenization], bounds: NDArray[np.int64], known: Bools) -> tuple[TokenNumbers, ...]:
    """The numbers of each member's tokens: one object for all that have the same, whatever windows cut them."""
    found: list[TokenNumbers] = []
    for member, own in enumerate(cuts):
        same = next((place for place, other in enumerate(cuts[:member]) if other.equals(own)), None)
        if same is not None:
            found.append(found[same])
            continue
        begins, ends, _ = numbers = _numbers(own, bounds)
        # Windows may cut other tokens alike: then numbers and boundaries by character are the same.
        alike = (
            other
            for other, known_before in zip(found, known.swapaxes(0, 1), strict=False)
            if np.array_equal(other.begins, begins)
            and np.array_equal(other.ends, ends)
            and np.array_equal(known_before, known[:, member])
        )
        found.append(next(alike, numbers))
    return tuple(found)


def _numbers(own: Tokenization, bounds: NDArray[np.int64]) -> TokenNumbers:
    """The token numbers of one member, without tokens of no characters at a paragraph's end: no span needs them."""
    # From one question's last bound to the next one's first is no window.
    lengths = np.delete(np.diff(own.edges), np.cumsum(own.sizes[:-1, 1]) - 1)
    window = np.repeat(np.arange(len(lengths)), lengths)
    paragraph = np.repeat(own.paragraph, own.sizes[:, 0])
    inside = own.first < np.diff(bounds)[paragraph]
    first, stop = ((bounds[paragraph] + places)[inside] for places in (own.first, own.stop))
    return token_numbers(first, stop, window[inside], int(bounds[-1]))


def _selected(scores: QuestionScores, candidate: int) -> float:
    return scores.selection[candidate] if candidate < len(scores.selection) else float("nan")


def _laid_out(
    side: int,
    own: Sequence[QuestionScores],
    place: NDArray[np.int64],
    bounds: NDArray[np.int64],
    info: ScoresInfo,
    average: Average,
) -> tuple[Doubles, Bools, Doubles]:
    """A member's values and boundaries at one side, shape (N,), and the log of each paragraph's sum, shape (P,)."""
    tokens = [scores.tokens for scores in own]
    logits = np.concatenate([(one.end if side else one.start) for one in tokens])
    first, stop = (np.concatenate([getattr(one, name) for one in tokens]) for name in ("char_start", "char_end"))
    at = np.repeat(bounds[place], [len(one.start) for one in tokens]) + (stop - 1 if side else first)
    # An end logit belongs to its token's last character. Where windows overlap the highest logit counts.
    filled = first < stop
    dense = np.full(int(bounds[-1]), -np.inf, dtype=np.float32)
    known = np.zeros(len(dense), dtype=np.bool_)
    np.maximum.at(dense, at[filled], logits[filled] * np.float32(1 / info.temperature))
    known[at[filled]] = True
    sums, sizes = log_sums(dense, bounds), np.diff(bounds)
    values = dense - np.repeat(sums, sizes)
    if average == "probability":
        return np.exp(values), known, sums
    # A character without a boundary of this member has its lowest value, not -inf: in a mean of logarithms one member
    # with coarser tokens would otherwise forbid what the others find.
    lowest = np.zeros(len(sizes))
    some = np.flatnonzero(sizes)
    if len(some):
        lowest[some] = np.minimum.reduceat(np.where(np.isfinite(values), values, 0.0), bounds[:-1][some])
    return np.where(known, values, np.repeat(lowest, sizes)), known, sums
