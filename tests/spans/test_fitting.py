"""What is fitted is what a search of all possibilities finds."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.spans.decoding import log_normalisers
from qakit.spans.fitting import fit_length_prior, fit_null_threshold, fit_temperature, token_places
from tests.spans.cases import best_spans, token_scores

SCORES = st.sampled_from([(0.0, 0.0), (0.0, 0.5), (1.0, 1.0)])
QUESTION = st.tuples(st.integers(-3, 3).map(float), SCORES, SCORES)

# The null threshold


def reached(threshold: float, questions: list[tuple[float, tuple[float, float], tuple[float, float]]]):
    """Sums of EM and F1 with a threshold, question by question."""
    given = [empty if lead > threshold else answered for lead, answered, empty in questions]
    return sum(em for em, _ in given), sum(f1 for _, f1 in given)


@given(questions=st.lists(QUESTION, min_size=1, max_size=12))
def test_no_threshold_is_better_than_the_one_found(questions):
    found = fit_null_threshold(*zip(*questions, strict=True))
    tried = [lead + step for (lead, *_), step in product(questions, (-0.5, 0.0, 0.5))]
    assert reached(found, questions) == max(reached(threshold, questions) for threshold in tried)


def test_of_equal_thresholds_the_one_nearest_to_zero_is_taken():
    right, wrong = (1.0, 1.0), (0.0, 0.0)
    assert fit_null_threshold([-4.0, 2.0], [right, wrong], [wrong, right]) == -1.0
    assert fit_null_threshold([-4.0, 2.0, 8.0], [right] * 3, [right] * 3) == -1.0


def test_a_threshold_lies_below_the_higher_lead_even_where_nothing_fits_between():
    low = 1.0
    high = float(np.nextafter(low, 2.0))
    right, wrong = (1.0, 1.0), (0.0, 0.0)
    assert fit_null_threshold([low, high], [right, wrong], [wrong, right]) == low


def test_all_answered_or_none_is_found_too():
    right, wrong = (1.0, 1.0), (0.0, 0.0)
    assert fit_null_threshold([3.0, 5.0], [right] * 2, [wrong] * 2) >= 5.0
    assert fit_null_threshold([-3.0, -5.0], [wrong] * 2, [right] * 2) < -5.0


# The temperature


def _drawn(temperature: float, count: int = 2000):
    """Questions whose best span is right as often as its probability at a temperature says."""
    random = np.random.default_rng(0)
    questions = [token_scores(*3 * random.normal(size=(2, 6))) for _ in range(count)]
    found = [best_spans(scores, max_length=6, temperature=temperature) for scores in questions]
    right = random.random(count) < [spans.probability[0] for spans in found]
    return questions, [float(spans.score[0]) for spans in found], right.astype(float).tolist()


@pytest.mark.parametrize("temperature", [0.7, 3.0])
def test_the_temperature_at_which_answers_were_right_is_found_again(temperature):
    found, before, after = fit_temperature(*_drawn(temperature), max_length=6)
    assert found == pytest.approx(temperature, rel=0.1)
    assert after < before


@pytest.mark.parametrize("bonus", [(), (0.0, -1.0, -3.0)])
def test_no_temperature_tells_better_whether_answers_are_right(bonus):
    questions, scores, right = _drawn(2.0, 100)
    found, _, loss = fit_temperature(questions, scores, right, max_length=6, bonus=bonus)
    for factor in (0.1, 0.5, 0.9, 1.1, 2.0, 10.0):
        logs = log_normalisers(questions, max_length=6, temperature=factor * found, bonus=bonus)
        sure = np.exp(np.minimum(np.array(scores) / (factor * found) - logs, -1e-6))
        assert -np.log(np.where(right, sure, 1 - sure)).mean() > loss


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_answers_all_right_or_all_wrong_have_a_temperature_too(right):
    questions, scores, _ = _drawn(1.0, 20)
    found, _, loss = fit_temperature(questions, scores, [right] * 20, max_length=6)
    assert 0.05 <= found <= 20 and np.isfinite(loss)


def test_the_log_normaliser_turns_a_score_into_its_log_probability():
    random = np.random.default_rng(1)
    questions = [token_scores(*random.normal(size=(2, 9)), lengths=[5, 4]) for _ in range(70)]
    how = {"max_length": 3, "temperature": 1.7, "bonus": (0.0, -0.5)}
    for scores, log in zip(questions, log_normalisers(questions, **how), strict=True):
        best = best_spans(scores, **how)
        assert best.score[0] / 1.7 - log == pytest.approx(np.log(best.probability[0]), rel=1e-5)


# Lengths and places


def test_the_prior_is_the_smoothed_share_of_each_length():
    prior = np.exp(fit_length_prior([1, 1, 3, 9], 4))
    assert prior == pytest.approx(np.array([2.5, 0.5, 1.5, 0.5]) / 5)


def test_a_span_is_found_in_each_window_that_holds_it_whole():
    offsets = [(0, 1), (1, 3), (3, 4), (1, 3), (3, 4), (4, 6)]
    scores = token_scores([0] * 6, [0] * 6, offsets=offsets, lengths=[3, 3])
    assert token_places(scores, 1, 4) == [(1, 2), (3, 4)]
    assert token_places(scores, 2, 4) == [(1, 2), (3, 4)]
    assert token_places(scores, 0, 3) == [(0, 1)]
    assert token_places(scores, 3, 5) == [(4, 5)]
    assert token_places(scores, 0, 5) == []
    assert token_places(scores, 6, 8) == []
