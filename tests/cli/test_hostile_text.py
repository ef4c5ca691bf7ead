"""Hostile text in every field of what commands read, and in what is typed: a terminal shows it, and that is all."""

import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress
from transformers.utils.logging import disable_progress_bar, enable_progress_bar

from qakit.cli import app, console
from qakit.data.predictions import write_predictions
from qakit.io import csv_text, surrogate_fault, write_json, write_jsonl
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.spans.token_scores import TokenScores
from tests.hostile import HOSTILE
from tests.runs.models import save_reader, save_selector

TEXTS = tuple(text for text in HOSTILE if not surrogate_fault(text))  # the others are refused, and told of in messages
LIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ACTING = tuple(text for text in TEXTS if LIVE.search(text) or "[" in text)
NAMES = (*(text for text in TEXTS if not set(text) & set("/\x00")), "no utf-8 \udcff\udcfe")
STYLE = re.compile("\x1b\\[[0-9;]*m")
# Longer than a style of our own.
PIECES = {text[at : at + 6] for text in HOSTILE for at in range(len(text) - 5) if LIVE.match(text, at)}
MARKUP = {"rich[/bold red]": "rich", "[on red]:smile:": ":smile"}
QUESTION = {"question": "誰？"}


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of many colours and long lines, without bars, whose moves of the cursor are their own."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "4000", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("qakit.cli.progress.Progress", partial(Progress, disable=True))
    monkeypatch.setitem(console._state, "debug", False)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A reader and a selector in folders of hostile names; each is loaded once."""
    from qakit.tasks.questions import two_stage as loading

    folder = tmp_path_factory.mktemp("models")
    disable_progress_bar()
    loaded = cache(loading._load)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_load", loaded)
        yield save_reader(folder / "\x1b[31mred[x]"), save_selector(folder / "\u202e[bold]select")
    enable_progress_bar()


def printed(*arguments: object, kind: type[io.TextIOWrapper] = Terminal, stdin: str = "", code: int = 0) -> str:
    """What a command sends to the terminal, on both ways there."""
    ways = [kind(io.BytesIO(), encoding="utf-8", errors=errors) for errors in ("strict", "backslashreplace")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        patch.setattr(sys, "stdout", ways[0])
        patch.setattr(sys, "stderr", ways[1])
        with pytest.raises(SystemExit) as ended:
            app([str(argument) for argument in arguments])
        written = []
        for way in ways:
            way.flush()
            written.append(way.buffer.getvalue().decode())
    out = "".join(written)
    assert ended.value.code == code, out
    return out


def leaks(out: str) -> list[str]:
    """What is in the output and acts: pieces of hostile sequences, controls, and text that lost its markup."""
    found = [piece for piece in PIECES if piece in out]
    plain = STYLE.sub("", out)
    found += LIVE.findall(plain)
    return found + [word for whole, word in MARKUP.items() if plain.count(whole) != plain.count(word)]


def check(*arguments: object, expect: str = "", **options: Any) -> str:
    out = printed(*arguments, **options)
    assert leaks(out) == []
    assert expect in out
    return out


@pytest.mark.parametrize("out", ["\x1b[2J", "\x1b[31mred", "a\rb", "\u202e", "\x9b", "red \udcff", "rich", "\u200f"])
def test_the_check_sees_what_acts(out: str):
    assert leaks(f"\x1b[1;31merror: \x1b[0m{out}")
    assert not leaks("\x1b[1;31merror: \x1b[0m[bold red]rich[/bold red]\n")


def squad(path: Path, texts: Sequence[str] = TEXTS, **changes: Any) -> Path:
    """A question on each text, which is in the place of everything."""
    articles = [
        {
            "title": text,
            "paragraphs": [
                {
                    "context": text,
                    "qas": [{"id": text, "question": text, "answers": [{"text": text, "answer_start": 0, **changes}]}],
                }
            ],
        }
        for text in texts
    ]
    write_json(path, {"data": articles})
    return path


def rows(path: Path) -> Path:
    """The same, each with two candidates."""
    write_jsonl(
        path,
        (
            {
                "id": text,
                "question": text,
                "paragraphs": [text, f"{text}乙"],
                "paragraph_ids": [text, f"{text}乙"],
                "titles": [text, text],
                "relevant": 0,
                "answers": [{"text": text, "start": 0}],
            }
            for text in TEXTS
        ),
    )
    return path


def scores(path: Path, name: str = HOSTILE[0]) -> Path:
    def tokens(text: str) -> TokenScores:
        places = np.arange(len(text), dtype=np.int32)
        logits = np.zeros(len(text), dtype=np.float32)
        return TokenScores(logits, logits, places, places + 1, np.array([0, len(text)]))

    questions = [QuestionScores(text, text, 0, (), tokens(text)) for text in TEXTS]
    write_scores(path, questions, ScoresInfo("squad", name, 60))
    return path


def test_evaluate(tmp_path: Path):
    data = squad(tmp_path / "d.json")
    answers = dict(zip(TEXTS, [*TEXTS[1:], TEXTS[0]], strict=True))
    pred = tmp_path / f"{NAMES[-1]}.csv"
    write_predictions(answers, pred, "csv")
    other = scores(tmp_path / "\x1b[31m[bold red]rich[/bold red]\u202e.parquet")
    score = ["evaluate", "--data", data, "--pred", pred, "--compare", other, "--compare", pred]
    for kind in (Terminal, io.TextIOWrapper):  # a table that goes through `tee` or a pager reaches a terminal too
        check(*score, "--slices", "--details", "d.csv", "--report", "r.html", kind=kind, expect="compared with")
        check(*score, "--json", kind=kind, expect="[bold red]rich")
    check("evaluate", "--data", data, "--scores", other, "--slices", expect="em")


def test_evaluate_with_models(tmp_path: Path, models: tuple[str, str]):
    reader, selector = models
    command = ["evaluate", "--data", rows(tmp_path / "d.jsonl"), "--model", reader, "--selector", selector]
    check(*command, "--slices", expect="end-to-end")
    check(*command, "--json", expect='"em"')


def test_lint(tmp_path: Path):
    data = squad(tmp_path / "d.json")
    pred = tmp_path / "p.json"
    for first in range(0, len(HOSTILE), 3):  # so many of a kind are shown
        texts = HOSTILE[first : first + 3]
        pred.write_text(json.dumps({text + end: text.upper() + "," for text in texts for end in ("", "?")}), "utf-8")
        check("evaluate", "--lint", "--data", data, "--pred", pred, code=3, expect="errors")
        lines = (json.dumps({"id": text, "answer": [text]}) + "\n{" + ascii(text) + "\n" for text in texts)
        pred.write_text("".join(lines), "utf-8")
        check("evaluate", "--lint", "--data", data, "--pred", pred, code=3, expect="errors")
    pred = tmp_path / f"{NAMES[-1]}\x1b[2J.csv"
    rows = (f'{text}\t"{text}"\n' for text in TEXTS)
    pred.write_text(f"{TEXTS[0]},{TEXTS[1]}\n" + "".join(rows), encoding="utf-8", newline="")
    for form in ("hw7", "jsonl"):
        check("evaluate", "--lint", "--data", data, "--pred", pred, "--format", form, code=3, expect="errors")
        check("evaluate", "--lint", "--data", data, "--pred", pred, "--format", form, "--json", code=3)


def test_predict_from_files(tmp_path: Path, models: tuple[str, str]):
    reader, selector = models
    data = rows(tmp_path / "\x1b[2J[/x].jsonl")
    base = ["predict", "--model", reader, "--data", data]
    check(*base, expect="questions answered")
    check(*base, "--selector", selector, "--json", "--nbest", 2, expect='"answers"')
    for form in ("csv", "squad", "hw7", "jsonl"):
        check(*base, "--out", f"{NAMES[-1]}\x1b[2J.csv", "--format", form, expect="wrote ")
        check(*base, "--format", form)
    check(*base, "--part-size", 20, "--out", "\x1b[2J[/x]", expect="parts")


def test_one_question(tmp_path: Path, models: tuple[str, str]):
    base = ["predict", "--model", models[0]]
    for number, text in enumerate(ACTING):
        options = (["--nbest", 2], ["--quiet"], ["--json"], [])[number % 4]
        check(*base, "-q", text, "-c", f"甲{text}", *options)
    (tmp_path / "f").write_text("\n".join(text for text in ACTING if "rich" not in text), encoding="utf-8", newline="")
    questions = "\n".join(text for text in TEXTS if "\r" not in text)
    check(*base, "--interactive", "-c", "@f", stdin=questions)


def test_a_corpus(tmp_path: Path, models: tuple[str, str]):
    folder = tmp_path / "texts\x1b[2J[x]"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.txt").write_text(name.replace("\udcff\udcfe", "?"), encoding="utf-8", newline="")
    rows(folder / "rows.jsonl")
    (folder / "\u202e[x].png").touch()
    base = ["predict", "--model", models[0], "--corpus", folder, "--nbest", 2]
    questions = "\n".join(text for text in TEXTS if "\r" not in text)
    check(*base, "--interactive", stdin=questions, expect="window.pwned=1")
    check(*base, "--data", folder / "rows.jsonl", "--json", expect='"answers"')


def test_ensemble(tmp_path: Path):
    names = zip(NAMES[-7:-1], HOSTILE[::-1], strict=False)
    files = [scores(tmp_path / f"{name}.parquet", name=model) for name, model in names]
    data = squad(tmp_path / "d.json")
    for kind in (Terminal, io.TextIOWrapper):
        check("ensemble", *files, "--data", data, "--out", "\x1b[2J.csv", kind=kind, expect="ensemble over")
        check("ensemble", *files, "--data", data, "--json", kind=kind, expect='"report"')
    check("ensemble", *files, "--method", "vote", expect="questions answered")
    check("ensemble", *files, "--tune-scores", files[0], "--method", "greedy", "--tune-on", "x", code=2)
    check("ensemble", files[0], data, code=3, expect="not a readable parquet file")
    check("ensemble", files[0].rename(tmp_path / NAMES[-1]), code=3, expect="error: ")


def test_preprocess(tmp_path: Path):
    files = [squad(tmp_path / f"{name}.json", TEXTS[number : number + 2]) for number, name in enumerate(NAMES)]
    for kind in (Terminal, io.TextIOWrapper):
        check("preprocess", *files, "--to", "jsonl", "--out", "\x1b[2J[/x]", kind=kind, expect="questions")
        check("preprocess", *files[:4], *files[-4:], "--json", kind=kind, expect='"leakage"')
    for first in range(0, len(TEXTS), 5):  # so many are shown
        moved = squad(tmp_path / f"{first}.json", TEXTS[first : first + 5], answer_start=9)
        check("preprocess", moved, "--repair", "--out", "fixed", expect="repaired")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_messages_of_bad_data(text: str, tmp_path: Path):
    bad = {
        "a.jsonl": {"id": text, "question": text, "context": "甲", "answers": [{"text": text, "start": 0}]},
        "b.jsonl": {"id": text, "question": [text], "context": {text: text}},
        "c.jsonl": {"id": text, "question": text, "paragraphs": ["甲"], "paragraph_ids": [text, text], text: text},
        "d.json": {"data": [{"title": [text], "paragraphs": [{"context": text, "qas": [{"id": {text: 1}}]}]}]},
        "e.json": {text: text, "questions": text},
        "f.json": [{"id": text, "question": text, "paragraphs": [text], "relevant": text, "answer": {"text": text}}],
        "g.json": text,
    }
    for name, value in bad.items():
        (tmp_path / name).write_text(json.dumps(value) + f"\n{json.dumps(value)}" * name.endswith("l"), "utf-8")
    raw = text.encode("utf-8", "surrogatepass")
    (tmp_path / "h.json").write_bytes(b'{"data": ' + raw)
    (tmp_path / "i.csv").write_bytes(raw + b"," + raw + b"\n" + raw)
    for names in (list(bad)[:3], list(bad)[3:], ["h.json", "i.csv"]):  # the first 20 mistakes are shown
        check("preprocess", *names, code=3, expect="error: ")
    check("--debug", "preprocess", "a.jsonl", "i.csv", code=3, expect="Traceback")
    for name in ("a.jsonl", "i.csv"):
        check("evaluate", "--gold", name, "--pred", name, code=3, expect="error: ")


@pytest.mark.parametrize("text", [name for name in NAMES if LIVE.search(name) or "[" in name], ids=ascii)
def test_messages_of_what_is_typed(text: str, tmp_path: Path):
    (tmp_path / text).mkdir()
    question = ["-q", "誰？", "-c", "甲"]
    check(f"x{text}", code=2)
    check("evaluate", f"--x{text}", code=2)
    check("evaluate", f"x{text}", "y", code=2)
    check("predict", "--nbest", f"x{text}", code=2)
    check("ensemble", "s", "--weights", f"x{text}", code=2, expect="error: ")
    check("predict", "--set", f"decoding.{text}=1", code=2, expect="error: ")
    check("predict", "--set", f"inference.precision='{text}", code=2, expect="error: ")
    check("evaluate", "--metric", f"x{text}", code=2, expect="error: ")
    check("predict", "--format", f"x{text}", "--out", "p", "--data", f"x{text}", code=3, expect="error: ")
    check("predict", "--model", f"./{text}", *question, code=4, expect="error: ")
    check("predict", "--model", f"x/{text}?", *question, code=4, expect="error: ")
    check("--debug", "preprocess", f"./{text}", code=3, expect="Traceback")
    config = f"./{text}/{text}.yaml"
    Path(config).write_text(json.dumps({"decoding": {text: text}, text: [text]}), "utf-8")
    check("predict", "--config", config, *question, code=2, expect="error: ")


@pytest.mark.parametrize("json_too", [False, True])
def test_intents_and_tags(json_too: bool):
    """Predictions of which each is wrong, so that every text is among the confusions."""
    names = [text for text in TEXTS if text.strip()]
    intents = [{"id": str(row), "text": text, "intent": text} for row, text in enumerate(names)]
    write_json(Path("intent.json"), intents)
    Path("intent.csv").write_text(
        csv_text(("id", "intent"), ((str(row), names[row - 1]) for row in range(len(names)))), encoding="utf-8"
    )
    more = ["--json"] if json_too else []
    check("evaluate", "--pred", "intent.csv", "--data", "intent.json", *more)
    write_json(Path("broken.json"), [{**one, "intent": 5} for one in intents])
    check("evaluate", "--pred", "intent.csv", "--data", "broken.json", code=3)
