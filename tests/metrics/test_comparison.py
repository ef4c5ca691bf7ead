"""Two systems: the counts, the exact test, and what is said of them."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.metrics.comparison import compare, mcnemar
from qakit.metrics.intervals import bootstrap


def scores(values: list[float]) -> dict[str, list[float]]:
    return {"em": [float(value == 1) for value in values], "f1": values}


def differences(this: list[float], other: list[float]) -> list[float]:
    return [100 * (one - another) for one, another in zip(this, other, strict=True)]


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
    for score, difference in found.differences.items():
        assert difference.interval == bootstrap(differences(this[score], other[score]), groups)
        assert found.other[score] == pytest.approx(100 * np.mean(other[score]))
    assert found.only_this == sum(gain > 0 for gain in differences(this["em"], other["em"]))
    assert (found.only_this - found.only_other) / 0.9 == pytest.approx(found.differences["em"].interval.mean)
    assert (found.mcnemar, found.missing) == (mcnemar(found.only_this, found.only_other), 2)
    back = compare("this.csv", other, this, groups)
    mine, theirs = found.differences["em"], back.differences["em"]
    assert theirs.p_value == mine.p_value
    assert theirs.interval.low == pytest.approx(-mine.interval.high)


def test_equal_systems_do_not_differ():
    same = scores([1.0, 0.0, 0.5])
    found = compare("o", same, same, "abc")
    assert [difference.p_value for difference in found.differences.values()] == [1, 1]
    assert (found.mcnemar, found.only_this) == (1, 0)
    assert found.sentence.startswith("no better and no worse than o as far as these questions can tell")


def test_the_p_value_of_equal_systems_is_about_as_often_low_as_it_says():
    random = np.random.default_rng(4)
    low = 0
    for trial in range(200):
        one, other = (scores(random.integers(0, 2, 120).astype(float).tolist()) for _ in range(2))
        found = compare("o", one, other, [n // 2 for n in range(120)], seed=trial)
        low += found.differences["em"].p_value < 0.1
    assert 8 <= low <= 36  # of 20 expected


def test_a_clear_difference_is_called_one_in_both_directions():
    good, bad = scores([1.0] * 40 + [0.0] * 10), scores([1.0] * 10 + [0.0] * 40)
    assert compare("o", good, bad, range(50)).sentence.startswith("better than o, by more than chance explains")
    worse = compare("o", bad, good, range(50))
    assert worse.sentence.startswith("worse than o")
    assert 0 < worse.differences["em"].p_value < 0.001


def test_tests_that_disagree_are_said_to():
    # One paragraph has all the questions that differ: McNemar takes them for independent, the bootstrap knows better.
    good, bad = scores([1.0] * 20 + [0.0] * 20), scores([0.0] * 40)
    assert compare("o", good, bad, [0] * 20 + [*range(1, 21)]).sentence.startswith("not surely better than o")


def test_scores_of_any_name_are_compared():
    found = compare("o", {"joint_accuracy": [1, 0, 1]}, {"joint_accuracy": [1, 0, 0]}, "abc")
    assert found.summary()["other_joint_accuracy"] == pytest.approx(100 / 3)
    assert found.summary()["joint_accuracy"]["difference"] == pytest.approx(100 / 3)
    assert "as far as these records can tell (joint accuracy +33.33, 95 % interval" in found.sentence
