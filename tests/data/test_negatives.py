"""Candidates added to a question: its own paragraph stays and is pointed at; the rest are others, each once."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.config import Negatives
from qakit.data.negatives import add_candidates
from qakit.data.records import Answer, Paragraph, Record

METHODS: tuple[Negatives, ...] = ("bm25", "article", "random")
TEXTS = st.lists(st.text("甲乙丙丁山河", min_size=1, max_size=8), min_size=1, max_size=8, unique=True)


def record(name: str, text: str, *, title: str = "", question: str = "何處？") -> Record:
    return Record(name, question, (Paragraph(f"p{name}", text, title),), 0, (Answer(text[:1], 0),))


def records_of(texts: Sequence[str], *, articles: int = 2) -> list[Record]:
    return [record(str(number), text, title=f"t{number % articles}") for number, text in enumerate(texts)]


def texts_of(item: Record) -> list[str]:
    return [paragraph.text for paragraph in item.paragraphs]


@given(texts=TEXTS, count=st.integers(2, 6), method=st.sampled_from(METHODS), seed=st.integers(0, 99))
def test_each_question_keeps_its_paragraph_and_gets_as_many_others_as_there_are(
    texts: list[str], count: int, method: Negatives, seed: int
):
    items = records_of(texts)
    made = add_candidates(items, count=count, method=method, seed=seed)
    for before, after in zip(items, made, strict=True):
        assert after.relevant is not None
        assert after.paragraphs[after.relevant] == before.paragraphs[0]
        assert (after.id, after.question, after.answers) == (before.id, before.question, before.answers)
        assert len(after.paragraphs) == min(count, len(texts))
        assert len(set(texts_of(after))) == len(after.paragraphs)
        assert set(texts_of(after)) <= set(texts)
    assert add_candidates(items, count=count, method=method, seed=seed) == made


@pytest.mark.parametrize("method", METHODS)
def test_another_seed_puts_the_right_paragraph_elsewhere(method: Negatives):
    items = records_of([f"第{number}段" for number in range(20)])
    first, second = (add_candidates(items, count=4, method=method, seed=seed) for seed in (1, 2))
    assert [item.relevant for item in first] != [item.relevant for item in second]
    assert {item.relevant for item in first} == {0, 1, 2, 3}


@pytest.mark.parametrize("method", METHODS)
def test_two_questions_on_one_paragraph_never_get_it_twice(method: Negatives):
    items = [record("0", "同一段"), record("1", "同一段"), record("2", "另一段")]
    made = add_candidates(items, count=4, method=method, seed=0)
    assert [sorted(texts_of(item)) for item in made] == [["另一段", "同一段"]] * 3


def test_bm25_takes_the_paragraph_that_shares_most_with_the_question():
    near = "天文台的望遠鏡口徑二公尺，建於山頂。"
    others = [f"夜市第{number}攤賣米糕與魚丸湯。" for number in range(9)]
    asked = record("q", "望遠鏡位於何地，本段未提及口徑。", question="天文台的望遠鏡口徑多少公尺？")
    made = add_candidates([asked, *records_of([*others, near])], count=2, method="bm25", seed=0)
    assert near in texts_of(made[0])


def test_article_takes_the_same_article_first_though_another_is_nearer():
    same = [record(str(number), f"本文另一段，編號{number}。", title="本文") for number in range(2)]
    near = record("9", "天文台的望遠鏡口徑二公尺。", title="他文")
    asked = record("q", "正確的一段。", title="本文", question="天文台的望遠鏡口徑多少公尺？")
    three, four = (add_candidates([asked, near, *same], count=count, method="article", seed=0)[0] for count in (3, 4))
    assert set(texts_of(three)) == {"正確的一段。", *(item.context for item in same)}
    assert set(texts_of(four)) == {*texts_of(three), near.context}


def test_paragraphs_without_a_title_are_no_article():
    near = record("1", "天文台的望遠鏡口徑二公尺。")
    others = [record(str(number), f"夜市第{number}攤。") for number in range(2, 8)]
    asked = record("q", "正確的一段。", question="天文台的望遠鏡口徑多少公尺？")
    made = add_candidates([asked, *others, near], count=2, method="article", seed=0)
    assert near.context in texts_of(made[0])


def test_questions_that_have_candidates_stay_as_they_are_and_lend_theirs():
    whole = Record("w", "何處？", (Paragraph("1", "甲甲"), Paragraph("2", "乙乙")), 1, (Answer("乙", 0),))
    made = add_candidates([whole, record("0", "丙丙")], count=3, method="random", seed=0)
    assert made[0] is whole
    assert set(texts_of(made[1])) == {"甲甲", "乙乙", "丙丙"}


def test_without_a_question_of_one_paragraph_there_is_nothing_to_do():
    whole = Record("w", "何處？", (Paragraph("1", "甲甲"), Paragraph("2", "乙乙")), 1, (Answer("乙", 0),))
    assert add_candidates([whole], count=3, method="bm25", seed=0) == [whole]
    assert add_candidates([], count=3, method="bm25", seed=0) == []
