"""Token logits of one question, and of many questions packed into flat arrays for the search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from qakit.spans.token_lengths import Numbers, Ruler, added_by

Floats = NDArray[np.float32]
Offsets = NDArray[np.int32]

_Number = TypeVar("_Number", np.float32, np.int32)


@dataclass(frozen=True)
class TokenScores:
    """The start and end logits of one question over the paragraph tokens of all its windows, window after window.

    Question, special and padding tokens are not in it: that is the mask.

    Attributes:
        start, end: logits, shape (N,); -inf forbids a token, NaN is not allowed.
        char_start, char_end: character offsets of each token in the context, half-open, shape (N,); equal for a token
            of white space alone, at which no answer begins or ends.
        bounds: first token of each window, and N, shape (windows + 1,).
        null: score of "no answer", the sum of its start and end logit: the lowest of all windows; None where the model
            was never taught it.
        null_logits: the start and the end logit at the token that stands for "no answer", of the window where their
            sum is lowest, taught or not; None where the scores come from a file.
        rulers: the models whose lengths count, where they are not counted in these tokens, which then stand in one
            window.
    """

    start: Floats
    end: Floats
    char_start: Offsets
    char_end: Offsets
    bounds: NDArray[np.int64]
    null: float | None = None
    null_logits: tuple[float, float] | None = None
    rulers: tuple[Ruler, ...] = ()


@dataclass(frozen=True)
class PackedScores:
    """The scores of Q questions in flat arrays: N tokens in W windows, and the same with padding behind each window.

    Behind each window stand `reach` places of padding with logits of -inf, so that a span which leaves its window has
    no finite score: the search then needs no test of borders. Tokens and padding together are P places.

    Attributes:
        start, end: logits, -inf at white space, shape (N,).
        char_start, char_end: as in `TokenScores`, shape (N,).
        bounds: first token of each question, and N, shape (Q + 1,).
        reach: tokens of the longest span, and places of padding behind each window.
        start_at, end_at: the logits by place, shape (P + reach - 1,): a view of `reach` places starts at each.
        windows, owners: first place of each window and of each question, and P, shapes (W + 1,) and (Q + 1,).
        bonus: for spans of 1 to `reach` tokens, shape (reach,); None where there is none, which costs less.
        rulers: by place, shape (P + reach - 1,); and `reaches`, how many places their longest span has, shape (P,).
    """

    start: Floats
    end: Floats
    char_start: Offsets
    char_end: Offsets
    bounds: NDArray[np.int64]
    reach: int
    start_at: Floats
    end_at: Floats
    windows: NDArray[np.int64]
    owners: NDArray[np.int64]
    bonus: Floats | None = None
    rulers: tuple[Ruler, ...] = ()
    reaches: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.int32))

    @property
    def by_length(self) -> bool:
        """Whether the length of a span changes its score, or members count lengths in their own tokens."""
        return self.bonus is not None or bool(self.rulers)

    def lengths(self) -> Iterator[tuple[slice | NDArray[np.int64], Floats]]:
        """For spans of 1, 2, ... tokens: the places where they may start, and the bonus of each."""
        if not self.rulers:
            yield from ((slice(None), added) for added in ([] if self.bonus is None else self.bonus))
            return
        place = np.flatnonzero(self.reaches)
        for further in range(self.reach):
            # The starts whose longest span is longer still; they become fewer with each round.
            place = place[self.reaches[place] > further]
            yield place, added_by(self.rulers, place, place + further)

    def added(self, place: NDArray[np.int64]) -> Floats:
        """The bonus of spans from some places, shape (places, reach) or (reach,); -inf for spans that are too long."""
        if not self.rulers:
            return np.zeros(1, dtype=np.float32) if self.bonus is None else self.bonus
        # Columns are the further tokens of a span, so that row i holds all spans from place i.
        start, further = place[:, None], np.arange(self.reach)
        return np.where(self.reaches[start] > further, added_by(self.rulers, start, start + further), -np.inf)

    @classmethod
    def of(cls, questions: Sequence[TokenScores], max_length: int, bonus: tuple[float, ...] = ()) -> "PackedScores":
        """Pack questions; the arguments are those of `decode_batch`."""
        columns = ("start", "end", "char_start", "char_end")
        start, end, char_start, char_end = (
            np.concatenate([getattr(one, name) for one in questions]) for name in columns
        )
        # Tokens of white space alone neither begin nor end an answer.
        empty = char_start >= char_end
        if empty.any():
            start[empty] = end[empty] = -np.inf
        # `edges` are the window bounds of all questions in a row, each counted from its own 0. The difference from one
        # question's last bound to the next one's first is no window, so it is deleted: W lengths remain.
        last = np.cumsum([len(one.bounds) for one in questions]) - 1  # index of each question's last bound, shape (Q,)
        edges = np.concatenate([one.bounds for one in questions])
        lengths = np.delete(np.diff(edges), last[:-1])
        # Each ruler of all questions, and at each token the longest span that any of them allows, shape (N,).
        rulers = [[one.rulers[number] for one in questions] for number in range(len(questions[0].rulers))]
        reaches = np.zeros(len(start), dtype=np.int32)
        for each in rulers:
            np.maximum(reaches, np.concatenate([ruler.reach for ruler in each]), out=reaches, casting="unsafe")
        # No span is longer than its window: a smaller reach means less padding.
        reach = min(int(reaches.max(initial=1)) if rulers else max_length, max(1, int(lengths.max())))
        # Runs of tokens and of padding in turn, `length reach length reach ...`, and by place whether it is a token.
        runs = np.stack([lengths, np.full_like(lengths, reach)], axis=1).ravel()
        is_token = np.repeat(np.tile([True, False], len(lengths)), runs)
        bounds = np.append(0, np.cumsum(edges[last]))  # each question's last bound is its number of tokens
        # The bonus of 1 to `reach` tokens: spans longer than those of the prior have its last entry.
        by_length = np.array((bonus + bonus[-1:] * reach)[:reach], dtype=np.float32) if bonus else None
        return cls(
            start=start,
            end=end,
            char_start=char_start,
            char_end=char_end,
            bounds=bounds,
            reach=reach,
            start_at=_padded(start, is_token, reach - 1),
            end_at=_padded(end, is_token, reach - 1),
            windows=np.append(0, np.cumsum(lengths + reach)),
            # A question's first place: its first token, and the padding of all windows before it. Of the bounds up to
            # and with question q's last one, `last[q] + 1` in all, `q + 1` end a question and start no window.
            owners=bounds + reach * np.append(0, last - np.arange(len(last))),
            bonus=by_length,
            rulers=tuple(
                each[0]._replace(
                    first=_padded(np.concatenate([one.first for one in each]), is_token, reach - 1, 0),
                    last=_padded(np.concatenate([one.last for one in each]), is_token, reach - 1, 0),
                )
                for each in rulers
            ),
            reaches=_padded(reaches, is_token, 0, 0),
        )


def _padded(
    values: NDArray[_Number], is_token: NDArray[np.bool_], more: int, empty: float = -np.inf
) -> NDArray[_Number]:
    """Spread values over the places of tokens; `empty` at places of padding, and `more` times at the end."""
    spaced = np.full(len(is_token) + more, empty, dtype=values.dtype)
    spaced[: len(is_token)][is_token] = values
    return spaced
