"""A corpus: which files of a folder it reads, what it says of the others, and which passages it lists."""

import json
from pathlib import Path

import pytest

from qakit.data.corpus import Corpus
from qakit.errors import ConfigError, DataError, RecordError
from tests.data.samples import save, squad


def texts_of(corpus: Corpus) -> list[str]:
    return [passage.text for passage in corpus.passages]


def problems_of(*paths: Path, lenient: bool = False) -> list[tuple[str, str]]:
    with pytest.raises(DataError) as caught:
        Corpus.read(*paths, lenient=lenient)
    return [(Path(problem.file).name, problem.message) for problem in caught.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Texts of every kind, a picture, and what is hidden."""
    notes = tmp_path / "notes"
    (notes / "deep" / "er").mkdir(parents=True)
    (notes / ".git").mkdir()
    save(notes / "b.txt", "乙一。\n乙二。")
    save(notes / "deep" / "a.md", "甲。")
    save(notes / "deep" / "er" / "c.json", squad("丙。", []))
    save(notes / "d.JSONL", json.dumps({"id": 7, "title": "丁文", "text": "丁。"}, ensure_ascii=False))
    save(notes / "e.csv", "text\n戊。\n甲。\n")
    (notes / "picture.png").write_bytes(b"\x89PNG")
    save(notes / ".hidden.txt", "隱。")
    save(notes / ".git" / "config.txt", "隱。")
    return notes


def test_a_folder_gives_the_texts_of_all_files_below_it_each_once(folder: Path):
    corpus = Corpus.read(folder)
    assert texts_of(corpus) == ["乙一。", "乙二。", "丁。", "甲。", "丙。", "戊。"]
    found = {passage.text: passage for passage in corpus.passages}
    assert found["乙二。"].file == folder / "b.txt"
    assert [found[text].document for text in ("乙一。", "丁。", "丙。", "戊。")] == ["b", "丁文", "t", "e.csv"]
    assert corpus.files == [folder / name for name in ("b.txt", "d.JSONL", "deep/a.md", "deep/er/c.json", "e.csv")]
    assert corpus.notes == (
        "6 passages of 5 files",
        f"1 file neither text nor data, passed over: {folder / 'picture.png'}",
    )


def test_a_file_in_a_folder_that_is_given_too_is_read_once(folder: Path):
    assert texts_of(Corpus.read(folder, folder / "b.txt")) == texts_of(Corpus.read(folder))
    assert texts_of(Corpus.read(str(folder / "b.txt"), folder / "e.csv")) == ["乙一。", "乙二。", "戊。", "甲。"]


def test_files_that_cannot_be_read_are_all_named_or_left_out_when_asked(folder: Path):
    (folder / "f.txt").write_bytes(b"\xff\xfe\x00\x01")
    (folder / "g.txt").write_bytes("甲。\n臺灣".encode("big5"))
    (folder / "h.txt").write_bytes(b"")
    save(folder / "i.csv", "a,b\n1,2\n")
    problems = problems_of(folder)
    assert [name for name, _ in problems] == ["f.txt", "g.txt", "h.txt", "i.csv"]
    assert all("--lenient leaves such files of a folder out" in message for _, message in problems)
    corpus = Corpus.read(folder, lenient=True)
    assert len(corpus.passages) == 6
    assert corpus.notes[:2] == (
        "6 passages of 5 files",
        "4 files could not be read: "
        + ", ".join(str(folder / f"{name}") for name in ("f.txt", "g.txt", "h.txt", "i.csv")),
    )
    assert problems_of(folder / "h.txt", lenient=True) == [("h.txt", "is empty")]


def test_a_folder_without_a_text_and_a_file_that_is_none_are_told(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (name, message), (other, words) = problems_of(tmp_path / "empty", tmp_path / "a.pdf")
    assert (name, other) == ("empty", "a.pdf")
    assert message.startswith("holds no file that ends in .txt, .md, .json")
    assert words.startswith("ends in none of .txt")
    assert [name for name, _ in problems_of(tmp_path / "absent")] == ["absent"]
    with pytest.raises(ConfigError, match="at least one"):
        Corpus.read()


def test_a_folder_of_which_nothing_is_left_is_told(tmp_path: Path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_bytes(b"\xff")
    assert problems_of(tmp_path / "notes", lenient=True) == [
        ("a.txt", "no passage was found in this file or any other")
    ]


def test_the_nearest_passages_are_listed_by_text_and_title():
    corpus = Corpus.of([("望遠鏡", "口徑二公尺。"), "夜市賣米糕。", "山頂有天文台。"])
    assert [passage.text for passage, _ in corpus.shortlist("天文台的望遠鏡", 2)] == ["山頂有天文台。", "口徑二公尺。"]


def test_passages_that_share_nothing_are_listed_in_small_corpora_only():
    corpus = Corpus.of(["甲乙", "丙丁", "戊己"])
    assert [passage.text for passage, _ in corpus.shortlist("丙丁", 2)] == ["丙丁"]
    assert corpus.shortlist("何處？", 2) == []
    assert [passage.text for passage, _ in corpus.shortlist("丙丁", 3)] == ["丙丁", "甲乙", "戊己"]


def test_texts_given_in_python_are_kept_once_and_must_say_something():
    assert texts_of(Corpus.of(["甲", ("題", "乙"), "甲"])) == ["甲", "乙"]
    with pytest.raises(RecordError, match="text 1: is empty"):
        Corpus.of(["甲", " "])
    with pytest.raises(ConfigError, match="at least one text"):
        Corpus.of([])
