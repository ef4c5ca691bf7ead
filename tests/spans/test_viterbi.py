"""The best path is the best of all paths, shares are of all of them, and well-formed BIO tags follow from rules."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qakit.spans.viterbi import best_path, bio_rules, follows_bio, is_bio, marginals

LABELS = ("B-a", "B-b", "I-a", "O")
WHOLE = st.integers(-9, 9).map(float)


@given(data=st.data(), length=st.integers(1, 4), classes=st.integers(1, 3))
def test_no_path_is_better(data: st.DataObject, length: int, classes: int):
    scores = data.draw(arrays(float, (length, classes), elements=WHOLE))
    between = data.draw(arrays(float, (classes, classes), elements=WHOLE))
    start, end = (data.draw(arrays(float, classes, elements=WHOLE)) for _ in range(2))

    def value(path: tuple[int, ...]) -> float:
        steps = sum(between[one, other] for one, other in pairwise(path))
        return start[path[0]] + sum(scores[place, one] for place, one in enumerate(path)) + steps + end[path[-1]]

    paths = list(product(range(classes), repeat=length))
    best = max(map(value, paths))
    assert tuple(best_path(scores, between, start, end)) == min(
        (path for path in paths if value(path) == best), key=lambda path: path[::-1]
    )


def test_no_word_has_no_path():
    nothing = np.zeros(2)
    assert best_path(np.zeros((0, 2)), np.zeros((2, 2)), nothing, nothing) == []


@given(scores=arrays(float, (5, len(LABELS)), elements=WHOLE))
def test_rules_give_the_best_of_the_well_formed_sequences(scores: np.ndarray):
    between, start = bio_rules(LABELS)
    path = best_path(scores, between, start, np.zeros(len(LABELS)))
    assert follows_bio([LABELS[one] for one in path])
    value = {
        tags: sum(scores[place, LABELS.index(tag)] for place, tag in enumerate(tags))
        for tags in product(LABELS, repeat=5)
        if follows_bio(tags)
    }
    assert sum(scores[place, one] for place, one in enumerate(path)) == max(value.values())


@pytest.mark.parametrize(
    ("tags", "well_formed"),
    [
        (("O", "B-a", "I-a", "I-a", "B-a"), True),
        (("I-a",), False),
        (("B-b", "I-a"), False),
        (("B-a", "O", "I-a"), False),
        ((), True),
    ],
)
def test_what_well_formed_is(tags: tuple[str, ...], well_formed: bool):
    assert follows_bio(tags) is well_formed


@pytest.mark.parametrize(
    ("labels", "are_bio"),
    [(LABELS, True), (("O",), False), (("I-a", "O"), False), (("date", "O"), False), (("B-a", "E-a", "O"), False)],
)
def test_which_labels_are_bio(labels: tuple[str, ...], are_bio: bool):
    assert is_bio(labels) is are_bio


@given(data=st.data(), length=st.integers(1, 4), classes=st.integers(1, 3))
def test_marginals_are_the_shares_of_all_paths(data: st.DataObject, length: int, classes: int):
    scores = data.draw(arrays(float, (length, classes), elements=WHOLE))
    between = data.draw(arrays(float, (classes, classes), elements=WHOLE | st.just(-np.inf)))
    start, end = (data.draw(arrays(float, classes, elements=WHOLE)) for _ in range(2))
    expected = np.zeros((length, classes))
    for path in product(range(classes), repeat=length):
        total = start[path[0]] + end[path[-1]] + sum(between[one, other] for one, other in pairwise(path))
        weight = np.exp(total + sum(scores[place, one] for place, one in enumerate(path)))
        expected[range(length), path] += weight
    assume(expected.any())
    found = np.exp(marginals(scores, between, start, end))
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9, atol=1e-12)


def test_without_transitions_marginals_are_a_softmax():
    scores, nothing = np.array([[0.0, np.log(3)], [5.0, 5.0]]), np.zeros(2)
    found = np.exp(marginals(scores, np.zeros((2, 2)), nothing, nothing))
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5]])
