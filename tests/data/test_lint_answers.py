"""Lint of answers and ids: right ones have no error, and each way of breaking them is found."""

import unicodedata
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qakit.data.brackets import unpaired
from qakit.data.lint.answers import (
    Entry,
    LintQuestion,
    Rules,
    answer_faults,
    answer_findings,
    count_faults,
    find_original,
    fold_differences,
    id_findings,
)
from qakit.data.lint.findings import KINDS, LEVELS

TEXT = "公元１９６０年，C. L. Max Nikias 在「南加大」(USC) 任教，年薪2,790,060元。見《論語》。"
PLAIN = Rules()
HW7 = Rules(without_commas=True)
PARAGRAPHS = st.text("甲乙丙AbC１％㎝ 　,，。「」『』《》()“”", min_size=1, max_size=40)


def kinds(answer: str, rules: Rules = PLAIN, paragraphs: tuple[str, ...] = (TEXT,), golds: tuple[str, ...] = ()):
    return [kind for kind, _ in answer_faults(answer, rules, paragraphs, golds)]


@st.composite
def right_answers(draw: st.DrawFn) -> tuple[str, str]:
    """A paragraph, and a piece of it that could be a right answer."""
    paragraph = draw(PARAGRAPHS)
    start = draw(st.integers(0, len(paragraph) - 1))
    answer = paragraph[start : draw(st.integers(start + 1, len(paragraph)))]
    assume(answer.strip() == answer and not any(unpaired(answer)) and answer.replace(",", "").strip())
    assume(answer.replace(",", "") == answer.replace(",", "").strip())
    return paragraph, answer


@given(right_answers())
def test_a_right_answer_has_no_error(case: tuple[str, str]):
    paragraph, answer = case
    found = kinds(answer, paragraphs=("別處", paragraph)) + kinds(answer.replace(",", ""), HW7, (paragraph,))
    assert [kind for kind in found if KINDS[kind].strict == "error"] == []


@given(PARAGRAPHS, st.text(max_size=5))
def test_what_equals_a_right_answer_has_no_fault(paragraph: str, gold: str):
    assert kinds(gold, paragraphs=(paragraph,), golds=("甲", gold)) == []
    assert kinds(gold.replace(",", ""), HW7, (paragraph,), (gold,)) == []


@given(right_answers(), st.sampled_from("「」『』《》〈〉（）()【】[]“”"))
def test_half_a_pair_is_found(case: tuple[str, str], half: str):
    paragraph, answer = case
    assert "brackets" in kinds(answer + half, paragraphs=(paragraph,))


@given(right_answers(), st.sampled_from(["[UNK]", "##", "[SEP]", "▁", "<unk>", "\ufffd", "[unk]"]))
def test_what_a_tokenizer_left_is_found(case: tuple[str, str], token: str):
    paragraph, answer = case
    assert "tokens" in kinds(token + answer, paragraphs=(paragraph,))
    assert "tokens" not in kinds(token + answer, paragraphs=(token + answer,))


@given(right_answers(), st.sampled_from([" ", "\n", "\t", "　", "\r"]), st.booleans())
def test_white_space_at_an_edge_is_found(case: tuple[str, str], space: str, first: bool):
    paragraph, answer = case
    assert "white space" in kinds(space + answer if first else answer + space, paragraphs=(paragraph,))


CHANGES = {
    "white space": lambda text: "".join(text.split()),
    "ASCII commas": lambda text: text.replace(",", ""),
    "letter case": str.lower,
    "width": lambda text: unicodedata.normalize("NFKC", text),
}


@given(PARAGRAPHS, st.text("甲A b,１％", max_size=3), PARAGRAPHS, st.sets(st.sampled_from(list(CHANGES)), min_size=1))
def test_a_changed_piece_is_found_with_what_it_was(before: str, middle: str, after: str, ways: set[str]):
    answer = f"甲B ,Ｃ{middle}乙"
    paragraph = before + answer + after
    changed = answer
    for way, change in CHANGES.items():  # width last: it makes new letters, of which lower() would know
        changed = change(changed) if way in ways else changed
    found = find_original(changed, ("別處", paragraph))
    assert found is not None
    piece, told = found
    assert piece in paragraph
    assert fold_differences(piece, told)[0] == fold_differences(changed, told)[0]
    assert len(told) <= len(ways)
    assert "altered" in kinds(changed, paragraphs=(paragraph,))


@pytest.mark.parametrize(
    ("answer", "piece", "ways"),
    [
        ("c. l. max nikias", "C. L. Max Nikias", ("letter case",)),
        ("C.L.MaxNikias", "C. L. Max Nikias", ("white space",)),
        ("c.l.maxnikias", "C. L. Max Nikias", ("white space", "letter case")),
        ("2790060元", "2,790,060元", ("ASCII commas",)),
        ("1960年", "１９６０年", ("width",)),
    ],
)
def test_the_original_is_told(answer: str, piece: str, ways: tuple[str, ...]):
    assert find_original(answer, (TEXT,)) == (piece, ways)
    ((kind, message),) = answer_faults(answer, Rules(), (TEXT,))
    assert (kind, message) == (
        "altered",
        f"found {answer!r}; expected {piece!r}, which differs in {' and '.join(ways)}",
    )


@pytest.mark.parametrize(
    ("answer", "rules", "expected"),
    [
        ("", Rules(), ["empty"]),
        ("　", Rules(may_be_empty=True), ["empty"]),
        ("", Rules(may_be_empty=True), []),
        ("南加州大學", Rules(), ["not in the text"]),
        ("「南加大", Rules(), ["brackets"]),
        ("」(USC) 任教", Rules(), ["brackets"]),
        ("2,790,060元", Rules(), []),
        ("2,790,060元", HW7, ["commas"]),
        ("2790060元", HW7, []),
        ("2790060元", Rules(), ["altered"]),
        ("任教，", Rules(), ["punctuation"]),
        ("C. L. Max Nikias", Rules(longest=15), ["too long"]),
        ("C. L. Max Nikias", Rules(longest=16), []),
        ("(USC)", Rules(), []),
        ("《論語》", Rules(), []),
        (",", HW7, ["commas"]),
    ],
)
def test_faults_of_one_answer(answer: str, rules: Rules, expected: list[str]):
    assert kinds(answer, rules) == expected


def test_without_paragraphs_only_the_look_is_judged():
    assert kinds("別處", paragraphs=()) == []
    assert kinds("「別處", paragraphs=()) == ["brackets"]


def test_faults_of_answers_just_made_are_counted():
    assert count_faults(["「甲", "乙，", "##丙", "", "丁"], Rules(may_be_empty=True)) == {
        "brackets": 1,
        "punctuation": 1,
    }


IDS = st.lists(st.text("0123ab", min_size=1, max_size=3), min_size=3, max_size=8, unique=True)


def found_ids(ids: list[str], asked: list[str]) -> Counter[str]:
    entries = [Entry(f"line {number}", id_, "甲") for number, id_ in enumerate(ids, start=2)]
    return Counter(finding.kind for finding in id_findings(entries, dict.fromkeys(asked)))


@given(IDS, st.data())
def test_every_missing_unknown_and_repeated_id_is_found(ids: list[str], data: st.DataObject):
    assert found_ids(ids, ids) == {}
    lost = data.draw(st.lists(st.sampled_from(ids), unique=True, max_size=len(ids) - 1))
    kept = [id_ for id_ in ids if id_ not in lost]
    again = data.draw(st.lists(st.sampled_from(kept), max_size=3))
    unknown = [f"x{number}" for number in range(data.draw(st.integers(0, 3)))]
    expected = {"missing ids": len(lost), "duplicate ids": len(again), "unknown ids": len(unknown)}
    expected["rows"] = int(len(lost) != len(again) + len(unknown))
    assert found_ids([*kept, *again, *unknown], ids) == {kind: count for kind, count in expected.items() if count}


@given(IDS)
def test_another_order_is_one_note(ids: list[str]):
    assert found_ids(ids[::-1], ids) == {"order": 1}
    assert KINDS["order"].strict == "note"


def test_an_id_is_told_with_the_one_that_is_meant():
    entries = [Entry("line 2", " 7", "甲"), Entry("line 3", "8.0", "甲"), Entry("line 4", "x", "甲")]
    messages = [finding.message for finding in id_findings(entries, {"7": 0, "8": 0, "9": 0}) if finding.place]
    assert messages == [
        "' 7' is none of the data's; it has '7'",
        "'8.0' is none of the data's; it has '8'",
        "'x' is none of the data's",
    ]


def test_findings_tell_place_and_id():
    entries = [Entry("line 2", "1", "「甲"), Entry("line 3", "2", None)]
    (finding,) = answer_findings(entries, {"1": LintQuestion(("「甲」",))}, Rules())
    assert (finding.kind, finding.place, finding.id) == ("brackets", "line 2", "1")


def test_levels_are_those_known():
    assert {level for kind in KINDS.values() for level in (kind.strict, kind.lax)} == set(LEVELS)
    assert all(LEVELS.index(kind.strict) <= LEVELS.index(kind.lax) for kind in KINDS.values())
