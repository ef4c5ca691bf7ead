"""Accuracy, macro F1 and ranks of classes, and which of them are confused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.metrics.classes import (
    Confusion,
    class_scores,
    confusions,
    count_pairs,
    macro_f1,
    most_confused,
    scope_scores,
)

NAMES = st.sampled_from("abcd")


def test_scores_by_hand():
    golds = ["a", "a", "b", "c"]
    ranked = [("a", "b", "c"), ("b", "a", "c"), ("b", "c", "a"), ("b", "a", "d")]
    scores = class_scores(golds, ranked)
    assert scores["accuracy"] == 50.0
    # a: 1 of 2 found, nothing else called so: 2/3; b: 1 right, called so 3 times: 2/4; c: 0; d is never first
    assert scores["macro_f1"] == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)
    assert scores["top3"] == 75.0
    assert "top5" not in scores
    assert class_scores(["a"], [()])["accuracy"] == 0.0


def test_texts_out_of_scope_are_told_apart():
    scores = scope_scores(["a", "a", "oos", "oos"], ["a", "oos", "oos", "a"], "oos")
    assert scores == {"in_scope_accuracy": 50.0, "oos_recall": 50.0}
    assert scope_scores(["a"], ["oos"], "oos") == {}


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
