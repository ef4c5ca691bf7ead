"""One question at the terminal: where its text comes from, how its answer looks, and one question after another."""

import contextlib
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled
from typer.testing import CliRunner

from qakit.cli import app
from qakit.cli.console import wrapped
from qakit.cli.terminal import answer_view, read_given, show_answer
from qakit.data.predictions import PredictedAnswer
from qakit.errors import DataError
from tests.runs.models import save_reader

QAKIT = str(Path(sys.executable).with_name("qakit"))
CONTEXT = "《國富論》是亞當斯密寫的，一七七六年出版。"
HOSTILE = "\x1b[31m紅[/x][bold]\x9b\u202e[link=http://x]\u2066\x1b]0;甲\x07\x00:smile:"
SHOWN = "\\x1b[31m紅[/x][bold]\\x9b\\u202e[link=http://x]\\u2066\\x1b]0;甲\\x07\\x00:smile:"
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
STYLE = re.compile("\x1b\\[[0-9;]*m")
NOTHING = PredictedAnswer("", 0, 0, 1.0, 0.0)


def found(text: str, context: str = CONTEXT, probability: float = 0.5) -> PredictedAnswer:
    start = context.index(text)
    return PredictedAnswer(text, start, start + len(text), 1.0, probability)


def seen(answers: Sequence[PredictedAnswer], context: str = CONTEXT) -> str:
    return answer_view(answers, context, styled=False).plain


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def printed(
    monkeypatch: pytest.MonkeyPatch, kind: type[io.TextIOWrapper], answers: Sequence[PredictedAnswer], context: str
) -> str:
    """What `show_answer` sends to a terminal, or to a file."""
    monkeypatch.setenv("COLUMNS", "400")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", kind(io.BytesIO(), encoding="ascii"))
        show_answer(answers, context, quiet=False)
        written: bytes = sys.stdout.buffer.getvalue()
    return written.decode()


def predict(*arguments: object, code: int = 0, stdin: bytes = b"") -> tuple[str, str]:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)], input=stdin)
    assert result.exit_code == code, result.stderr
    return result.stdout, result.stderr


# Where the text comes from


@pytest.mark.parametrize(("argument", "text"), [("甲@乙", "甲@乙"), ("@@甲", "@甲"), ("@@@", "@@"), ("-甲", "-甲")])
def test_a_text_may_be_given_itself(argument: str, text: str):
    assert read_given(argument) == (text, ())


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_text_may_come_from_a_file_or_from_standard_input(
    mark: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    raw = mark + "甲\r\n\r\n　乙\n".encode()
    (tmp_path / "文").write_bytes(raw)
    assert read_given(f"@{tmp_path / '文'}") == ("甲\r\n\r\n　乙\n", (tmp_path / "文",))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="ascii"))
    assert read_given("-") == ("甲\r\n\r\n　乙\n", ())


@pytest.mark.parametrize(("raw", "words"), [(b" \n", "is empty"), (b"\xa5\xd2", "UTF-8"), (None, "is closed")])
def test_standard_input_without_a_text_is_told(raw: bytes | None, words: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", raw if raw is None else io.TextIOWrapper(io.BytesIO(raw)))
    with pytest.raises(DataError, match=f"standard input: .*{words}"):
        read_given("-")


# How an answer looks


def test_an_answer_stands_above_its_place_in_the_context():
    assert seen([found("亞當斯密", probability=0.1236)]) == (
        "亞當斯密  (probability 0.124)\n\n《國富論》是【亞當斯密】寫的，一七七六年出版。"
    )


def test_several_answers_are_numbered_and_the_best_is_marked():
    assert seen([found("斯密"), found("一七七六年", probability=0.25)]).splitlines() == [
        "1. 斯密  (probability 0.500)",
        "2. 一七七六年  (probability 0.250)",
        "",
        "《國富論》是亞當【斯密】寫的，一七七六年出版。",
    ]


@pytest.mark.parametrize("answers", [(), (NOTHING,)])
def test_no_answer_is_said_so(answers: tuple[PredictedAnswer, ...]):
    assert seen(answers) == f"no answer\n\n{CONTEXT}"


def test_no_answer_may_lead_a_list():
    assert seen([NOTHING, found("斯密")]) == f"1. no answer\n2. 斯密  (probability 0.500)\n\n{CONTEXT}"


@pytest.mark.parametrize(
    ("context", "marked"),
    [("甲乙", "【甲】乙"), ("甲【乙】", "〖甲〗【乙】"), ("甲】〗", "⟦甲⟧】〗"), ("甲【〖⟦", "⟦甲⟧【〖⟦")],
)
def test_the_marks_are_brackets_that_the_context_does_not_have(context: str, marked: str):
    assert seen([found("甲", context)], context).splitlines()[-1] == marked


def test_line_ends_of_any_kind_are_shown_as_such_and_an_answer_has_one_line():
    context = "\r\n甲\r\n乙\r\n丙\n"
    lines = seen([found("甲\r\n乙", context)], context).splitlines()
    assert lines == ["甲 乙  (probability 0.500)", "", "【甲", "乙】", "丙"]


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 700))
def test_a_long_context_is_shown_around_the_span(before: int, after: int, length: int):
    context = "前" * before + "答" * length + "後" * after
    text = seen([PredictedAnswer("答" * length, before, before + length, 0.0, 0.5)], context).split("\n")[-1]
    first, span, last = re.fullmatch("(…?前*)【(答+)】(後*…?)", text).groups()
    kept = [first.count("前"), last.count("後")]
    assert len(span) == length
    assert (first[:1] == "…", last[-1:] == "…") == (kept[0] < before, kept[1] < after)
    assert sum(kept) + length == min(len(context), max(600, length))
    if min(before, after) > 300:  # then no side is short
        assert abs(kept[0] - kept[1]) <= 1


@pytest.mark.parametrize(("kind", "is_styled"), [(Terminal, True), (io.TextIOWrapper, False)])
def test_what_texts_hold_has_no_effect(kind: type[io.TextIOWrapper], is_styled: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    context = f"{HOSTILE}答{HOSTILE}"
    text = printed(monkeypatch, kind, [found(f"答{HOSTILE}", context)], context)
    assert bool(STYLE.search(text)) is is_styled
    bare = STYLE.sub("", text)
    assert not CONTROLS.search(bare)
    assert ("".join(bare.split()).replace("【", "").replace("】", "")) == (
        f"答{SHOWN}(probability0.500){SHOWN}答{SHOWN}"
    )


@pytest.mark.parametrize(
    ("variables", "span"),
    [
        ({"TERM": "xterm-256color"}, "\x1b[1;7;32m亞當斯密\x1b[0m"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "\x1b[1;7m亞當斯密\x1b[0m"),
        ({"TERM": "dumb"}, "【亞當斯密】"),
    ],
)
def test_a_terminal_gets_the_styles_it_wants(variables: dict[str, str], span: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    text = printed(monkeypatch, Terminal, [found("亞當斯密")], CONTEXT)
    assert text.splitlines()[-1] == f"《國富論》是{span}寫的，一七七六年出版。"


def test_forced_colours_do_not_reach_a_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in printed(monkeypatch, io.TextIOWrapper, [found("亞當斯密")], CONTEXT)


# Lines


@given(st.text(alphabet="甲。「」，ab \t1x-\n（）é\u0301😀", max_size=80), st.integers(2, 30))
def test_lines_fit_and_lose_nothing_but_white_space(text: str, width: int):
    result = wrapped(Text(text), width).plain
    assert max(cell_len(line) for line in result.split("\n")) <= width
    assert "".join(result.split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("甲乙丙丁戊", ["甲乙丙丁", "戊"]),
        ("甲乙丙丁。戊", ["甲乙丙", "丁。戊"]),
        ("甲乙丙（丁）", ["甲乙丙", "（丁）"]),
        ("甲 two three", ["甲 two", "three"]),
        ("甲乙two乙", ["甲乙two", "乙"]),
        ("a hundredfold", ["a", "hundredf", "old"]),
        ("甲乙丙 \n\n 丁", ["甲乙丙", "", " 丁"]),
    ],
)
def test_lines_end_where_people_would_end_them(text: str, lines: list[str]):
    assert wrapped(Text(text), 8).plain.split("\n") == lines


def test_styles_stay_with_their_characters():
    styled = wrapped(Text.assemble("甲乙", ("丙丁戊", "bold"), "己"), 6)
    assert [(styled.plain[span.start : span.end], span.style) for span in styled.spans if span.start < span.end] == [
        ("丙", "bold"),
        ("丁戊", "bold"),
    ]


# The command


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tiny reader that knows of questions without an answer, and loads without a bar, as `main` has it."""
    was_shown = is_progress_bar_enabled()
    disable_progress_bar()
    yield save_reader(tmp_path_factory.mktemp("reader"), answers_null=True)
    if was_shown:
        enable_progress_bar()


def test_one_question_is_answered_for_people_for_scripts_and_for_programs(reader: str, tmp_path: Path):
    (tmp_path / "甲").write_text(CONTEXT, encoding="utf-8")
    command = ("--model", reader, "-q", "誰？", "--null-threshold", 1000)
    out, err = predict(*command, "-c", f"@{tmp_path / '甲'}", "--nbest", 2)
    numbered, second, _, context = out.splitlines()
    answer = re.fullmatch(r"1\. (.+)  \(probability 0\.\d{3}\)", numbered)[1]
    assert second.startswith("2. ")
    assert context.replace("【", "").replace("】", "") == CONTEXT
    assert f"【{answer}】" in context
    assert err == ""
    assert predict(*command, "-c", "-", "--quiet", stdin=CONTEXT.encode()) == (f"{answer}\n", "")
    out, err = predict(*command, "-c", CONTEXT, "--json")
    assert json.loads(out)["answers"]["question"][0]["text"] == answer
    assert err.endswith("1 question answered\n")
    out, _ = predict(*command, "-c", CONTEXT, "--format", "squad")
    assert json.loads(out) == {"question": answer}


def test_a_model_that_sees_no_answer_says_so(reader: str):
    command = ("--model", reader, "-q", "誰？", "-c", CONTEXT, "--null-threshold", -1000)
    assert predict(*command) == (f"no answer\n\n{CONTEXT}\n", "")
    assert predict(*command, "--quiet") == ("\n", "")
    out, _ = predict(*command, "--nbest", 2)
    assert [line[:3] for line in out.splitlines()[:2]] == ["1. ", "2. "]


def test_the_file_of_a_text_is_not_written_over(reader: str, tmp_path: Path):
    file = tmp_path / "甲.csv"
    file.write_text(CONTEXT, encoding="utf-8")
    _, err = predict("--model", reader, "-q", "誰？", "-c", f"@{file}", "--out", file, code=2)
    assert "is an input" in err
    assert file.read_text(encoding="utf-8") == CONTEXT


def test_questions_are_answered_one_after_the_other(reader: str):
    lines = "\n 誰寫的？ \r\n\n".encode() + b"\xa5\xd2\n" + "哪年出版？".encode()
    command = ("--model", reader, "--interactive", "-c", CONTEXT, "--null-threshold", 1000)
    out, err = predict(*command, "-q", "甚麼書？", stdin=lines)
    questions = [line for line in out.splitlines() if line.startswith("? ")]
    assert questions[:2] + questions[3:] == ["? 甚麼書？", "? 誰寫的？", "? 哪年出版？"]
    assert out.count("(probability ") == out.count("【") == 3
    assert err == "error: command line: question: encoding: is not UTF-8; give it as UTF-8\n"
    quiet, _ = predict(*command, "--quiet", stdin="誰寫的？\n哪年出版？\n".encode())
    single, _ = predict("--model", reader, "-q", "哪年出版？", "-c", CONTEXT, "--null-threshold", 1000, "--quiet")
    assert quiet.splitlines()[1] == single.rstrip("\n")
    assert len(quiet.splitlines()) == 2


def test_an_interrupt_ends_the_questions():
    command = [QAKIT, "predict", "--interactive", "-c", CONTEXT, "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        process.stdin.write("《國富論》是誰寫的？\n".encode())
        process.stdin.flush()
        answer = process.stdout.readline().decode()  # at once, not when its input ends
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)
    assert answer == "亞當斯密\n"
    assert (process.returncode, *rest) == (130, b"", b"")


def test_a_conversation_on_a_terminal_has_a_prompt_and_styles():
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    environment |= {"TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
    command = [QAKIT, "predict", "--interactive", "-c", CONTEXT]
    typed = ["《國富論》是誰寫的？\n".encode(), b"\x04"]
    text = b""
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # how Linux says that the other side is closed
            while select.select([ours], [], [], 60)[0]:
                text += os.read(ours, 10_000)
                if typed and text.endswith(b"? "):
                    os.write(ours, typed.pop(0))
        process.kill()  # where it has not ended by itself
    os.close(ours)
    shown = text.decode()
    assert process.returncode == 0
    assert shown.count("? ") == 2
    assert "\x1b[1;32m亞當斯密\x1b[0m  (probability 0." in shown
    assert "《國富論》是\x1b[1;7;32m亞當斯密\x1b[0m寫的，一七七六年出版。" in shown
    assert "Traceback" not in shown
