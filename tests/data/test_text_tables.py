"""Tables and lists of texts, which nobody has asked anything yet."""

import json
from pathlib import Path

import pytest

from qakit.data.records import Paragraph
from qakit.data.texts import LONGEST_PARAGRAPH, FileTexts, read_text_table, read_texts
from qakit.errors import DataError
from qakit.io import write_parquet
from tests.data.samples import save, squad

TWO = FileTexts((Paragraph("a", "甲。", "題"), Paragraph("1", "乙。")))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"id": "a", "title": "題", "text": "甲。"}\n{"context": "乙。"}\n'),
        ("a.jsonl", '{"_id": "a", "title": "題", "text": "甲。", "url": 1}\n{"text": "乙。", "title": null}\n'),
        ("a.json", [{"id": "a", "title": "題", "text": "甲。"}, "乙。"]),
    ],
)
def test_texts_come_with_their_ids_and_titles(name: str, content: object, tmp_path: Path):
    assert read_text_table(save(tmp_path / name, content)) == TWO


def test_a_parquet_table_and_adls_list_of_texts_are_read(tmp_path: Path):
    write_parquet(tmp_path / "a.parquet", {"title": ["題", ""], "text": ["甲。", "乙。"], "id": ["a", "1"]})
    assert read_text_table(tmp_path / "a.parquet") == TWO
    found = read_texts([save(tmp_path / "context.json", ["甲。", "乙。"])]).paragraphs
    assert found == (Paragraph("0", "甲。"), Paragraph("1", "乙。"))


def test_a_single_object_or_string_is_one_text(tmp_path: Path):
    one = FileTexts((Paragraph("0", "甲。"),))
    assert read_text_table(save(tmp_path / "a.json", {"text": "甲。"})) == one
    assert read_text_table(save(tmp_path / "b.json", '"甲。"')) == one


@pytest.mark.parametrize(
    "content", [squad("甲", []), {"title": "甲"}, [], [1, 2], 3, '{"question": "何？", "text": "甲"}\n\n{}']
)
def test_other_files_are_none(content: object, tmp_path: Path):
    assert read_text_table(save(tmp_path / "a.json", content)) is None


def test_bad_texts_are_named_or_left_out(tmp_path: Path):
    path = save(tmp_path / "a.jsonl", '{"text": "甲。"}\n{"text": " "}\n{"title": "乙"}\n{\n{"text": 3}\n')
    with pytest.raises(DataError) as caught:
        read_text_table(path)
    places = [(problem.record, problem.field) for problem in caught.value.problems]
    assert places == [("line 2", "text"), ("line 3", "text"), ("line 4", "JSON"), ("line 5", "text")]
    assert read_text_table(path, lenient=True) == FileTexts((Paragraph("0", "甲。"),), 4)
    assert read_texts([path], lenient=True).notes == ("4 bad records skipped",)


def test_a_long_text_is_cut_as_plain_text_is_and_a_short_one_stays_as_it_is(tmp_path: Path):
    long = "\n\n".join("句子在此。" * 150 for _ in range(3))
    path = save(tmp_path / "a.jsonl", json.dumps({"id": "a", "title": "題", "text": long}))
    found = read_texts([path]).paragraphs
    assert [(paragraph.id, paragraph.title) for paragraph in found] == [("a-0", "題")]  # its paragraphs are all alike
    assert len(found[0].text) == 750 <= LONGEST_PARAGRAPH
    short = "甲。\n\n　乙。"
    assert read_texts([save(path, json.dumps({"text": short}))]).paragraphs == (Paragraph("0", short),)
