"""Plain text becomes paragraphs, data files give theirs, and a file that is neither is named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.records import Paragraph
from qakit.data.texts import LONGEST_PARAGRAPH, Texts, read_texts, sentences
from qakit.errors import DataError, Problem
from tests.data.samples import save, squad


def paragraphs_of(*paths: Path) -> list[str]:
    return [paragraph.text for paragraph in read_texts(paths).paragraphs]


def text_file(folder: Path, content: str | bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problem_of(*paths: Path) -> Problem:
    with pytest.raises(DataError) as caught:
        read_texts(paths)
    (problem,) = caught.value.problems
    return problem


# --- plain text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("甲。\n乙。\n丙。", ["甲。", "乙。", "丙。"]),
        ("甲。\n乙。\n\n", ["甲。", "乙。"]),
        ("\n\n甲。\n乙。", ["甲。", "乙。"]),
        ("甲。\n乙。\n\n丙。\n \t\n\n丁。\n", ["甲。 乙。", "丙。", "丁。"]),
        ("甲。\r\n乙。\r\n\r\n丙。\r\n", ["甲。 乙。", "丙。"]),
        ("甲。\r\n乙。\r\n", ["甲。", "乙。"]),
        ("甲。\r乙。", ["甲。", "乙。"]),
        ("\ufeff甲。\n乙。", ["甲。", "乙。"]),
        ("　　甲\u3000 乙。　\n", ["甲 乙。"]),
        ("甲。\n乙。\n甲。\n", ["甲。", "乙。"]),
        ("甲", ["甲"]),
        ("Latin only.\n🙂\x01\x1b\n", ["Latin only.", "🙂\x01\x1b"]),
    ],
)
def test_blank_lines_part_paragraphs_and_where_there_are_none_line_breaks(
    content: str, expected: list[str], tmp_path: Path
):
    assert paragraphs_of(text_file(tmp_path, content)) == expected


def test_the_paragraphs_of_a_text_are_numbered_and_have_its_name_as_title(tmp_path: Path):
    path = text_file(tmp_path, "甲。\n乙。\n", "臺灣 史.txt")
    assert read_texts([path]) == Texts(
        (Paragraph("臺灣 史-0", "甲。", "臺灣 史"), Paragraph("臺灣 史-1", "乙。", "臺灣 史")), (), ()
    )


def test_the_case_of_the_suffix_does_not_matter(tmp_path: Path):
    assert paragraphs_of(text_file(tmp_path, "甲。", "A.TXT")) == ["甲。"]


def test_a_long_paragraph_is_cut_at_the_ends_of_sentences(tmp_path: Path):
    lines = [f"第{number}句話說的是同一件事情而已！ " for number in range(1, 201)]
    block = "".join(lines).strip()
    assert len(block) > 3000
    pieces = paragraphs_of(text_file(tmp_path, block))
    assert " ".join(pieces) == block
    assert all(piece.endswith("！") for piece in pieces)
    assert all(LONGEST_PARAGRAPH - 20 < len(piece) <= LONGEST_PARAGRAPH for piece in pieces[:-1])


def test_a_sentence_is_never_cut(tmp_path: Path):
    long = "長" * 3000
    assert paragraphs_of(text_file(tmp_path, f"短。{long}。完。")) == ["短。", long + "。", "完。"]
    assert paragraphs_of(text_file(tmp_path, long)) == [long]


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        ("", "file", "is empty"),
        (" \r\n\t\n", "file", "is empty"),
        ("\u3000\n\u3000", "text", "the file has none"),
        ("甲。\n臺灣".encode("big5"), "encoding", "byte 0xa5 in line 1 is not UTF-8"),
        ("甲。\n".encode() + "臺灣".encode("big5"), "encoding", "byte 0xbb in line 2 is not UTF-8"),
        ("甲。".encode("utf-16"), "encoding", "is UTF-16"),
    ],
)
def test_a_text_that_cannot_be_read_is_named_with_what_is_wrong(
    content: str | bytes, field: str, words: str, tmp_path: Path
):
    path = text_file(tmp_path, content)
    problem = problem_of(path)
    assert (problem.file, problem.record, problem.field) == (str(path), "whole file", field)
    assert words in problem.message


@pytest.mark.parametrize("name", ["folder", "folder.txt", "folder.json", "folder.parquet"])
def test_a_folder_is_no_file(name: str, tmp_path: Path):
    (tmp_path / name).mkdir()
    problem = problem_of(tmp_path / name)
    assert problem.file == str(tmp_path / name)
    assert "Is a directory" in problem.message


@given(content=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60))
def test_no_character_but_white_space_is_lost(content: str, tmp_path_factory: pytest.TempPathFactory):
    path = text_file(tmp_path_factory.getbasetemp(), content.removeprefix("\ufeff"), "any.txt")
    try:
        found = read_texts([path]).paragraphs
    except DataError:
        assert not content.removeprefix("\ufeff").split()
        return
    kept = dict.fromkeys("".join(paragraph.text.split()) for paragraph in found)
    assert set("".join(kept)) == set("".join(content.removeprefix("\ufeff").split()))
    assert all(paragraph.text == " ".join(paragraph.text.split()) for paragraph in found)


# --- data files ------------------------------------------------------------------------------------------------------


def test_texts_and_data_files_are_read_together_each_paragraph_once(tmp_path: Path):
    row = {"id": "a", "question": "何？", "paragraphs": ["乙。", "丙。"], "relevant": 1}
    row["answers"] = [{"text": "丙", "start": 0}]
    files = [
        text_file(tmp_path, "甲。\n乙。"),
        save(tmp_path / "b.jsonl", json.dumps(row)),
        save(tmp_path / "c.json", squad("丁。", [])),
    ]
    texts = read_texts(files)
    assert [paragraph.text for paragraph in texts.paragraphs] == ["甲。", "乙。", "丙。", "丁。"]
    assert [record.id for record in texts.records] == ["a", "DEV_0_QUERY_0"]
    assert texts.notes == ()


def test_ids_may_stand_in_several_files(tmp_path: Path):
    files = [save(tmp_path / name, squad(name[0], [])) for name in ("a.json", "b.json")]
    assert [record.context for record in read_texts(files).records] == ["a", "b"]


def test_what_a_lenient_reader_left_out_is_counted_over_all_files(tmp_path: Path):
    good, bad = {"id": "a", "question": "何？", "context": "甲。"}, {"id": "b", "question": "", "context": "乙。"}
    lines = "\n".join(map(json.dumps, [good, bad]))
    files = [save(tmp_path / name, lines) for name in ("a.jsonl", "b.jsonl")]
    assert read_texts(files, lenient=True).notes == ("2 bad records skipped",)
    with pytest.raises(DataError):
        read_texts(files)


def test_all_mistakes_of_all_files_come_at_once(tmp_path: Path):
    files = [
        text_file(tmp_path, b"\xff", "a.txt"),
        text_file(tmp_path, "甲。", "good.txt"),
        save(tmp_path / "b.json", squad("甲", [{"text": "乙", "answer_start": 0}])),
        tmp_path / "absent.txt",
    ]
    with pytest.raises(DataError) as caught:
        read_texts(files)
    assert [Path(problem.file).name for problem in caught.value.problems] == ["a.txt", "b.json", "absent.txt"]


# --- sentences -------------------------------------------------------------------------------------------------------


@given(text=st.text(st.sampled_from("甲乙 a，。！？；!?;\n"), max_size=30) | st.text(max_size=30))
def test_sentences_are_the_whole_text_and_end_behind_their_mark(text: str):
    bounds = list(sentences(text))
    assert "".join(text[start:end] for start, end in bounds) == text
    assert all(start < end for start, end in bounds)
    assert all(text[end - 1] in "。！？；!?;\n" for _, end in bounds[:-1])
    assert not any(mark in text[start : end - 1] for start, end in bounds for mark in "。！？；!?;\n")
