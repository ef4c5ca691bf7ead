"""Converted data asks the same in another script, and every answer is what its converted paragraph holds there."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.data.script import ConvertedText, convert_records, get_converter
from qakit.errors import ConfigError

PIECES = [
    "打印机",
    "内存",
    "头发",
    "发现",
    "软件",
    "皇后",
    "之后",
    "以太网",
    "数据",
    "乾隆",
    "一",
    "甲",
    "a",
    "𠀀",
    "\n",
    "\0",
    "。",
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.characters(exclude_categories=["Cs"])), min_size=1, max_size=12)
NAMES = ("s2t", "t2s", "s2tw", "s2twp", "tw2sp", "s2hk", "t2jp")


def record(context: str, *answers: Answer, title: str = "") -> Record:
    return Record("1", "软件在哪？", (Paragraph("p", context, title),), 0, answers)


def converted(context: str, answer: str, name: str, *, at: int | None = None) -> Answer:
    (done,), _ = convert_records([record(context, Answer(answer, context.index(answer) if at is None else at))], name)
    (found,) = done.answers
    return found


def test_all_texts_are_converted_and_ids_stay():
    other = Paragraph("q", "别的")
    answers = (Answer("头发", 2), Answer("里面", None))
    asked = Record("id", "谁的头发？", (other, Paragraph("p", "发现头发", "软件")), 1, answers)
    (done,), report = convert_records([asked], "s2twp")
    paragraphs = (Paragraph("q", "別的"), Paragraph("p", "發現頭髮", "軟體"))
    assert done == Record("id", "誰的頭髮？", paragraphs, 1, (Answer("頭髮", 2), Answer("裡面", None)))
    assert (report.answers, report.inside, report.widened) == (1, 0, 0)


@pytest.mark.parametrize(
    ("context", "answer", "expected"),
    [
        ("内存和内存里的头发", "头发", Answer("頭髮", 9)),  # each 内存 is 記憶體
        ("内存和头发", "内存和", Answer("記憶體和", 0)),
        ("以太网的数据", "数据", Answer("資料", 5)),
        ("头发。", "发。", Answer("髮。", 1)),  # inside 頭髮, letter by letter
        ("买打印机吧", "印机", Answer("印表機", 1)),  # 印表機 has no part for 印机
        ("买打印机吧", "打", Answer("印表機", 1)),
        ("有内存", "存", Answer("記憶體", 1)),
    ],
)
def test_an_answer_is_where_the_converted_paragraph_has_it(context: str, answer: str, expected: Answer):
    assert converted(context, answer, "s2twp") == expected


def test_borders_inside_phrases_are_counted():
    records = [record("买打印机吧", Answer("印机", 2), Answer("吧", 4)), record("头发。", Answer("发", 1))]
    _, report = convert_records(records, "s2twp")
    assert (report.answers, report.inside, report.widened) == (3, 2, 1)


@pytest.mark.parametrize("name", NAMES)
@given(pieces=TEXTS, data=st.data())
def test_any_span_of_any_text_has_its_place(name: str, pieces: list[str], data: st.DataObject):
    source = "".join(pieces)
    text = ConvertedText(source, get_converter(name, "a test"))
    start = data.draw(st.integers(0, len(source) - 1))
    end = data.draw(st.integers(start + 1, len(source)))
    first, last, how = text.span(start, end)
    assert 0 <= first < last <= len(text.target)
    convert = get_converter(name, "a test")
    if how == "apart":
        rest = convert(source[:start]), convert(source[end:])
        assert rest[0] + text.target[first:last] + rest[1] == text.target
    assert text.span(0, len(source)) == (0, len(text.target), "apart")


@given(TEXTS, st.data())
def test_records_stay_valid_whatever_they_hold(pieces: list[str], data: st.DataObject):
    context = "".join(pieces) + "字"
    start = data.draw(st.integers(0, len(context) - 1))
    answer = Answer(context[start:], start)
    (done,), report = convert_records([record(context, answer)], data.draw(st.sampled_from(NAMES)))
    assert done.answers[0].text == done.context[done.answers[0].start : done.answers[0].end]
    assert report.answers == 1


def test_no_character_is_lost():
    assert get_converter("s2twp", "a test")("软件\0打印机\r\n𠀀") == "軟體\0印表機\r\n𠀀"


def test_an_unknown_conversion_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"--script s2tww: unknown \(did you mean s2twp?\?\); expected one of .*t2s"):
        convert_records([], "s2tww")


@pytest.mark.parametrize(("file", "name"), [("drcd/DRCD_dev.json", "t2s"), ("cmrc2018/cmrc2018_dev.json", "s2twp")])
def test_published_answers_stay_spans(file: str, name: str, real_data: Path):
    records = read_dataset([real_data / file]).records[:600]
    done, report = convert_records(records, name)
    assert report.answers == sum(answer.start is not None for old in records for answer in old.answers)
    assert [len(new.answers) for new in done] == [len(old.answers) for old in records]
    assert all(new.context[a.start : a.end] == a.text for new in done for a in new.answers if a.start is not None)
