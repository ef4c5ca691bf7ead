"""One question: where it was read, what the verdict is; all questions: losses that sum to what EM lacks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.predictions import PredictedAnswer
from qakit.data.records import Answer, Paragraph, Record
from qakit.metrics.analysis import Analysis
from qakit.metrics.presets import PRESETS, evaluate
from qakit.metrics.questions import QuestionResult, Reading, question_result
from qakit.metrics.verdicts import VERDICTS

FIRST, SECOND = Paragraph("p", "甲在山上，乙在河邊。", "山河"), Paragraph("q", "丙在山下，甲也在。")
RECORD = Record("1", "誰在山上？", (SECOND, FIRST), 1, (Answer("甲", 0),))


def result(prediction: str | None, record: Record | None = RECORD, **more: object) -> QuestionResult:
    references = more.pop("references", record.references if record else ())
    score = PRESETS["adl"].score(prediction, references) if prediction is not None else PRESETS["adl"].score("x", ["y"])
    return question_result("1", references, prediction, score, record=record, **more)


def read(candidate: int, start: int, end: int, *, probability: float = 0.5) -> Reading:
    context = RECORD.paragraphs[candidate].text
    return Reading(
        candidate, context, (PredictedAnswer(context[start:end], start, end, 1.0, probability),), ((0, len(context)),)
    )


@pytest.mark.parametrize(
    ("prediction", "verdict", "candidate", "span"),
    [
        ("甲", "right", 1, (0, 1)),
        (None, "missing", None, None),
        ("", "empty", None, None),
        ("甲在", "boundary", 1, (0, 2)),
        ("乙", "wrong span", 1, (5, 6)),
        ("丙", "selection", 0, (0, 1)),  # only the other paragraph has it
        ("也是甲", "boundary", None, None),
        ("丁", "wrong span", None, None),
    ],
)
def test_verdicts_of_predictions(
    prediction: str | None, verdict: str, candidate: int | None, span: tuple[int, int] | None
):
    found = result(prediction)
    assert (found.verdict, found.read, found.span) == (verdict, candidate, span)
    assert (found.relevant, found.gold_spans, found.group) == (1, ((0, 1),), FIRST.text)


@pytest.mark.parametrize(
    ("reading", "reachable", "verdict"),
    [
        (read(1, 0, 1), True, "right"),
        (read(1, 5, 6), True, "wrong span"),
        (read(1, 5, 6), False, "unreachable"),
        (read(0, 0, 1), True, "selection"),
        (read(1, 0, 2), True, "boundary"),
    ],
)
def test_verdicts_of_readings(reading: Reading, reachable: bool, verdict: str):
    found = result(reading.answers[0].text, reading=reading, reaches=lambda span: reachable)
    assert found.verdict == verdict
    assert found.read == reading.candidate
    assert found.reachable == (reachable if reading.candidate == 1 else None)
    assert found.probability == 0.5


def test_no_answer_has_no_probability_and_no_place():
    found = result("", reading=Reading(1, FIRST.text, (PredictedAnswer("", 0, 0, 2.0, 0.0),), ((0, 10),)))
    assert (found.verdict, found.probability, found.span) == ("empty", None, None)


def test_a_question_without_an_answer_is_right_empty_and_answered_otherwise():
    record = Record("1", "誰？", (FIRST,), 0, impossible=True)
    assert (result("", record).verdict, result("甲", record).verdict) == ("right", "answered")


def test_an_answer_that_stands_nowhere_in_the_text_cannot_be_reached():
    record = Record("1", "誰？", (FIRST,), 0, (Answer("某甲", None),))
    assert result("乙", record).verdict == "unreachable"


def test_with_right_answers_alone_texts_are_compared():
    verdicts = [result(text, None, references=["甲乙"]).verdict for text in ("甲乙", "甲", "甲乙丙", "丙", "")]
    assert verdicts == ["right", "boundary", "boundary", "wrong span", "empty"]
    alone = result("甲", None, references=["甲乙"])
    assert (alone.paragraphs, alone.group, alone.row()["title"]) == ((), "question 1", None)


def test_a_file_of_right_answers_is_found_in_the_texts_of_unlabelled_data():
    record = Record("1", "誰在山下？", (FIRST, SECOND))
    found = result("乙", record, references=["丙"])
    assert (found.relevant, found.gold_spans, found.read, found.verdict) == (1, ((0, 1),), 0, "selection")
    twice = result(
        "丙", record, references=["甲"], reading=Reading(1, SECOND.text, (PredictedAnswer("丙", 0, 1, 1, 1),), ())
    )
    assert (twice.relevant, twice.gold_spans, twice.verdict) == (1, ((5, 6),), "wrong span")


def test_a_scores_file_without_data_brings_its_own_text():
    found = result("乙", None, references=["甲"], reading=read(1, 5, 6), reaches=lambda span: True)
    assert (found.relevant, found.read, found.gold_spans, found.span) == (0, 0, ((0, 1),), (5, 6))
    assert (found.group, found.slices["window_boundary"]) == (FIRST.text, "one window")


def test_every_verdict_is_known_and_rows_have_the_same_columns():
    rows = [result("甲").row(), result(None, None, references=["x"]).row(), result("甲", reading=read(1, 0, 1)).row()]
    assert rows[0].keys() == rows[1].keys() == rows[2].keys()
    assert all(row["verdict"] in VERDICTS for row in rows)
    assert (rows[0]["title"], rows[0]["paragraph"], rows[2]["windows"]) == ("山河", "p", 1)


texts = st.none() | st.text("甲乙丙丁，", max_size=3)


def analysis(predictions: dict[str, str], golds: dict[str, list[str]]) -> Analysis:
    scores = evaluate(predictions, golds, "drcd")
    questions = tuple(
        question_result(id_, texts, predictions.get(id_), scores.per_question[id_]) for id_, texts in golds.items()
    )
    return Analysis("drcd", scores, questions)


@given(
    st.lists(
        st.tuples(texts, st.lists(st.text("甲乙丙，", min_size=1, max_size=3), max_size=3)), min_size=1, max_size=8
    )
)
def test_losses_and_right_answers_are_all_there_is(pairs: list[tuple[str | None, list[str]]]):
    found = analysis(
        {str(n): text for n, (text, _) in enumerate(pairs) if text is not None},
        {str(n): golds for n, (_, golds) in enumerate(pairs)},
    )
    assert sum(found.losses.values()) + found.scores.em == pytest.approx(100)
    assert "right" not in found.losses


def test_an_analysis_has_intervals_slices_and_people():
    golds = {"1": ["甲", "甲"], "2": ["甲乙丙"], "3": ["甲"], "4": ["乙"]}
    found = analysis({"1": "甲", "2": "甲", "3": "甲", "4": "丙"}, golds)
    em, f1 = found.intervals
    assert (em.mean, f1.mean) == (found.scores.em, pytest.approx(found.scores.f1))
    assert em.low < em.mean < em.high
    lengths = {one.label: (one.total, one.em.mean) for one in found.slices if one.dimension == "answer_length"}
    assert lengths == {"1 to 2": (3, pytest.approx(200 / 3)), "3 to 4": (1, 0)}
    assert (found.calibration, found.human.total) == (None, 1)
    assert "calibration" not in found.summary()


def test_calibration_is_of_the_answers_with_a_probability():
    sure = [
        result(reading.answers[0].text, reading=reading)
        for reading in (read(1, 0, 1, probability=0.9), read(1, 5, 6, probability=0.7))
    ]
    scores = evaluate({"1": "甲"}, {"1": ["甲"]}, "adl")
    calibration = Analysis("adl", scores, (*sure, result("甲"))).calibration
    assert calibration.error == pytest.approx(100 * (0.1 + 0.7) / 2)
    assert [one.total for one in calibration.curve] == [1, 1]
