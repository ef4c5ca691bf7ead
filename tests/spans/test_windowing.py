"""Windows cover every token, share what was asked for, and never hold only what the one before them holds."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.config import WindowSettings
from qakit.errors import ConfigError
from qakit.spans.windowing import (
    DEFAULT_OVERLAP,
    EncodedPairs,
    Windows,
    covering_windows,
    encode_pairs,
    gather_windows,
    held_whole,
    reachable,
)
from tests.spans.cases import PAIRS
from tests.spans.frames import FRAMES, Pair, bert

SPECIAL = 3  # [CLS], [SEP], [SEP]
LONG = "國" * 1000


def ways(max_length: int) -> st.SearchStrategy[WindowSettings]:
    """Settings of one window length: overlap, step or neither, with and without a limit to the paragraph part."""
    limits = st.fixed_dictionaries({}, optional={"max_paragraph_length": st.integers(1, 50)})
    places = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"overlap": st.integers(0, max_length - 1)}),
        st.fixed_dictionaries({"step": st.integers(1, 60)}),
    )
    return st.builds(lambda limit, place: WindowSettings(max_length=max_length, **limit, **place), limits, places)


WAYS = st.integers(24, 80).flatmap(ways)


def by_pair(pairs: EncodedPairs, windows: Windows) -> list[list[tuple[int, int]]]:
    """First and end token of each pair's windows, in order."""
    return [
        [(first, end) for _, _, first, end in windows.rows[windows.pairs == number].tolist()]
        for number in range(len(pairs))
    ]


def encoded(question: str, paragraph: str, **given: Any) -> EncodedPairs:
    return encode_pairs(bert(), [(question, paragraph)], WindowSettings(**given))


def places(question: str, paragraph: str, **given: Any) -> list[tuple[int, int]]:
    pairs = encoded(question, paragraph, **given)
    return by_pair(pairs, covering_windows(pairs))[0]


@settings(max_examples=100)
@given(name=st.sampled_from(sorted(FRAMES)), texts=PAIRS, asked=WAYS)
def test_windows_cover_every_token_and_each_brings_new_ones(
    name: str, texts: list[Pair], asked: WindowSettings
) -> None:
    pairs = encode_pairs(FRAMES[name](), texts, asked)
    windows = covering_windows(pairs)
    assert windows.pairs.tolist() == sorted(windows.pairs.tolist())
    for number, found in enumerate(by_pair(pairs, windows)):
        length, room, step = pairs.paragraph_lengths[number], pairs.room[number], pairs.step[number]
        assert found[0][0] == 0
        assert found[-1][1] == length
        assert all(end == min(first + room, length) for first, end in found)
        for (first, end), (next_first, next_end) in pairwise(found):
            assert next_first == first + step <= end < next_end


@settings(max_examples=60)
@given(texts=PAIRS, asked=WAYS)
def test_the_room_is_what_question_special_tokens_and_limits_leave(texts: list[Pair], asked: WindowSettings) -> None:
    pairs = encode_pairs(bert(), texts, asked)
    for (question, _), room, step in zip(texts, pairs.room.tolist(), pairs.step.tolist(), strict=True):
        kept = min(len(bert().tokenize(question)), asked.max_length // 2)
        assert room == min(asked.max_length - SPECIAL - kept, asked.max_paragraph_length or 10_000)
        assert step == expected_step(asked, room)


def expected_step(asked: WindowSettings, room: int) -> int:
    if asked.step is not None:
        return min(asked.step, room)
    if asked.overlap is None:
        return room - min(DEFAULT_OVERLAP, room // 2)
    return room - asked.overlap if asked.overlap < room else max(1, room // 2)


def test_neighbours_share_the_overlap_asked_for() -> None:
    found = places("年月", LONG, max_length=105, overlap=30)
    assert found[:3] == [(0, 100), (70, 170), (140, 240)]


@pytest.mark.parametrize(("overlap", "step"), [(98, 2), (99, 1), (100, 50), (101, 50)])
def test_an_overlap_of_a_whole_window_is_cut_to_half(overlap: int, step: int) -> None:
    assert places("年月", LONG, max_length=105, overlap=overlap)[1] == (step, step + 100)


def test_neighbours_begin_a_step_apart_when_a_step_is_asked_for() -> None:
    found = places("年月", LONG, max_length=105, step=30)
    assert found[:3] == [(0, 100), (30, 130), (60, 160)]


def test_a_step_beyond_the_window_leaves_no_gap() -> None:
    assert places("年月", "國" * 250, max_length=105, step=400) == [(0, 100), (100, 200), (200, 250)]


def test_neighbours_share_128_tokens_when_nothing_is_asked_for() -> None:
    assert places("年月", LONG, max_length=384)[1][0] == 379 - 128
    assert places("年月", LONG, max_length=105)[1][0] == 50  # half, where windows are short


def test_a_paragraph_that_fits_exactly_has_one_window_and_one_token_more_makes_two() -> None:
    assert places("年月", "國" * 100, max_length=105, overlap=30) == [(0, 100)]
    assert places("年月", "國" * 101, max_length=105, overlap=30) == [(0, 100), (70, 101)]


def test_the_paragraph_part_is_no_longer_than_its_limit() -> None:
    found = places("年月", "國" * 400, max_length=300, max_paragraph_length=150, step=75)
    assert found == [(0, 150), (75, 225), (150, 300), (225, 375), (300, 400)]


@pytest.mark.parametrize(("limit", "kept"), [({}, 20), ({"max_question_length": 7}, 7)])
def test_a_long_question_loses_its_end(limit: dict[str, int], kept: int) -> None:
    question = "年月日國學" * 10
    pairs = encoded(question, LONG, max_length=40, **limit)
    ids = gather_windows(pairs, covering_windows(pairs), [0], 0).input_ids[0].tolist()
    own = bert()(question)["input_ids"]
    assert ids[: 1 + kept] == own[: 1 + kept]
    assert ids[1 + kept] == bert().sep_token_id
    assert len(ids) == 40


def test_a_paragraph_without_tokens_has_one_empty_window() -> None:
    pairs = encoded("年月", " \u3000\u200b", max_length=40)
    windows = covering_windows(pairs)
    assert by_pair(pairs, windows) == [[(0, 0)]]
    batch = gather_windows(pairs, windows, [0], 0)
    assert batch.input_ids.tolist() == bert()(["年月"], [""])["input_ids"]
    assert batch.paragraph_length.tolist() == [0]


def test_no_pairs_have_no_windows() -> None:
    assert len(covering_windows(encode_pairs(bert(), [], WindowSettings()))) == 0


def test_a_question_that_leaves_no_token_for_the_paragraph_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"max_length 20 leaves no token .* question of 18 tokens"):
        encoded("年" * 18, LONG, max_length=20, max_question_length=18)


def test_equal_texts_are_tokenised_once() -> None:
    texts = [("年月", LONG), ("日", LONG), ("年月", "國"), ("年月", LONG)]
    pairs = encode_pairs(bert(), texts, WindowSettings(max_length=40))
    assert pairs.question_of.tolist() == [0, 1, 0, 0]
    assert pairs.paragraph_of.tolist() == [0, 0, 1, 0]
    assert (len(pairs.questions.bounds), len(pairs.paragraphs.bounds)) == (3, 3)


def test_windows_are_gathered_in_the_order_asked_for_and_padded_with_the_id_given() -> None:
    pairs = encode_pairs(bert(), [("年", "國" * 9), ("年月", "日"), ("日", "學" * 5)], WindowSettings(max_length=40))
    windows = covering_windows(pairs)
    batch = gather_windows(pairs, windows, [2, 1], 77)
    own = [bert()("日", "學" * 5)["input_ids"], bert()("年月", "日")["input_ids"] + [77, 77, 77]]
    assert batch.input_ids.tolist() == own
    assert batch.attention_mask.tolist() == [[1] * 9, [1] * 6 + [0] * 3]
    assert batch.paragraph_offset.tolist() == [3, 4]
    assert batch.paragraph_length.tolist() == [5, 1]


def answers_in(lengths: Sequence[int]) -> st.SearchStrategy[list[tuple[int, int]]]:
    """First and last token of an answer in each paragraph; -1 twice where there is none."""
    spans = [
        st.tuples(st.integers(0, length - 1), st.integers(0, length - 1)).map(lambda span: (min(span), max(span)))
        if length
        else st.just((-1, -1))
        for length in lengths
    ]
    return st.tuples(*(st.one_of(span, st.just((-1, -1))) for span in spans)).map(list)


@given(texts=PAIRS, asked=WAYS, data=st.data())
def test_an_answer_is_held_whole_when_all_its_tokens_stand_in_one_window(
    texts: list[Pair], asked: WindowSettings, data: st.DataObject
) -> None:
    pairs = encode_pairs(bert(), texts, asked)
    windows = covering_windows(pairs)
    spans = data.draw(answers_in(pairs.paragraph_lengths.tolist()))
    held = held_whole(windows, np.array(spans, dtype=np.int32))
    for (first, last), found, places in zip(spans, held.tolist(), by_pair(pairs, windows), strict=True):
        assert found == (first >= 0 and any(start <= first and last < end for start, end in places))


@pytest.mark.parametrize(
    ("span", "held"), [((0, 99), True), ((69, 99), True), ((69, 100), False), ((70, 100), True), ((140, 239), True)]
)
def test_an_answer_across_the_edge_of_a_window_is_held_where_it_lies_in_the_overlap(
    span: tuple[int, int], held: bool
) -> None:
    pairs = encoded("年月", LONG, max_length=105, overlap=30)
    assert held_whole(covering_windows(pairs), np.array([span], dtype=np.int32)).tolist() == [held]


def test_an_answer_is_reachable_when_it_is_no_longer_than_the_window() -> None:
    pairs = encode_pairs(bert(), [("年月", LONG)] * 3, WindowSettings(max_length=105))
    spans = np.array([(5, 104), (5, 105), (-1, -1)], dtype=np.int32)
    assert reachable(pairs, spans).tolist() == [True, False, True]
