"""The decoder finds exactly the best spans: held against a search of every span, and against small cases by hand."""

import numpy as np
import pytest

from qakit.spans.decoding import Spans, decode_batch
from qakit.spans.probability import log_sum_exp
from qakit.spans.token_scores import TokenScores
from tests.spans.cases import all_spans, best_spans, random_scores, token_scores

CASES = 10_000
Ranked = list[tuple[float, int, int]]


def ranking(spans: Spans) -> Ranked:
    return list(zip(spans.score.tolist(), spans.start.tolist(), spans.end.tolist(), strict=True))


def brute_force(scores: TokenScores, max_length: int, nbest: int) -> Ranked:
    """By score falling, then start, then end; equal offsets once."""
    best: dict[tuple[int, int], float] = {}
    sums = (scores.start[:, None] + scores.end[None, :]).tolist()  # float32, as the decoder adds
    starts, ends = scores.char_start.tolist(), scores.char_end.tolist()
    for start, last in all_spans(scores, max_length):
        offsets = starts[start], ends[last]
        best[offsets] = max(best.get(offsets, -np.inf), sums[start][last])
    return sorted(((score, *offsets) for offsets, score in best.items()), key=lambda s: (-s[0], *s[1:]))[:nbest]


def test_ten_thousand_random_questions_have_the_spans_that_a_search_of_all_spans_finds() -> None:
    random = np.random.default_rng(0)
    ties = 0
    for number in range(CASES):
        scores = random_scores(random)
        max_length, nbest = int(random.integers(1, 11)), int(random.integers(1, 13))
        expected = brute_force(scores, max_length, nbest)
        assert ranking(best_spans(scores, max_length=max_length, nbest=nbest)) == expected, (number, scores)
        ties += len({score for score, *_ in expected}) < len(expected)
    assert ties > CASES / 3  # otherwise the order of ties was not looked at


def test_a_long_question_has_the_spans_that_a_search_of_all_spans_finds() -> None:
    random = np.random.default_rng(1)
    offsets = [(number, number + 1) for first in (0, 172) for number in range(first, first + 300)]
    for _ in range(5):
        scores = token_scores(*random.normal(size=(2, 600)), offsets=offsets, lengths=[300, 300])
        expected = brute_force(scores, 30, 20)
        assert ranking(best_spans(scores, max_length=30, nbest=20)) == expected


def test_questions_read_together_have_the_spans_and_probabilities_of_each_alone() -> None:
    random = np.random.default_rng(4)
    empty = token_scores([], [], lengths=[0])
    for count in (0, 1, 2, 63, 64, 65, 200):
        questions = [random_scores(random) if random.random() < 0.9 else empty for _ in range(count)]
        for nbest in (1, 3, 50):
            together = decode_batch(questions, max_length=4, nbest=nbest)
            assert len(together) == count
            for spans, scores in zip(together, questions, strict=True):
                alone = best_spans(scores, max_length=4, nbest=nbest)
                assert ranking(spans) == ranking(alone)
                assert spans.probability.tolist() == alone.probability.tolist()


def test_the_best_span_is_not_a_pair_of_the_best_start_and_the_best_end() -> None:
    scores = token_scores([0, 1, 9, 0], [0, 9, 0, 1])
    assert ranking(best_spans(scores, max_length=4, nbest=2)) == [(10.0, 1, 2), (10.0, 2, 4)]


def test_no_span_crosses_from_one_window_into_the_next() -> None:
    scores = token_scores([5, 0, 0, 0], [0, 0, 5, 0], lengths=[2, 2])
    assert ranking(best_spans(scores, max_length=4)) == [(5.0, 0, 1)]


def test_a_span_of_two_windows_counts_once_at_its_higher_score() -> None:
    scores = token_scores([1, 3], [1, 1], offsets=[(7, 9), (7, 9)], lengths=[1, 1])
    assert ranking(best_spans(scores, max_length=1, nbest=5)) == [(4.0, 7, 9)]


def test_a_cap_of_one_token_gives_single_tokens_only() -> None:
    scores = token_scores([3, 2, 0], [0, 2, 9])
    assert ranking(best_spans(scores, max_length=1, nbest=9)) == [(9.0, 2, 3), (4.0, 1, 2), (3.0, 0, 1)]


@pytest.mark.parametrize("max_length", [1, 3, 100])
def test_more_spans_wanted_than_there_are_gives_all_of_them(max_length: int) -> None:
    scores = token_scores([1, 2, 3], [3, 2, 1])
    expected = brute_force(scores, max_length, 1000)
    assert ranking(best_spans(scores, max_length=max_length, nbest=1000)) == expected
    assert len(expected) == (3 if max_length == 1 else 6)


@pytest.mark.parametrize("lengths", [[0], [0, 0]])
def test_a_question_without_tokens_has_no_span(lengths: list[int]) -> None:
    assert len(best_spans(token_scores([], [], lengths=lengths), max_length=5, nbest=3)) == 0


def test_a_question_whose_tokens_are_all_forbidden_has_no_span() -> None:
    scores = token_scores([-np.inf] * 3, [0, 0, 0])
    assert len(best_spans(scores, max_length=5, nbest=3)) == 0


def test_all_scores_equal_gives_the_earliest_and_shortest_spans() -> None:
    scores = token_scores([0] * 4, [0] * 4)
    assert ranking(best_spans(scores, max_length=2, nbest=3)) == [(0.0, 0, 1), (0.0, 0, 2), (0.0, 1, 2)]


def test_the_probability_is_that_of_the_start_times_that_of_the_end_over_all_windows() -> None:
    random = np.random.default_rng(2)
    scores = token_scores(*random.normal(size=(2, 6)), lengths=[4, 2])
    start, end = (np.exp(logits) / np.exp(logits).sum() for logits in (scores.start, scores.end))
    spans = best_spans(scores, max_length=6, nbest=100)
    expected = [start[first] * end[last - 1] for _, first, last in ranking(spans)]
    assert spans.probability == pytest.approx(expected, rel=1e-5)
    assert spans.probability.sum() < 1


def test_the_probabilities_of_all_spans_from_the_only_start_sum_to_one() -> None:
    scores = token_scores([2, -np.inf, -np.inf, -np.inf], [1, -1, 300, 0])
    spans = best_spans(scores, max_length=4, nbest=4)
    assert len(spans) == 4
    assert spans.probability.sum() == pytest.approx(1, abs=1e-6)


def test_huge_logits_have_finite_probabilities() -> None:
    spans = best_spans(token_scores([1e30, 0], [1e30, 0]), max_length=2, nbest=3)
    assert spans.probability.tolist() == [1.0, 0.0, 0.0]


def test_the_input_is_left_as_it_was() -> None:
    scores = random_scores(np.random.default_rng(3))
    before = [array.copy() for array in (scores.start, scores.end, scores.char_start, scores.char_end, scores.bounds)]
    best_spans(scores, max_length=3, nbest=2)
    after = [scores.start, scores.end, scores.char_start, scores.char_end, scores.bounds]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_log_sum_exp_is_exact_where_a_plain_sum_overflows() -> None:
    assert log_sum_exp(np.array([1000, 1000], dtype=np.float32)) == pytest.approx(1000 + np.log(2))
    assert log_sum_exp(np.array([-np.inf, 3], dtype=np.float32)) == 3
    assert log_sum_exp(np.array([], dtype=np.float32)) == 0
    assert log_sum_exp(np.array([-np.inf], dtype=np.float32)) == 0
