"""Weights of members: equal ones change nothing, 0 leaves out, and the average is of what it is said to be of."""

from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qakit.errors import ConfigError
from qakit.spans.character_grid import Average
from qakit.spans.ensembling import Combined, Ensemble, relative_weights
from qakit.spans.scores import QuestionScores
from tests.spans.cases import INFO, question_scores, token_scores
from tests.spans.test_ensembling import CONTEXT, MARGIN, METHODS, combine, pointing, tokens_of

HOWS = [Combined("mean", "log", 5), Combined("mean", "probability", 5), Combined("vote", "log", 5)]
OTHER = "故宮在士林區"


@st.composite
def members_of(draw: st.DrawFn) -> list[QuestionScores]:
    """Two to four members that read one of two paragraphs each."""
    members = []
    for _ in range(draw(st.integers(2, 4))):
        candidate = draw(st.integers(0, 1))
        context = (CONTEXT, OTHER)[candidate]
        share = draw(st.floats(0.01, 0.99))
        selection = (float(np.log(share)), float(np.log(1 - share)))
        null = draw(st.none() | st.floats(-9, 9))
        tokens = replace(draw(tokens_of(len(context))), null=null)
        members.append(question_scores(tokens, context, candidate=candidate, selection=selection))
    return members


def together(members: list[QuestionScores], how: Combined) -> Ensemble:
    return Ensemble([members], [INFO] * len(members), how)


@settings(max_examples=100)
@given(members=members_of(), how=st.sampled_from(HOWS), weight=st.floats(1e-3, 1e3))
def test_equal_weights_are_exactly_none(members: list[QuestionScores], how: Combined, weight: float) -> None:
    ensemble = together(members, how)
    assert ensemble.predictions([weight] * len(members)) == ensemble.predictions([1.0] * len(members))


@settings(max_examples=100)
@given(members=members_of(), how=st.sampled_from(HOWS), data=st.data())
def test_a_member_of_weight_0_is_exactly_left_out(
    members: list[QuestionScores], how: Combined, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=len(members), max_size=len(members)))
    assume(any(weights))
    kept = [member for member, weight in zip(members, weights, strict=True) if weight]
    expected = together(kept, how).predictions([weight for weight in weights if weight])
    assert together(members, how).predictions(weights) == expected


@settings(max_examples=60)
@given(members=members_of(), how=st.sampled_from(HOWS[:2]), data=st.data())
def test_the_order_of_members_does_not_matter_where_answers_are_not_level(
    members: list[QuestionScores], how: Combined, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 3), min_size=len(members), max_size=len(members)))
    (expected,) = together(members, how).predictions(weights)
    scores = [answer.score for answer in expected.answers]
    assume(all(better - worse > MARGIN for better, worse in pairwise(scores)))
    preferences = np.array([member.selection for member in members]) * np.array(weights)[:, None] / sum(weights)
    assume(abs(np.diff(preferences.sum(axis=0))[0]) > MARGIN)
    shares = np.exp([member.selection for member in members]) * np.array(weights)[:, None] / sum(weights)
    assume(abs(np.diff(shares.sum(axis=0))[0]) > MARGIN)
    for order in permutations(range(len(members))):
        shuffled = together([members[place] for place in order], how)
        (found,) = shuffled.predictions([weights[place] for place in order])
        assert [answer[:3] for answer in found.answers[:1]] == [answer[:3] for answer in expected.answers[:1]]


@settings(max_examples=60)
@given(members=members_of(), average=st.sampled_from(["log", "probability"]), times=st.integers(2, 3))
def test_a_weight_is_that_many_members(members: list[QuestionScores], average: Average, times: int) -> None:
    (weighted,) = together(members, Combined("mean", average, 2)).predictions([times, *[1] * (len(members) - 1)])
    repeated = [members[0]] * times + members[1:]
    (expected,) = together(repeated, Combined("mean", average, 2)).predictions([1] * len(repeated))
    assume(len(expected.answers) < 2 or expected.answers[0].score - expected.answers[1].score > MARGIN)
    assert weighted.candidate == expected.candidate
    assert weighted.text == expected.text


def test_an_average_of_probabilities_is_what_it_says() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(scale=3, size=(2, 2, 4))
    members = [question_scores(token_scores(*member), "甲乙丙丁") for member in logits]
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    start, end = 0.75 * shares[0] + 0.25 * shares[1]
    expected = {(i, j + 1): np.log(start[i]) + np.log(end[j]) for i in range(4) for j in range(i, 4)}
    found = combine("mean", *members, average="probability", weights=[3, 1], nbest=10)
    assert {(one.start, one.end): one.score for one in found.answers} == pytest.approx(expected, abs=1e-5)


def test_one_member_may_propose_where_probabilities_are_averaged_and_forbid_where_logarithms_are() -> None:
    members = [pointing(0, 2, 4), pointing(0, 2, 4), pointing(4, 5, 60)]
    assert combine("mean", *members, average="log").text == "在"
    assert combine("mean", *members, average="probability").text == "臺北"


def test_a_weight_tips_a_vote() -> None:
    members = [pointing(0, 2, 5), pointing(4, 5, 5), pointing(4, 5, 5)]
    assert combine("vote", *members).text == "在"
    found = combine("vote", *members, weights=[5, 2, 2], nbest=2)
    assert [(answer.text, answer.score) for answer in found.answers] == [("臺北", 1.0), ("在", 0.8)]


def test_weights_count_in_the_choice_of_the_paragraph() -> None:
    first = pointing(0, 2, candidate=0, selection=tuple(np.log([0.7, 0.3])))
    second = pointing(0, 2, 10, OTHER, candidate=1, selection=tuple(np.log([0.2, 0.8])))
    for average in ("log", "probability"):
        assert combine("mean", first, second, average=average).candidate == 1
        assert combine("mean", first, second, average=average, weights=[3, 1]).candidate == 0


@pytest.mark.parametrize("how", HOWS)
def test_a_member_that_has_selection_scores_alone_takes_part_in_the_choice_only(how: Combined) -> None:
    selection = tuple(np.log([0.6, 0.4]))
    first, second = pointing(0, 2, selection=selection), pointing(0, 2, 9, OTHER, candidate=1, selection=selection)
    chooser = question_scores(token_scores([], []), OTHER, candidate=1, selection=tuple(np.log([0.1, 0.9])))
    (found,) = together([first, second, chooser], how).predictions([1, 1, 1])
    (alone,) = together([second], how).predictions([1])
    (alike,) = together([first, chooser], how).predictions([1, 1])
    assert alike.text == first.context[:2]  # of a paragraph that nobody read there is no answer
    if how.method == "mean":
        assert found == alone


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="expected numbers of 0 or more"):
        relative_weights(weights)


def test_every_method_is_tried() -> None:
    assert {how.method for how in HOWS} == set(METHODS)
