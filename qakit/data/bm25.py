"""Which of many texts are nearest to a question: BM25 over the pairs of characters that they share."""

from collections.abc import Sequence
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray


class BigramIndex:
    """Texts, ready to be asked which of them share most with a question.

    The score is BM25 (Robertson and Zaragoza, 2009) as Lucene has it, with k1 1.5 and b 0.75, summed over the character
    bigrams of the question. Full-width, half-width, capital and small letters count as the same.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Count the bigrams of all texts, of which there is at least one."""
        import bm25s

        numbers: dict[str, int] = {}
        counted = [[numbers.setdefault(pair, len(numbers)) for pair in bigrams(folded(text))] for text in texts]
        self._bm25 = bm25s.BM25()
        self._bm25.index((counted, numbers), show_progress=False)

    def nearest(self, question: str, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Numbers and scores of the `count` nearest texts, nearest first; of equally near ones the first of them.

        Returns:
            Two arrays, shape (at most `count`,). A score of 0 means that nothing is shared.
        """
        scores: NDArray[np.float32] = self._bm25.get_scores(bigrams(folded(question)))
        count = min(count, len(scores))
        near = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
        best = near[np.argsort(-scores[near], kind="stable")[:count]]
        return best, scores[best].astype(np.float64)


def folded(text: str) -> str:
    """The text without differences of width and capitals."""
    return normalize("NFKC", text).casefold()


def bigrams(text: str) -> list[str]:
    """The overlapping pairs of characters of a text: Chinese words without a dictionary."""
    return [text[start : start + 2] for start in range(max(len(text) - 1, 1))]
