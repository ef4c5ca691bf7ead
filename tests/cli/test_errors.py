"""Wrong input as users give it: the right exit code, a message that says what and where, and nothing written."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qakit import __version__
from qakit.cli import app, console
from qakit.data.predictions import write_predictions
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.spans.token_scores import TokenScores
from tests.runs.models import save_reader, save_selector

TRAIN = ["train-qa", "--train", "train.json", "--out", "run", "--model", "bert"]
HOSTILE = "\x1b[31m紅[/x][bold]\x9b"
QAKIT = str(Path(sys.executable).with_name("qakit"))


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(code: int, *arguments: object) -> str:
    """What the command says on standard error when it ends with `code` and prints nothing else."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not set(result.stderr) & set("\x1b\x9b")
    return result.stderr


def hw7(path: Path, *, start: int = 0, name: object = 0) -> Path:
    """A file of one question whose answer is the paragraph's first character."""
    question = {"id": name, "paragraph_id": 0, "question_text": "誰？", "answer_text": "甲"}
    value = {"questions": [{**question, "answer_start": start, "answer_end": start}], "paragraphs": ["甲乙丙" * 9]}
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def scores_file(path: Path) -> Path:
    places = np.arange(2, dtype=np.int32)
    logits = np.zeros(2, dtype=np.float32)
    question = QuestionScores(
        "1", "甲乙", 0, (), TokenScores(logits, logits, places, places + 1, np.array([0, len(places)]))
    )
    write_scores(path, [question], ScoresInfo("hw7", "model", 2))
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["preprocess", "壞的 資料.json", "--to", "squad", "--out", "run"],
        ["preprocess", "good.json", "壞的 資料.json", "--to", "squad", "--out", "run"],
        [*TRAIN, "--train", "壞的 資料.json", "--from-scratch"],
        ["train-select", "--train", "good.json", "--dev", "壞的 資料.json", "--model", "bert", "--out", "run"],
        ["predict", "--model", "none", "--data", "壞的 資料.json", "--out", "run.csv"],
        ["evaluate", "--pred", "p.csv", "--data", "壞的 資料.json", "--details", "run.csv"],
    ],
)
def test_bad_data_name_file_record_and_field_and_leave_nothing_behind(command: list[str], tmp_path: Path):
    for name in ("good.json", "train.json"):
        hw7(tmp_path / name, name=1)
    hw7(tmp_path / "壞的 資料.json", start=4)
    before = sorted(tmp_path.iterdir())
    message = refused(3, *command)
    assert "壞的 資料.json: questions[0] (id 0): answer_start: " in message
    assert "the context has it at 0, 3, 6" in message
    assert sorted(tmp_path.iterdir()) == before


def test_bad_predictions_are_not_said_to_be_left_out(tmp_path: Path):
    hw7(tmp_path / "good.json", name=1)
    (tmp_path / "p.json").write_text('{"1": ["甲"]}', encoding="utf-8")
    message = refused(3, "evaluate", "--pred", "p.json", "--data", "good.json", "--lenient")
    assert message.splitlines()[1:] == ["qakit evaluate --lint lists all that is wrong with a file of predictions"]
    hw7(tmp_path / "bad.json", start=4)
    assert "--lenient leaves bad records out" in refused(3, "evaluate", "--pred", "p.json", "--data", "bad.json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evalute"], "Did you mean 'evaluate'?"),
        (["predict", "--modle", "x"], "--model"),
        (["preprocess"], "INPUT..."),
        (["ensemble"], "SCORES..."),
        (["preprocess", "x", "--seed", "many"], "--seed"),
        (["preprocess", "x", "--split", "0.5"], "split.1: is needed"),
        (["preprocess", "x", "--negatives", "bm26"], "'bm25', 'article' or 'random', found 'bm26'"),
        (["preprocess", "x", "--to", "hw8"], "--to hw8: expected one of hw7, "),
        (["train-qa"], "--train (data.train): is needed"),
        ([*TRAIN, "--set", "training.lerning_rate=1"], "unknown setting (did you mean learning_rate?)"),
        ([*TRAIN, "--set", "training.epochs"], "expected KEY=VALUE"),
        ([*TRAIN, "--set", "training.epochs=[1"], "the value is not YAML"),
        ([*TRAIN, "--metric", "hw8"], "unknown metric 'hw8' (did you mean hw7?)"),
        ([*TRAIN, "--precision", "fp17"], "'fp32', 'bf16' or 'fp16', found 'fp17'"),
        ([*TRAIN, "--schedule", "lineer"], "found 'lineer'"),
        ([*TRAIN, "--overlap", "3", "--step", "4"], "overlap (3) and step (4) say the same thing"),
        ([*TRAIN, "--config", "none.yaml"], "none.yaml: whole file: file: No such file"),
        (["predict", "--model", "m", "--overlap", "3", "--step", "4"], "overlap (3) and step (4)"),
        (["predict", "--model", "m", "-q", "誰？"], "--question (-q) and --text (-c) together"),
        (["predict", "--model", "m", "-c", "-"], "--question (-q) and --text (-c) together"),
        (["predict", "--model", "m", "--data", "p.csv", "-c", "-"], "--question (-q) and --text (-c) together"),
        (["predict", "--interactive"], "give it by --text TEXT or --text @FILE"),
        (["predict", "--interactive", "-c", "-"], "so --text - cannot"),
        (["predict", "--interactive", "-c", "甲", "--json"], "--interactive shows its answers as they come"),
        (["ensemble", "s.parquet", "--method", "men"], "'mean', 'vote' or 'greedy', found 'men'"),
        (["ensemble", "s.parquet", "--average", "logs"], "'log' or 'probability', found 'logs'"),
        (["ensemble", "s.parquet", "--weights", "1,2"], "--weights 1,2: 2 for 1 scores files; give one for each"),
        (["ensemble", "s.parquet", "--weights", "1;2"], "weights.0: Input should be a valid number"),
        (["ensemble", "s.parquet", "--weights", "-1"], "greater than or equal to 0"),
        (["ensemble", "s.parquet", "--weights", "0"], "weights are all 0"),
        (["ensemble", "s.parquet", "--weights", "1", "--method", "greedy"], "weights are what the method greedy finds"),
        (["ensemble", "s.parquet", "--method", "vote", "--average", "probability"], "a vote averages nothing"),
        (["ensemble", "s.parquet", "--method", "greedy"], "give --tune-on, labelled data"),
        (
            ["ensemble", "s.parquet", "--tune-on", "train.json"],
            "for --method greedy, not mean; to score SCORES,",
        ),
        (
            [
                "ensemble",
                "s.parquet",
                "--method",
                "greedy",
                "--tune-on",
                "t",
                "--tune-scores",
                "a",
                "--tune-scores",
                "b",
            ],
            "--tune-scores: 2 files for 1 members",
        ),
        (
            ["ensemble", "s.parquet", "--method", "greedy", "--tune-on", "t", "--data", "t"],
            "--data: SCORES are those of --tune-on; give --tune-scores",
        ),
        (["ensemble", "s.parquet", "--gold", "p.csv"], "--gold: give --data too"),
        (["ensemble", "s.parquet", "--metric", "hw"], "did you mean hw7?"),
        (["ensemble", "s.parquet", "--format", "hw77"], "did you mean hw7?"),
        (["ensemble", "s.parquet", "--out", "a.txt"], "a.txt: cannot tell the format by its name"),
        (["evaluate"], "give one thing to score"),
        (["evaluate", "--pred", "p.csv"], "or --gold, a file of answers"),
        (["evaluate", "--pred", "p.csv", "--gold", "p.csv", "--metric", "sqad"], "did you mean squad?"),
        (["evaluate", "--pred", "p.csv", "--gold", "p.csv", "--details", "a.txt"], "a.txt: the name must end in .csv"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_right(arguments: list[str], words: str, tmp_path: Path):
    scores_file(tmp_path / "s.parquet")
    write_predictions({"1": "甲"}, tmp_path / "p.csv", "hw7")
    hw7(tmp_path / "train.json")
    before = sorted(tmp_path.iterdir())
    assert words in " ".join(refused(2, *arguments).replace("│", "").split())
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-q", "誰？", "-c", "@none"], "none: whole file: file: No such file"),
        (["-q", "誰？", "-c", "@."], "Is a directory"),
        (["-q", "誰？", "-c", "-"], "standard input: whole file: file: is empty"),
        (["-q", "誰？", "-c", "@big5"], "big5: whole file: encoding: byte 0xa5 in line 1"),
        (["-q", "", "-c", "甲"], "command line: question: question: is empty"),
        (["-q", "誰\udca5", "-c", "甲"], "command line: question: encoding: is not UTF-8"),
        (["--interactive", "-c", " "], "command line: question: context: "),
        (["--interactive", "-c", "@none"], "none: whole file: file: No such file"),
    ],
)
def test_a_question_or_text_that_cannot_be_read_is_told_before_the_model_is_loaded(
    arguments: list[str], words: str, tmp_path: Path
):
    (tmp_path / "big5").write_bytes(b"\xa5\xd2")
    message = refused(3, "predict", "--model", "none", *arguments)
    assert words in message
    assert "--lenient" not in message


@pytest.mark.parametrize("name", ["none", "no-such/model", "empty"])
def test_a_missing_model_ends_with_4_and_its_name(name: str, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    hw7(tmp_path / "train.json")
    tried = (["predict", "--model", name], ["evaluate", "--model", name], ["evaluate", "--selector", name])
    for verb, *model in tried[: 3 if name == "none" else 1]:
        several = Path("several.jsonl")
        row = {"id": "1", "question": "誰？", "paragraphs": ["甲", "乙"], "relevant": 0}
        several.write_text(json.dumps({**row, "answers": [{"text": "甲", "start": 0}]}), encoding="utf-8")
        assert f"error: {name}: " in refused(4, verb, *model, "--data", several)
    assert f"error: {name}: " in refused(4, "train-qa", "--train", "train.json", "--out", "run", "--model", name)
    assert not (tmp_path / "run").exists()


def test_a_model_in_the_wrong_place_and_a_missing_selector_are_told(tmp_path: Path, sample_data: Path):
    reader, selector = save_reader(tmp_path / "qa"), save_selector(tmp_path / "select")
    test = sample_data / "adl" / "test.json"
    assert "for the task select, not for qa" in refused(4, "predict", "--model", selector, "--data", test)
    swapped = ("predict", "--model", reader, "--selector", reader, "--data", test)
    assert "for the task qa, not for select" in refused(4, *swapped)
    assert "give --selector" in refused(2, "predict", "--model", reader, "--data", test, "--out", "p.csv")
    assert not (tmp_path / "p.csv").exists()


def test_a_checkpoint_that_is_not_there_cannot_be_resumed(tmp_path: Path, sample_data: Path):
    hw7(tmp_path / "train.json")
    tiny = [
        "--set",
        "model.hidden_size=16",
        "--set",
        "model.num_hidden_layers=1",
        "--set",
        "model.num_attention_heads=2",
    ]
    command = [*TRAIN, "--from-scratch", "--tokenizer", sample_data / "tokenizer", *tiny, "--max-length", 64]
    assert "nowhere: no such checkpoint" in refused(4, *command, "--resume", "nowhere")
    assert [path for path in (tmp_path / "run").rglob("*") if path.is_file()] == []
    assert "these settings make no BertConfig model" in refused(2, *command, "--set", "model.hidden_size=15")
    assert "'hidden_size' expected int" in refused(2, *command, "--set", "model.hidden_size=wide")
    assert "(did you mean hidden_size?)" in refused(2, *command, "--set", "model.hiden_size=15")


@pytest.mark.parametrize("out", ["file/out.csv", "/dev/null/out.csv"])
def test_a_place_that_cannot_be_written_to_is_a_message_too(out: str, tmp_path: Path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    message = refused(1, "ensemble", scores_file(tmp_path / "s.parquet"), "--out", out)
    assert str(Path(out).parent) in message


def test_a_full_disk_ends_with_5(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def fill(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fill)
    scores = CliRunner()
    write = Path("p.csv")
    write.write_text("id,answer\n1,甲\n", encoding="utf-8")
    result = scores.invoke(app, ["evaluate", "--pred", "p.csv", "--gold", "p.csv", "--details", "d.csv"])
    assert (result.exit_code, result.stderr) == (5, "error: No space left on device\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "p.csv"]


def test_what_files_say_is_printed_without_effect(tmp_path: Path):
    row = {"id": HOSTILE, "question": HOSTILE, "context": "甲", "answers": [{"text": HOSTILE, "start": 0}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row), encoding="utf-8")
    message = refused(3, "preprocess", "a.jsonl")
    assert "[/x][bold]" in message
    assert "\\x1b" in refused(3, "preprocess", HOSTILE)
    assert "[/x][bold]" in refused(2, *TRAIN, "--set", f"training.{HOSTILE}=1")
    assert "[/x][bold]" in refused(2, HOSTILE)
    assert "[/x][bold]" in refused(2, "preprocess", f"--{HOSTILE}")
    assert "[/x][bold]" in refused(4, "predict", "--model", HOSTILE, "-q", "誰", "-c", "甲")


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "shown"), [(Terminal, "\\x1b[31m紅[/x][bold]\\x9b\n"), (io.TextIOWrapper, HOSTILE + "\n")]
)
def test_a_document_keeps_its_characters_in_a_file_but_not_on_a_terminal(
    kind: type[io.TextIOWrapper], shown: str, monkeypatch: pytest.MonkeyPatch
):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", kind(raw, encoding="ascii"))
    console.emit(HOSTILE)
    assert raw.getvalue() == shown.encode()


def test_the_version_is_printed():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"qakit {__version__}\n")


def test_debug_shows_where_an_error_came_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(console._state, "debug", False)
    result = CliRunner().invoke(app, ["--debug", "preprocess", "none.json"])
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: none.json: whole file: file: No such file or directory\n")
    assert "Traceback" not in refused(3, "preprocess", "none.json")


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}])
def test_documents_are_utf8_whatever_the_locale(locale: dict[str, str], tmp_path: Path):
    command = [QAKIT, "ensemble", str(scores_file(tmp_path / "s.parquet"))]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, **locale})
    assert (done.returncode, done.stdout.decode()) == (0, "ID,Answer\n1,甲\n")
    missing = subprocess.run(
        [QAKIT, "preprocess", "無.json"], capture_output=True, check=False, env={**os.environ, **locale}
    )
    assert (missing.returncode, b"Traceback" in missing.stderr) == (3, False)


def test_a_reader_that_went_away_shows_no_traceback(tmp_path: Path):
    read, write = os.pipe()
    os.close(read)
    command = [QAKIT, "ensemble", str(scores_file(tmp_path / "s.parquet"))]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_that_want_them(variables: dict[str, str], coloured: bool):
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm-256color", **variables}
    done = subprocess.run([QAKIT, "preprocess", "none.json"], stderr=theirs, check=False, env=environment)
    os.close(theirs)
    message = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 3
    assert ("\x1b[1;31m" in message) is coloured
