"""Which tokens of a paragraph its question has too, and in how long a run: the exact match feature of DrQA.

Chen et al., "Reading Wikipedia to Answer Open-Domain Questions", ACL 2017, arXiv:1704.00051.
"""

import numpy as np

from qakit.spans.tokenizing import Ints


def match_lengths(question: Ints, paragraph: Ints, limit: int) -> Ints:
    """How long the longest run of tokens is that holds each paragraph token and stands in the question too.

    For a question `a b c` and a paragraph `b c x a` that is `2 2 0 1`.

    Args:
        question, paragraph: token ids, shape (question tokens,) and (paragraph tokens,).
        limit: longer runs count as this many tokens; 0 or more.

    Returns:
        0 for a token that the question does not have, otherwise 1 to `limit`, shape (paragraph tokens,).
    """
    found = np.zeros(len(paragraph), dtype=np.int32)
    equal = question[:, None] == paragraph
    runs = equal  # whether the `length` tokens from each place of the question, and of the paragraph, are the same
    for length in range(1, limit + 1):
        starts = np.flatnonzero(runs.any(axis=0))
        if not len(starts):
            break
        found[starts[:, None] + np.arange(length)] = length
        runs = runs[:-1, :-1] & equal[length:, length:]
    return found
