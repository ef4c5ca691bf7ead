"""Answers from a corpus: the shortlist is read, the best sum wins, and probabilities are over all that was read."""

from dataclasses import replace
from itertools import count, islice
from math import isclose

import numpy as np
import pytest

from qakit.config import DecodingSettings, ReadConfig
from qakit.data.corpus import Corpus
from qakit.data.predictions import PredictedAnswer, Prediction
from qakit.data.records import Paragraph, Record
from qakit.modeling.models import LoadedModel
from qakit.reader import Reader
from qakit.spans.decoder import Decoder
from qakit.spans.token_scores import TokenScores
from qakit.tasks.questions.reading import read_answers
from qakit.tasks.questions.search import BM25_WEIGHT, Found, search
from qakit.tasks.questions.two_stage import Answered, best_jointly, load_models, ranked_jointly
from tests.modeling.tiny import text_of
from tests.runs.models import save_reader, save_selector

CORPUS = Corpus.of([(f"題{number}", text_of(20 + 7 * number, number)) for number in range(12)])
DECODER = Decoder(DecodingSettings(), max_length=12)
ASKED = [Record(f"q{n}", text_of(6, 100 + n), (Paragraph("own", "不讀"),), relevant=0) for n in range(5)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_models(save_reader(tmp_path_factory.mktemp("qa")), None).reader


@pytest.fixture(scope="module")
def selector(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_models(None, save_selector(tmp_path_factory.mktemp("select"))).selector


def config(**decoding: object) -> ReadConfig:
    return ReadConfig(decoding=DecodingSettings(**decoding))


def readings(reader: LoadedModel, record: Record, size: int, nbest: int) -> list[tuple[str, float, Prediction]]:
    """Each passage of the shortlist, its BM25 score and what the reader says of it alone."""
    shortlist = CORPUS.shortlist(record.question, size)
    alone = [Record(record.id, record.question, (passage.paragraph,), relevant=0) for passage, _ in shortlist]
    answers = read_answers(reader, alone, config(nbest=nbest))
    return [(passage.text, score, next(answers)[0]) for passage, score in shortlist]


@pytest.mark.parametrize(("size", "weight"), [(3, None), (6, 0.0), (12, 0.5)])
def test_the_answers_are_those_of_the_shortlist_by_score_and_bm25(reader: LoadedModel, size: int, weight: float | None):
    settings = config(shortlist=size, joint_weight=weight, nbest=4)
    for record, found in zip(ASKED, search(ASKED, CORPUS, reader, settings), strict=True):
        read = readings(reader, record, size, 4)
        told = BM25_WEIGHT if weight is None else weight
        sums = [
            (answer.score + told * bm25, text, answer.start, answer.end)
            for text, bm25, prediction in read
            for answer in prediction.answers
        ]
        expected = sorted(sums, key=lambda item: -item[0])[:4]
        assert [(item.passage.text, item.answer.start, item.answer.end) for item in found] == [
            item[1:] for item in expected
        ]
        assert all(item.answer.text == item.passage.text[item.answer.start : item.answer.end] for item in found)


def test_probabilities_are_over_all_passages(reader: LoadedModel):
    found = next(search(ASKED, CORPUS, reader, config(shortlist=12, nbest=60)))
    alone = {
        (text, answer.start, answer.end): answer.probability
        for text, _, prediction in readings(reader, ASKED[0], 12, 60)
        for answer in prediction.answers
    }
    shares: dict[str, list[float]] = {}
    for item in next(search(ASKED, CORPUS, reader, config(shortlist=12, nbest=10_000))):
        place = (item.passage.text, item.answer.start, item.answer.end)
        if place in alone:
            shares.setdefault(item.passage.text, []).append(item.answer.probability / alone[place])
    assert len(shares) == 12
    assert all(max(values) == pytest.approx(min(values), rel=1e-3) for values in shares.values())
    assert sum(values[0] for values in shares.values()) == pytest.approx(1.0, rel=1e-3)
    values = [item.answer.probability for item in found]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_counts_between_passages_as_within_them(reader: LoadedModel, temperature: float):
    found = next(
        search(ASKED, CORPUS, reader, config(shortlist=12, nbest=40, joint_weight=0.1, temperature=temperature))
    )
    nearest = {passage.text: score for passage, score in CORPUS.shortlist(ASKED[0].question, 12)}
    sums = np.array([item.answer.score + 0.1 * nearest[item.passage.text] for item in found])
    logs = np.log([item.answer.probability for item in found])
    assert len({item.passage.text for item in found}) > 1
    np.testing.assert_allclose(logs - logs[0], (sums - sums[0]) / temperature, rtol=1e-3, atol=1e-3)


def test_a_selector_takes_the_place_of_the_bm25_scores(reader: LoadedModel, selector: LoadedModel):
    alone = [next(search([record], CORPUS, reader, config(shortlist=6), selector=selector)) for record in ASKED]
    together = list(search(ASKED, CORPUS, reader, config(shortlist=6), selector=selector))
    assert [found[0].passage for found in alone] == [found[0].passage for found in together]
    by_bm25 = [CORPUS.shortlist(record.question, 1)[0][0] for record in ASKED]
    assert [found[0].passage for found in together] != by_bm25
    joint = config(shortlist=6, joint_paragraphs=6, joint_weight=0)
    plain = config(shortlist=6, joint_weight=0)
    assert [found[0].passage for found in search(ASKED, CORPUS, reader, joint, selector=selector)] == [
        found[0].passage for found in search(ASKED, CORPUS, reader, plain)
    ]


def test_one_passage_and_a_question_that_nothing_is_near_to(reader: LoadedModel, selector: LoadedModel):
    (single,) = search(ASKED[:1], Corpus.of(["河山"]), reader, config(), selector=selector)
    assert single[0].passage.text == "河山"
    stranger = Record("s", "何處？", (Paragraph("own", "不讀"),), relevant=0)
    found = list(search([ASKED[0], stranger, ASKED[1]], CORPUS, reader, config(shortlist=3)))
    assert [len(item) for item in found] == [1, 0, 1]


def test_questions_are_taken_as_they_are_answered(reader: LoadedModel):
    taken = count()
    endless = (replace(ASKED[0], id=str(next(taken))) for _ in count())
    assert len(list(islice(search(endless, CORPUS, reader, config(shortlist=2)), 3))) == 3
    assert next(taken) < 100


def option(candidate: int, answers: list[PredictedAnswer], logits: list[float]) -> Answered:
    record = Record("q", "何？", (Paragraph("0", "甲乙丙"), Paragraph("1", "丁戊己")))
    places = np.arange(len(logits), dtype=np.int32)
    values = np.array(logits, dtype=np.float32)
    scores = TokenScores(values, values, places, places + 1, np.array([0, len(logits)]))
    return Answered(record, Prediction("q", candidate, tuple(answers)), scores, (-0.5, -1.5))


def span(text: str, score: float, probability: float = 0.5) -> PredictedAnswer:
    return PredictedAnswer(text, 0, len(text), score, probability)


def test_the_first_answer_is_that_of_the_best_paragraph_and_orders_are_kept():
    first = option(0, [span("甲", 1.0), span("乙", 3.0)], [0.0, 1.0])  # as expected F1 may order them
    second = option(1, [span("丁", 3.5), span("戊", 2.0)], [0.0, 1.0])
    ranked = ranked_jointly([first, second], 1.0, DECODER)
    assert best_jointly([first, second], 1.0) is first
    assert [answer.text for _, answer in ranked] == ["甲", "乙", "丁", "戊"]
    assert [answer.text for _, answer in ranked_jointly([first, second], 0.0, DECODER)] == ["丁", "甲", "乙", "戊"]
    share = 1 / (1 + np.exp(-1.0))  # the logits are equal, the log-probabilities differ by one
    assert isclose(ranked[0][1].probability, 0.5 * share, rel_tol=1e-6)
    assert isclose(ranked[2][1].probability, 0.5 * (1 - share), rel_tol=1e-6)


def test_no_answer_is_said_where_the_best_paragraph_has_none():
    none = PredictedAnswer("", 0, 0, 9.0, 0.0)
    first, second = option(0, [none, span("甲", 3.0)], [0.0]), option(1, [span("丁", 2.0)], [0.0])
    assert [answer.text for _, answer in ranked_jointly([first, second], 1.0, DECODER)] == ["", "甲", "丁"]
    first, second = option(0, [span("甲", 3.0)], [0.0]), option(1, [none, span("丁", 2.0)], [0.0])
    assert [answer.text for _, answer in ranked_jointly([first, second], 1.0, DECODER)] == ["甲", "丁"]


def test_paragraphs_without_a_token_are_passed_over():
    empty, other = option(0, [], []), option(1, [span("丁", -50.0)], [-25.0])
    assert [answer.text for _, answer in ranked_jointly([empty, other], 1.0, DECODER)] == ["丁"]
    assert ranked_jointly([other, empty], 1.0, DECODER)[0][1].probability == pytest.approx(0.5)
    assert ranked_jointly([empty], 1.0, DECODER) == []


def test_a_reader_searches_as_predict_does(reader: LoadedModel, tmp_path_factory: pytest.TempPathFactory):
    python = Reader(save_reader(tmp_path_factory.mktemp("again")), config=config(shortlist=4))
    (expected,) = search(ASKED[:1], CORPUS, reader, config(shortlist=4, nbest=3))
    found = python.search(ASKED[0].question, CORPUS, nbest=3)
    assert found == expected
    assert len(python.search(ASKED[0].question, CORPUS)) == 1
    assert isinstance(found[0], Found)
    assert python.search("何處？", CORPUS) == ()
