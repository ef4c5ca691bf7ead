"""Answers are cut from the context: their text is always what stands there, without white space at its edges."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.data.predictions import PredictedAnswer, Prediction
from qakit.spans.decoder import cut_answers
from qakit.spans.decoding import Spans
from qakit.spans.tokenizing import tokenize_texts
from tests.spans.cases import TEXTS, best_spans, token_scores
from tests.spans.frames import FRAMES


@pytest.fixture(params=FRAMES, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return FRAMES[request.param]()


def spans(*found: tuple[int, int, float]) -> Spans:
    start, end, score = zip(*found, strict=True) if found else ((), (), ())
    return Spans(
        np.array(start, dtype=np.int32),
        np.array(end, dtype=np.int32),
        np.array(score, dtype=np.float32),
        np.linspace(0.5, 0.1, len(found)),
    )


@settings(max_examples=60)
@given(text=TEXTS, seed=st.integers(0, 1000), nbest=st.integers(1, 6))
def test_an_answer_is_what_the_context_holds_at_its_offsets(tokenizer: Any, text: str, seed: int, nbest: int) -> None:
    tokens = tokenize_texts(tokenizer, [text])
    logits = np.random.default_rng(seed).normal(size=(2, len(tokens.ids)))
    offsets = list(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True))
    found = best_spans(token_scores(*logits, offsets=offsets), max_length=10, nbest=nbest)
    answers = cut_answers(text, found)
    for answer in answers:
        assert answer.text == text[answer.start : answer.end]
        assert answer.text == answer.text.strip() != ""
        assert 0 < answer.probability <= 1
    assert len({(answer.start, answer.end) for answer in answers}) == len(answers) == len(found)
    assert [answer.score for answer in answers] == sorted((answer.score for answer in answers), reverse=True)
    has_characters = any(start < end for start, end in offsets)
    assert bool(answers) == has_characters


def test_white_space_at_the_edges_is_not_part_of_the_answer() -> None:
    (answer,) = cut_answers("甲 乙丙 丁", spans((1, 5, 3.0)))
    assert (answer.text, answer.start, answer.end) == ("乙丙", 2, 4)


def test_spans_that_differ_in_white_space_only_are_one_answer_at_the_better_score() -> None:
    answers = cut_answers("甲 乙丙 丁", spans((1, 5, 3.0), (2, 4, 2.0), (0, 1, 1.0)))
    assert [(answer.text, answer.score) for answer in answers] == [("乙丙", 3.0), ("甲", 1.0)]


def test_white_space_alone_is_no_answer() -> None:
    assert cut_answers("甲 \u3000乙", spans((1, 3, 3.0))) == ()
    assert [answer.text for answer in cut_answers("甲 \u3000乙", spans((1, 3, 3.0), (3, 4, 1.0)))] == ["乙"]


@pytest.mark.parametrize(
    ("null", "threshold", "texts"),
    [
        (None, 0.0, ["甲", "乙"]),
        (5.0, 0.0, ["", "甲", "乙"]),
        (3.0, 0.0, ["甲", "乙"]),  # beats the best span by nothing
        (3.5, 0.5, ["甲", "乙"]),
        (3.75, 0.5, ["", "甲", "乙"]),
        (1.0, -2.5, ["", "甲", "乙"]),
        (0.0, -2.5, ["甲", "乙"]),
    ],
)
def test_no_answer_comes_first_when_it_beats_the_best_span_by_more_than_the_threshold(
    null: float | None, threshold: float, texts: list[str]
) -> None:
    answers = cut_answers("甲乙", spans((0, 1, 3.0), (1, 2, 2.0)), null=null, null_threshold=threshold)
    assert [answer.text for answer in answers] == texts


def test_no_answer_is_what_is_left_where_there_is_no_span() -> None:
    assert cut_answers("甲", spans(), null=-7.0, null_threshold=100.0) == (PredictedAnswer("", 0, 0, -7.0, 0.0),)
    assert cut_answers("甲", spans()) == ()


def test_the_text_of_a_prediction_is_its_best_answer_or_nothing() -> None:
    answers = cut_answers("甲乙", spans((0, 1, 3.0), (1, 2, 2.0)))
    assert Prediction("q", 0, answers).text == "甲"
    assert Prediction("q", 0, ()).text == ""
