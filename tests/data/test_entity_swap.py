"""What stands for a name stands for it everywhere, and the answer is where its record says."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.config import ClozeSettings
from qakit.data.cloze import EntitySwap, EntitySwaps, cloze_records, is_traditional, noisy_copies
from qakit.data.records import Answer, Paragraph, Record

TRADITIONAL = "國立臺灣大學成立於1928年，位於臺北市。校長傅斯年曾在德國讀書，1945年回到臺北市。"
SIMPLIFIED = "鲁迅1881年生于浙江绍兴。他在日本仙台学习医学，1918年发表了《狂人日记》。"
OTHERS = ("北京大學在1898年成立於北京市，胡適在那裡教書。", "老舍1899年生于北京，1924年去英国伦敦。")
PARAGRAPHS = [Paragraph(str(number), text) for number, text in enumerate((TRADITIONAL, SIMPLIFIED, *OTHERS))]
LETTERS = st.text("甲乙丙丁", min_size=1, max_size=12)


@given(text=LETTERS, replacements=st.dictionaries(LETTERS, LETTERS, max_size=4), data=st.data())
def test_the_answer_is_exchanged_as_its_text_is_and_found_where_it_says(
    text: str, replacements: dict[str, str], data: st.DataObject
):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    swap = EntitySwap(replacements)
    changed, answer = swap.apply_around(text, Answer(text[start:end], start))
    assert answer.start is not None
    assert changed[answer.start : answer.end] == answer.text
    if start == 0 and end == len(text):
        assert (changed, answer) == (swap.apply(text), Answer(changed, 0))


@given(text=LETTERS, end=st.integers(1, 12))
def test_without_an_exchange_nothing_changes(text: str, end: int):
    assert EntitySwap({}).apply_around(text, Answer(text[:end], 0)) == (text, Answer(text[:end], 0))


def test_everywhere_and_the_longest_first():
    swap = EntitySwap({"臺北": "高雄", "臺北市": "臺南市"})
    assert swap.apply("臺北市在臺北盆地，臺北市長") == "臺南市在高雄盆地，臺南市長"


def test_what_reaches_over_a_bound_of_the_answer_stays():
    swap = EntitySwap({"臺北市": "高雄港", "大安": "三民"})
    text = "臺北市大安區，臺北市"
    assert swap.apply_around(text, Answer("市大安區", 2)) == ("臺北市三民區，高雄港", Answer("市三民區", 2))


def test_a_free_answer_has_no_place_to_move():
    text, answer = EntitySwap({"臺北": "高雄市"}).apply_around("臺北", Answer("首都", None))
    assert (text, answer) == ("高雄市", Answer("首都", None))


@pytest.mark.parametrize("text", [TRADITIONAL, SIMPLIFIED])
def test_pieces_are_exchanged_for_others_of_their_kind_and_script(text: str):
    swap = EntitySwaps(PARAGRAPHS, 1.0).draw(text, Random(1))
    assert swap.replacements
    pieces = "".join(
        paragraph.text for paragraph in PARAGRAPHS if is_traditional(paragraph.text) == is_traditional(text)
    )
    assert all(new in pieces for new in swap.replacements.values())
    times = {piece: new for piece, new in swap.replacements.items() if piece.endswith("年")}
    assert times
    assert all(new.endswith("年") for new in times.values())


def test_a_share_of_the_pieces_is_exchanged():
    few, many = (
        sum(len(EntitySwaps(PARAGRAPHS, share).draw(TRADITIONAL, Random(seed)).replacements) for seed in range(30))
        for share in (0.2, 0.8)
    )
    assert 0 < few < many / 2


def test_cloze_questions_are_asked_of_paragraphs_with_things_exchanged():
    options = ClozeSettings(questions=12, exchange=0.7)
    records = list(cloze_records(PARAGRAPHS, options, seed=1))
    assert records == list(cloze_records(PARAGRAPHS, options, seed=1))
    assert len({record.id for record in records}) == len(records)
    texts = {record.paragraphs[0].id: record.context for record in records}
    assert len(texts) == 3 * len(PARAGRAPHS)  # five questions on each
    assert set(texts.values()).isdisjoint(paragraph.text for paragraph in PARAGRAPHS)


def test_a_copy_has_the_same_things_exchanged_in_question_paragraph_and_answer():
    others = [Record(paragraph.id, "？", (paragraph,)) for paragraph in PARAGRAPHS[1:]]
    asked = Record(
        "a", "傅斯年在哪一年回到臺北市？", (PARAGRAPHS[0],), 0, (Answer("1945年", TRADITIONAL.index("1945")),)
    )
    options = ClozeSettings(copies=20, exchange=1.0, drop=0, replace=0)
    copies = list(noisy_copies([asked, *others], options, seed=1))
    assert len(copies) == 20
    assert len({copy.paragraphs[0].id for copy in copies}) == 20
    assert any(copy.question != asked.question for copy in copies)
    for copy in copies:
        assert copy.question.startswith("傅斯年")
        assert copy.question.endswith("？")
        assert copy.context.endswith(f"，{copy.references[0]}回到{copy.question.split('回到')[1][:-1]}。")
