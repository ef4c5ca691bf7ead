"""Windows gathered from texts tokenised once are those that the tokenizer itself makes of the pairs, id for id."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.config import WindowSettings
from qakit.spans.windowing import covering_windows, encode_pairs, gather_windows
from tests.spans import frames
from tests.spans.cases import PAIRS
from tests.spans.frames import ALL_FRAMES, Pair

FILES = ("drcd/DRCD_dev.json", "cmrc2018/cmrc2018_dev.json")
EVERY = 10


@pytest.fixture(params=ALL_FRAMES, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return ALL_FRAMES[request.param]()


@settings(max_examples=60)
@given(pairs=PAIRS, max_length=st.integers(24, 80), overlap=st.integers(0, 30))
def test_a_batch_is_the_tokenizers_own_padded_batch(
    tokenizer: Any, pairs: list[Pair], max_length: int, overlap: int
) -> None:
    pairs = [pair for pair in pairs if frames.fits(tokenizer, pair, max_length, overlap)]
    if not pairs:
        return
    questions, paragraphs = zip(*pairs, strict=True)
    own = tokenizer(
        list(questions), list(paragraphs), truncation="only_second", max_length=max_length, stride=overlap,
        return_overflowing_tokens=True, padding=True, return_tensors="np",
    )  # fmt: skip
    encoded = encode_pairs(tokenizer, pairs, WindowSettings(max_length=max_length, overlap=overlap))
    windows = covering_windows(encoded)
    batch = gather_windows(encoded, windows, np.arange(len(windows)), tokenizer.pad_token_id)
    assert windows.pairs.tolist() == own["overflow_to_sample_mapping"].tolist()
    assert batch.input_ids.tolist() == own["input_ids"].tolist()
    assert batch.attention_mask.tolist() == own["attention_mask"].tolist()
    if batch.token_type_ids is None:
        assert "token_type_ids" not in own
    else:
        assert batch.token_type_ids.tolist() == own["token_type_ids"].tolist()


@pytest.mark.parametrize(("max_length", "overlap"), [(384, 128), (64, 16), (40, 0)])
def test_the_sample_data_has_the_tokenizers_own_windows(tokenizer: Any, max_length: int, overlap: int) -> None:
    pairs = [(record.question, record.context) for record in frames.sample_records()]
    pairs = [pair for pair in pairs if frames.fits(tokenizer, pair, max_length, overlap)]
    assert len(pairs) > 90
    own = frames.own_windows(tokenizer, pairs, max_length, overlap)
    assert frames.gathered_windows(tokenizer, pairs, WindowSettings(max_length=max_length, overlap=overlap)) == own
    assert len(own) > len(pairs)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("frame", ALL_FRAMES)
def test_real_data_has_the_tokenizers_own_windows(frame: str, real_data: Path, file: str) -> None:
    tokenizer = frames.with_real_vocabulary(frame, real_data)
    pairs = frames.pairs_of(real_data / file)[::EVERY]
    own = frames.own_windows(tokenizer, pairs, 384, 128)
    assert frames.gathered_windows(tokenizer, pairs, WindowSettings(max_length=384, overlap=128)) == own
    assert len(own) > len(pairs)
