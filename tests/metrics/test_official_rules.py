"""The metric presets against the plain restatements of the rules in `tests.metrics.official`, bit by bit."""

import json
import random
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.metrics.presets import PRESETS, evaluate
from tests.metrics.official import RULES, Score, cmrc_segments, file_scores, squad2_parts

SEED = 20180601
PAIRS_PER_FILE = 1000
FILES = ("drcd/DRCD_dev.json", "cmrc2018/cmrc2018_dev.json", "squad2-zh/dev-v2.0-zh.json")
NAMES = tuple(RULES)


class Question(NamedTuple):
    context: str
    golds: list[str]


class Pair(NamedTuple):
    prediction: str
    golds: list[str]


# Predictions made from real answers ----------------------------------------------------------------------------------

INSERTED = (
    *",，、。；：:？！()（）「」《》“”‘’『』【】·—-－～~_%&'\"",
    *(" ", "  ", "\u3000", "\u00a0", "\n", "\u200b"),
    *("……", "...", "the", " the ", "The ", " a ", "an ", "A", "ABC", "can't ", "1,234.5", "é"),
)
_WIDEN_BY = 0xFEE0  # from an ASCII character to its full-width form


def same(question: Question, base: str, rng: random.Random) -> str:
    return base


def other_annotator(question: Question, base: str, rng: random.Random) -> str:
    return rng.choice([gold for gold in question.golds if gold != base] or [base])


def widened(question: Question, base: str, rng: random.Random) -> str:
    start = question.context.find(base)
    if start < 0:
        return base + "。"
    end = start + len(base) + rng.randint(0, 3)
    return question.context[max(0, start - rng.randint(0, 3)) : end]


def cut(question: Question, base: str, rng: random.Random) -> str:
    return base[rng.randint(0, 3) : len(base) - rng.randint(0, 3)]


def random_span(question: Question, base: str, rng: random.Random) -> str:
    start = rng.randrange(len(question.context))
    return question.context[start : start + rng.randint(1, 30)]


def empty(question: Question, base: str, rng: random.Random) -> str:
    return ""


def with_insertions(question: Question, base: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 3)):
        place = rng.randint(0, len(base))
        base = base[:place] + rng.choice(INSERTED) + base[place:]
    return base


def full_width(question: Question, base: str, rng: random.Random) -> str:
    return "".join(chr(ord(char) + _WIDEN_BY) if "!" <= char <= "~" else char for char in base)


def upper_case(question: Question, base: str, rng: random.Random) -> str:
    return f"The {base.upper()}"


def spaced_out(question: Question, base: str, rng: random.Random) -> str:
    return rng.choice((" ", "\u3000", ", ")).join(base)


MAKERS: tuple[Callable[[Question, str, random.Random], str], ...] = (
    *(same, other_annotator, widened, cut, random_span, empty, with_insertions, with_insertions),
    *(full_width, upper_case, spaced_out),
)


def read_questions(path: Path) -> list[Question]:
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [
        Question(paragraph["context"], [answer["text"] for answer in qa["answers"]])
        for article in articles
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]


def make_pairs(questions: Sequence[Question], rng: random.Random) -> list[Pair]:
    """One prediction for each of `PAIRS_PER_FILE` questions, the makers taking turns."""
    pairs = []
    for number, question in enumerate(rng.sample(questions, PAIRS_PER_FILE)):
        base = rng.choice(question.golds) if question.golds else random_span(question, "", rng)
        pairs.append(Pair(MAKERS[number % len(MAKERS)](question, base, rng), question.golds))
    return pairs


@pytest.fixture(scope="module")
def real_pairs(real_data: Path) -> list[Pair]:
    rng = random.Random(SEED)
    return [pair for file in FILES for pair in make_pairs(read_questions(real_data / file), rng)]


def preset_score(name: str, pair: Pair) -> Score:
    score = PRESETS[name].score(pair.prediction, pair.golds)
    return score.em, score.f1


@pytest.mark.parametrize("name", NAMES)
def test_presets_equal_the_rules_on_real_answers(name: str, real_pairs: list[Pair]) -> None:
    expected = [RULES[name](*pair) for pair in real_pairs]
    differing = [
        (pair, found, wanted)
        for pair, wanted in zip(real_pairs, expected, strict=True)
        if (found := preset_score(name, pair)) != wanted
    ]
    assert not differing, f"{len(differing)} of {len(real_pairs)} differ; first (pair, preset, rule): {differing[:5]}"
    assert {0.0, 1.0} <= {em for em, _ in expected}
    assert len({f1 for _, f1 in expected}) > 5, "too few partial matches to compare anything"


def test_real_answers_tell_the_rules_apart(real_pairs: list[Pair]) -> None:
    """Were a preset's name bound to another rule, the comparison above would fail."""
    scores = {name: [rule(*pair) for pair in real_pairs] for name, rule in RULES.items()}
    alike = [(left, right) for left, right in combinations(NAMES, 2) if scores[left] == scores[right]]
    assert not alike


@pytest.mark.parametrize("name", NAMES)
def test_evaluate_equals_the_rules_over_a_file(name: str, real_pairs: list[Pair]) -> None:
    golds = {f"q{number}": pair.golds for number, pair in enumerate(real_pairs)}
    predictions = {f"q{number}": pair.prediction for number, pair in enumerate(real_pairs) if number % 10}
    em, f1, missing = file_scores(RULES[name], predictions, golds)
    scores = evaluate(predictions, golds, name)
    assert [scores.em, scores.f1] == pytest.approx([em, f1], rel=1e-12)
    assert (scores.total, scores.missing) == (len(real_pairs), missing) == (3000, 300)


def test_squad2_parts_equal_the_rules(real_pairs: list[Pair]) -> None:
    golds = {f"q{number}": pair.golds for number, pair in enumerate(real_pairs)}
    predictions = {f"q{number}": pair.prediction for number, pair in enumerate(real_pairs) if number % 10}
    extra = evaluate(predictions, golds, "squad2").extra
    expected = squad2_parts(predictions, golds)
    assert {key: extra[key] for key in expected} == pytest.approx(expected, rel=1e-12)
    assert 0 < expected["NoAns_exact"] < 100


# Texts full of edge characters ---------------------------------------------------------------------------------------

PIECES = (
    *"中国年月日的一龥龦㐀𠀀",  # first and last of U+4E00..U+9FA5, the next one, and two extension blocks
    *("a", "A", "an", "the", "The", "THE", "th", "e", "Apple", "can't", "cannot", "don’t", "end.", "U.S.", "e\u0301"),
    *("0", "1", "2018", "1,234.5", "3.14", "$5", "50%", "Ａ", "１", "²", "½", "ß", "İ", "é", "_", "the_"),
    *",.:;?!()[]{}<>'\"`-*^/\\~+=&#@|",
    *("``", "''", "--", "..."),
    *"，。：？！；、（）《》「」『』【】“”‘’·‧—…－～＿％＋",
    *("……", "——"),
    *(" ", "  ", "\t", "\n", "\u3000", "\u00a0", "\u200b", "\u2028", "\x1f"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Up to three references, none included, and a prediction that often has much of one of them."""
    golds = draw(st.lists(texts, max_size=3))
    if not golds or draw(st.booleans()):
        return Pair(draw(texts), golds)
    gold = draw(st.sampled_from(golds))
    start = draw(st.integers(0, len(gold)))
    return Pair(draw(texts) + gold[start : draw(st.integers(start, len(gold)))] + draw(texts), golds)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=300, deadline=None)
@given(pair=pairs())
def test_presets_equal_the_rules_on_edge_characters(name: str, pair: Pair) -> None:
    assert preset_score(name, pair) == RULES[name](*pair)


# The restatements themselves, on cases worked by hand ----------------------------------------------------------------


def f1(same_count: int, prediction_size: int, gold_size: int) -> float:
    """2 P R / (P + R) in its other form, which is a different order of operations."""
    return 2 * same_count / (prediction_size + gold_size)


HAND_WORKED = [
    # HW7: commas go on both sides; spaces, case and width stay; only the first reference counts.
    ("hw7", "1,234", ["1234"], 1, 1),
    ("hw7", "1234", ["12,34", "x"], 1, 1),
    ("hw7", "1，234", ["1234"], 0, f1(4, 5, 4)),
    ("hw7", "乙", ["甲", "乙"], 0, 0),
    ("hw7", "Ab", ["ab"], 0, f1(1, 2, 2)),
    ("hw7", ",", [], 1, 1),
    # A bag: of three 天, two are matched.
    ("hw7", "天天天", ["天天向上"], 0, f1(2, 3, 4)),
    # ADL: nothing is changed; any reference counts.
    ("adl", "乙", ["甲", "乙"], 1, 1),
    ("adl", "1,234", ["1234"], 0, f1(4, 5, 4)),
    ("adl", "甲丙", ["甲乙", "甲丙丁"], 0, f1(2, 2, 3)),
    ("adl", "", [], 1, 1),
    ("adl", " ", [], 0, 0),
    # ADL 2021: quotes, brackets, dots and all spaces go; + and = are symbols (S*), not punctuation, and stay.
    ("adl2021", "「甲‧乙」\u3000丙", ["甲乙丙"], 1, 1),
    ("adl2021", "a+b", ["ab"], 0, f1(2, 3, 2)),
    ("adl2021", "《》", ["……"], 1, 0),
    ("adl2021", "Ａ", ["A"], 0, 0),
    # DRCD: 《 and 。 go, 「 stays; "the" goes; the space inside counts as a character of F1.
    ("drcd", "《甲》。", ["甲"], 1, 1),
    ("drcd", "「甲」", ["甲"], 0, f1(1, 3, 1)),
    ("drcd", "The Apple  Pie", ["apple pie"], 1, 1),
    ("drcd", "apple pie", ["applepie"], 0, f1(8, 9, 8)),
    # Exact match and F1 may come from two references; punctuation alone becomes the empty string: EM 1, F1 0.
    ("drcd", "甲乙", ["甲", "甲乙丙"], 0, f1(2, 2, 3)),
    ("drcd", "。", ["，"], 1, 0),
    # CMRC: dropped marks do not end a run, so "A-B" is one word; Chinese characters do.
    ("cmrc", "A-B", ["ab"], 1, 1),
    ("cmrc", "A 甲 B", ["a 甲 b"], 1, 1),
    # 甲乙 is the longest common run of 甲丙甲乙 and 甲乙丙; order matters, unlike in a bag.
    ("cmrc", "甲丙甲乙", ["甲乙丙"], 0, f1(2, 4, 3)),
    ("cmrc", "乙甲", ["甲乙"], 0, f1(1, 2, 2)),
    # can't is two words, ca and n't; only ca is shared.
    ("cmrc", "can't", ["ca"], 0, f1(1, 2, 1)),
    # ‘ and … are not on the list; the space that 「 hides from strip stays for the exact match only.
    ("cmrc", "‘甲", ["甲"], 0, f1(1, 2, 1)),
    ("cmrc", "…甲", ["甲"], 0, f1(1, 2, 1)),
    ("cmrc", "「 甲」", ["甲"], 0, 1),
    # The commas of 1,234.5 are ASCII and not on the list, and nltk leaves numbers whole.
    ("cmrc", "1,234.5", ["1,234.5元"], 0, f1(1, 1, 2)),
    ("cmrc", "，", ["。"], 1, 0),
    # U+9FA6 is outside the range: two of them are one word.
    ("cmrc", "龦龦", ["龦"], 0, 0),
    # SQuAD v1.1: words; an article must stand alone, and next to a Chinese character it does not.
    ("squad", "the Big, cat", ["a big dog"], 0, f1(1, 2, 2)),
    ("squad", "a股", ["股"], 0, 0),
    ("squad", "a 股", ["股"], 1, 1),
    # An article between words leaves a space; punctuation does not: the-cat becomes thecat.
    ("squad", "the-cat", ["cat"], 0, 0),
    ("squad", "in the end", ["in end"], 1, 1),
    ("squad", "甲，乙", ["甲乙"], 0, 0),
    # é written as e and a combining accent: the accent is no word character, so "a" before one stands alone.
    ("squad", "a\u0301x", ["\u0301x"], 1, 1),
    ("squad", "the", ["a"], 1, 0),
    # SQuAD 2.0: empty against empty agrees; a reference of articles only does not count.
    ("squad2", "", [], 1, 1),
    ("squad2", "the", [], 1, 1),
    ("squad2", "甲", [], 0, 0),
    ("squad2", "", ["甲"], 0, 0),
    ("squad2", "", ["The", "甲"], 0, 0),
    ("squad2", "", ["The", ""], 1, 1),
    ("squad2", "big cat", ["cat", "the big dog"], 0, f1(1, 2, 1)),
]


@pytest.mark.parametrize(("name", "prediction", "golds", "em", "f1_value"), HAND_WORKED)
def test_rules_on_cases_worked_by_hand(name: str, prediction: str, golds: list[str], em: int, f1_value: float) -> None:
    assert RULES[name](prediction, golds) == pytest.approx((em, f1_value))


def test_cmrc_segments() -> None:
    # The dropped -, （ and ） join what they stood between; 公 and 司 part it.
    assert cmrc_segments(" 2018年，ABC-def公司 can't") == ["2018", "年", "abcdef", "公", "司", "ca", "n't"]
    assert cmrc_segments("f（x）甲 y") == ["fx", "甲", "y"]


def test_file_scores_count_a_missing_prediction_as_wrong() -> None:
    golds = {"p": ["甲"], "q": ["乙丙"], "r": [], "s": []}
    predictions = {"p": "甲", "q": "乙丁", "r": "", "unknown": "甲"}
    # p: 1 and 1; q: 0 and 1/2; r: 1 and 1; s is missing: 0 and 0.
    assert file_scores(RULES["adl"], predictions, golds) == (50.0, 62.5, 1)
    # By words, q is plain wrong.
    values = {"exact": 50.0, "f1": 50.0, "total": 2}
    expected = {f"{part}_{key}": value for part in ("HasAns", "NoAns") for key, value in values.items()}
    assert squad2_parts(predictions, golds) == expected
    assert "NoAns_total" not in squad2_parts(predictions, {"p": ["甲"]})
