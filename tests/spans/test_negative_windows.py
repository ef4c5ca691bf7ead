"""A negative window is full and holds no token of its answer, at a place drawn among all such places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.config import WindowSettings
from qakit.spans.windowing import encode_pairs, has_negatives, negative_windows, training_windows
from tests.spans.cases import PAIRS
from tests.spans.frames import Pair, bert
from tests.spans.test_training_windows import COPIES, EPOCHS, copies
from tests.spans.test_windowing import WAYS, answers_in


@settings(max_examples=100)
@given(texts=PAIRS, asked=WAYS, seed=st.integers(0, 5), epoch=st.integers(0, 5), data=st.data())
def test_every_negative_window_is_full_and_clear_of_its_answer(
    texts: list[Pair], asked: WindowSettings, seed: int, epoch: int, data: st.DataObject
) -> None:
    pairs = encode_pairs(bert(), texts, asked)
    spans = np.array(data.draw(answers_in(pairs.paragraph_lengths.tolist())), dtype=np.int32)
    able = has_negatives(pairs, spans)
    count = data.draw(st.integers(0, int(able.sum())))
    windows = negative_windows(pairs, spans, count, seed=seed, epoch=epoch)
    owners = windows.pairs
    assert len(owners) == count
    assert (np.diff(owners) > 0).all(), "distinct pairs, in order"
    assert able[owners].all()
    assert windows.rows[:, 0].tolist() == pairs.question_of[owners].tolist()
    assert windows.rows[:, 1].tolist() == pairs.paragraph_of[owners].tolist()
    first, end = windows.rows[:, 2], windows.rows[:, 3]
    assert (first >= 0).all()
    assert (end <= pairs.paragraph_lengths[owners]).all()
    assert (end - first == pairs.room[owners]).all()
    assert ((end <= spans[owners, 0]) | (first > spans[owners, 1])).all()


@settings(max_examples=100)
@given(texts=PAIRS, asked=WAYS, data=st.data())
def test_a_pair_has_negatives_when_some_place_is_clear(
    texts: list[Pair], asked: WindowSettings, data: st.DataObject
) -> None:
    pairs = encode_pairs(bert(), texts, asked)
    spans = np.array(data.draw(answers_in(pairs.paragraph_lengths.tolist())), dtype=np.int32)
    for number, found in enumerate(has_negatives(pairs, spans).tolist()):
        room, (start, last) = int(pairs.room[number]), spans[number].tolist()
        places = range(int(pairs.paragraph_lengths[number]) - room + 1)
        assert found == (start >= 0 and any(place + room <= start or place > last for place in places))


@pytest.mark.parametrize(
    ("length", "span", "expected"),
    [
        (30, (12, 14), [0, 1, 2, 15, 16, 17, 18, 19, 20]),  # ten tokens a window
        (30, (9, 9), range(10, 21)),  # too near the start for a window before it
        (30, (10, 25), [0]),
        (30, (20, 29), range(11)),
        (30, (0, 1), range(2, 21)),
        (11, (0, 0), [1]),
        (11, (10, 10), [0]),
    ],
)
def test_all_clear_places_occur_and_about_equally_often(length: int, span: tuple[int, int], expected: range) -> None:
    pairs, spans = copies("國" * length, span)
    drawn = [negative_windows(pairs, spans, COPIES, seed=3, epoch=epoch).rows[:, 2] for epoch in range(EPOCHS)]
    found, counts = np.unique(np.concatenate(drawn), return_counts=True)
    assert found.tolist() == list(expected)
    assert counts.min() > 0.75 * counts.mean()


def test_the_pairs_are_drawn_anew_in_each_epoch_and_each_is_as_likely() -> None:
    pairs, spans = copies("國" * 30, (12, 14))
    owners = [negative_windows(pairs, spans, 10, seed=3, epoch=epoch).pairs for epoch in range(EPOCHS)]
    assert len({tuple(drawn.tolist()) for drawn in owners}) == EPOCHS
    counts = np.bincount(np.concatenate(owners), minlength=COPIES)
    assert counts.min() > 0.5 * counts.mean()
    assert counts.max() < 1.5 * counts.mean()


def test_places_depend_on_seed_and_epoch_alone_and_are_not_those_of_the_windows_with_the_answer() -> None:
    pairs, spans = copies("國" * 300, (100, 101))

    def rows(seed: int, epoch: int) -> list[list[int]]:
        return negative_windows(pairs, spans, COPIES, seed=seed, epoch=epoch).rows.tolist()

    before = rows(1, 2)
    np.random.seed(9)
    assert rows(1, 2) == before
    assert rows(1, 3) != before
    assert rows(2, 2) != before
    own = training_windows(pairs, spans, seed=1, epoch=2).rows[:, 2]
    correlation = np.corrcoef(own, [row[2] for row in before])[0, 1]
    assert abs(correlation) < 0.6
