"""The likeliest intent and the best tags are read off scores."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given

from qakit.spans.viterbi import follows_bio
from qakit.tasks.labels.decoding import LabelDecoder, TagDecoder
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo
from tests.tasks.labels import INTENTS, LOGS, TAGS, intent, sentence


def test_intents_are_ranked_by_their_probability():
    found = LabelDecoder(INTENTS).predict(intent(0.2, 0.1, 0.7))
    assert found.label == "weather"
    assert [name for name, _ in found.ranked] == ["weather", "book", "cancel"]
    np.testing.assert_allclose([one for _, one in found.ranked], [0.7, 0.2, 0.1], rtol=1e-6)


def test_scores_need_not_be_normalised():
    row = intent(0.2, 0.1, 0.7)
    shifted = LabelScores("x", "a text", row.logs + 3)
    assert LabelDecoder(INTENTS).predict(shifted).ranked[0][1] == pytest.approx(0.7)


def test_below_its_threshold_a_text_is_out_of_scope():
    strict = LabelScoresInfo("intent", "m", INTENTS.names, oos_threshold=0.71)
    found = LabelDecoder(strict).predict(intent(0.2, 0.1, 0.7))
    assert (found.label, found.names[:2]) == ("oos", ("oos", "weather"))


def test_tags_follow_the_rules_and_words_without_a_token_are_outside():
    row = sentence((0.1, 0.8, 0.1), (np.nan,) * 3, (0.1, 0.8, 0.1))
    assert TagDecoder(TAGS).predict(row).label == "B-date O I-date"
    free = LabelScoresInfo("slots", "m", TAGS.names)
    assert TagDecoder(free).predict(row).label == "I-date O I-date"
    assert TagDecoder(TAGS).predict(sentence((np.nan,) * 3)).label == "O"


@given(logs=LOGS)
def test_a_sentence_has_the_probability_of_its_tags_among_all_well_formed_ones(logs: np.ndarray):
    found = TagDecoder(TAGS).predict(LabelScores("x", "w w w", logs))
    weights = {
        tags: np.exp(sum(float(logs[place, TAGS.names.index(tag)]) for place, tag in enumerate(tags)))
        for tags in product(TAGS.names, repeat=3)
        if follows_bio(tags)
    }
    assert found.probability == pytest.approx(weights[tuple(found.label.split())] / sum(weights.values()))


def test_transitions_weigh_what_follows_what():
    row = sentence((0.5, 0.2, 0.3), (0.1, 0.4, 0.5))
    assert TagDecoder(TAGS).predict(row).label == "B-date O"
    between = [[0.0, 2.0, 0.0], [0.0] * 3, [0.0] * 3]
    with_field = LabelScoresInfo(
        "slots", "m", TAGS.names, transitions=tuple(map(tuple, [*between, [0.0] * 3, [0.0] * 3]))
    )
    assert TagDecoder(with_field).predict(row).label == "B-date I-date"
