"""Accuracy, macro F1 and ranks of intents, and what is confused with what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.metrics.confusion import Confusion, confusions, count_pairs, most_confused
from qakit.metrics.intents import intent_scores, macro_f1

NAMES = st.sampled_from("abcd")


def test_scores_by_hand():
    golds = ["a", "a", "b", "c"]
    ranked = [("a", "b", "c"), ("b", "a", "c"), ("b", "c", "a"), ("b", "a", "d")]
    scores = intent_scores(golds, ranked)
    assert scores["accuracy"] == 50.0
    # a: 1 of 2 found, nothing else called so: 2/3; b: 1 right, called so 3 times: 2/4; c: 0; d is never first
    assert scores["macro_f1"] == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)
    assert scores["top3"] == 75.0
    assert "top5" not in scores
    assert intent_scores(["a"], [()])["accuracy"] == 0.0


def test_texts_out_of_scope_are_told_apart():
    scores = intent_scores(["a", "a", "oos", "oos"], [("a",), ("oos",), ("oos",), ("a",)])
    assert (scores["in_scope_accuracy"], scores["oos_recall"], scores["accuracy"]) == (50.0, 50.0, 50.0)


@given(pairs=st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=30))
def test_macro_f1_is_scikit_learns(pairs: list[tuple[str, str]]):
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn, which seqeval brings, is not installed")
    golds, predicted = zip(*pairs, strict=True)
    expected = sklearn.f1_score(golds, predicted, average="macro", zero_division=0)
    assert macro_f1(golds, predicted) == pytest.approx(100 * expected)


def test_confusions_come_commonest_first():
    counts = count_pairs("aaaabbc", "abbcbac")
    assert confusions(counts) == [
        Confusion("a", "b", 2, 4),
        Confusion("a", "c", 1, 4),
        Confusion("b", "a", 1, 2),
    ]
    assert most_confused(counts, 2) == ["a", "b"]
    assert most_confused(count_pairs("ab", "ab"), 5) == []
