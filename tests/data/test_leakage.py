"""What two parts share is found whatever its width, punctuation or script, and nothing else is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.leakage import Example, Leak, find_leaks, text_key
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.data.script import convert_records, make_simplifier
from qakit.data.splits import split_by_article

TEXTS = st.text(st.sampled_from("甲乙丙丁Ａa，。 ?"), min_size=1, max_size=4).filter(str.strip)
PARTS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8)


def record(name: str, question: str, *texts: str, relevant: int | None = 0) -> Record:
    answers = (Answer(texts[relevant], 0),) if relevant is not None else ()
    return Record(name, question, tuple(Paragraph(text, text) for text in texts), relevant, answers)


def leak(first: list[Record], second: list[Record]) -> Leak:
    (found,) = find_leaks({"a": first, "b": second}, simplify=make_simplifier())
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ａ座在哪裡？", "a座在哪裡?"),
        ("誰 寫的", "誰寫的？"),
        ("「臺北」在哪？", "臺北，在哪"),
        ("É", "E\u0301"),
        ("誰發現了頭髮", "谁发现了头发"),
        ("a\u200bb", "ab"),
    ],
)
def test_the_same_in_other_clothes(one: str, other: str):
    assert leak([record("1", one, "甲")], [record("2", other, "乙")]).questions.count == 1
    assert leak([record("1", "甲", one)], [record("2", "乙", other)]).paragraphs.count == 1


@pytest.mark.parametrize(("one", "other"), [("臺北", "臺南"), ("1+1", "11"), ("?", "!"), ("1.5 米", "1.6 米")])
def test_what_is_not_the_same(one: str, other: str):
    found = leak([record("1", one, one)], [record("2", other, other)])
    assert (found.questions.count, found.paragraphs.count) == (0, 0)


def test_scripts_are_apart_without_opencc():
    (found,) = find_leaks({"a": [record("1", "頭髮", "甲")], "b": [record("1", "头发", "甲")]})
    assert (found.questions.count, found.paragraphs.count) == (0, 1)


def test_counts_shares_and_examples_name_the_first_record_of_either_part():
    first = [record("1", "何？", "甲"), record("2", "何", "乙"), record("3", "誰", "乙")]
    second = [record("x", "何。", "丙"), record("y", "哪", "乙!"), record("z", "哪裡", "丁"), record("w", "幾", "戊")]
    found = leak(first, second)
    assert (found.questions.count, found.questions.first, found.questions.second) == (1, 50.0, 25.0)
    assert found.questions.examples == (Example("何？", "1", "x"),)
    assert (found.paragraphs.count, found.paragraphs.first, found.paragraphs.second) == (1, 50.0, 25.0)
    assert found.paragraphs.examples == (Example("乙", "2", "y"),)


def test_a_wrong_candidate_is_no_leak_unless_the_right_one_is_unknown():
    asked = [record("1", "何", "甲", "乙")]
    assert leak(asked, [record("2", "誰", "乙", "丙")]).paragraphs.count == 0
    assert leak(asked, [record("2", "誰", "丙", "甲", relevant=None)]).paragraphs.count == 1


def test_each_two_parts_are_compared_in_order_and_one_alone_with_nothing():
    parts = {name: [record("1", name, name)] for name in "abc"}
    assert [(found.first, found.second) for found in find_leaks(parts)] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert find_leaks({"a": []}) == ()
    assert find_leaks({"a": [], "b": []})[0].questions.first == 0.0


@given(PARTS, PARTS)
def test_the_counts_are_those_of_the_sets_of_keys(first: list[tuple[str, str]], second: list[tuple[str, str]]):
    parts = [[record(str(n), *texts) for n, texts in enumerate(part)] for part in (first, second)]
    found = leak(*parts)
    for place, shared in enumerate((found.questions, found.paragraphs)):
        keys = [{text_key(texts[place]) for texts in part} for part in (first, second)]
        assert shared.count == len(keys[0] & keys[1])
        assert shared.first == round(100 * shared.count / len(keys[0]), 2)
        assert shared.second == round(100 * shared.count / len(keys[1]), 2)
        assert len(shared.examples) == min(3, shared.count)


def test_the_files_made_from_drcd_hold_nothing_else_and_a_split_shares_no_paragraph(real_data: Path):
    drcd = read_dataset([real_data / "drcd" / "DRCD_dev.json"]).records
    for file in ("hw7/hw7_train.json", "adl2022/valid.json", "adl2021/public.json"):
        found = leak(list(drcd), list(read_dataset([real_data / file]).records))
        assert (found.questions.second, found.paragraphs.second) == (100.0, 100.0)
    train, test = split_by_article(drcd, [0.8, 0.2], seed=1)
    assert leak(train, test).paragraphs.count == 0


def test_a_file_and_its_conversion_share_everything(real_data: Path):
    drcd = read_dataset([real_data / "drcd" / "DRCD_dev.json"]).records
    found = leak(list(drcd), convert_records(drcd, "t2s")[0])
    assert (found.questions.first, found.paragraphs.first) == (100.0, 100.0)
