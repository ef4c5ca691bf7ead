"""Tokens that the question has too are found in the longest run there is, and token types tell of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.config import WindowSettings
from qakit.errors import ConfigError
from qakit.spans.tokenizing import Ints
from qakit.spans.windowing import covering_windows, describe_windows, encode_pairs, gather_windows, match_lengths
from tests.spans.cases import PAIRS
from tests.spans.frames import FRAMES, Pair, bert

IDS = st.lists(st.integers(0, 4), max_size=14)
PARAGRAPH = 1  # token type
UNKNOWN = "☃☄"  # two characters that no vocabulary here has


def ints(values: Any) -> Ints:
    return np.array(values, dtype=np.int32)


def longest_runs(question: list[int], paragraph: list[int], limit: int) -> list[int]:
    """The same by the definition: every run of the paragraph is looked for in the question."""
    found = [0] * len(paragraph)
    for first in range(len(paragraph)):
        for end in range(first + 1, len(paragraph) + 1):
            run = paragraph[first:end]
            if any(question[place : place + len(run)] == run for place in range(len(question))):
                for token in range(first, end):
                    found[token] = max(found[token], min(end - first, limit))
    return found


@settings(max_examples=300)
@given(question=IDS, paragraph=IDS, limit=st.integers(0, 16))
def test_every_token_is_in_as_long_a_run_as_can_be(question: list[int], paragraph: list[int], limit: int) -> None:
    found = match_lengths(ints(question), ints(paragraph), limit)
    assert (found.dtype, found.shape) == (np.int32, (len(paragraph),))
    assert found.tolist() == longest_runs(question, paragraph, limit)


@pytest.mark.parametrize(
    ("question", "paragraph", "limit", "expected"),
    [
        ([1, 2, 3], [2, 3, 9, 1], 3, [2, 2, 0, 1]),
        ([1, 2, 3], [1, 2, 3], 9, [3, 3, 3]),
        ([1, 2, 3], [1, 2, 3], 2, [2, 2, 2]),
        ([1, 2, 3], [1, 2, 3], 0, [0, 0, 0]),
        ([1, 2, 2, 3], [1, 2, 3], 3, [2, 2, 2]),  # two runs of two share a token
        ([7, 7], [7, 7, 7], 3, [2, 2, 2]),
        ([], [1], 2, [0]),
        ([1], [], 2, []),
        ([], [], 2, []),
    ],
)
def test_hand_worked_cases(question: list[int], paragraph: list[int], limit: int, expected: list[int]) -> None:
    assert match_lengths(ints(question), ints(paragraph), limit).tolist() == expected


# Windows


def types_of(tokenizer: Any, pairs: list[Pair], **given: Any) -> list[tuple[list[int], list[int]]]:
    """Ids and types of every window of the pairs, without padding."""
    encoded = encode_pairs(tokenizer, pairs, WindowSettings(**given))
    windows = covering_windows(encoded)
    batch = gather_windows(encoded, windows, np.arange(len(windows)), tokenizer.pad_token_id)
    assert batch.token_type_ids is not None
    assert (batch.token_type_ids[batch.attention_mask == 0] == 0).all()
    lengths = batch.attention_mask.sum(axis=1).tolist()
    rows = zip(batch.input_ids.tolist(), batch.token_type_ids.tolist(), lengths, strict=True)
    return [(ids[:length], types[:length]) for ids, types, length in rows]


@settings(max_examples=150)
@given(pairs=PAIRS, limit=st.integers(1, 4), max_length=st.integers(24, 60), overlap=st.none() | st.integers(0, 20))
def test_types_tell_of_runs_within_the_window_and_the_kept_question(
    pairs: list[Pair], limit: int, max_length: int, overlap: int | None
) -> None:
    given = {"max_length": max_length, "overlap": overlap, "max_question_length": 7}
    plain = types_of(bert(), pairs, **given)
    found = types_of(bert(), pairs, **given, match_length=limit)
    never = {*bert().all_special_ids, bert().unk_token_id}
    for (ids, types), (own_ids, own_types) in zip(found, plain, strict=True):
        assert ids == own_ids
        first = own_types.index(PARAGRAPH)
        question = [number if number not in never else -1 for number in ids[1 : first - 1]]
        assert types[:first] + types[-1:] == own_types[:first] + own_types[-1:]
        runs = longest_runs(question, ids[first:-1], limit)
        assert types[first:-1] == [PARAGRAPH + length for length in runs]


def paragraph_types(question: str, paragraph: str, **given: Any) -> str:
    """The types of the one window's paragraph tokens, a digit each."""
    ((ids, types),) = types_of(bert(), [(question, paragraph)], max_length=64, **given)
    return "".join(map(str, types[1 + ids[1:].index(bert().sep_token_id) + 1 : -1]))


def test_two_tells_tokens_and_bigrams_of_the_question_apart() -> None:
    assert paragraph_types("日本大學", "大學在日月山", match_length=2) == "331211"
    assert paragraph_types("日本大學", "大學在日月山", match_length=1) == "221211"
    assert paragraph_types("日本大學", "大學在日月山") == "111111"


def test_unknown_and_special_tokens_are_no_match() -> None:
    tokens = bert().tokenize(f"年{UNKNOWN[0]}月[SEP]日")
    assert tokens == ["年", "[UNK]", "月", "[SEP]", "日"]
    ((_, types),) = types_of(
        bert(), [(f"年{UNKNOWN[0]}月[SEP]日", f"年{UNKNOWN[1]}月[SEP]日")], max_length=64, match_length=3
    )
    assert types == [0] * 7 + [2, 1, 2, 1, 2, 1]


def test_a_part_of_the_question_that_is_cut_off_is_no_match() -> None:
    assert paragraph_types("日本大學", "日大", match_length=1, max_question_length=2) == "21"


def test_a_run_ends_with_its_window() -> None:
    windows = types_of(bert(), [("日本", "日本國")], max_length=16, max_paragraph_length=1, step=1, match_length=2)
    assert [types for _, types in windows] == [[0, 0, 0, 0, type_, 1] for type_ in (2, 2, 1)]


def test_a_share_of_the_pairs_has_the_same_types() -> None:
    texts = [("日本", "日本國"), ("國", "日本國"), ("月", "日月")]
    pairs = encode_pairs(bert(), texts, WindowSettings(max_length=32, match_length=2))
    few = pairs.take(np.array([False, True, True]))
    batch = gather_windows(few, covering_windows(few), [0, 1], 0)
    assert batch.token_type_ids is not None
    assert batch.token_type_ids.tolist() == [[0, 0, 0, 1, 1, 2, 1], [0, 0, 0, 1, 2, 1, 0]]


def test_a_tokenizer_without_types_is_refused_by_name() -> None:
    with pytest.raises(
        ConfigError, match=r"^windows\.match_length needs a model with token types, and Roberta\w+ gives"
    ):
        encode_pairs(FRAMES["roberta"](), [("a", "b")], WindowSettings(match_length=1))
    encode_pairs(FRAMES["roberta"](), [("a", "b")], WindowSettings(match_length=0))


def test_the_user_is_told() -> None:
    for length in (0, 2):
        pairs = encode_pairs(bert(), [("年", "月")], WindowSettings(match_length=length))
        assert any("runs of up to 2 tokens" in note for note in describe_windows(pairs)) == (length > 0)
