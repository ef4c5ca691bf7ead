"""Temperature, length prior and overlapping windows, each against a plain search and sum."""

from dataclasses import replace

import numpy as np
import pytest

from qakit.config import DecodingSettings
from qakit.spans.decoder import Decoder, drop_near_duplicates, sum_over_windows
from qakit.spans.decoding import Spans, decode_batch
from qakit.spans.ensembling import Combined, combine, decode_scores
from qakit.spans.token_scores import TokenScores
from tests.spans.cases import INFO, all_spans, best_spans, question_scores, random_scores, token_scores

CASES = 3_000


def ranking(spans: Spans) -> list[tuple[float, int, int]]:
    return list(zip(spans.score.tolist(), spans.start.tolist(), spans.end.tolist(), strict=True))


def listed(scores: TokenScores, max_length: int, bonus: tuple[float, ...]) -> dict[tuple[int, int], list[float]]:
    """The scores of each pair of offsets, one by one, in float32 as the decoder adds."""
    found: dict[tuple[int, int], list[float]] = {}
    for start, last in all_spans(scores, max_length):
        added = np.float32(bonus[min(last - start, len(bonus) - 1)]) if bonus else np.float32(0)
        score = float(scores.start[start] + (scores.end[last] + added))
        found.setdefault((int(scores.char_start[start]), int(scores.char_end[last])), []).append(score)
    return found


def test_random_questions_with_a_length_prior_have_the_spans_that_a_search_of_all_spans_finds():
    random = np.random.default_rng(0)
    moved = 0
    for number in range(CASES):
        scores = random_scores(random)
        max_length, nbest = int(random.integers(1, 11)), int(random.integers(1, 13))
        bonus = tuple(random.integers(-3, 3, int(random.integers(1, 12))).tolist())
        best = {place: max(found) for place, found in listed(scores, max_length, bonus).items()}
        expected = sorted(((score, *place) for place, score in best.items()), key=lambda s: (-s[0], *s[1:]))[:nbest]
        assert ranking(best_spans(scores, max_length=max_length, nbest=nbest, bonus=bonus)) == expected, number
        moved += expected != ranking(best_spans(scores, max_length=max_length, nbest=nbest))
    assert moved > CASES / 2


def test_questions_read_together_with_a_length_prior_have_the_spans_of_each_alone():
    random = np.random.default_rng(1)
    questions = [random_scores(random) for _ in range(150)]
    how = {"max_length": 5, "nbest": 4, "temperature": 1.5, "bonus": (0.5, 0.0, -1.0)}
    for spans, scores in zip(decode_batch(questions, **how), questions, strict=True):
        alone = best_spans(scores, **how)
        assert ranking(spans) == ranking(alone)
        assert spans.probability == pytest.approx(alone.probability, rel=1e-9)


def test_a_length_prior_moves_probability_but_leaves_its_sum():
    random = np.random.default_rng(2)
    scores = token_scores(*random.normal(size=(2, 8)))
    plain = best_spans(scores, max_length=3, nbest=100)
    for temperature in (1.0, 0.5):
        plain = best_spans(scores, max_length=3, nbest=100, temperature=temperature)
        moved = best_spans(scores, max_length=3, nbest=100, temperature=temperature, bonus=(-2.0, 0.0, -1.0))
        assert moved.probability.sum() == pytest.approx(plain.probability.sum(), rel=1e-6)
        logs = moved.score / temperature - np.log(moved.probability)
        assert logs == pytest.approx(np.full(len(logs), logs[0]), rel=1e-5)
    same = best_spans(scores, max_length=3, nbest=100, bonus=(0.0,))
    assert same.probability == pytest.approx(best_spans(scores, max_length=3, nbest=100).probability, rel=1e-6)


def test_a_temperature_changes_probabilities_alone_as_divided_logits_do():
    random = np.random.default_rng(3)
    scores = token_scores(*random.normal(size=(2, 9)), lengths=[5, 4])
    warm = best_spans(scores, max_length=4, nbest=50, temperature=2.0)
    assert ranking(warm) == ranking(best_spans(scores, max_length=4, nbest=50))
    halved = best_spans(replace(scores, start=scores.start / 2, end=scores.end / 2), max_length=4, nbest=50)
    assert warm.probability == pytest.approx(halved.probability, rel=1e-6)


@pytest.mark.parametrize(("temperature", "bonus"), [(1.0, ()), (2.0, (0.0, -1.0))])
def test_probability_is_summed_over_all_windows_that_hold_a_span(temperature, bonus):
    random = np.random.default_rng(4)
    summed = 0
    for _ in range(500):
        scores = random_scores(random)
        how = {"max_length": 4, "temperature": temperature, "bonus": bonus}
        spans = best_spans(scores, nbest=6, **how)
        copies = listed(scores, 4, bonus)
        expected = [
            probability * sum(np.exp((one - score) / temperature) for one in copies[start, end])
            for probability, (score, start, end) in zip(spans.probability, ranking(spans), strict=True)
        ]
        found = sum_over_windows(spans, scores, **how)
        assert found.probability == pytest.approx(np.minimum(expected, 1.0), rel=1e-5, abs=1e-12)
        assert ranking(found) == ranking(spans)
        summed += len(expected) > 0 and max(expected) > max(spans.probability) + 1e-9
    assert summed > 100


def answers(context: str, scores: TokenScores, **settings: object):
    return next(Decoder(DecodingSettings(**settings), 3, ()).answers([context], [scores]))


def test_a_span_of_two_windows_beats_a_better_one_of_one_window():
    offsets = [(0, 1), (2, 3), (2, 3), (4, 5)]
    scores = token_scores([1.3, 1, 1, 0], [1.3, 1, 1, 0], offsets=offsets, lengths=[2, 2])
    assert [answers("甲，乙，丙", scores, choose_by=by)[0].text for by in ("score", "windows")] == ["甲", "乙"]
    summed = answers("甲，乙，丙", scores, choose_by="text")[0]
    once = {answer.text: answer.probability for answer in answers("甲，乙，丙", scores, nbest=9)}
    assert (summed.text, summed.probability) == ("乙", pytest.approx(2 * once["乙"]))


def test_the_temperature_decides_where_probabilities_do():
    # At a high temperature the two places of the second text together are likelier than the first.
    scores = token_scores([3, 2, 2], [3, 2, 2])
    assert answers("甲乙乙", scores, choose_by="text", max_answer_length=1)[0].text == "甲"
    assert answers("甲乙乙", scores, choose_by="text", temperature=10.0)[0].text != answers("甲乙乙", scores)[0].text


@pytest.mark.parametrize("by", ["score", "windows", "text", "f1"])
def test_near_duplicates_give_their_places_to_answers_further_down(by):
    context = "".join(chr(0x4E00 + number) for number in range(60))
    logits = np.zeros(60)
    logits[30:36] = 9.0  # the best spans are all about one place
    scores = token_scores(logits, logits)
    found = answers(context, scores, nbest=20, distinct=True, choose_by=by)
    assert len(found) == 20
    assert len(drop_near_duplicates(found)) == 20
    first = answers(context, scores, nbest=2, distinct=True, choose_by=by)
    assert [answer[:3] for answer in first] == [answer[:3] for answer in found[:2]]
    assert (
        len(answers("甲乙", token_scores([1, 0], [0, 1]), nbest=20, distinct=True, choose_by=by)) == 3
    )  # all there are


def test_further_answers_are_repaired_and_different_as_the_first_are():
    context = "「" + "甲乙丙丁戊己庚辛" * 4 + "」"
    values = np.random.default_rng(7).normal(size=(2, len(context)))
    settings = {"nbest": 15, "pool": 3, "distinct": True, "repair_brackets": True, "choose_by": "text"}
    found = answers(context, token_scores(*values), **settings)
    assert len(found) == len({answer.text for answer in found}) == 15


# Scores files


def test_one_scores_file_decodes_by_its_temperature_and_lengths():
    random = np.random.default_rng(5)
    question = question_scores(token_scores(*random.normal(size=(2, 6))), "甲乙丙丁戊己")
    told = replace(INFO, max_answer_length=3, temperature=2.0, length_bonus=(0.0, -1.0))
    expected = next(
        Decoder(DecodingSettings(nbest=4, temperature=2.0), 3, (0.0, -1.0)).answers(
            [question.context], [question.tokens]
        )
    )
    assert decode_scores(question, told, 4).answers == expected
    assert combine([[question]], [told], Combined(nbest=4))[0].answers == expected


def test_the_mean_takes_each_member_with_its_lengths_at_its_temperature():
    random = np.random.default_rng(6)
    tokens = [token_scores(*random.normal(size=(2, 6)), null=3.0) for _ in range(2)]
    divided = replace(tokens[1], start=tokens[1].start / 4, end=tokens[1].end / 4, null=0.75)
    context = "甲乙丙丁戊己"
    infos = [
        replace(INFO, null_threshold=-1.0),
        replace(INFO, null_threshold=-2.0, temperature=4.0, length_bonus=(0.0, -9.0)),
    ]
    found = combine([[question_scores(one, context) for one in tokens]], infos, Combined(nbest=5))[0]
    plain = [replace(INFO, null_threshold=-1.0), replace(INFO, null_threshold=-0.5, length_bonus=(0.0, -2.25))]
    members = [question_scores(one, context) for one in (tokens[0], divided)]
    expected = combine([members], plain, Combined(nbest=5))[0]
    assert [answer[:3] for answer in found.answers] == [answer[:3] for answer in expected.answers]
    assert [answer.score for answer in found.answers] == pytest.approx([answer.score for answer in expected.answers])
