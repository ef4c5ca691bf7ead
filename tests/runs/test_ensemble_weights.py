"""Greedy selection finds what helps, is never worse than the best member, and stops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qakit.runs.ensemble import Counts, forward_selection


@given(seed=st.integers(0, 2**32), size=st.integers(1, 5), rounds=st.integers(1, 12))
def test_it_is_never_worse_than_the_best_member(seed: int, size: int, rounds: int) -> None:
    target, *members = np.random.default_rng(seed).normal(size=(size + 1, 6))

    def score(counts: Counts) -> tuple[float, ...]:
        mean = sum(count * member for count, member in zip(counts, members, strict=True)) / sum(counts)
        return (-float(np.abs(mean - target).sum()),)

    found = forward_selection(size, score, rounds=rounds)
    assert sum(found) <= rounds
    assert np.gcd.reduce(found) == 1
    assert score(found) >= max(score(tuple(int(other == one) for other in range(size))) for one in range(size))


def test_a_member_may_count_several_times() -> None:
    def score(counts: Counts) -> tuple[float, ...]:
        return (-abs(counts[0] / sum(counts) - 0.75),)

    assert forward_selection(2, score, rounds=9) == (3, 1)


def test_ties_go_to_the_earlier_member_and_to_the_smaller_ensemble() -> None:
    asked: list[Counts] = []

    def score(counts: Counts) -> tuple[float, ...]:
        asked.append(counts)
        return (1.0,)

    assert forward_selection(3, score, rounds=100) == (1, 0, 0)
    assert len(asked) == 3 + 2 + 4 * 3  # the first round, and five that bring nothing


def test_a_third_member_may_decide_between_two_that_are_worse_together():
    worth = {(1, 0, 0): 3.0, (0, 1, 0): 2.0, (0, 0, 1): 2.0, (1, 1, 0): 2.5, (1, 0, 1): 2.0, (1, 1, 1): 9.0}
    assert forward_selection(3, lambda counts: (worth.get(counts, 0.0),), rounds=20) == (1, 1, 1)


def test_one_member_is_itself():
    assert forward_selection(1, lambda counts: (1.0,), rounds=20) == (1,)
