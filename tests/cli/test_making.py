"""The installed command makes questions and a tokenizer from texts alone, and a model learns and reads with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qakit.data.schemas import read_dataset

QAKIT = str(Path(sys.executable).with_name("qakit"))
TEXT = "國立臺灣大學成立於1928年，位於臺北市。\r\n\r\n校長傅斯年在德國讀書，後來寫了《性命古訓辨證》。\r\n"
SIZES = {"hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
TINY = [word for name, size in SIZES.items() for word in ("--set", f"model.{name}={size}")]


def run(folder: Path, *command: object, code: int = 0, **variables: str) -> tuple[str, str]:
    """What a command prints, on standard output and on standard error, when it ends with `code`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, check=False
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, err
    assert "Traceback" not in err
    return out, err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "臺大.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    return tmp_path


def test_questions_are_the_same_in_every_process(folder: Path):
    command = (QAKIT, "preprocess", "臺大.txt", "--to", "cloze", "--questions", 6, "--json", "--seed", 3, "--out")
    out, err = run(folder, *command, "a", PYTHONHASHSEED="1")
    run(folder, *command, "b", PYTHONHASHSEED="2")
    made = read_dataset([folder / "a" / "cloze.json"])
    report = json.loads(out)
    assert report["files"] == ["a/cloze.json"]
    assert report["report"]["cloze"]["questions"] == len(made) > 6
    assert err == "wrote a/cloze.json\n"
    assert (folder / "a" / "cloze.json").read_bytes() == (folder / "b" / "cloze.json").read_bytes()


def test_a_model_is_trained_on_texts_alone_and_reads(folder: Path):
    out, _ = run(folder, QAKIT, "preprocess", "臺大.txt", "--to", "tokenizer", "--vocabulary", 400, "--out", "made")
    assert out.split() == ["tokenizer", "paragraphs", "2", "entries", "400"]
    run(folder, QAKIT, "preprocess", "臺大.txt", "--to", "cloze", "--quiet", "--out", "made")
    toy = ("--from-scratch", "--model", "roformer", *TINY, "--max-steps", 2, "--batch-size", 4, "--max-length", 64)
    data = ("--train", "made/cloze.json", "--tokenizer", "made/tokenizer", "--match-length", 2, "--out", "run")
    run(folder, QAKIT, "train-qa", *data, *toy)
    model = json.loads((folder / "run" / "best" / "config.json").read_text(encoding="utf-8"))
    assert (model["model_type"], model["vocab_size"], model["type_vocab_size"]) == ("roformer", 400, 4)
    question = ("-q", "臺大成立於哪年？", "-c", TEXT.split("\r\n", maxsplit=1)[0], "--json")
    out, _ = run(folder, QAKIT, "predict", "--model", "run", *question)
    ((answer,),) = json.loads(out)["answers"].values()
    assert answer["text"]
    assert answer["text"] in TEXT


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["臺大.txt", "--to", "cloze"], 2, "--to cloze makes files: give --out"),
        (["臺大.txt", "--to", "cloze", "--out", "o", "--split", "0.8,0.1,0.1"], 2, "does not go with --split"),
        (["臺大.txt", "--to", "cloze", "--out", "o", "--set", "cloze.drop=1"], 2, "cloze.drop"),
        (["臺大.txt", "--to", "cloze", "--out", "o", "--questions", "-1"], 2, "cloze.questions"),
        (["臺大.txt", "--to", "cloze", "--out", "o", "--questions", "0"], 2, "cloze.questions is 0"),
        (["臺大.txt", "--lenient", "--out", "o"], 3, "is plain text, without questions: --to cloze generates some"),
        (["臺大.txt", "--to", "tokenizer", "--out", "o", "--vocabulary", "9"], 2, "vocabulary"),
        ([".", "--to", "cloze", "--out", "o"], 3, "Is a directory"),
        (["big5.txt", "--to", "cloze", "--out", "o"], 3, "big5.txt: whole file: encoding: byte 0xbb in line 1"),
        (["臺大.txt", "--to", "jsonl", "--out", "o"], 3, "臺大.txt: whole file: "),
    ],
)
def test_wrong_use_is_told_and_nothing_is_written(arguments: list[str], code: int, words: str, folder: Path):
    (folder / "big5.txt").write_bytes("臺".encode("big5"))
    out, err = run(folder, QAKIT, "preprocess", *arguments, code=code)
    assert out == ""
    assert words in err
    assert not (folder / "o").exists()


@pytest.mark.parametrize(("package", "to"), [("rjieba", "cloze"), ("opencc", "cloze"), ("opencc", "tokenizer")])
def test_a_missing_package_is_named_with_what_to_install(package: str, to: str, folder: Path):
    code = f"import sys; sys.modules[{package!r}] = None; from qakit.cli import main; main()"
    command = (sys.executable, "-c", code, "preprocess", "臺大.txt", "--to", to, "--out", "o")
    out, err = run(folder, *command, code=2)
    assert out == ""
    assert package in err
    assert "pip install 'qakit[text]'" in err
    assert not (folder / "o").exists()
