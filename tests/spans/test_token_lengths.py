"""A model's tokens are numbered as they stand in the text, however windows cut it, and lengths are counted in them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qakit.spans.token_lengths import LengthRule, Ruler, added_by, token_numbers


@st.composite
def sequences(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    """Tokens of a text and its size: with gaps, several tokens to a character, and some without any."""
    place, offsets = draw(st.integers(0, 1)), []
    for width in draw(st.lists(st.integers(1, 3), min_size=1, max_size=8)):
        offsets += [(place, place)] * draw(st.integers(0, 1))
        offsets += [(place, place + width)] * draw(st.sampled_from((1, 1, 2)))
        place += width + draw(st.integers(0, 1))
    return offsets, place


@given(sequence=sequences(), data=st.data())
def test_tokens_have_their_numbers_through_windows_that_overlap(
    sequence: tuple[list[tuple[int, int]], int], data: st.DataObject
) -> None:
    offsets, size = sequence
    length = data.draw(st.integers(5, 12))  # more than one character's tokens
    stride = data.draw(st.integers(1, max(1, length - 4)))
    first_of = range(0, max(1, len(offsets) - length + stride), stride)
    windows = [offsets[low : low + length] for low in first_of]
    first, stop = np.array([token for tokens in windows for token in tokens], dtype=np.int64).T
    window = np.repeat(np.arange(len(windows)), list(map(len, windows)))
    begins, ends, apart = token_numbers(first, stop, window, size)
    assert apart == (len(set(offsets)) == len(offsets) and all(low < high for low, high in offsets))
    filled = [number for number, (low, high) in enumerate(offsets) if low < high]
    for place in range(size):
        beyond = [number for number in filled if offsets[number][1] > place]
        begun = [number for number in filled if offsets[number][0] <= place]
        assert begins[place] == (beyond or [len(offsets)])[0]
        assert ends[place] == (begun or [-1])[-1]


def test_a_text_without_tokens_has_no_numbers_to_tell() -> None:
    none = np.zeros(0, dtype=np.int64)
    begins, ends, _ = token_numbers(none, none, none, 3)
    assert (begins.tolist(), ends.tolist()) == ([0, 0, 0], [-1, -1, -1])
    assert len(Ruler(LengthRule(3), begins[:0], ends[:0]).reach) == 0


@given(
    steps=st.lists(st.integers(0, 2), min_size=1, max_size=8),
    longest=st.integers(1, 6),
    bonus=st.lists(st.floats(-5, 0), max_size=4),
)
def test_a_span_is_as_long_as_the_tokens_from_its_first_to_its_last(
    steps: list[int], longest: int, bonus: list[float]
) -> None:
    first = np.cumsum(steps, dtype=np.int32)
    ruler = Ruler(
        LengthRule(longest, tuple(bonus)), first, first + np.append(np.diff(first).clip(1) - 1, 0).astype(np.int32)
    )
    for start in range(len(steps)):
        for end in range(start, len(steps)):
            length = int(ruler.last[end] - ruler.first[start]) + 1
            assert (end - start < ruler.reach[start]) == (length <= longest)
            (found,) = added_by([ruler], np.array([start]), np.array([end])).tolist()
            assert found == np.float32(bonus[min(length, len(bonus)) - 1] if bonus else 0)


def test_the_rules_of_several_models_add_up() -> None:
    four = np.arange(4, dtype=np.int32)
    characters = Ruler(LengthRule(2, (0.0, -1.0)), four, four)
    words = Ruler(LengthRule(2, (0.0, -2.0)), four // 2, four // 2)
    assert added_by([characters, words], np.zeros(4, dtype=np.int64), np.arange(4)).tolist() == [0, -1, -3, -3]
    assert [ruler.reach.tolist() for ruler in (characters, words)] == [[2, 2, 2, 1], [4, 3, 2, 1]]
