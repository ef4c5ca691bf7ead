"""Texts, pairs, token scores and questions that the tests of this folder share."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from qakit.spans.decoding import Spans, decode_batch
from qakit.spans.scores import QuestionScores, ScoresInfo
from qakit.spans.token_scores import TokenScores

PIECES = (
    *"的一是在有人我他这這個国國臺台北年月日大學山水",
    *"，。、「」《》？！（）…·",
    *" \t\n\u3000\u00a0\u200b\x00",
    *"0123789é🙂ｱ²",
    *("the", "Station", "abc", "ing", "1990", "NTU", "[SEP]", "[UNK]", "<s>", "</s>", "##a", "e\u0301", "..."),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
QUESTIONS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)
PAIRS = st.lists(st.tuples(QUESTIONS, TEXTS), min_size=1, max_size=5)

INFO = ScoresInfo(schema="drcd", model="a model", max_answer_length=1000)


def token_scores(
    start: Sequence[float],
    end: Sequence[float],
    *,
    offsets: Sequence[tuple[int, int]] | None = None,
    lengths: Sequence[int] | None = None,
    null: float | None = None,
) -> TokenScores:
    """Scores of tokens, one character each unless `offsets` tell, in windows of `lengths` tokens, or in one."""
    places = np.array(offsets or [(number, number + 1) for number in range(len(start))], dtype=np.int32).reshape(-1, 2)
    return TokenScores(
        start=np.array(start, dtype=np.float32),
        end=np.array(end, dtype=np.float32),
        char_start=places[:, 0],
        char_end=places[:, 1],
        bounds=np.concatenate([[0], np.cumsum(lengths or [len(start)])]).astype(np.int64),
        null=null,
    )


def question_scores(
    tokens: TokenScores, context: str, *, name: str = "q", candidate: int = 0, selection: tuple[float, ...] = ()
) -> QuestionScores:
    """The row of a scores file that holds these scores."""
    return QuestionScores(name, context, candidate, selection, tokens)


def random_scores(random: np.random.Generator) -> TokenScores:
    """Up to three windows of up to eight tokens: few or many ties, masks, repeated offsets, tokens of one character.

    Offsets do not fall inside a window, as a tokenizer gives them; windows overlap, or repeat each other.
    """
    lengths = random.integers(0, 9, size=random.integers(1, 4))
    size = int(lengths.sum())
    start, end = (_logits(random, size) for _ in range(2))
    gaps = [_gaps(random, length) for length in lengths.tolist()]
    char_start = np.concatenate([[], *(places for places, _ in gaps)])
    char_end = char_start + np.concatenate([[], *(widths for _, widths in gaps)])
    offsets = list(zip(char_start.tolist(), char_end.tolist(), strict=True))
    return token_scores(start, end, offsets=offsets, lengths=lengths.tolist())


def _logits(random: np.random.Generator, size: int) -> Any:
    """Normal, or integers of a small range to provoke ties; sometimes a third of them forbidden."""
    values = random.normal(size=size) if random.random() < 0.3 else random.integers(-2, 3, size).astype(float)
    if random.random() < 0.3:
        values[random.random(size) < 0.3] = -np.inf
    return values


def _gaps(random: np.random.Generator, length: int) -> tuple[Any, Any]:
    """First characters and widths of the tokens of one window; a step of 0 is a character cut into several tokens."""
    steps = random.integers(0, 3, length) if random.random() < 0.5 else np.ones(length, dtype=int)
    return random.integers(0, 4) + np.cumsum(steps), np.ones(length, dtype=int)


def all_spans(scores: TokenScores, max_length: int) -> Iterator[tuple[int, int]]:
    """First and last token of every candidate, one by one."""
    for first, end in pairwise(scores.bounds.tolist()):
        for start in range(first, end):
            for last in range(start, min(end, start + max_length)):
                if np.isfinite(scores.start[start]) and np.isfinite(scores.end[last]):
                    yield start, last


def best_spans(scores: TokenScores, **how: Any) -> Spans:
    """The best spans of one question."""
    return decode_batch([scores], **how)[0]
