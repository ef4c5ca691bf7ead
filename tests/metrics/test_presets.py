import json
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.data.schemas.known import SCHEMAS
from qakit.errors import ConfigError, QakitError
from qakit.metrics import presets as rules
from qakit.metrics.presets import PRESETS, QuestionScore, evaluate, get_preset

# Few different characters, so that texts share some; marks and articles, so that normalisation has work to do.
texts = st.text(alphabet="臺北市台aA the12 ,.-，。《》「」…", max_size=12)
gold_lists = st.lists(texts.filter(bool), min_size=1, max_size=3)
metrics = st.sampled_from(sorted(PRESETS))
# No deadline in the properties: the first text with a word imports nltk.


# --- one question, worked by hand -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "prediction", "golds", "em", "f1"),
    [
        # Commas go on both sides; nothing else does.
        ("hw7", "2790,060", ["2,790,060"], 1, 1),
        ("hw7", "2，790", ["2,790"], 0, 2 * (4 / 5) * 1 / (4 / 5 + 1)),  # 2，790 has five characters, 2790 four
        ("hw7", "A", ["a"], 0, 0),
        ("hw7", "臺北 ", ["臺北"], 0, 2 * (2 / 3) * 1 / (2 / 3 + 1)),
        ("hw7", "乙", ["甲", "乙"], 0, 0),  # only the first reference counts
        ("hw7", "", [","], 1, 1),  # a reference of commas is an empty one
        # Commas stay; any reference will do.
        ("adl", "2,790", ["2790"], 0, 2 * (4 / 5) * 1 / (4 / 5 + 1)),
        ("adl", "乙", ["甲", "乙"], 1, 1),
        ("adl", "臺臺", ["臺北"], 0, 0.5),  # a bag: the second 臺 has no partner; P = R = 1/2
        # Punctuation of every kind and spaces go; case and symbols (category S) stay.
        ("adl2021", "「史記」 (漢).", ["史記,漢"], 1, 1),
        ("adl2021", "A", ["a"], 0, 0),
        ("adl2021", "5%", ["5"], 1, 1),  # % is category Po
        ("adl2021", "5+", ["5"], 0, 2 * (1 / 2) * 1 / (1 / 2 + 1)),  # + is category Sm
        ("adl2021", "", ["，"], 1, 0),  # eval.py: equal, but no shared token
        # 《》 are in the list of DRCD, 「」 are not: 「史記」 has four characters, 史記 two.
        ("drcd", "《史記》，", ["史記"], 1, 1),
        ("drcd", "「史記」", ["史記"], 0, 2 * (2 / 4) * 1 / (2 / 4 + 1)),
        ("drcd", "（史記", ["史記"], 0, 2 * (2 / 3) * 1 / (2 / 3 + 1)),  # nor are full-width parentheses
        ("drcd", "維他命 A", ["維他命"], 1, 1),  # A between a space and the end is an article
        ("drcd", "A型", ["型"], 0, 2 * (1 / 2) * 1 / (1 / 2 + 1)),  # 型 is a word character: no article
        # The space counts: "c l max" has 7 characters, "clmax" 5, of which all 5 are shared.
        ("drcd", "C L Max", ["C.L.Max"], 0, 2 * (5 / 7) * 1 / (5 / 7 + 1)),
        ("drcd", "，", ["。"], 1, 0),  # nothing is left on either side
        # English words: "cat" of {big, cat} and {cat}; "the" is gone.
        ("squad", "The Big Cat!", ["cat"], 0, 2 * (1 / 2) * 1 / (1 / 2 + 1)),
        ("squad", "the  cat.", ["Cat"], 1, 1),
        ("squad", "臺北市", ["臺北"], 0, 0),  # no spaces, so one word each
        ("squad", "the", ["!"], 1, 0),  # v1.1: equal, but no shared token
        ("squad2", "the", ["!"], 1, 1),  # v2.0 drops the reference: no answer is left, and "the" says none
        ("squad2", "。", ["!"], 0, 0),  # the full stop is not ASCII and stays
        ("squad2", "cat", ["!", "cat"], 1, 1),
        ("squad2", "the", ["!", "cat"], 0, 0),
    ],
)
def test_hand_worked(metric: str, prediction: str, golds: list[str], em: float, f1: float) -> None:
    assert PRESETS[metric].score(prediction, golds) == QuestionScore(em, f1)


@pytest.mark.parametrize(
    ("prediction", "gold", "em", "f1"),
    [
        ("《三国志》，", "三国志", 1, 1),
        # "." stays, so that the longest common run is 三国: 2 of 4 segments, and 2 of 3.
        ("三国.志", "三国志", 0, 2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3)),
        # A longest run, not a subsequence: 天地玄黄 and 天地宇玄黄 share 天地 (2), though four characters are in order.
        ("天地玄黄", "天地宇玄黄", 0, 2 * (2 / 4) * (2 / 5) / (2 / 4 + 2 / 5)),
        # "iphone", "4s" and "手", "机": words are one segment each, so 手机 is 2 of 4.
        ("iPhone 4S手机", "手机", 0, 2 * (2 / 4) * 1 / (2 / 4 + 1)),
        ("2005年", "2006年", 0, 0.5),  # 2005 and 2006 are other words; 年 is 1 of 2
        # The hyphen is passed over and does not end the run: "xbox360" is one word on both sides.
        ("xbox-360", "xbox360", 1, 1),
        # The bracket 【 is not in the list and no character of U+4E00..9FA5: nltk keeps "【a" as one word.
        ("【a", "a", 0, 0),
        ("……", "", 0, 0),  # "……" is listed as one entry of two characters and so never deleted
        ("can't", "ca n't", 0, 1),  # word_tokenize splits the contraction; the texts differ, the segments do not
        ("\u9fa5a", "a", 0, 2 * (1 / 2) * 1 / (1 / 2 + 1)),  # the last character that is a segment by itself
        ("\u9fa6a", "a", 0, 0),  # the next one is part of a word
        (" 三\u3000", "三", 1, 1),  # stripped at the ends
        ("- 三", "三", 0, 1),  # stripped before the mark is deleted: " 三" is left, which is not 三
        ("-", "~", 1, 0),  # nothing is left of both: equal, but no shared segment
    ],
)
def test_cmrc_by_hand(prediction: str, gold: str, em: float, f1: float) -> None:
    assert PRESETS["cmrc"].score(prediction, [gold]) == QuestionScore(em, f1)


def test_cmrc_takes_the_best_reference_for_each_of_em_and_f1() -> None:
    # "- 三" equals none; against 三 its segments do, against 四 none do.
    assert PRESETS["cmrc"].score("- 三", ["四", "三"]) == QuestionScore(0.0, 1.0)


def test_cmrc_deletes_just_the_marks_of_the_script() -> None:
    assert rules.cmrc_text(string.punctuation) == "!\"#$%&'(),.;<>?@[]{|}"
    assert rules.cmrc_text("…‘【〈，。：？！“”；’《》·、「」（）－～『』") == "…‘【〈"


def test_drcd_deletes_eight_marks_more_than_squad() -> None:
    marks = "《》？，。、；：「」（）！"
    assert rules.squad_drcd(string.punctuation + marks) == "「」（）！"
    assert rules.squad_english(string.punctuation + marks) == marks


@settings(deadline=None)
@given(metrics, texts)
def test_a_question_without_an_answer_is_one_with_an_empty_reference(metric: str, prediction: str) -> None:
    assert PRESETS[metric].score(prediction, []) == PRESETS[metric].score(prediction, [""])


@pytest.mark.parametrize(
    ("metric", "right"),
    # The scripts of the last four know no empty references and find nothing shared.
    [
        ("hw7", (1, 1)),
        ("adl", (1, 1)),
        ("squad2", (1, 1)),
        ("adl2021", (1, 0)),
        ("drcd", (1, 0)),
        ("cmrc", (1, 0)),
        ("squad", (1, 0)),
    ],
)
def test_a_question_without_an_answer(metric: str, right: tuple[int, int]) -> None:
    assert PRESETS[metric].score("", []) == right
    assert PRESETS[metric].score("臺北", []) == (0, 0)


def test_a_string_is_no_list_of_references() -> None:
    with pytest.raises(TypeError, match="not the string '臺北'"):
        PRESETS["adl"].score("臺", "臺北")


# --- properties -------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(metrics, texts, gold_lists)
def test_scores_are_fractions(metric: str, prediction: str, golds: list[str]) -> None:
    score = PRESETS[metric].score(prediction, golds)
    assert score.em in (0.0, 1.0)
    assert 0.0 <= score.f1 <= 1.0


@settings(deadline=None)
@given(metrics, gold_lists)
def test_the_first_reference_scores_one(metric: str, golds: list[str]) -> None:
    preset = PRESETS[metric]
    score = preset.score(golds[0], golds)
    if preset.segments(preset.normalise(golds[0])):
        assert score == (1.0, 1.0)
    elif not preset.drops_empty:
        assert score.em == 1.0


@settings(deadline=None)
@given(metrics, texts, gold_lists)
def test_f1_is_at_least_em_where_something_is_left(metric: str, prediction: str, golds: list[str]) -> None:
    preset = PRESETS[metric]
    score = preset.score(prediction, golds)
    if preset.empties_agree or preset.segments(preset.normalise(prediction)):
        assert score.f1 >= score.em


@settings(deadline=None)
@given(metrics, texts, gold_lists, st.randoms(use_true_random=False))
def test_the_order_of_references_matters_only_to_hw7(metric: str, prediction: str, golds: list[str], random) -> None:
    shuffled = random.sample(golds, len(golds))
    preset = PRESETS[metric]
    if preset.first_only:
        assert preset.score(prediction, golds) == preset.score(prediction, golds[:1])
    else:
        assert preset.score(prediction, golds) == preset.score(prediction, shuffled)


@settings(deadline=None)
@given(metrics, texts, gold_lists, texts.filter(bool))
def test_another_reference_never_lowers_a_score(metric: str, prediction: str, golds: list[str], other: str) -> None:
    preset = PRESETS[metric]
    # squad2: a reference of which nothing is left is dropped, so the question only has an answer with the other one.
    if preset.drops_empty and not any(map(preset.normalise, golds)):
        return
    before, after = preset.score(prediction, golds), preset.score(prediction, [*golds, other])
    assert after.em >= before.em
    assert after.f1 >= before.f1


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_longest_run_equals_trying_every_run(first: list[str], second: list[str]) -> None:
    text, other = "".join(first), "".join(second)
    runs = (text[i:j] for i in range(len(text)) for j in range(i, len(text) + 1))
    assert rules.longest_run(first, second) == max((len(run) for run in runs if run in other), default=0)


def test_longest_run_of_a_whole_paragraph_is_fast() -> None:
    paragraph = [chr(0x4E00 + i % 500) for i in range(3000)]
    assert rules.longest_run(paragraph, paragraph) == 3000


@settings(deadline=None)
@given(texts)
def test_cmrc_segments_lose_nothing_but_spaces(text: str) -> None:
    normalised = rules.cmrc_text(text)
    assert "".join(rules.cmrc_segments(normalised)) == normalised.replace(" ", "")


# --- sets of questions ------------------------------------------------------------------------------------------


def test_evaluate_takes_the_mean_over_all_questions() -> None:
    golds = {"1": ["臺北"], "2": ["高雄"], "3": ["臺南"], "4": ["花蓮"]}
    predictions = {"4": "花蓮", "1": "臺中", "2": "高雄", "not asked": "花蓮"}
    scores = evaluate(predictions, golds, "adl")
    assert (scores.em, scores.f1, scores.total, scores.missing) == (50.0, 62.5, 4, 1)  # F1: (1/2 + 1 + 0 + 1) / 4
    assert scores.per_question == {"1": (0, 0.5), "2": (1, 1), "3": (0, 0), "4": (1, 1)}
    assert list(scores.per_question) == list(golds)
    assert scores.extra == {}


@pytest.mark.parametrize("metric", sorted(PRESETS))
def test_a_missing_prediction_scores_0_even_without_an_answer(metric: str) -> None:
    scores = evaluate({}, {"1": [], "2": ["甲"]}, metric)
    assert (scores.em, scores.f1, scores.total, scores.missing) == (0.0, 0.0, 2, 2)


def test_cmrc_average() -> None:
    scores = evaluate({"1": "2005年"}, {"1": ["2006年"]}, "cmrc")
    assert scores.extra == {"average": 25.0}  # EM 0, F1 50


def test_squad2_groups() -> None:
    golds = {"1": ["cat"], "2": ["big dog"], "3": [], "4": [], "5": []}
    predictions = {"1": "cat", "2": "dog", "3": "", "4": "dog", "5": ""}
    scores = evaluate(predictions, golds, "squad2")
    f1 = 2 * 1 * (1 / 2) / (1 + 1 / 2)
    assert scores.em == 60.0
    assert scores.extra == {
        "HasAns_exact": 50.0,
        "HasAns_f1": 100 * (1 + f1) / 2,
        "HasAns_total": 2,
        "NoAns_exact": 100 * 2 / 3,
        "NoAns_f1": 100 * 2 / 3,
        "NoAns_total": 3,
    }
    assert set(evaluate({}, {"1": ["cat"]}, "squad2").extra) == {"HasAns_exact", "HasAns_f1", "HasAns_total"}


def test_unknown_metric() -> None:
    with pytest.raises(ConfigError) as caught:
        evaluate({}, {"1": ["甲"]}, "sqaud")
    message = (
        "unknown metric 'sqaud' (did you mean squad?); expected one of hw7, adl, adl2021, drcd, cmrc, squad, squad2"
    )
    assert str(caught.value) == message
    with pytest.raises(ConfigError, match=r"unknown metric 'rouge'; expected"):
        get_preset("rouge")


def test_nothing_to_score() -> None:
    with pytest.raises(QakitError, match="no question to score"):
        evaluate({"1": "甲"}, {}, "adl")


def test_presets_are_described_and_defaults_exist() -> None:
    assert list(PRESETS) == ["hw7", "adl", "adl2021", "drcd", "cmrc", "squad", "squad2"]
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert preset.description
        assert "\n" not in preset.description
    assert {schema.metric for schema in SCHEMAS.values()} == set(PRESETS)


# --- real data --------------------------------------------------------------------------------------------------


def squad_golds(path: Path) -> dict[str, list[str]]:
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    questions = (q for article in articles for paragraph in article["paragraphs"] for q in paragraph["qas"])
    return {str(question["id"]): [answer["text"] for answer in question["answers"]] for question in questions}


@pytest.mark.parametrize(
    ("metric", "equal"),
    # Of the 3,524 questions, the second annotator's answer equals the first one's in so many.
    [("adl", 2750), ("drcd", 2786), ("adl2021", 2835), ("cmrc", 2831)],
)
def test_agreement_of_the_annotators_of_drcd(real_data: Path, metric: str, equal: int) -> None:
    golds = squad_golds(real_data / "drcd" / "DRCD_dev.json")
    second = {question: answers[1] for question, answers in golds.items()}
    scores = evaluate(second, {question: answers[:1] for question, answers in golds.items()}, metric)
    assert (scores.total, scores.missing) == (3524, 0)
    assert sum(score.em for score in scores.per_question.values()) == equal


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_every_reference_of_cmrc_is_right(real_data: Path, reference: int) -> None:
    golds = squad_golds(real_data / "cmrc2018" / "cmrc2018_dev.json")
    scores = evaluate({question: answers[reference] for question, answers in golds.items()}, golds, "cmrc")
    assert (scores.em, scores.f1, scores.total, scores.extra) == (100.0, 100.0, 3219, {"average": 100.0})


def test_answering_nothing_scores_the_share_of_unanswerable_questions(real_data: Path) -> None:
    golds = squad_golds(real_data / "squad2-zh" / "dev-v2.0-zh.json")
    scores = evaluate(dict.fromkeys(golds, ""), golds, "squad2")
    assert scores.em == scores.f1 == 100 * 5945 / 9936
    assert (scores.extra["HasAns_total"], scores.extra["HasAns_f1"]) == (3991, 0.0)
    assert (scores.extra["NoAns_total"], scores.extra["NoAns_f1"]) == (5945, 100.0)
