"""Questions made from texts: every answer is where its record says, and every draw is the seed's."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qakit.config import AnswerKind, ClozeSettings
from qakit.data.cloze import (
    Word,
    cloze_records,
    find_candidates,
    is_word,
    noisy_copies,
    segment,
    segment_sentences,
)
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.texts import sentences

LONGEST_ANSWER = 30
KINDS = get_args(AnswerKind)
AS_IT_STANDS = {"drop": 0.0, "replace": 0.0, "shuffle": 0.0, "topic": 0.0}
TRADITIONAL = (
    "國立臺灣大學成立於1928年，位於臺北市大安區羅斯福路。校長傅斯年曾在德國柏林大學讀書，後來寫了《性命古訓辨證》一書！"
    "該校有三萬多名學生，圖書館藏書八百萬冊；亞當·斯密的《國富論》也在那裡。"
)
SIMPLIFIED = (
    "鲁迅1881年生于浙江绍兴，原名周樟寿。他在日本仙台学习医学，后来弃医从文，1918年发表了《狂人日记》。"
    "北京大学聘他为讲师，每月工资是三百元，他在北京一共住了十四年。"
)
PIECES = (
    *(
        "1928年",
        "三萬多名",
        "八百萬冊",
        "80%",
        "３公里",
        "臺灣大學",
        "北京",
        "鲁迅",
        "亞當·斯密",
        "《國富論》",
        "「",
        "」",
    ),
    *(
        "成立",
        "位於",
        "寫了",
        "的",
        "在",
        "是",
        "學生",
        "圖書館",
        "Station",
        "e\u0301",
        "🙂",
        "𠮷",
        "（",
        "）",
        "《",
        "》",
    ),
    *("，", "。", "！", "；", "\n", " ", "\u3000", "\x00", "\x1b", "\u200b", "%", "-", "·"),
)
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), min_size=1, max_size=40).map("".join), st.text(min_size=1))
PARAGRAPHS = st.builds(
    Paragraph, st.just("0"), TEXTS.filter(str.strip), st.sampled_from(["", "臺灣大學", "🙂", "Latin"])
)
SHARES = st.sampled_from([0.0, 0.1, 0.45])
SETTINGS = st.builds(
    ClozeSettings,
    questions=st.integers(0, 8),
    drop=SHARES,
    replace=SHARES,
    shuffle=SHARES,
    topic=st.sampled_from([0, 1]),
)
ASKED = re.compile(
    "什么(时候|时间|地方)?|何[时人处]?|哪[年位里儿些种]?|哪一[年天位个]?|哪个(时期|地方|人)?|几年?|有?多少|多大|多长|谁|怎样|如何|为什么"
)


def made(*texts: str, seed: int = 1, **changes: Any) -> list[Record]:
    """The questions on some texts."""
    paragraphs = [Paragraph(str(number), text, "t") for number, text in enumerate(texts)]
    return list(cloze_records(paragraphs, ClozeSettings(**changes), seed=seed))


def span_of(record: Record) -> tuple[int, int]:
    (answer,) = record.answers
    assert answer.start is not None
    assert answer.end is not None
    return answer.start, answer.end


# --- what always holds -----------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(
    paragraphs=st.lists(PARAGRAPHS, max_size=4, unique_by=lambda one: one.text), options=SETTINGS, seed=st.integers(0)
)
@example(paragraphs=[Paragraph("0", TRADITIONAL, "臺大"), Paragraph("1", SIMPLIFIED)], options=ClozeSettings(), seed=0)
@example(paragraphs=[Paragraph("0", TRADITIONAL[:60] * 50)], options=ClozeSettings(), seed=0)
@example(paragraphs=[Paragraph("0", "臺灣大學在北京" * 400)], options=ClozeSettings(), seed=0)
@example(paragraphs=[Paragraph("0", "1" * 2000), Paragraph("1", "《" * 99)], options=ClozeSettings(), seed=0)
def test_every_question_is_a_sound_record_of_its_paragraph(
    paragraphs: list[Paragraph], options: ClozeSettings, seed: int
):
    records = list(cloze_records(paragraphs, options, seed=seed))
    assert len({record.id for record in records}) == len(records)
    for record in records:
        (paragraph,) = record.paragraphs
        assert paragraph in paragraphs
        start, end = span_of(record)
        text = paragraph.text[start:end]
        assert text == record.references[0] == text.strip()
        assert 1 <= len(text) <= LONGEST_ANSWER
        assert "\n" not in text
        assert record.question.endswith("？")
        assert len(record.question) > 1
    asked = Counter((record.context, record.question) for record in records)
    assert set(asked.values()) <= {1}
    assert all(count <= options.questions for count in Counter(record.context for record in records).values())


@settings(max_examples=50)
@given(paragraph=PARAGRAPHS, others=st.lists(PARAGRAPHS, max_size=3), seed=st.integers(0, 99))
@example(paragraph=Paragraph("0", TRADITIONAL), others=[Paragraph("1", SIMPLIFIED)], seed=1)
def test_without_replaced_words_a_paragraphs_questions_depend_on_it_alone(
    paragraph: Paragraph, others: list[Paragraph], seed: int
):
    others = [other for other in others if other.text != paragraph.text]
    options = ClozeSettings(questions=6, replace=0)
    alone = list(cloze_records([paragraph], options, seed=seed))
    among = cloze_records([*others, paragraph], options, seed=seed)
    assert [record for record in among if record.context == paragraph.text] == alone


@settings(max_examples=200)
@given(text=TEXTS.filter(str.strip), seed=st.integers(0, 99))
@example(text=TRADITIONAL, seed=1)
@example(text=SIMPLIFIED, seed=2)
def test_without_noise_a_question_is_its_sentence_with_a_question_word_for_the_answer(text: str, seed: int):
    for record in made(text, seed=seed, **AS_IT_STANDS):
        start, end = span_of(record)
        ((first, last),) = [bounds for bounds in sentences(text) if bounds[0] <= start and end <= bounds[1]]
        inside = [word for word in segment(text) if first <= word.start and word.end <= last]
        left = asked_words([word for word in inside if word.end <= start])
        right = asked_words([word for word in inside if word.start >= end])
        assert any(
            is_asked(asked, text[start:end])
            for before in range(len(left) + 1)
            for after in range(len(right) + 1)
            if (asked := between(record.question, "".join(left[before:]), "".join(right[:after]) + "？"))
        )


def asked_words(words: Sequence[Word]) -> list[str]:
    return [word.text for word in words if is_word(word.text)]


def between(question: str, left: str, right: str) -> str:
    fits = question.startswith(left) and question.endswith(right) and len(question) > len(left) + len(right)
    return question[len(left) : len(question) - len(right)] if fits else ""


def is_asked(asked: str, answer: str) -> bool:
    """Whether it is a question word, alone or with the end of the answer."""
    from opencc import OpenCC

    simplified = OpenCC("t2s").convert(asked)
    answer = OpenCC("t2s").convert(answer)
    return any(
        ASKED.fullmatch(simplified[:cut]) and answer.endswith(simplified[cut:]) for cut in range(1, len(simplified) + 1)
    )


# --- draws -----------------------------------------------------------------------------------------------------------


def test_the_seed_decides_and_another_one_asks_otherwise():
    first, second = (made(TRADITIONAL, SIMPLIFIED, seed=1) for _ in range(2))
    assert first == second
    other = made(TRADITIONAL, SIMPLIFIED, seed=2)
    assert {record.question for record in first} != {record.question for record in other}
    assert {record.id for record in first}.isdisjoint(record.id for record in other)


def test_each_paragraph_has_its_own_draws():
    same = "北京大学在1898年成立。"
    first, second = made(same, same + "又", replace=0), made(same + "又", same, replace=0)
    assert sorted(record.id for record in first) == sorted(record.id for record in second)
    questions = [[record.question for record in first if record.context == text] for text in (same, same + "又")]
    assert questions[0] != questions[1]


@pytest.mark.parametrize("questions", [0, 1, 5])
def test_no_more_questions_are_made_than_were_asked_for(questions: int):
    assert len(made(TRADITIONAL, questions=questions)) == questions


def test_words_are_replaced_by_words_of_the_texts():
    records = made(TRADITIONAL, SIMPLIFIED, questions=60, drop=0, replace=0.9, shuffle=0, topic=0)
    foreign = [
        r.question for r in records if r.context == TRADITIONAL and ("日记" in r.question or "仙台" in r.question)
    ]
    assert foreign


def test_the_topic_comes_first():
    paragraph = Paragraph("0", "他在北京讀書。", "國立臺灣大學")
    options = ClozeSettings(**{**AS_IT_STANDS, "topic": 1.0})
    firsts = {record.question[:2] for record in cloze_records([paragraph], options, seed=1)}
    titles = {word.text[:2] for word in segment(paragraph.title) if len(word.text) > 1}
    assert firsts <= titles | {"北京", "讀書"}
    assert firsts & titles


def test_a_shuffled_question_can_end_with_its_question_word():
    asked = [record.question for record in made(SIMPLIFIED, questions=40, **{**AS_IT_STANDS, "shuffle": 1.0})]
    assert any(re.search("(什么|何时|多少|谁|哪里)？$", question) for question in asked)


def test_dropping_leaves_less_of_a_sentence():
    def length(drop: float) -> int:
        return sum(len(record.question) for record in made(SIMPLIFIED, questions=60, **{**AS_IT_STANDS, "drop": drop}))

    assert length(0.5) < 0.8 * length(0)


# --- what is asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer", "asked"),
    [
        ("北京大学成立于1898年12月，", "1898年12月", "什么时候|何时|哪一年|哪年|几年|什么时间|哪个时期|哪一天"),
        ("图书馆藏书一共有八百万册，", "八百万册", "(有多少|多少|几|多大|多长)册?"),
        ("当年寄出这封信的人是鲁迅，", "鲁迅", "谁|哪位|哪个人|何人|哪一位"),
        ("他们后来一起去的地方是北京，", "北京", "哪里|哪儿|什么地方|何处|哪个地方|(哪个|什么|哪一|哪|何)京?"),
        ("他在那里第一次读到了《国富论》，", "《国富论》", "什么|哪个|哪一个|何|哪些|(哪个|什么|哪一|哪|何)》?"),
    ],
)
def test_each_kind_of_answer_has_question_words_of_its_own(text: str, answer: str, asked: str):
    records = [r for r in made(text, questions=80, **AS_IT_STANDS) if r.references == [answer]]
    found = {between(r.question, left, "？") for r in records for left in lefts(text, r)} - {""}
    assert found
    assert any(re.fullmatch(asked, word) for word in found)
    ends = [r.question for r in records if not re.search(f"({asked})？$", r.question)]
    assert ends == []


def lefts(text: str, record: Record) -> list[str]:
    before = asked_words([word for word in segment(text) if word.end <= span_of(record)[0]])
    return ["".join(before[place:]) for place in range(len(before) + 1)]


def test_the_answers_of_a_text_are_whole_pieces_of_it():
    answers = {record.references[0] for record in made(TRADITIONAL, questions=200)}
    assert answers >= {"1928年", "《性命古訓辨證》", "《國富論》", "三萬多名學生"}
    assert answers.isdisjoint({"28年", "1928", "《國富論", "國富論》", "萬冊", "斯密", "臺灣", "北市"})


def test_a_traditional_text_is_asked_in_traditional_characters():
    from opencc import OpenCC

    simplified_only = set("什么时候谁几个为样里处长种儿间") - set(
        OpenCC("s2t").convert("什么时候谁几个为样里处长种儿间")
    )
    asked = [record.question for record in made(TRADITIONAL, questions=200)]
    assert not simplified_only & set("".join(asked))
    assert any("什麼" in question for question in asked)
    asked = [record.question for record in made(SIMPLIFIED, questions=200)]
    assert any("什么" in question for question in asked)
    assert not any("什麼" in question for question in asked)


@pytest.mark.parametrize(
    "text",
    ["的", "。。。！？", "🙂🙃👩‍👩‍👧", "\x00\x01\x1b", "\u200b\ufeff\u0301", "》》）」", "了了的的地得著", " \u3000甲"],
)
def test_a_text_without_an_answer_like_piece_has_no_questions(text: str):
    assert made(text) == []


@pytest.mark.parametrize("letters", [13, 14])
def test_an_answer_has_at_most_thirty_characters(letters: int):
    name = f"《{'A' * letters} {'B' * 14}》"
    answers = {record.references[0] for record in made(f"後來他讀了{name}，", questions=80)}
    assert (name in answers) is (len(name) <= LONGEST_ANSWER)


@pytest.mark.parametrize("text", ["The quick brown fox jumps over the lazy dog in London.", "a" * 5000, "1" * 5000])
def test_a_text_in_other_letters_is_no_mistake(text: str):
    for record in made(text):
        assert len(record.references[0]) <= LONGEST_ANSWER


# --- copies of labelled questions ------------------------------------------------------------------------------------

LABELLED = Record(
    "a", "國立臺灣大學是哪一年成立的？", (Paragraph("0", TRADITIONAL, "臺大"),), 0, (Answer("1928年", 9),)
)


def copies(*records: Record, seed: int = 1, **changes: float) -> list[Record]:
    return list(noisy_copies(records, ClozeSettings(**{"copies": 3, **changes}), seed=seed))  # type: ignore[arg-type]


def test_a_copy_has_the_paragraph_and_the_span_of_its_question():
    found = copies(LABELLED, copies=20, drop=0.3)
    assert len(found) == len({record.id for record in found}) == 20
    assert {(record.paragraphs, record.relevant, record.answers) for record in found} == {
        (LABELLED.paragraphs, 0, LABELLED.answers)
    }
    assert len({record.question for record in found}) > 5
    assert all(set(record.question) <= set(LABELLED.question) for record in found)
    assert min(len(record.question) for record in found) < len(LABELLED.question)


def test_without_noise_a_copy_is_its_question():
    assert [record.question for record in copies(LABELLED, drop=0)] == [LABELLED.question] * 3


def test_a_question_is_never_worn_down_to_nothing():
    record = Record("a", "誰？", LABELLED.paragraphs, 0, LABELLED.answers)
    assert all(copy.question.strip() for copy in copies(record, copies=50, drop=0.9))


def test_only_labelled_questions_are_copied():
    text = LABELLED.paragraphs
    unlabelled = Record("b", "何時？", text)
    impossible = Record("c", "何時？", text, 0, impossible=True)
    free = Record("d", "何時？", text, 0, (Answer("昭和三年", None),))
    several = Record(
        "e", "何時？", (Paragraph("1", "別的。"), *text), 1, (Answer("昭和三年", None), Answer("1928年", 9))
    )
    found = copies(unlabelled, impossible, free, several, LABELLED, copies=1)
    assert [(copy.paragraphs, copy.answers) for copy in found] == [(text, LABELLED.answers)] * 2


def test_copies_of_questions_that_share_an_id_have_ids_of_their_own():
    found = copies(LABELLED, Record("a", LABELLED.question, (Paragraph("9", "別的。"),), 0, (Answer("別", 0),)))
    assert len({record.id for record in found}) == 6


def test_copies_are_the_seeds():
    assert copies(LABELLED) == copies(LABELLED)
    assert {copy.id for copy in copies(LABELLED)}.isdisjoint(copy.id for copy in copies(LABELLED, seed=2))
    assert copies(LABELLED, copies=0) == []


# --- which answers ---------------------------------------------------------------------------------------------------


def places_of(text: str, kinds: Sequence[str]) -> set[tuple[int, int]]:
    """Where in a text the answers of some kinds stand."""
    found = [
        (words, span) for words in segment_sentences(text) for span in find_candidates(words) if span.kind in kinds
    ]
    return {(words[span.first].start, words[span.end - 1].end) for words, span in found}


@pytest.mark.parametrize("kinds", [(kind,) for kind in KINDS] + [("time", "number"), ("phrase", "person")])
def test_only_the_kinds_that_are_wanted_are_asked_for(kinds: tuple[str, ...]):
    for text in (TRADITIONAL, SIMPLIFIED):
        wanted = places_of(text, kinds)
        records = made(text, questions=30, kinds=kinds)
        assert bool(records) == bool(wanted)
        assert {span_of(record) for record in records} <= wanted


def test_by_default_all_kinds_and_lengths_are_those_of_the_hard_rules():
    everything = {"kinds": KINDS, "shortest_answer": 2, "longest_answer": 30}
    assert made(TRADITIONAL, SIMPLIFIED) == made(TRADITIONAL, SIMPLIFIED, **everything)


@settings(max_examples=100)
@given(paragraph=PARAGRAPHS, shortest=st.integers(3, 8), more=st.integers(0, 6), seed=st.integers(0, 9))
@example(paragraph=Paragraph("0", TRADITIONAL), shortest=4, more=2, seed=0)
@example(paragraph=Paragraph("0", "他寫了書 ，" * 9), shortest=3, more=2, seed=0)
def test_answers_have_the_lengths_that_are_wanted(paragraph: Paragraph, shortest: int, more: int, seed: int):
    options = ClozeSettings(shortest_answer=shortest, longest_answer=shortest + more)
    for record in cloze_records([paragraph], options, seed=seed):
        start, end = span_of(record)
        assert shortest <= end - start <= shortest + more


def test_a_digit_alone_is_an_answer_unless_answers_must_be_longer():
    text = "他在北京的家里有 5 ，都很好。"
    assert {"5"} & {record.answers[0].text for record in made(text, questions=40)}
    assert not {"5"} & {record.answers[0].text for record in made(text, questions=40, shortest_answer=3)}


def test_longer_answers_can_be_asked_for():
    text = "該書為" + "亞洲聯合大學附設研究圖書館" * 3 + "《" + "國際經濟政治社會歷史地理" * 3 + "》所藏。"
    lengths = [[len(r.answers[0].text) for r in made(text, questions=60, longest_answer=most)] for most in (30, 200)]
    assert max(lengths[0], default=0) <= 30
    assert max(lengths[1]) >= max(lengths[0], default=0)
