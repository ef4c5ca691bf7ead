"""Scores of tags equal seqeval's, in its default and in its strict mode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.metrics.slots import slot_scores, spans, strict_spans, tagged_spans

TAGS = st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b", "B-c-d"])
SENTENCES = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=5)
NO_SEQEVAL = "seqeval, a dependency of development, is not installed"


def test_spans_have_their_words():
    tags, words = ["O", "B-time", "I-time", "B-size", "plain"], ["at", "nine", "pm", "two", "x"]
    assert tagged_spans(tags, words) == [
        {"kind": "time", "text": "nine pm", "first": 1, "last": 2},
        {"kind": "size", "text": "two", "first": 3, "last": 3},
    ]
    assert tagged_spans(["plain", "O", "plain"], ["a", "b", "c"]) == []


def test_scores_by_hand():
    golds = [["B-a", "I-a", "O"], ["O", "B-b"], ["O"]]
    predicted = [["B-a", "I-a", "O"], ["B-b", "B-b"], None]
    assert slot_scores(golds, predicted) == {
        "joint_accuracy": pytest.approx(100 / 3),
        "token_accuracy": pytest.approx(100 * 4 / 6),
        "precision": pytest.approx(100 * 2 / 3),
        "recall": 100.0,
        "f1": pytest.approx(80.0),
        "strict_precision": pytest.approx(100 * 2 / 3),
        "strict_recall": 100.0,
        "strict_f1": pytest.approx(80.0),
    }


def test_tags_without_prefixes_have_no_spans():
    assert slot_scores([["date", "O"]], [["date", "O"]]) == {"joint_accuracy": 100.0, "token_accuracy": 100.0}


def test_another_number_of_tags_is_refused():
    with pytest.raises(ValueError, match="zip"):
        slot_scores([["O", "O"]], [["O"]])


def test_a_span_that_begins_with_i_is_one_in_the_default_mode_alone():
    tags = ["I-a", "I-a", "B-a", "I-b", "O", "I-b"]
    assert spans(tags) == [("a", 0, 1), ("a", 2, 2), ("b", 3, 3), ("b", 5, 5)]
    assert strict_spans(tags) == [("a", 2, 2)]


@given(sentences=SENTENCES)
def test_the_default_mode_is_seqevals(sentences: list[list[tuple[str, str]]]):
    metrics = pytest.importorskip("seqeval.metrics", reason=NO_SEQEVAL)
    golds, predicted = columns(sentences)
    found = slot_scores(golds, predicted)
    options = {"zero_division": 0}
    assert found["precision"] == pytest.approx(100 * metrics.precision_score(golds, predicted, **options))
    assert found["recall"] == pytest.approx(100 * metrics.recall_score(golds, predicted, **options))
    assert found["f1"] == pytest.approx(100 * metrics.f1_score(golds, predicted, **options))
    assert found["token_accuracy"] == pytest.approx(100 * metrics.accuracy_score(golds, predicted))


@given(sentences=SENTENCES)
def test_the_strict_mode_is_seqevals(sentences: list[list[tuple[str, str]]]):
    metrics = pytest.importorskip("seqeval.metrics", reason=NO_SEQEVAL)
    scheme = pytest.importorskip("seqeval.scheme").IOB2
    golds, predicted = columns(sentences)
    if not any(map(strict_spans, [*golds, *predicted])):
        return  # seqeval fails where there is no span at all
    found = slot_scores(golds, predicted)
    options = {"mode": "strict", "scheme": scheme, "zero_division": 0}
    assert found["strict_precision"] == pytest.approx(100 * metrics.precision_score(golds, predicted, **options))
    assert found["strict_recall"] == pytest.approx(100 * metrics.recall_score(golds, predicted, **options))
    assert found["strict_f1"] == pytest.approx(100 * metrics.f1_score(golds, predicted, **options))


def columns(sentences: list[list[tuple[str, str]]]) -> tuple[list[list[str]], list[list[str]]]:
    """The right and the predicted tags of sentences of pairs."""
    return tuple([[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1))
