"""Words of a sentence and the tokens that stand for them: the first token of each, and one row of logits a word."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qakit.spans.tokenizing import Ints, token_span
from qakit.spans.windowing import EncodedPairs

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class FirstTokens:
    """The words of N sentences, those of sentence i being `bounds[i]` to `bounds[i + 1]` (exclusive).

    Attributes:
        tokens: number, in its sentence, of each word's first token; -1 where the tokenizer dropped the word, shape
            (words,).
        bounds: shape (N + 1,).
    """

    tokens: Ints
    bounds: NDArray[np.int64]

    def within(self, sentence: int, first: int, end: int) -> tuple[NDArray[np.int64], Ints]:
        """The words, numbered among all, whose first token is from `first` to `end` (exclusive), and that token."""
        low, high = self.bounds[sentence : sentence + 2]
        tokens = self.tokens[low:high]
        words = np.flatnonzero((tokens >= first) & (tokens < end))
        return words + low, tokens[words]


def first_tokens(pairs: EncodedPairs, spans: Iterable[Sequence[tuple[int, int]]]) -> FirstTokens:
    """Find the words of sentences that `encode_texts` tokenised.

    Args:
        spans: of each sentence the characters of its words, from (inclusive) and to (exclusive).
    """
    found = [
        [token_span(pairs.paragraphs, int(text), start, end)[0] for start, end in words]
        for text, words in zip(pairs.paragraph_of, spans, strict=True)
    ]
    bounds = np.append(0, np.cumsum([len(words) for words in found])).astype(np.int64)
    return FirstTokens(np.array([token for words in found for token in words], dtype=np.int32), bounds)
