"""What each lever does to a list of answers, and what none of them may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.config import DecodingSettings
from qakit.data.predictions import PredictedAnswer
from qakit.spans.decoder import (
    drop_near_duplicates,
    merge_equal_texts,
    pool_size,
    repair_brackets,
    rerank,
    sort_by_expected_f1,
)

LETTERS = st.text("甲乙丙丁「」《》(（）)", min_size=1, max_size=14)
SETTINGS = st.builds(
    DecodingSettings,
    choose_by=st.sampled_from(["score", "windows", "text", "f1"]),
    repair_brackets=st.booleans(),
    distinct=st.booleans(),
    nbest=st.integers(1, 5),
)


def answer(context: str, text: str, probability: float = 0.1, *, place: int = 0) -> PredictedAnswer:
    start = [number for number in range(len(context)) if context.startswith(text, number)][place]
    return PredictedAnswer(text, start, start + len(text), 1.0, probability)


def texts(answers: list[PredictedAnswer] | tuple[PredictedAnswer, ...]) -> list[str]:
    return [one.text for one in answers]


@st.composite
def contexts_with_answers(draw: st.DrawFn) -> tuple[str, list[PredictedAnswer]]:
    context = draw(LETTERS)
    spans = draw(
        st.lists(
            st.tuples(st.integers(0, len(context) - 1), st.integers(1, len(context))).filter(
                lambda span: span[0] < span[1]
            ),
            max_size=6,
            unique=True,
        )
    )
    scores = sorted((draw(st.floats(0, 1)) for _ in spans), reverse=True)
    return context, [
        PredictedAnswer(context[start:end], start, end, score, score / 6)
        for (start, end), score in zip(spans, scores, strict=True)
    ]


@given(given=contexts_with_answers(), settings=SETTINGS)
def test_answers_stay_cut_from_the_context_and_are_no_more_than_wanted(
    given: tuple[str, list[PredictedAnswer]], settings: DecodingSettings
):
    context, answers = given
    found = rerank(context, answers, settings)
    assert len(found) <= settings.nbest
    assert bool(found) is bool(answers)
    assert all(one.text == context[one.start : one.end] != "" for one in found)
    assert len({(one.start, one.end) for one in found}) == len(found)
    assert all(0 <= one.probability <= 1 for one in found)
    if not settings.repair_brackets:
        assert {one.text for one in found} <= {one.text for one in answers}
    if settings == DecodingSettings(nbest=settings.nbest):
        assert list(found) == answers[: settings.nbest]


def test_an_empty_answer_that_leads_goes_on_leading():
    none, first = PredictedAnswer("", 0, 0, 9.0, 0.0), answer("甲乙", "甲")
    for how in ("score", "text", "f1"):
        settings = DecodingSettings(choose_by=how, distinct=True, repair_brackets=True)
        assert rerank("甲乙", [none, first], settings) == (none, first)


@pytest.mark.parametrize(
    ("settings", "spans"),
    [({}, 1), ({"nbest": 7}, 7), ({"choose_by": "f1"}, 20), ({"distinct": True, "pool": 5, "nbest": 7}, 7)],
)
def test_no_more_spans_are_searched_than_a_lever_needs(settings: dict[str, object], spans: int):
    assert pool_size(DecodingSettings.model_validate(settings)) == spans


def test_places_with_one_text_vote_together():
    context = "甲乙甲"
    answers = [answer(context, "乙", 0.3), answer(context, "甲", 0.2), answer(context, "甲", 0.15, place=1)]
    found = merge_equal_texts(answers)
    assert texts(found) == ["甲", "乙"]
    assert (found[0].start, found[0].probability) == (0, pytest.approx(0.35))


def test_the_answer_that_agrees_with_the_others_has_the_highest_expected_f1():
    context = "一九三一年，某河"
    answers = [answer(context, "某河", 0.35), answer(context, "一九三一年", 0.33), answer(context, "三一年", 0.3)]
    assert texts(sort_by_expected_f1(answers))[0] == "一九三一年"
    by_hand = 0.33 + 0.3 * 2 * 3 / 8  # itself, and what it shares with the third
    assert by_hand > 0.35
    assert texts(sort_by_expected_f1(answers[:1] + answers[2:])) == ["某河", "三一年"]


def test_near_duplicates_are_left_out_and_others_stay():
    context = "位於臺北市大安區"
    answers = [answer(context, text) for text in ("臺北市", "於臺北市", "臺北", "大安區", context)]
    assert texts(drop_near_duplicates(answers)) == ["臺北市", "大安區", context]


@pytest.mark.parametrize(
    ("context", "given", "expected"),
    [
        ("他寫了《國富論》一書", "《國富論", "《國富論》"),
        ("他寫了《國富論》一書", "國富論》", "《國富論》"),
        ("他寫了《國富論》一書", "國富論", "國富論"),
        ("他寫了《國富論》一書", "《國富論》", "《國富論》"),
        ("亞當（英國人）說", "當（英國", "當（英國人）"),
        ("說「甲乙丙丁戊己庚辛壬癸子丑寅卯」完", "「甲乙", "甲乙"),
        ("說甲乙」完", "甲乙」", "甲乙"),
        ("a(b(c)d", "(b(c)", "b(c)"),
        ("「甲『乙』丙」", "『乙』丙」", "「甲『乙』丙」"),
        ("甲「 乙", "「 乙", "乙"),
        ("甲（乙", "甲（乙", "甲（乙"),  # neither to be completed nor at the edge
        ("「」", "「", "「」"),
        ("甲」", "」", "」"),  # nothing would be left
    ],
)
def test_half_a_pair_takes_in_the_other_half_or_goes(context: str, given: str, expected: str):
    assert repair_brackets(context, answer(context, given)).text == expected
