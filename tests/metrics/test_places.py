"""Where texts stand, commas aside."""

from hypothesis import given
from hypothesis import strategies as st

from qakit.metrics.places import nearest, overlap, places


def test_every_place_is_found_overlapping_ones_too():
    assert places("哈哈", "哈哈哈") == [(0, 2), (1, 3)]
    assert places("甲", "乙") == places("", "甲") == []


def test_commas_are_passed_over_only_where_there_is_no_other_place():
    assert places("1234", "有1,234人") == [(1, 6)]
    assert places("1,234", "有1234人") == [(1, 5)]
    assert places("1234", "1,234與1234") == [(6, 10)]
    assert places(",", "甲乙") == []


@given(st.text("甲乙,", min_size=1, max_size=12), st.integers(0, 11), st.integers(1, 12))
def test_a_piece_of_a_text_without_its_commas_is_found_where_it_was(context: str, start: int, length: int):
    piece = context[start : start + length].replace(",", "")
    found = places(piece, context)
    assert all(context[first:end].replace(",", "") == piece for first, end in found)
    assert bool(found) == bool(piece)


def test_the_nearest_span_shares_most_or_is_least_far_away():
    assert nearest([(0, 2), (5, 9), (8, 10)], [(8, 12)]) == (8, 10)
    assert nearest([(0, 2), (20, 22)], [(8, 12)]) == (0, 2)
    assert nearest([(3, 4), (1, 2)], []) == (3, 4)
    assert nearest([], [(1, 2)]) is None
    assert (overlap((0, 3), (2, 5)), overlap((0, 2), (2, 5))) == (1, 0)
