"""Misplaced answers are put back, right ones are never touched, and each change is listed."""

import json
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qakit.data.records import Answer, Paragraph, Record, Repair
from qakit.data.schemas import SCHEMAS, read_dataset, write_dataset
from qakit.data.schemas.source import find_answer
from qakit.errors import DataError
from tests.data.samples import TABLES

THRESHOLD = 90.0
CONTEXT = "元年𠀀臺北市，Ａ座\r\nÉcole 在 1901 年建成。臺北市在北部，遠在臺北市南邊的山上。"
ALPHABET = st.one_of(st.sampled_from("甲乙丙甲乙Aaé 　\n\r𠀀ｅ１1"), st.characters(exclude_categories=["Cs"]))
CONTEXTS = st.text(ALPHABET, min_size=1, max_size=40).filter(str.strip)


@st.composite
def placed(draw: st.DrawFn) -> tuple[str, str, int]:
    context = draw(CONTEXTS)
    start = draw(st.integers(0, len(context) - 1))
    text = context[start : draw(st.integers(start + 1, len(context)))]
    return (context, text, start) if text.strip() else (context, context, 0)


def found(text: str, stated: int, context: str = CONTEXT) -> tuple[str, int] | None:
    place = find_answer(text, context, stated, threshold=THRESHOLD)
    return None if place is None else (context[place.start : place.end], place.start)


@pytest.mark.parametrize(
    ("text", "stated", "expected", "how"),
    [
        ("臺北市", 4, 3, "the nearest of 3 places, -1"),
        ("臺北市", 25, 28, "the nearest of 3 places, +3"),
        ("臺北市", -1, 3, "the nearest of 3 places, +4"),
        ("臺北市", 10**30, 37, "the nearest of 3 places"),
        ("臺北市", len(CONTEXT[:37].encode()), 37, "the offset counts UTF-8 bytes"),
        ("北部", 42, 32, "its only place, -10"),
    ],
)
def test_the_text_as_it_is_goes_to_the_place_that_was_meant(text: str, stated: int, expected: int, how: str):
    place = find_answer(text, CONTEXT, stated, threshold=THRESHOLD)
    assert place is not None
    assert (place.start, place.end) == (expected, expected + len(text))
    assert place.how.startswith(how)


def test_utf_16_units_and_line_ends_are_told_from_other_places_of_the_text():
    astral = "𠀀𠀀𠀀" + "甲乙丙甲乙丙甲乙丙"  # 乙 at 4, 7, 10; in UTF-16 units at 7, 10, 13
    assert find_answer("乙", astral, 13, threshold=THRESHOLD).how == "the offset counts UTF-16 units"  # type: ignore[union-attr]
    lines = "甲\n\n\n乙丙丁乙"  # as CRLF, 乙 is at 7 and 10
    assert found("乙", 10, lines) == ("乙", 7)
    assert found("乙", 4, "甲\r\n\r\n\r\n乙丙丁乙丙") == ("乙", 7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A座", "Ａ座"),
        ("a座", "Ａ座"),
        ("A座École", "Ａ座\r\nÉcole"),
        (normalize("NFD", "École"), "École"),
        ("１９０１", "1901"),
        (" 臺北 市\u200b，", "臺北市，"),
        ("在１９０１年", "在 1901 年"),
    ],
)
def test_width_composition_capitals_and_white_space_may_differ(text: str, expected: str):
    assert found(text, 0) == (expected, CONTEXT.index(expected))


@pytest.mark.parametrize("text", ["X", "東京", "在 1902 年建成。臺北市在北部", "", " ", "\u200b", CONTEXT + "。多了"])
def test_what_the_context_does_not_say_is_not_found(text: str):
    assert found(text, 0) is None


def test_an_accent_belongs_to_its_letter():
    assert found("ｅ", 0, normalize("NFD", "É") + "E") == ("E", 2)


def test_a_long_answer_with_a_letter_wrong_is_found_but_not_with_another_number():
    assert found("臺北市在北部，遠在台北市南邊的山上", 0) == ("臺北市在北部，遠在臺北市南邊的山上", 28)
    assert found("臺北市在北部，遠在北市南邊的山上", 0) == ("臺北市在北部，遠在臺北市南邊的山上", 28)
    assert found("臺北市在北部，遠在東邊的海上", 0) is None
    assert found("École 在 1901 年建城。臺北", 0) == ("École 在 1901 年建成。臺北", 11)
    assert found("École 在 1902 年建成。臺北", 0) is None


@given(placed())
def test_a_right_answer_is_never_changed(case: tuple[str, str, int]):
    context, text, start = case
    place = find_answer(text, context, start, threshold=THRESHOLD)
    assert place is not None
    assert (place.start, place.end) == (start, start + len(text))


@given(placed(), st.integers(-50, 50))
def test_an_answer_with_another_offset_is_found_with_its_text_at_the_nearest_place_or_where_a_unit_says(
    case: tuple[str, str, int], stated: int
):
    context, text, start = case
    place = find_answer(text, context, stated, threshold=THRESHOLD)
    assert place is not None
    assert context[place.start : place.end] == text
    if not place.how.startswith("the offset counts"):
        assert abs(place.start - stated) <= abs(start - stated)


@given(placed())
def test_a_text_that_occurs_once_is_found_whatever_its_offset_counted(case: tuple[str, str, int]):
    context, text, start = case
    if context.count(text) > 1 or context.find(text, start + 1) >= 0:
        return
    for stated in (len(context[:start].encode()), len(context[:start].encode("utf-16-le")) // 2, start + 1, -1):
        assert found(text, stated, context) == (text, start)


@example(("e\u0301e", "e", 2))
@given(placed())
def test_a_folded_text_is_found_where_it_reads_the_same(case: tuple[str, str, int]):
    context, text, start = case
    for change in (normalize("NFKC", text), normalize("NFD", text), text.swapcase(), " ".join(text)):
        place = find_answer(change, context, start, threshold=100.0)
        if place is not None and place.how.startswith("width"):
            read = normalize("NFKD", normalize("NFKD", context[place.start : place.end]).casefold())
            asked = normalize("NFKD", normalize("NFKD", change).casefold())
            assert visible(read) == visible(asked)


def visible(text: str) -> list[str]:
    """The characters but for white space, in an order that accents of different classes do not decide."""
    return sorted(c for c in text if not c.isspace() and normalize("NFKD", c) and not is_control(c))


def is_control(character: str) -> bool:
    from unicodedata import category

    return category(character) in ("Cc", "Cf")


@given(placed(), st.text(ALPHABET, max_size=10), st.integers(-5, 50))
def test_anything_else_is_a_place_in_the_context_or_nothing(case: tuple[str, str, int], text: str, stated: int):
    place = find_answer(text, case[0], stated, threshold=60.0)
    assert place is None or (0 <= place.start < place.end <= len(case[0]) and case[0][place.start : place.end].strip())


def broken(schema: str, folder: Path) -> Path:
    """A file of the schema in which one answer of three is 2 characters off, and one of another width."""
    context = Paragraph("p", CONTEXT, "題")
    candidates = (Paragraph("n", "別的文字"), context) if schema.startswith("adl") or schema in TABLES else (context,)
    texts = ["元年", "Ａ座", "北部"]
    records = [
        Record(f"{n}", "何？", candidates, len(candidates) - 1, (Answer(text, CONTEXT.index(text)),))
        for n, text in enumerate(texts)
    ]
    path = folder / f"data{ {'jsonl': '.jsonl', 'csv': '.csv'}.get(schema, '.json') }"
    write_dataset(records, path, schema)
    raw = path.read_text(encoding="utf-8")
    place = CONTEXT.index("北部")
    for old, new in (
        (f'start": {place}', f'start": {place + 2}'),
        (f'start"": {place}', f'start"": {place + 2}'),
        ('"Ａ座"', '"A座"'),
    ):
        raw = raw.replace(old, new)
    path.write_text(raw, encoding="utf-8")
    return path


@pytest.mark.parametrize("schema", [name for name in SCHEMAS if name not in ("cmrc-flat", "parquet")])
def test_every_schema_is_repaired_and_each_change_is_listed(schema: str, tmp_path: Path):
    path = broken(schema, tmp_path)
    with pytest.raises(DataError) as caught:
        read_dataset([path])
    assert [problem.repairable for problem in caught.value.problems] == [True, True]
    dataset = read_dataset([path], repair=THRESHOLD)
    assert [record.span for record in dataset] == [
        Answer(text, CONTEXT.index(text)) for text in ("元年", "Ａ座", "北部")
    ]
    changes = [(change.record, change.before, change.after) for change in dataset.repairs]
    place = CONTEXT.index("北部")
    assert changes == [("1", "A座", "Ａ座"), ("2", place + 2, place)]
    assert {change.file for change in dataset.repairs} == {str(path)}


def row(**changes: Any) -> str:
    good = {"id": "1", "question": "何？", "context": CONTEXT, "answers": [{"text": "北部", "start": 32}]}
    return json.dumps(good | changes) + "\n"


def test_a_record_that_stays_bad_leaves_no_repair_behind(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    half = [{"text": "北部", "start": 3}, {"text": "東京", "start": 3}]
    again = row(answers=[{"text": "北部", "start": 31}])
    path.write_text(row() + row(id="2", answers=half) + again + row(id="3", question=""), encoding="utf-8")
    with pytest.raises(DataError, match="does not contain it") as caught:
        read_dataset([path], repair=THRESHOLD)
    assert (len(caught.value.problems), any(problem.repairable for problem in caught.value.problems)) == (3, False)
    dataset = read_dataset([path], repair=THRESHOLD, lenient=True)
    assert (len(dataset), dataset.skipped, dataset.repairs) == (1, 3, ())


def test_the_end_that_hw7_states_is_repaired_with_the_start(tmp_path: Path):
    question = {"id": 0, "paragraph_id": 0, "question_text": "何？", "answer_text": "北部"}
    places = [(32, 34), (34, 35), (32, 33)]
    questions = [question | {"id": n, "answer_start": s, "answer_end": e} for n, (s, e) in enumerate(places)]
    path = tmp_path / "hw7.json"
    path.write_text(json.dumps({"questions": questions, "paragraphs": [CONTEXT]}), encoding="utf-8")
    dataset = read_dataset([path], repair=THRESHOLD)
    assert [record.span for record in dataset] == [Answer("北部", 32)] * 3
    rule = "answer_start + length - 1"
    assert dataset.repairs == (
        Repair(str(path), "0", "answer_end", 34, 33, rule),
        Repair(str(path), "1", "answer_start", 34, 32, "its only place, -2"),
        Repair(str(path), "1", "answer_end", 35, 33, rule),
    )


def test_nothing_in_published_files_is_changed(real_data: Path):
    files = ("drcd/DRCD_dev.json", "cmrc2018/cmrc2018_dev.json", "squad2-zh/dev-v2.0-zh.json", "adl2022/train.json")
    for file in files:
        as_read = read_dataset([real_data / file], lenient=True)
        repaired = read_dataset([real_data / file], lenient=True, repair=THRESHOLD)
        changed = {change.record for change in repaired.repairs}
        kept = {record.id: record for record in repaired}
        assert all(kept[record.id] == record for record in as_read)
        assert changed.isdisjoint(record.id for record in as_read)
