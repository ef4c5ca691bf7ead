"""Slices: groups of like questions. A question has one label in each dimension that is known of it.

The rules are light on purpose, so that the same data has the same slices on every machine: no words are segmented.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from qakit.metrics.places import Span, overlap, places

NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Features:
    """The properties of a question by which slices are formed; None or empty where unknown.

    Attributes:
        candidates: number of the question's paragraphs.
        context: the paragraph with the answer.
        gold_spans: places of right answers in it.
        windows: those through which it was read, as places in it.
    """

    question: str | None
    references: Sequence[str]
    candidates: int | None
    context: str | None
    gold_spans: Sequence[Span]
    windows: Sequence[Span]

    @property
    def answer(self) -> str:
        """The first reference; empty where there is no answer."""
        return self.references[0] if self.references else ""


_QUESTION_WORDS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        name: re.compile(pattern, re.IGNORECASE)
        for name, pattern in {
            "why": "(?<![稱称名作認认視视成變变])[為为]([什甚][麼么]|何)|何以|因何|原因|\\bwhy\\b",
            "how many": "多少|(?<![元國国])[幾几](?![乎何])|(?<![許许更])多[大長长高久遠远重快寬宽深]|"
            "\\bhow (many|much|long|old|far|tall|big)\\b",
            "when": "何[時时年月日]|[什甚][麼么]時|什么时|哪.?[年月日天]|[元國国][幾几]年|"
            "([什甚][麼么]|哪.{0,2}|何)(年代|時間|时间|世紀|世纪|時期|时期|朝代|季)|\\bwhen\\b",
            "where": "何[處处地]|[哪那][裡裏里兒儿]|在哪|哪.{0,2}[國国省市縣县洲州區区城島岛]|"
            "([什甚][麼么]|哪.{0,2})(地方|地點|地点|地區|地区)|\\bwhere\\b",
            "who": "誰|谁|何人|哪.{0,2}[位人]|[什甚][麼么]人|\\b(who|whom|whose)\\b",
            "how": "如何|怎|\\bhow\\b",
            "which": "哪|\\bwhich\\b",
            "what": "什麼|什么|甚麼|甚么|何|啥|\\bwhat\\b",
        }.items()
    }
)
_DIGITS = "0-9０-９〇零一二三四五六七八九十百千萬万億亿兆兩两半幾几數数"
_MEASURES = (
    "個个位名人口次場场座條条隻只頭头艘架輛辆部本篇首張张件種种類类項项間间所家歲岁元圓圆塊块美金英鎊镑噸吨斤克尺米里畝亩"
    "平方立呎吋哩節节層层票度％%倍分之點点餘余多約约左右以上下第號号級级代世屆届公頃顷秒"
)
_TIME = re.compile(
    f"(?=.*[{_DIGITS}上下昨今明])(?=.*[年月日號号時时分秒天週周世紀纪代期晚晨夜季])(?!.*(公分|百分|分之))"
    f"[{_DIGITS}年月日號号時时分秒天週周世紀纪代期初末中葉叶上下午晚早晨夜間间前後后春夏秋冬季元西公民國国約约至到底凌星禮礼拜"
    "昨今明個个小鐘钟之 .:：/~～—–-]+"
)
_MONTH = re.compile("(January|February|March|April|May|June|July|August|September|October|November|December)", re.I)
_NUMBER = re.compile(f"[{_DIGITS}{_MEASURES}近.,，．:：/／~～\\-—–—＄$￥€£+＋ \\w]*", re.ASCII)
_BEGINS_WITH_NUMBER = re.compile(f"[＄$￥€£約约近第 ]*[{_DIGITS}]")
_TITLED = re.compile('[《〈「『“"].*[》〉」』”"]', re.DOTALL)
_CLAUSE = re.compile("[，。；！？]|, |; ")
_LONG = 13  # characters: few names and figures are as long


def _question_word(features: Features) -> str | None:
    if features.question is None:
        return None
    return next((name for name, pattern in _QUESTION_WORDS.items() if pattern.search(features.question)), "other")


def _answer_type(features: Features) -> str | None:
    """Kind of the first reference, by its characters; where these are not enough, by the question."""
    text = features.answer.strip()
    if not text:
        return NO_ANSWER
    asked = _question_word(features)
    is_number = bool(_BEGINS_WITH_NUMBER.match(text) and _NUMBER.fullmatch(text))
    is_time = bool((len(text) < _LONG and _TIME.fullmatch(text)) or (_MONTH.search(text) and asked == "when"))
    holds = {
        "time": is_time or (is_number and asked == "when"),
        "number": is_number,
        "title": bool(_TITLED.fullmatch(text)),
        "clause": bool(_CLAUSE.search(text)) or (len(text) >= _LONG and not text.isascii()),
        "person": asked == "who",
        "place": asked == "where",
        "name in Latin letters": text.isascii(),
    }
    return next((name for name, does in holds.items() if does), "other")


def _stepped(steps: Sequence[int], unit: str = "") -> tuple[Callable[[int], str], list[str]]:
    """A function that names the step of a number, and all names in order; upper bounds are inclusive."""
    bounds = [0, *steps]
    names = [
        f"{low + 1} to {high}" if high > low + 1 else str(high) for low, high in zip(bounds, steps, strict=False)
    ] + [f"{steps[-1] + 1} or more"]
    named = [name + unit for name in names]
    return lambda number: named[bisect_left(steps, number)], named


_answer_step, _ANSWER_STEPS = _stepped((2, 4, 8, 16, 32))
_context_step, _CONTEXT_STEPS = _stepped((250, 500, 750, 1000))
_candidate_step, _CANDIDATE_STEPS = _stepped((1, 2, 3, 4, 6, 10))
_QUARTERS = ("first quarter", "second quarter", "third quarter", "last quarter")


def _answer_length(features: Features) -> str:
    return _answer_step(len(features.answer)) if features.answer else NO_ANSWER


def _context_length(features: Features) -> str | None:
    return None if features.context is None else _context_step(len(features.context))


def _position(features: Features) -> str | None:
    """The quarter of the context that the middle of the answer is in."""
    if not features.context or not features.gold_spans:
        return None
    start, end = features.gold_spans[0]
    return _QUARTERS[min(3, 2 * (start + end) // len(features.context))]


def _candidates(features: Features) -> str | None:
    return None if features.candidates is None else _candidate_step(features.candidates)


def _occurrences(features: Features) -> str | None:
    """Number of times that the first reference occurs in the context."""
    if features.context is None or not features.answer:
        return None
    count = len(places(features.answer, features.context))
    return ("not in the text", "once", "twice")[count] if count < 3 else "3 times or more"


def _boundary(features: Features) -> str | None:
    """Whether a window ends inside the answer."""
    if not features.windows or not features.gold_spans:
        return None
    if len(features.windows) == 1:
        return "one window"
    gold = features.gold_spans[0]
    cuts = any(0 < overlap(window, gold) < gold[1] - gold[0] for window in features.windows)
    return "a window cuts the answer" if cuts else "no window cuts the answer"


_RULES: Mapping[str, tuple[Callable[[Features], str | None], Sequence[str]]] = MappingProxyType(
    {
        "answer_length": (_answer_length, (*_ANSWER_STEPS, NO_ANSWER)),
        "question_word": (_question_word, (*_QUESTION_WORDS, "other")),
        "answer_type": (
            _answer_type,
            ("number", "time", "person", "place", "title", "name in Latin letters", "clause", "other", NO_ANSWER),
        ),
        "context_length": (_context_length, _CONTEXT_STEPS),
        "position": (_position, _QUARTERS),
        "candidates": (_candidates, _CANDIDATE_STEPS),
        "occurrences": (_occurrences, ("not in the text", "once", "twice", "3 times or more")),
        "window_boundary": (_boundary, ("one window", "no window cuts the answer", "a window cuts the answer")),
    }
)
DIMENSIONS: Mapping[str, Sequence[str]] = MappingProxyType({name: names for name, (_, names) in _RULES.items()})
"""The labels of each dimension, in the order in which they are shown; lengths are in characters."""


def labels(features: Features) -> dict[str, str]:
    """The label of a question in each known dimension."""
    found = {name: rule(features) for name, (rule, _) in _RULES.items()}
    return {name: label for name, label in found.items() if label is not None}
