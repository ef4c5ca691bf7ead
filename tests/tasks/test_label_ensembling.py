"""Several models' scores make one label: means, votes, weights, members that differ in what they know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qakit.data.labels import LabelPrediction
from qakit.errors import ConfigError
from qakit.spans.ensembling import Combined
from qakit.tasks.labels.decoding import RANKED, LabelDecoder, LabelEnsemble, TagDecoder, vote_on_labels
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo
from qakit.tasks.registry import TASKS
from tests.tasks.labels import INTENTS, LOGS, TAGS, intent, sentence

MEAN, PROBABILITY, VOTE = Combined(), Combined(average="probability"), Combined("vote")


def combined(
    rows: list[LabelScores], infos: list[LabelScoresInfo], how: Combined, weights: list[float]
) -> LabelPrediction:
    decoder = TASKS[infos[0].task].decoder
    (found,) = LabelEnsemble([rows], infos, how, decoder).predictions(weights)
    return found


@pytest.mark.parametrize("how", [MEAN, PROBABILITY, VOTE])
@given(first=LOGS, second=LOGS)
def test_one_member_that_counts_answers_as_it_did(how: Combined, first: np.ndarray, second: np.ndarray):
    rows = [LabelScores("x", "w w w", logs) for logs in (first, second)]
    assert combined(rows, [TAGS, TAGS], how, [0, 3]) == TagDecoder(TAGS).predict(rows[1])
    texts = [LabelScores("x", "w", logs[:1]) for logs in (first, second)]
    assert combined(texts, [INTENTS, INTENTS], how, [2, 0]) == LabelDecoder(INTENTS).predict(texts[0])


@pytest.mark.parametrize("how", [MEAN, PROBABILITY, VOTE])
@given(logs=arrays(np.float32, (3, 3), elements=st.integers(-20, 0)))
def test_members_that_agree_change_no_label(how: Combined, logs: np.ndarray):
    row = LabelScores("x", "w w w", logs)
    alone = TagDecoder(LabelScoresInfo("slots", "m", TAGS.names)).predict(row)
    infos = [LabelScoresInfo("slots", "m", TAGS.names)] * 2
    assert combined([row, row], infos, how, [1, 1]).label == alone.label


def test_log_probabilities_let_a_member_forbid_and_probabilities_let_it_propose():
    rows = [intent(0.98, 0.01, 0.01), intent(1e-6, 0.6, 0.4), intent(0.3, 0.4, 0.3)]
    assert combined(rows, [INTENTS] * 3, MEAN, [1, 1, 1]).label == "cancel"
    found = combined(rows, [INTENTS] * 3, PROBABILITY, [1, 1, 1])
    assert found.label == "book"
    assert found.ranked[0][1] == pytest.approx((0.98 + 1e-6 + 0.3) / 3, rel=1e-5)


def test_the_mean_of_log_probabilities_is_a_geometric_one():
    found = combined([intent(0.8, 0.1, 0.1), intent(0.2, 0.4, 0.4)], [INTENTS] * 2, MEAN, [2, 1])
    expected = np.array([0.8, 0.1, 0.1]) ** (2 / 3) * np.array([0.2, 0.4, 0.4]) ** (1 / 3)
    assert found.ranked[0] == ("book", pytest.approx(expected[0] / expected.sum(), rel=1e-5))


def test_random_fields_are_averaged_as_distributions_over_sequences():
    transitions = [tuple(map(tuple, np.random.default_rng(seed).normal(size=(5, 3)).tolist())) for seed in (0, 1)]
    infos = [LabelScoresInfo("slots", "m", ("a", "b", "c"), transitions=one) for one in transitions]
    rows = [sentence(*np.random.default_rng(seed).dirichlet([1, 1, 1], size=4).tolist()) for seed in (2, 3)]
    both = LabelScores("x", "w w w w", (rows[0].logs.astype(float) + rows[1].logs) / 2)
    field = tuple(map(tuple, ((np.array(transitions[0]) + np.array(transitions[1])) / 2).tolist()))
    expected = TagDecoder(LabelScoresInfo("slots", "m", ("a", "b", "c"), transitions=field)).predict(both)
    assert combined(rows, infos, MEAN, [1, 1]) == expected


def test_classes_are_matched_by_name_and_an_unknown_one_has_the_lowest_score():
    other = LabelScoresInfo("intent", "m", ("weather", "book"))
    found = combined([intent(0.1, 0.6, 0.3), intent(0.9, 0.1)], [INTENTS, other], PROBABILITY, [1, 1])
    expected = {"weather": 0.6, "cancel": 0.35, "book": 0.1}
    assert dict(found.ranked) == {name: pytest.approx(one / 1.05, rel=1e-5) for name, one in expected.items()}


def test_a_word_that_is_something_to_one_member_has_its_tag():
    rows = [sentence((np.nan,) * 3, (0.1, 0.1, 0.8)), sentence((0.9, 0.05, 0.05), (0.1, 0.1, 0.8))]
    assert combined(rows, [TAGS, TAGS], MEAN, [1, 1]).label == "B-date O"
    nothing = sentence((np.nan,) * 3, (0.1, 0.1, 0.8))
    assert combined([nothing, nothing], [TAGS, TAGS], PROBABILITY, [1, 1]).label == "O O"


def test_a_threshold_is_the_mean_of_theirs_if_all_have_one():
    strict, lax = (LabelScoresInfo("intent", "m", INTENTS.names, oos_threshold=one) for one in (0.9, 0.3))
    ensemble = LabelEnsemble([[intent(0.7, 0.2, 0.1)] * 3], [strict, lax, INTENTS], MEAN, LabelDecoder)
    assert ensemble.predictions([3, 1, 0])[0].label == "oos"
    assert ensemble.predictions([1, 3, 0])[0].label == "book"
    assert ensemble.predictions([3, 1, 1])[0].label == "book"


def test_a_vote_is_of_labels_and_ties_go_to_probability_then_to_the_earlier_member():
    def ballot(label: str, probability: float) -> LabelPrediction:
        return LabelPrediction("x", label, ((label, probability),))

    assert vote_on_labels([ballot("a", 0.9), ballot("b", 0.4), ballot("b", 0.4)], [1, 1, 1]).label == "b"
    assert vote_on_labels([ballot("a", 0.5), ballot("b", 0.6)], [1, 1]).label == "b"
    assert vote_on_labels([ballot("a", 0.5), ballot("b", 0.5)], [1, 1]).label == "a"
    assert vote_on_labels([ballot("a", 0.5), ballot("b", 0.9)], [3, 1]).label == "a"
    tags = [LabelPrediction("x", one, probability=0.3) for one in ("O O", "O B-a", "O B-a")]
    assert vote_on_labels(tags, [1, 1, 1]) == LabelPrediction("x", "O B-a", (), pytest.approx(0.2))
    assert vote_on_labels([tags[0], LabelPrediction("x", "B-a O", probability=0.4)], [1, 1]).label == "B-a O"


def test_weights_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="expected numbers of 0 or more"):
        combined([intent(0.5, 0.3, 0.2)] * 2, [INTENTS] * 2, MEAN, [0, 0])


def test_a_tied_vote_does_not_depend_on_how_many_intents_are_asked_for():
    info = LabelScoresInfo("intent", "m", tuple("abcdefgh"))
    first = intent(0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.38, 0.41)
    second = intent(0.40, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.39)
    found = {nbest: combined([second, first], [info] * 2, Combined("vote", nbest=nbest), [1, 1]) for nbest in (1, 8)}
    assert found[1].label == found[8].label == "h"
    assert found[1].ranked == found[8].ranked[:RANKED]
