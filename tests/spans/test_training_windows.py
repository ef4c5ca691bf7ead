"""A training window holds its answer, at a place that is drawn from seed and epoch among all places there are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.config import WindowSettings
from qakit.spans.windowing import EncodedPairs, encode_pairs, reachable, training_windows
from tests.spans.cases import PAIRS
from tests.spans.frames import Pair, bert
from tests.spans.test_windowing import WAYS, answers_in

EPOCHS = 200
COPIES = 40
ROOM = 10


def copies(paragraph: str, span: tuple[int, int]) -> tuple[EncodedPairs, Any]:
    """The same pair many times; its windows hold ten paragraph tokens."""
    asked = WindowSettings(max_length=40, max_paragraph_length=ROOM)
    return encode_pairs(bert(), [("年", paragraph)] * COPIES, asked), np.array([span] * COPIES, dtype=np.int32)


@settings(max_examples=100)
@given(texts=PAIRS, asked=WAYS, seed=st.integers(0, 5), epoch=st.integers(0, 5), data=st.data())
def test_every_window_is_full_and_holds_its_answer(
    texts: list[Pair], asked: WindowSettings, seed: int, epoch: int, data: st.DataObject
) -> None:
    pairs = encode_pairs(bert(), texts, asked)
    spans = np.array(data.draw(answers_in(pairs.paragraph_lengths.tolist())), dtype=np.int32)
    windows = training_windows(pairs, spans, seed=seed, epoch=epoch)
    assert windows.pairs.tolist() == list(range(len(pairs)))
    assert windows.rows[:, 0].tolist() == pairs.question_of.tolist()
    assert windows.rows[:, 1].tolist() == pairs.paragraph_of.tolist()
    first, end = windows.rows[:, 2], windows.rows[:, 3]
    assert (first >= 0).all()
    assert (end <= pairs.paragraph_lengths).all()
    assert (end - first == np.minimum(pairs.room, pairs.paragraph_lengths)).all()
    held = (first <= spans[:, 0]) & (spans[:, 1] < end)
    assert held[reachable(pairs, spans) & (spans[:, 0] >= 0)].all()


@pytest.mark.parametrize(
    ("length", "span", "expected"),
    [
        (30, (12, 14), range(5, 13)),  # in the middle: anywhere in the window
        (30, (0, 1), range(1)),  # at the very start there is one place only
        (30, (29, 29), range(20, 21)),
        (30, (3, 3), range(4)),
        (30, (10, 19), range(10, 11)),  # as long as the window
        (30, (-1, -1), range(21)),  # no answer: a window anywhere
        (10, (4, 5), range(1)),  # the paragraph fits
        (11, (4, 5), range(2)),
    ],
)
def test_all_places_that_hold_the_answer_occur_and_no_others(
    length: int, span: tuple[int, int], expected: range
) -> None:
    pairs, spans = copies("國" * length, span)
    drawn = [training_windows(pairs, spans, seed=3, epoch=epoch).rows[:, 2] for epoch in range(EPOCHS)]
    assert set(np.concatenate(drawn).tolist()) == set(expected)


def test_places_are_about_equally_frequent() -> None:
    pairs, spans = copies("國" * 30, (12, 14))
    drawn = [training_windows(pairs, spans, seed=3, epoch=epoch).rows[:, 2] for epoch in range(EPOCHS)]
    counts = np.bincount(np.concatenate(drawn))[5:]
    assert counts.min() > 0.85 * counts.mean()  # 8 places, 1000 draws each: 15 % is five standard deviations
    assert counts.max() < 1.15 * counts.mean()


def test_places_depend_on_seed_and_epoch_and_on_nothing_else() -> None:
    pairs, spans = copies("國" * 500, (200, 203))

    def rows(seed: int, epoch: int) -> list[list[int]]:
        return training_windows(pairs, spans, seed=seed, epoch=epoch).rows.tolist()

    before = rows(1, 2)
    np.random.default_rng(0).random(5)
    np.random.seed(9)
    again = rows(1, 2)
    assert again == before
    assert rows(1, 3) != before
    assert rows(2, 2) != before
    assert rows(2, 1) != before  # seed and epoch are not just added up


def test_equal_pairs_get_places_of_their_own() -> None:
    pairs, spans = copies("國" * 30, (12, 14))
    assert len(set(training_windows(pairs, spans, seed=1, epoch=1).rows[:, 2].tolist())) > 4
