"""BM25 retrieval over character bigrams, which need no word segmentation."""

from collections.abc import Sequence
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray


class BigramIndex:
    """An index of texts for BM25 (Robertson and Zaragoza, 2009; Lucene's variant, k1 1.5, b 0.75).

    Terms are the character bigrams of the question. Width and letter case do not matter.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Count the bigrams of all texts, at least one."""
        import bm25s

        numbers: dict[str, int] = {}
        counted = [[numbers.setdefault(pair, len(numbers)) for pair in bigrams(_fold(text))] for text in texts]
        self._bm25 = bm25s.BM25()
        self._bm25.index((counted, numbers), show_progress=False)

    def nearest(self, question: str, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Numbers and scores of the `count` best texts, best first; ties go to the smaller number.

        Returns:
            Two arrays of shape (min(count, texts),). A score of 0 means that no bigram is shared.
        """
        scores: NDArray[np.float32] = self._bm25.get_scores(bigrams(_fold(question)))
        count = min(count, len(scores))
        # All texts that reach the count-th best score, in order: a partial sort alone breaks ties arbitrarily.
        near = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
        best = near[np.argsort(-scores[near], kind="stable")[:count]]
        return best, scores[best].astype(np.float64)


def _fold(text: str) -> str:
    """The text without differences of width and letter case."""
    return normalize("NFKC", text).casefold()


def bigrams(text: str) -> list[str]:
    """The overlapping character pairs of a text; a text of one character gives that character."""
    return [text[start : start + 2] for start in range(max(len(text) - 1, 1))]
