"""Votes are counted and ties broken as documented, and members that read different paragraphs meet as documented."""

from dataclasses import replace

import numpy as np
import pytest

from qakit.errors import ConfigError
from tests.spans.cases import question_scores, token_scores
from tests.spans.test_ensembling import CONTEXT, combine, pointing

OTHER = "故宮在士林區"


def test_the_text_that_most_members_give_wins_however_sure_the_others_are() -> None:
    found = combine("vote", pointing(0, 2, 99), pointing(4, 5, 3), pointing(4, 5, 3), nbest=2)
    assert [(answer.text, answer.score) for answer in found.answers] == [("在", 2.0), ("臺北", 1.0)]


def test_a_tie_goes_to_the_surer_members() -> None:
    assert combine("vote", pointing(0, 2, 5), pointing(4, 5, 6)).text == "在"
    assert combine("vote", pointing(0, 2, 6), pointing(4, 5, 5)).text == "臺北"


def test_a_tie_of_equally_sure_members_goes_to_the_earlier_one() -> None:
    assert combine("vote", pointing(4, 5), pointing(0, 2)).text == "在"
    assert combine("vote", pointing(0, 2), pointing(4, 5)).text == "臺北"


def test_equal_texts_at_different_places_are_one_vote_each_for_that_text() -> None:
    context = "年月日年"
    members = [pointing(1, 2, 30, context), pointing(0, 1, 5, context), pointing(3, 4, 5, context)]
    (answer,) = combine("vote", *members).answers
    assert (answer.text, answer.score, answer.start) == ("年", 2.0, 0)


def test_the_probability_of_a_vote_is_the_mean_over_all_members() -> None:
    sure, other = pointing(0, 2, 8), pointing(4, 5, 1)
    own = [combine("mean", member).answers[0].probability for member in (sure, other)]
    found = combine("vote", sure, sure, other, nbest=2).answers
    assert [answer.probability for answer in found] == pytest.approx([2 * own[0] / 3, own[1] / 3])


def test_no_answer_is_a_vote_like_any_other() -> None:
    none = pointing(0, 2, null=100.0)
    assert combine("vote", none, pointing(0, 2), none).text == ""
    assert combine("vote", none, pointing(0, 2), pointing(0, 2)).text == "臺北"


def test_a_member_that_finds_nothing_to_choose_from_has_no_vote() -> None:
    empty = question_scores(token_scores([], []), CONTEXT)
    assert combine("vote", empty, empty, pointing(0, 2)).text == "臺北"
    assert combine("vote", empty, empty).answers == ()
    assert combine("mean", empty, empty).answers == ()


def test_the_vote_needs_no_selection_scores_and_names_the_paragraph_of_the_winner() -> None:
    first, second = pointing(0, 2), pointing(0, 2, 5, OTHER, candidate=2)
    found = combine("vote", first, second, second)
    assert (found.text, found.candidate) == ("故宮", 2)
    assert combine("vote", first, first, second).candidate == 0


def test_all_answers_of_a_vote_stand_in_the_paragraph_that_it_names() -> None:
    members = [pointing(4, 5), pointing(0, 2), pointing(0, 2, 12, OTHER, candidate=2)]
    members += [pointing(2, 3, 5, OTHER, candidate=2), pointing(2, 3, 5, OTHER, candidate=2)]
    found = combine("vote", *members, nbest=5)
    assert found.candidate == 0  # "在" has a vote from the first paragraph and two from the other
    assert [answer.text for answer in found.answers] == ["在", "臺北"]
    for answer in found.answers:
        assert answer.text == CONTEXT[answer.start : answer.end]


def test_the_mean_reads_the_paragraph_that_the_selectors_prefer_together() -> None:
    first = pointing(0, 2, candidate=0, selection=tuple(np.log([0.6, 0.1, 0.3])))
    second = pointing(0, 2, 10, OTHER, candidate=2, selection=tuple(np.log([0.1, 0.1, 0.8])))
    for members in ([first, second], [second, first]):
        found = combine("mean", *members)
        assert (found.text, found.candidate) == ("故宮", 2)
    surer = replace(first, selection=tuple(np.log([0.98, 0.01, 0.01])))
    assert combine("mean", surer, second).candidate == 0


def test_members_that_read_another_paragraph_leave_the_answer_to_the_others() -> None:
    selection = tuple(np.log([0.9, 0.1]))
    readers = [pointing(0, 2, 5, selection=selection), pointing(0, 2, 5, selection=selection)]
    stray = pointing(3, 5, 50, OTHER, candidate=1, selection=selection)
    assert combine("mean", readers[0], stray, readers[1], nbest=3) == combine("mean", *readers, nbest=3)


def test_an_even_preference_goes_to_the_first_paragraph() -> None:
    even = tuple(np.log([0.5, 0.5]))
    second, first = pointing(0, 2, 9, OTHER, candidate=1, selection=even), pointing(0, 2, selection=even)
    assert combine("mean", second, first).candidate == 0


@pytest.mark.parametrize("selection", [(), (-0.1,)])
def test_the_mean_of_different_paragraphs_needs_the_selection_scores_of_all(selection: tuple[float, ...]) -> None:
    first = pointing(0, 2, selection=(-0.1, -2.0))
    second = pointing(0, 2, 9, OTHER, candidate=1, selection=selection)
    with pytest.raises(ConfigError, match=r"question q: .* predict them all with --selector"):
        combine("mean", first, second)


def test_the_mean_of_one_paragraph_needs_no_selection_scores() -> None:
    members = [pointing(0, 2, candidate=1), pointing(0, 2, candidate=1)]
    assert combine("mean", *members).candidate == 1
