"""Two systems: the counts, the exact test, and what is said of them."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.metrics.comparing import compare, mcnemar
from qakit.metrics.intervals import bootstrap
from qakit.metrics.presets import QuestionScore


def scores(values: list[float]) -> list[QuestionScore]:
    return [QuestionScore(float(value == 1), value) for value in values]


@pytest.mark.parametrize(
    ("this", "other", "p_value"), [(0, 0, 1), (1, 0, 1), (3, 3, 1), (5, 0, 2 / 32), (9, 2, 2 * (1 + 11 + 55) / 2048)]
)
def test_mcnemar_on_cases_worked_by_hand(this: int, other: int, p_value: float):
    assert mcnemar(this, other) == mcnemar(other, this) == p_value


@given(st.integers(0, 9), st.integers(0, 9))
def test_mcnemar_equals_counting_all_falls_of_the_coin(this: int, other: int):
    total, uneven = this + other, abs(this - other)
    falls = sum(abs(total - 2 * sum(coins)) >= uneven for coins in product((0, 1), repeat=min(total, 12)))
    if total <= 12:
        assert mcnemar(this, other) == pytest.approx(falls / 2**total)
    assert mcnemar(this, other) == pytest.approx(
        sum(comb(total, heads) for heads in range(total + 1) if abs(total - 2 * heads) >= uneven) / 2**total
    )


def test_mcnemar_of_many_questions_neither_overflows_nor_vanishes():
    assert mcnemar(5000, 5000) == 1
    assert 0 < mcnemar(500, 300) < 1e-10


def test_the_difference_is_paired_and_by_group():
    random = np.random.default_rng(0)
    this, other = scores(random.choice([0.0, 0.5, 1.0], 90).tolist()), scores(random.choice([0.0, 1.0], 90).tolist())
    groups = [number // 3 for number in range(90)]
    found = compare("other.csv", this, other, groups, missing=2)
    assert found.em.interval == bootstrap([100 * (a.em - b.em) for a, b in zip(this, other, strict=True)], groups)
    assert found.f1.interval == bootstrap([100 * (a.f1 - b.f1) for a, b in zip(this, other, strict=True)], groups)
    assert found.only_this == sum(a.em > b.em for a, b in zip(this, other, strict=True))
    assert (found.only_this - found.only_other) / 0.9 == pytest.approx(found.em.interval.mean)
    assert (found.mcnemar, found.missing) == (mcnemar(found.only_this, found.only_other), 2)
    back = compare("this.csv", other, this, groups)
    assert back.em.p_value == found.em.p_value
    assert back.em.interval.low == pytest.approx(-found.em.interval.high)


def test_equal_systems_do_not_differ():
    same = scores([1.0, 0.0, 0.5])
    found = compare("o", same, same, "abc")
    assert (found.em.p_value, found.f1.p_value, found.mcnemar, found.only_this) == (1, 1, 1, 0)
    assert found.sentence.startswith("no better and no worse than o as far as these questions can tell")


def test_the_p_value_of_equal_systems_is_about_as_often_low_as_it_says():
    random = np.random.default_rng(4)
    low = 0
    for trial in range(200):
        one, other = (scores(random.integers(0, 2, 120).astype(float).tolist()) for _ in range(2))
        low += compare("o", one, other, [n // 2 for n in range(120)], seed=trial).em.p_value < 0.1
    assert 8 <= low <= 36  # of 20 expected


def test_a_clear_difference_is_called_one_in_both_directions():
    good, bad = scores([1.0] * 40 + [0.0] * 10), scores([1.0] * 10 + [0.0] * 40)
    assert compare("o", good, bad, range(50)).sentence.startswith("better than o, by more than chance explains")
    worse = compare("o", bad, good, range(50))
    assert worse.sentence.startswith("worse than o")
    assert 0 < worse.em.p_value < 0.001


def test_tests_that_disagree_are_said_to():
    # One paragraph has all the questions that differ: McNemar takes them for independent, the bootstrap knows better.
    good, bad = scores([1.0] * 20 + [0.0] * 20), scores([0.0] * 40)
    assert compare("o", good, bad, [0] * 20 + [*range(1, 21)]).sentence.startswith("not surely better than o")
