"""The nearest texts are those of the highest BM25 score, by definition and in a fixed order."""

from collections import Counter
from math import isclose, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.bm25 import BigramIndex, bigrams

TEXTS = st.lists(st.text("甲乙丙丁", min_size=1, max_size=8), min_size=1, max_size=8)


def by_hand(question: str, texts: list[str]) -> list[float]:
    """BM25 as Lucene defines it, k1 1.5 and b 0.75."""
    counts = [Counter(bigrams(text)) for text in texts]
    mean = sum(count.total() for count in counts) / len(texts)
    scores = []
    for count in counts:
        score = 0.0
        for pair in bigrams(question):
            holding = sum(pair in other for other in counts)
            weight = log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            score += weight * count[pair] / (count[pair] + 1.5 * (1 - 0.75 + 0.75 * count.total() / mean))
        scores.append(score)
    return scores


@given(texts=TEXTS, question=st.text("甲乙丙丁", min_size=1, max_size=6), count=st.integers(1, 9))
def test_the_nearest_texts_have_the_highest_bm25_scores(texts: list[str], question: str, count: int):
    expected = by_hand(question, texts)
    numbers, scores = BigramIndex(texts).nearest(question, count)
    assert len(numbers) == len(set(numbers.tolist())) == min(count, len(texts))
    for number, score in zip(numbers, scores, strict=True):
        assert isclose(score, expected[number], rel_tol=1e-5, abs_tol=1e-6)
    assert sorted(scores, reverse=True) == scores.tolist()
    left_out = [score for number, score in enumerate(expected) if number not in numbers]
    assert max(left_out, default=0.0) <= scores[-1] + 1e-5


def test_of_equally_near_texts_the_first_come_first():
    numbers, scores = BigramIndex(["丁丁", "甲乙", "甲乙", "丙丙", "甲乙"]).nearest("甲乙", 4)
    assert numbers.tolist() == [1, 2, 4, 0]
    assert scores[0] == scores[1] == scores[2] > scores[3] == 0.0


def test_nothing_shared_has_a_score_of_nothing():
    numbers, scores = BigramIndex(["甲乙", "丙"]).nearest("ab", 2)
    assert (numbers.tolist(), scores.tolist()) == ([0, 1], [0.0, 0.0])


def test_width_and_capitals_do_not_matter():
    numbers, _ = BigramIndex(["丙丁戊", "ＤＮＡ是什麼"]).nearest("dna", 1)
    assert numbers.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "pairs"), [("", [""]), ("山", ["山"]), ("山河", ["山河"]), ("山河湖", ["山河", "河湖"])]
)
def test_bigrams_overlap_and_one_character_stands_for_itself(text: str, pairs: list[str]):
    assert bigrams(text) == pairs
