"""Chinese text as words: nothing is lost, both scripts are read alike, and a missing package is named."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qakit.data import cloze as words
from qakit.data.cloze import Word, is_traditional, is_word, segment, to_traditional
from qakit.data.script import get_converter
from qakit.errors import ConfigError

PIECES = (
    *(
        "臺灣大學",
        "北京大学",
        "1990年",
        "３.５%",
        "Station",
        "三百公里",
        "亞當·斯密",
        "著名",
        "乾隆",
        "𠮷野家",
        "👩‍👩‍👧",
    ),
    *"。，「」《》·\u3000 \n\r\t\x00\x1b\u200b\ufeff\u0301-_",
)
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.text(max_size=30))


@given(text=TEXTS)
@example(text="")
@example(text="\x00臺\x00灣")
@example(text="臺" * 3000)
def test_the_words_of_a_text_are_the_whole_text_and_their_offsets_tell_where(text: str):
    found = segment(text)
    assert "".join(word.text for word in found) == text
    assert all(text[word.start : word.end] == word.text != "" for word in found)


@pytest.mark.parametrize(("text", "other"), [("國立臺灣大學成立於1928年。", "国立台湾大学成立于1928年。")])
def test_a_traditional_text_has_the_words_of_its_simplified_form(text: str, other: str):
    assert [(word.start, word.end, word.tag) for word in segment(text)] == [
        (word.start, word.end, word.tag) for word in segment(other)
    ]
    assert text[2:6] == "臺灣大學"
    assert (is_traditional(text), is_traditional(other)) == (True, False)


@pytest.mark.parametrize("text", ["", "1990", "Latin only", "山水人口", "🙂"])
def test_a_text_that_both_scripts_write_alike_is_not_traditional(text: str):
    assert not is_traditional(text)


def test_a_phrase_is_put_into_traditional_characters():
    simplified = ("什么时候", "谁", "几", "为什么", "哪里", "為何", "")
    assert [to_traditional(phrase) for phrase in simplified] == ["什麼時候", "誰", "幾", "為什麼", "哪裡", "為何", ""]


def test_parts_of_speech_are_those_of_jieba():
    assert [(word.text, word.tag) for word in segment("鲁迅在1918年到北京，")] == [
        ("鲁迅", "nr"),
        ("在", "p"),
        ("1918", "m"),
        ("年", "m"),
        ("到", "v"),
        ("北京", "ns"),
        ("，", "x"),
    ]


def test_marks_open_close_and_part():
    marks = {mark: Word(mark, 0, 1, "x") for mark in "《》「」（），。；、年"}
    assert [mark for mark, word in marks.items() if word.opens] == list("《「（")
    assert [mark for mark, word in marks.items() if word.closes] == list("》」）")
    assert [mark for mark, word in marks.items() if word.ends_clause] == list("，。；、")


def test_two_nouns_and_the_parts_of_a_foreign_name_are_joined():
    noun, place, verb, dot = Word("大", 0, 1, "n"), Word("京", 0, 1, "ns"), Word("看", 0, 1, "v"), Word("·", 0, 1, "x")
    assert noun.joins(place)
    assert dot.joins(verb)
    assert verb.joins(dot)
    assert not noun.joins(verb)
    assert not verb.joins(noun)


@pytest.mark.parametrize(("text", "expected"), [("年", True), ("a", True), ("３", True), ("。 」", False), ("", False)])
def test_a_text_has_words_where_it_has_letters_digits_or_chinese_characters(text: str, expected: bool):
    assert is_word(text) is expected


@pytest.fixture
def _nothing_kept() -> Iterator[None]:
    """Neither words nor packages are kept from one test to the next."""
    kept = (words.segment, words.is_traditional, words.to_traditional, words._segmenter, get_converter)
    for function in kept:
        function.cache_clear()
    yield
    for function in kept:
        function.cache_clear()


@pytest.mark.usefixtures("_nothing_kept")
@pytest.mark.parametrize("package", ["rjieba", "opencc"])
def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"needs the package {package}: pip install 'qakit\[text\]'"):
        segment("臺灣")
