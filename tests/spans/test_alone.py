"""Single texts go through the windows of pairs as the tokenizer itself cuts them, and their words are found again."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.config import WindowSettings
from qakit.errors import ConfigError
from qakit.spans.windowing import covering_windows, encode_texts, gather_windows
from qakit.tasks.labels.slots import first_tokens
from tests.spans.cases import TEXTS
from tests.spans.frames import ALL_FRAMES, bert


@pytest.fixture(params=ALL_FRAMES, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return ALL_FRAMES[request.param]()


@settings(max_examples=60)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4), max_length=st.integers(20, 60), overlap=st.integers(0, 12))
def test_windows_are_the_tokenizers_own(tokenizer: Any, texts: list[str], max_length: int, overlap: int):
    own = tokenizer(
        texts, truncation=True, max_length=max_length, stride=overlap, return_overflowing_tokens=True, padding=True,
        return_tensors="np",
    )  # fmt: skip
    encoded = encode_texts(tokenizer, texts, WindowSettings(max_length=max_length, overlap=overlap))
    windows = covering_windows(encoded)
    batch = gather_windows(encoded, windows, np.arange(len(windows)), tokenizer.pad_token_id)
    assert windows.pairs.tolist() == own["overflow_to_sample_mapping"].tolist()
    assert batch.input_ids.tolist() == own["input_ids"].tolist()
    assert batch.attention_mask.tolist() == own["attention_mask"].tolist()
    if batch.token_type_ids is not None:
        assert batch.token_type_ids.tolist() == own["token_type_ids"].tolist()


def test_token_types_of_matches_need_a_question():
    with pytest.raises(ConfigError, match="match_length"):
        encode_texts(bert(), ["a"], WindowSettings(max_length=16, match_length=2))


WORDS = st.lists(st.text("學校ab9.", min_size=1, max_size=4), min_size=1, max_size=12)


@given(sentences=st.lists(WORDS, min_size=1, max_size=3))
def test_the_first_token_of_each_word_is_that_of_the_word_alone(sentences: list[list[str]]):
    tokenizer = bert()
    texts = [" ".join(words) for words in sentences]
    spans = []
    for words in sentences:
        ends = np.cumsum([len(word) + 1 for word in words]) - 1
        spans.append([(int(end) - len(word), int(end)) for word, end in zip(words, ends, strict=True)])
    encoded = encode_texts(tokenizer, texts, WindowSettings(max_length=64))
    found = first_tokens(encoded, spans)
    for number, words in enumerate(sentences):
        low, high = found.bounds[number : number + 2]
        pieces = [tokenizer.tokenize(word) for word in words]
        starts = np.cumsum([0, *map(len, pieces)])[:-1]
        assert found.tokens[low:high].tolist() == starts.tolist()


def test_words_within_a_window_and_words_without_tokens():
    encoded = encode_texts(bert(), ["學 \u200b 校 大"], WindowSettings(max_length=16))
    found = first_tokens(encoded, [[(0, 1), (2, 3), (4, 5), (6, 7)]])
    assert found.tokens.tolist() == [0, -1, 1, 2]
    words, tokens = found.within(0, 1, 3)
    assert (words.tolist(), tokens.tolist()) == ([2, 3], [1, 2])
