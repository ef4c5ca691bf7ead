"""`predict --corpus` as a user runs it: shown, in files, as JSON, one question after another, and refused."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled
from typer.testing import CliRunner

from qakit.cli import app
from qakit.cli.terminal import found_view
from qakit.data.corpus import Passage
from qakit.data.predictions import PredictedAnswer
from qakit.data.records import Paragraph
from qakit.tasks.questions.search import Found
from tests.runs.models import save_reader, save_selector

TEXTS = {"書.txt": "《國富論》是亞當斯密寫的。\n一七七六年出版。", "deep/校.txt": "學校位於臺北市。\n校長姓林。"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tiny reader that knows of questions without an answer, and loads without a bar, as `main` has it."""
    was_shown = is_progress_bar_enabled()
    disable_progress_bar()
    yield save_reader(tmp_path_factory.mktemp("reader"), answers_null=True)
    if was_shown:
        enable_progress_bar()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes" / "deep").mkdir(parents=True)
    for name, text in TEXTS.items():
        (tmp_path / "notes" / name).write_text(text, encoding="utf-8")
    (tmp_path / "notes" / "x.png").write_bytes(b"\x89")
    return tmp_path / "notes"


def predict(*arguments: object, code: int = 0, stdin: str = "") -> tuple[str, str]:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)], input=stdin.encode())
    assert result.exit_code == code, result.stderr
    return result.stdout, result.stderr


def asked(reader: str, *more: object) -> tuple[object, ...]:
    return ("--model", reader, "--null-threshold", 1000, *more)


def test_one_question_is_answered_with_its_document_and_passage(reader: str, notes: Path):
    out, err = predict(*asked(reader, "-q", "學校在哪裡？", "--corpus", notes, "--shortlist", 1))
    answer, _, document, passage = out.splitlines()
    text = re.fullmatch(r"(.+)  \(probability 0\.\d{3}\)", answer)[1]
    assert document == f"校 ({notes / 'deep' / '校.txt'}, 校-0)"
    assert passage.replace("【", "").replace("】", "") == "學校位於臺北市。"
    assert f"【{text}】" in passage
    assert err.splitlines() == [
        "4 passages of 2 files",
        f"1 file neither text nor data, passed over: {notes / 'x.png'}",
    ]
    quiet = asked(reader, "-q", "學校在哪裡？", "--corpus", notes, "--shortlist", 1, "--quiet")
    assert predict(*quiet) == (f"{text}\n", "")
    several, _ = predict(*asked(reader, "-q", "學校在哪裡？", "--corpus", notes, "--nbest", 3))
    assert [
        re.match(r"(\d)\. .+  \(probability 0\.\d{3}\)  [書校]$", line)[1] for line in several.splitlines()[:3]
    ] == [
        "1",
        "2",
        "3",
    ]


def test_json_and_nbest_files_tell_document_and_offsets(reader: str, notes: Path, tmp_path: Path):
    command = asked(reader, "-q", "誰寫了《國富論》？", "--corpus", notes, "--nbest", 2)
    out, _ = predict(*command, "--json", "--nbest-out", tmp_path / "n.json")
    answers = json.loads(out)["answers"]
    assert answers == json.loads((tmp_path / "n.json").read_text(encoding="utf-8"))
    assert len(answers["question"]) == 2
    for answer in answers["question"]:
        assert answer["context"][answer["start"] : answer["end"]] == answer["text"] != ""
        assert answer["file"] == str(notes / ("書.txt" if answer["document"] == "書" else "deep/校.txt"))
        assert answer["passage"].startswith(answer["document"] + "-")


def test_questions_of_a_file_need_no_texts_and_predictions_are_as_ever(reader: str, notes: Path, tmp_path: Path):
    rows = [{"id": "a", "question": "校長姓什麼？"}, {"id": "b", "question": "何處？"}]
    data, out = tmp_path / "q.jsonl", tmp_path / "p.csv"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    _, err = predict(*asked(reader, "--data", data, "--corpus", notes, "--shortlist", 2, "--out", out))
    with open(out, encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["id"] for row in written] == ["a", "b"]
    assert written[0]["answer"]
    assert written[1]["answer"] == ""  # nothing is near
    assert "4 passages of 2 files" in err
    assert "2 questions answered; 1 answer is empty" in err
    shown, _ = predict(*asked(reader, "-q", "何處？", "--corpus", notes, "--shortlist", 2))
    assert shown == "no answer\n\nno passage shares two characters in a row with the question\n"


def test_a_selector_chooses_from_the_shortlist(reader: str, notes: Path, tmp_path: Path):
    selector = save_selector(tmp_path / "select")
    out, _ = predict(*asked(reader, "--selector", selector, "-q", "學校在哪裡？", "--corpus", notes, "--json"))
    (answer,) = json.loads(out)["answers"]["question"]
    assert answer["context"] in "".join(TEXTS.values())


def test_a_reader_that_sees_no_answer_says_so(reader: str, notes: Path):
    out, _ = predict("--model", reader, "--null-threshold", -1000, "-q", "學校在哪裡？", "--corpus", notes)
    assert out == "no answer\n"


def test_a_corpus_is_asked_one_question_after_the_other(reader: str, notes: Path):
    command = asked(reader, "--interactive", "--corpus", notes, "-q", "誰寫了《國富論》？")
    out, err = predict(*command, stdin="學校在哪裡？\n\n校長姓什麼？\n")
    questions = [line for line in out.splitlines() if line.startswith("? ")]
    assert questions == ["? 誰寫了《國富論》？", "? 學校在哪裡？", "? 校長姓什麼？"]
    assert out.count("(probability ") == out.count("【") == 3
    assert err.count("4 passages of 2 files") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-q", "誰？", "-c", "甲"], 2, "--corpus and --text (-c) both say where to look; give one of them"),
        ([], 2, "--corpus: give --data FILE, or --question"),
        (["-q", "誰？", "--data", "a.jsonl"], 2, "--corpus: give --data FILE, or --question"),
        (["-q", "誰？", "--scores", "s.parquet"], 2, "--corpus does not go with --scores"),
        (["--interactive", "--json"], 2, "--interactive shows its answers as they come"),
        (["-q", " "], 3, "question: is empty"),
        (["-q", "誰？", "--shortlist", "0"], 2, "shortlist"),
        (["--data", "a.jsonl", "--out", "p", "--part-size", "5"], 2, "--part-size does not go with --corpus"),
        (["-q", "誰？", "--out", "notes/書.txt", "--format", "csv"], 2, "is an input"),
    ],
)
def test_what_a_corpus_does_not_go_with_is_told(
    arguments: list[str], code: int, words: str, reader: str, notes: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(notes.parent)
    _, err = predict("--model", reader, "--corpus", "notes", *arguments, code=code)
    assert words in err


def test_an_empty_folder_is_told_before_a_model_is_loaded(tmp_path: Path):
    _, err = predict("--model", "none", "-q", "誰？", "--corpus", tmp_path, code=3)
    assert f"{tmp_path}: whole file: folder: holds no file that ends in .txt" in err


def test_what_passages_hold_has_no_effect():
    found = Found(
        PredictedAnswer("甲", 0, 1, 1.0, 0.5), Passage(Paragraph("i\x1b", "甲[/x]\x1b[31m", "題\n[bold]\x1b"))
    )
    assert found_view([found], styled=False).plain.splitlines() == [
        "甲  (probability 0.500)",
        "",
        "題 [bold]\\x1b (i\\x1b)",
        "【甲】[/x]\\x1b[31m",
    ]
