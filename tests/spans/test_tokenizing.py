"""Texts become tokens with offsets; answers become tokens; the special tokens are read off the tokenizer."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertTokenizer

from qakit.config import WindowSettings
from qakit.data.records import Answer, Paragraph, Record
from qakit.errors import ConfigError
from qakit.spans.tokenizing import Frame, TokenizedTexts, probe_frame, token_span, tokenize_texts, trim
from qakit.spans.windowing import answer_spans, encode_pairs
from tests.spans.cases import TEXTS
from tests.spans.frames import FRAMES, bert

WORDS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "甲", "abc", "##def", "1990", "年")
SPECIAL = {
    "bert": (["[CLS]"], ["[SEP]"], ["[SEP]"], True),
    "roformer": (["[CLS]"], ["[SEP]"], ["[SEP]"], False),
    "roberta": (["<s>"], ["</s>", "</s>"], ["</s>"], False),
    "xlm-roberta": (["<s>"], ["</s>", "</s>"], ["</s>"], False),
}


@pytest.fixture(params=FRAMES, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return FRAMES[request.param]()


@pytest.mark.parametrize("name", FRAMES)
def test_the_frame_is_what_the_tokenizer_puts_around_a_pair(name: str) -> None:
    tokenizer = FRAMES[name]()
    prefix, middle, suffix, has_types = SPECIAL[name]
    assert probe_frame(tokenizer) == Frame(
        prefix=tuple(tokenizer.convert_tokens_to_ids(prefix)),
        middle=tuple(tokenizer.convert_tokens_to_ids(middle)),
        suffix=tuple(tokenizer.convert_tokens_to_ids(suffix)),
        type_ids=((0,), (0,), (0,), (1,), (1,)) if has_types else None,
        null_position=0,
    )


def test_a_tokenizer_without_offsets_is_refused() -> None:
    with pytest.raises(ConfigError, match="a fast tokenizer is needed"):
        probe_frame(SimpleNamespace(is_fast=False))


@settings(max_examples=60)
@given(texts=st.lists(TEXTS, max_size=5))
def test_each_text_has_the_tokenizers_own_ids(tokenizer: Any, texts: list[str]) -> None:
    found = tokenize_texts(tokenizer, texts)
    own = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert [found.ids[first:end].tolist() for first, end in zip(found.bounds, found.bounds[1:], strict=False)] == own
    assert found.lengths.tolist() == [len(ids) for ids in own]


@settings(max_examples=60)
@given(text=TEXTS)
def test_offsets_lie_in_the_text_in_order_and_touch_no_white_space_at_their_edges(tokenizer: Any, text: str) -> None:
    found = tokenize_texts(tokenizer, [text])
    spans = list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
    filled = [span for span in spans if span[0] < span[1]]
    assert filled == sorted(filled)


@given(st.text(" \u3000\n\t甲b", max_size=8), st.data())
def test_trimming_removes_white_space_at_the_edges_and_nothing_else(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    first, last = trim(text, start, end)
    assert text[first:last] == text[start:end].strip()
    assert start <= first <= last <= end


@pytest.mark.parametrize("side", ["merged_with_previous", "merged_with_next"])
def test_white_space_that_a_tokenizer_counts_to_a_word_is_not_part_of_its_offsets(side: str) -> None:
    backend = Tokenizer(models.WordLevel({"x": 0}, unk_token="x"))
    backend.pre_tokenizer = pre_tokenizers.Split("\n", side)
    found = tokenize_texts(SimpleNamespace(backend_tokenizer=backend), ["ab\nc", "年\n\n月"])
    spans = [(start, end) for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True) if start < end]
    assert spans == [(0, 2), (3, 4), (0, 1), (3, 4)]
    assert len(found.ids) == 5  # the white space between the two others is a token of its own


def test_earlier_truncation_and_padding_of_the_tokenizer_do_not_matter() -> None:
    bert()(["年" * 50, "月"], truncation=True, max_length=8, padding="max_length")
    assert tokenize_texts(bert(), ["年" * 50, "月"]).lengths.tolist() == [50, 1]


@st.composite
def tokens_and_places(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int, int]:
    """Tokens with gaps between them (dropped characters) and some characters cut into several tokens; a place."""
    steps = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=10))
    offsets: list[tuple[int, int]] = []
    position = 0
    for gap, width in steps:
        start = position + gap
        offsets.append((start, start + width))
        position = start if draw(st.booleans()) and width == 1 else start + width
    start = draw(st.integers(0, position + 2))
    return offsets, start, start + draw(st.integers(1, 5))


@given(tokens_and_places())
def test_the_tokens_of_an_answer_are_those_that_hold_one_of_its_characters(
    case: tuple[list[tuple[int, int]], int, int],
) -> None:
    offsets, start, end = case
    starts, ends = (np.array([9, 9, *column], dtype=np.int32) for column in zip(*(offsets or [(0, 0)]), strict=True))
    size = len(offsets)
    texts = TokenizedTexts(starts, starts[: 2 + size], ends[: 2 + size], np.array([0, 2, 2 + size]))
    touching = [number for number, span in enumerate(offsets) if set(range(*span)) & set(range(start, end))]
    expected = (touching[0], touching[-1]) if touching else (-1, -1)
    assert token_span(texts, 1, start, end) == expected


@pytest.mark.parametrize(
    ("answer", "start", "expected"),
    [
        ("甲", 0, (0, 0)),
        ("bcd", 2, (1, 2)),  # inside two pieces of one word
        ("e", 5, (2, 2)),
        ("90", 10, (3, 3)),  # inside one token
        ("f 1990", 6, (2, 3)),
        ("\u200b", 12, (-1, -1)),  # dropped by the tokenizer
        ("0\u200b年", 11, (3, 4)),
    ],
)
def test_an_answer_is_found_in_the_tokens_of_its_paragraph(answer: str, start: int, expected: tuple[int, int]) -> None:
    context = "甲abcdef 1990\u200b年"
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(WORDS)})
    record = _record(context, (Answer(answer, start),))
    pairs = encode_pairs(tokenizer, [("年", "甲"), ("年", context)], WindowSettings())
    assert answer_spans(pairs, [1], [record]).tolist() == [list(expected)]


def test_questions_without_an_answer_that_is_a_span_have_no_tokens() -> None:
    records = [
        _record("甲年", (), impossible=True),
        _record("甲年", ()),
        _record("甲年", (Answer("別", None),)),
        _record("甲年", (Answer("別", None), Answer("年", 1))),
    ]
    pairs = encode_pairs(bert(), [("年", "甲年")] * 4, WindowSettings())
    assert answer_spans(pairs, range(4), records).tolist() == [[-1, -1], [-1, -1], [-1, -1], [1, 1]]


def _record(context: str, answers: tuple[Answer, ...], *, impossible: bool = False) -> Record:
    return Record("q", "年", (Paragraph("p", context),), relevant=0, answers=answers, impossible=impossible)
