"""Models combine by character, whatever their tokenizers: held against a plain reference and small cases by hand."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qakit.data.predictions import Prediction
from qakit.spans import ensembling
from qakit.spans.character_grid import Average, build_grid
from qakit.spans.decoder import cut_answers
from qakit.spans.ensembling import Combined, Method, decode_scores
from qakit.spans.scores import QuestionScores, ScoresInfo
from qakit.spans.token_scores import TokenScores
from qakit.spans.tokenizing import tokenize_texts
from tests.spans.cases import INFO, TEXTS, best_spans, question_scores, token_scores
from tests.spans.frames import FRAMES

CONTEXT = "臺北車站在中正區"
SHORT = replace(INFO, max_answer_length=3)
MARGIN = 1e-3


METHODS: tuple[Method, ...] = ("mean", "vote")


def combine(
    method: Method,
    *members: QuestionScores,
    info: ScoresInfo | Sequence[ScoresInfo] = INFO,
    weights: Sequence[float] | None = None,
    **how: Any,
) -> Prediction:
    """One question, combined."""
    infos = [info] * len(members) if isinstance(info, ScoresInfo) else info
    (found,) = ensembling.combine([members], infos, Combined(method, **how), weights)
    return found


def pointing(
    start: int, end: int, peak: float = 10, context: str = CONTEXT, *, null: float | None = None, **about: Any
) -> QuestionScores:
    """A member with one token a character that points at `context[start:end]`; the more `peak`, the surer."""
    logits = np.zeros((2, len(context)))
    logits[[0, 1], [start, end - 1]] = peak
    return question_scores(token_scores(*logits, null=null), context, **about)


@st.composite
def tokens_of(draw: st.DrawFn, size: int) -> TokenScores:
    """Random scores of random tokens that cover a context of `size` characters, in one window.

    Some characters have several tokens, of which answers begin with the first and end with the last, and some tokens
    have no character.
    """
    cuts = sorted(draw(st.sets(st.integers(1, size - 1)))) if size > 1 else []
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    offsets, start, end = [], [], []
    for low, high in pairwise([0, *cuts, size]):
        repeats = draw(st.sampled_from((1, 1, 1, 3)))
        empty = [(low, low)] * draw(st.sampled_from((0, 0, 0, 1)))
        offsets += [*empty, *[(low, high)] * repeats]
        forbidden = [-np.inf] * (repeats - 1)
        first, last = random.normal(scale=3, size=2).tolist()
        start += [*(9.0 for _ in empty), first, *forbidden]
        end += [*(9.0 for _ in empty), *forbidden, last]
    return token_scores(start, end, offsets=offsets)


def own_length(member: TokenScores, start: int, end: int) -> int:
    """How many of a member's tokens a span has, without those before its first character or behind its last."""
    offsets = list(zip(member.char_start.tolist(), member.char_end.tolist(), strict=True))
    touched = [place for place, (first, stop) in enumerate(offsets) if max(first, start) < min(stop, end)]
    return touched[-1] - touched[0] + 1


def reference_mean(
    members: Sequence[TokenScores], longest: Sequence[int], bonuses: Sequence[Sequence[float]]
) -> dict[tuple[int, int], float]:
    """The score of each candidate, worked out one character at a time."""
    sides = []
    for side in ("start", "end"):
        tables = []
        for member in members:
            logits = getattr(member, side).astype(np.float64)
            kept = (member.char_start < member.char_end) & np.isfinite(logits)
            shares = logits - np.log(np.exp(logits[kept]).sum())
            tables.append(dict(zip(getattr(member, f"char_{side}")[kept].tolist(), shares[kept].tolist(), strict=True)))
        boundaries = sorted(set().union(*tables))
        sides.append(
            {place: np.mean([table.get(place, min(table.values())) for table in tables]) for place in boundaries}
        )
    starts, ends = sides
    scores = {}
    for start, end in ((start, end) for start in starts for end in ends if start < end):
        lengths = [own_length(member, start, end) for member in members]
        if any(length <= most for length, most in zip(lengths, longest, strict=True)):
            added = [
                bonus[min(length, len(bonus)) - 1] if bonus else 0.0
                for length, bonus in zip(lengths, bonuses, strict=True)
            ]
            scores[start, end] = float(starts[start] + ends[end] + np.mean(added))
    return scores


@settings(max_examples=200)
@given(data=st.data(), size=st.integers(1, 12), count=st.integers(2, 3), alike=st.booleans())
def test_the_mean_is_the_best_span_of_the_mean_log_probabilities(
    data: st.DataObject, size: int, count: int, alike: bool
) -> None:
    members = [data.draw(tokens_of(size)) for _ in range(count)]
    if alike:
        members = [replace(members[0], start=members[0].start * factor) for factor in range(1, count + 1)]
    bonuses = [data.draw(st.lists(st.floats(-6, 0), max_size=5)) for _ in members]
    longest = [data.draw(st.integers(1, 12)) for _ in members]
    context = ("臺北車站在中正區" * 2)[:size]
    expected = reference_mean(members, longest, bonuses)
    ranked = sorted(expected.values(), reverse=True)
    assume(len(ranked) < 2 or ranked[0] - ranked[1] > MARGIN)
    infos = [
        replace(INFO, max_answer_length=most, length_bonus=tuple(own))
        for most, own in zip(longest, bonuses, strict=True)
    ]
    found = combine("mean", *(question_scores(member, context) for member in members), info=infos)
    if not expected:
        assert found.answers == ()
        return
    (answer,) = found.answers
    start, end = max(expected, key=expected.__getitem__)
    assert (answer.start, answer.end, answer.text) == (start, end, context[start:end])
    assert answer.score == pytest.approx(ranked[0], abs=1e-4)


@settings(max_examples=100)
@given(data=st.data(), size=st.integers(1, 12))
def test_a_single_member_gives_exactly_the_answers_of_its_own(data: st.DataObject, size: int) -> None:
    tokens, context = data.draw(tokens_of(size)), ("臺北車站在中正區" * 2)[:size]
    own = cut_answers(context, best_spans(tokens, max_length=INFO.max_answer_length, nbest=4))
    member = question_scores(tokens, context)
    assert combine("mean", member, nbest=4).answers == decode_scores(member, INFO, 4).answers == own
    assert combine("vote", member).text == own[0].text


@given(
    data=st.data(), size=st.integers(1, 12), bonus=st.lists(st.floats(-6, 0), max_size=5), longest=st.integers(1, 12)
)
def test_two_equal_members_give_the_answer_of_one(
    data: st.DataObject, size: int, bonus: list[float], longest: int
) -> None:
    member = question_scores(data.draw(tokens_of(size)), "國" * size)
    info = replace(INFO, temperature=2.0, length_bonus=tuple(bonus), max_answer_length=longest)
    own = combine("mean", member, nbest=2, info=info).answers
    assume(len(own) < 2 or own[0].score - own[1].score > 2 * MARGIN)
    found = combine("mean", member, member, info=info).answers
    assert [(answer.start, answer.end) for answer in found] == [(answer.start, answer.end) for answer in own[:1]]
    assert [answer.probability for answer in found] == pytest.approx(
        [answer.probability for answer in own[:1]], rel=1e-4
    )


@given(data=st.data(), size=st.integers(1, 12))
def test_the_order_of_two_members_does_not_matter_to_the_mean(data: st.DataObject, size: int) -> None:
    one, other = (question_scores(data.draw(tokens_of(size)), "國" * size) for _ in range(2))
    assert combine("mean", one, other, nbest=5) == combine("mean", other, one, nbest=5)


def test_a_member_with_larger_logits_does_not_count_for_more() -> None:
    members = [pointing(0, 2, 10), pointing(4, 5, 10)]
    tokens = members[0].tokens
    shifted = replace(tokens, start=tokens.start + 500, end=tokens.end - 200)
    assert combine("mean", replace(members[0], tokens=shifted), members[1]).text == combine("mean", *members).text


def test_members_that_cut_characters_and_words_agree_on_a_span_that_both_can_name() -> None:
    characters = pointing(0, 4, 4)
    words = question_scores(token_scores([9, 8, 0, 0], [0, 8, 0, 9], offsets=[(0, 2), (2, 4), (4, 5), (5, 8)]), CONTEXT)
    assert combine("mean", words).text == CONTEXT
    assert combine("mean", characters, words).text == "臺北車站"


def test_a_span_that_only_one_member_can_name_is_a_candidate() -> None:
    words = question_scores(token_scores([0, 0], [0, 0], offsets=[(0, 4), (4, 8)]), CONTEXT)
    assert combine("mean", pointing(1, 3, 20), words).text == "北車"


def test_a_place_that_no_member_has_a_boundary_at_is_no_candidate() -> None:
    words = question_scores(token_scores([0, 0], [0, 0], offsets=[(0, 4), (4, 8)]), CONTEXT)
    found = combine("mean", words, words, nbest=50).answers
    assert {(answer.start, answer.end) for answer in found} == {(0, 4), (0, 8), (4, 8)}


@settings(max_examples=60)
@given(text=TEXTS, seed=st.integers(0, 100))
def test_members_of_all_kinds_of_tokenizers_combine_on_any_text(text: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    members = []
    for build in FRAMES.values():
        tokens = tokenize_texts(build(), [text])
        offsets = list(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True))
        members.append(question_scores(token_scores(*random.normal(size=(2, len(offsets))), offsets=offsets), text))
    for method in METHODS:
        for answer in combine(method, *members, nbest=4).answers:
            assert answer.text == text[answer.start : answer.end] == answer.text.strip() != ""
            assert 0 < answer.probability <= 1


def test_answers_are_no_longer_than_the_longest_that_a_member_looks_for() -> None:
    member = pointing(0, 6)
    assert len(combine("mean", member, info=SHORT).text) <= 3
    assert combine("mean", member, member, info=[SHORT, INFO]).text == "臺北車站在中"


@pytest.mark.parametrize("average", ["log", "probability"])
def test_members_with_other_tokens_give_together_what_each_gives_within_its_lengths(average: Average) -> None:
    twos = token_scores([20, 0, 0, 0], [0, 0, 0, 20], offsets=[(0, 2), (2, 4), (4, 6), (6, 8)])
    threes = token_scores([20, 0, 0], [0, 0, 20], offsets=[(0, 3), (3, 5), (5, 8)])
    infos = [
        replace(INFO, max_answer_length=4, length_bonus=(-1, -1, -1, 0, -50)),
        replace(INFO, max_answer_length=3, length_bonus=(-1, -1, 0, -50)),
    ]
    members = [question_scores(tokens, CONTEXT) for tokens in (twos, threes)]
    assert [decode_scores(one, info, 1).text for one, info in zip(members, infos, strict=True)] == [CONTEXT, CONTEXT]
    assert combine("mean", *members, info=infos, average=average).text == CONTEXT
    shorter = [replace(info, max_answer_length=info.max_answer_length - 1) for info in infos]
    assert combine("mean", *members, info=[infos[0], shorter[1]], average=average).text == CONTEXT
    assert combine("mean", *members, info=shorter, average=average).text != CONTEXT


def test_the_lengths_of_members_that_did_not_read_a_paragraph_do_not_count_there() -> None:
    def row(name: str, readers: Sequence[int]) -> list[QuestionScores]:
        members = [pointing(0, 6, name=name) for _ in range(3)]
        unread = token_scores([], [])
        return [one if place in readers else replace(one, tokens=unread) for place, one in enumerate(members)]

    infos = [
        replace(INFO, max_answer_length=2),
        replace(INFO, max_answer_length=2),
        replace(INFO, max_answer_length=6, length_bonus=(0.0, 0.0, 0.0, 0.0, 0.0, 4.0)),
    ]
    rows = [row("1", (0, 1)), row("2", (1, 2)), row("3", (0, 1, 2))]
    short, two, three = (prediction.answers[0] for prediction in ensembling.combine(rows, infos, Combined()))
    assert [short.text, two.text, three.text] == ["臺", "臺北車站在中", "臺北車站在中"]
    assert two.score - three.score == pytest.approx(4 / 2 - 4 / 3)


def test_members_with_the_same_tokens_in_other_windows_count_as_one() -> None:
    whole = [(place, place + 1) for place in range(4)]
    scores = token_scores([1, 2, 3, 4], [4, 3, 2, 1], offsets=whole)
    cut = token_scores([1, 2, 3, 2, 3, 4], [4, 3, 2, 3, 2, 1], offsets=[*whole[:3], *whole[1:]], lengths=[3, 3])
    words = token_scores([1, 4], [3, 1], offsets=[(0, 2), (2, 4)])
    row = [question_scores(tokens, CONTEXT[:4]) for tokens in (scores, cut, words)]
    one, other, third = build_grid([row], [INFO] * 3, "log").numbers
    assert one is other
    assert third is not one


def test_an_answer_does_not_depend_on_what_is_asked_before_and_after() -> None:
    characters = question_scores(token_scores([9, 0, 0, 0], [0, 0, 9, 0]), CONTEXT[:4])
    some = question_scores(
        token_scores([9, 0, 0, -9], [0, 0, -9, 9], offsets=[(0, 1), (1, 2), (2, 3), (2, 3)]), CONTEXT[:4]
    )
    infos = [INFO, replace(INFO, length_bonus=(0.0, -1.0, -2.0, -3.0))]
    found = ensembling.combine([[characters, some]] * 3, infos, Combined(nbest=9))
    assert found[0].answers == found[1].answers == found[2].answers


def test_what_lies_between_tokens_does_not_count_for_the_length() -> None:
    words = token_scores([9, 0, 0], [0, 1, 9], offsets=[(0, 5), (6, 8), (9, 13)])
    member = question_scores(words, "Salar de Uyun")
    for longest, text in [(3, "Salar de Uyun"), (2, "Salar de")]:
        info = replace(INFO, max_answer_length=longest)
        assert combine("mean", member, info=info).text == combine("mean", member, member, info=info).text == text


def test_lengths_that_one_member_finds_unlikely_count_with_its_weight() -> None:
    short = replace(INFO, length_bonus=(0.0, -30.0))
    members = [pointing(0, 2, 10), pointing(0, 2, 10)]
    assert combine("mean", *members, info=[short, INFO]).text == "臺"
    assert combine("mean", *members, info=[short, INFO], weights=[1, 5]).text == "臺北"


def test_no_answer_wins_where_the_members_hold_it_likelier_on_average() -> None:
    none_of_both = [pointing(0, 2, 10, null=25.0), pointing(0, 2, 1, null=25.0)]
    assert combine("mean", *none_of_both).text == ""
    assert combine("mean", pointing(0, 2, 10, null=-5.0), pointing(0, 2, 1, null=-5.0)).text == "臺北"
    assert combine("mean", pointing(0, 2, 10, null=25.0), pointing(0, 2, 1)).text == "臺北"  # one was never taught it
    strict = replace(INFO, null_threshold=60.0)
    assert combine("mean", *none_of_both, info=[INFO, strict]).text == "臺北"  # a mean threshold of 30


@pytest.mark.parametrize(("null", "text"), [(19.5, "臺北"), (20.5, "")])
def test_one_member_weighs_no_answer_against_its_best_span_as_its_logits_do(null: float, text: str) -> None:
    assert combine("mean", pointing(0, 2, 10, null=null)).text == text  # the best span has 10 + 10
