"""`evaluate --lint` as a user runs it: the table, the JSON, the exit code, and hostile text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.data.predictions import read_predictions

QAKIT = str(Path(sys.executable).with_name("qakit"))
HOSTILE = "\x1b[31m紅[/x][bold]\x9b\u202e\n=1+1"


def lint(*arguments: object) -> tuple[int, str, str]:
    done = subprocess.run(
        [QAKIT, "evaluate", "--lint", *map(str, arguments)], capture_output=True, check=False, env={**os.environ}
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err
    return done.returncode, out, err


@pytest.fixture
def data(sample_data: Path) -> Path:
    return sample_data / "hw7" / "hw7_test.json"


@pytest.fixture
def gold(sample_data: Path) -> Path:
    return sample_data / "hw7" / "hw7_test_gold.csv"


def test_a_right_file_passes(data: Path, gold: Path):
    count = len(read_predictions(gold))
    line = f"{gold}: {count} predictions for {count} questions, as hw7: 0 errors, 0 warnings, 0 notes\n"
    assert lint("--pred", gold, "--data", data) == (0, line, "")


def test_warnings_alone_pass_too(data: Path, gold: Path, tmp_path: Path):
    pred = tmp_path / "p.csv"
    pred.write_bytes(b"\xef\xbb\xbf" + gold.read_bytes())
    code, out, _ = lint("--pred", pred, "--data", data)
    assert (code, out.split("\n")[0].endswith(": 0 errors, 1 warning, 0 notes")) == (0, True)


def test_the_table_has_each_kind_with_its_first_examples(data: Path, gold: Path, tmp_path: Path):
    pred = tmp_path / "p.csv"
    lines = gold.read_text(encoding="utf-8").split("\n")
    pred.write_text("\n".join(["id,answer", *lines[6:]]), encoding="utf-8")
    code, out, err = lint("--pred", pred, "--data", data)
    rest = len(lines) - 7
    assert (code, err) == (3, "")
    assert out == (
        f"{pred}: {rest} predictions for {rest + 5} questions, as hw7: 7 errors, 0 warnings, 0 notes\n"
        "error    header       1  the first line names the columns as the contest does\n"
        "                         line 1: found 'id,answer'; expected ID,Answer\n"
        "error    rows         1  one row for each question\n"
        f"                         found {rest} for {rest + 5} questions\n"
        "error    missing ids  5  every question has an answer\n"
        "                         '0'\n"
        "                         '1'\n"
        "                         '2'\n"
        "                         ... and 2 more\n"
    )


def test_json_has_everything(data: Path, gold: Path, tmp_path: Path):
    pred = tmp_path / "p.csv"
    pred.write_text("\n".join(gold.read_text(encoding="utf-8").split("\n")[:1]) + "\n0,甲\n", encoding="utf-8")
    code, out, _ = lint("--pred", pred, "--data", data, "--json")
    found = json.loads(out)
    missing = [one["id"] for one in found["findings"] if one["kind"] == "missing ids"]
    assert code == 3
    assert missing == list(read_predictions(gold))[1:]
    assert found["counts"]["error"] == len(missing) + 2
    assert found["findings"][-1] == {
        "level": "error",
        "kind": "not in the text",
        "place": "line 2",
        "id": "0",
        "message": "found '甲'",
        "expected": "an answer is a piece of the text",
    }


@pytest.mark.parametrize("form", ["csv", "json"])
def test_hostile_text_is_shown_and_does_nothing(form: str, data: Path, tmp_path: Path):
    pred = tmp_path / f"\x1b[1m[red]{form}.txt"
    quoted = HOSTILE.replace('"', '""')
    text = f'{HOSTILE},Answer\n0,"{quoted}"\n"{quoted}",{HOSTILE}\n'
    pred.write_text(json.dumps({"0": HOSTILE, HOSTILE: HOSTILE}) if form == "json" else text, encoding="utf-8")
    code, out, err = lint("--pred", pred, "--data", data)
    assert code == 3
    assert not set(out + err) & set("\x1b\x9b\u202e")
    assert "[/x][bold]" in out
    assert "[red]" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lint"], "give --pred"),
        (["--lint", "--pred", "p.csv", "--scores", "s.parquet"], "leave --scores out"),
        (["--lint", "--pred", "p.csv", "--details", "d.csv"], "leave --details out"),
        (["--format", "hw7", "--pred", "p.csv"], "give --lint too"),
        (["--longest", "3", "--pred", "p.csv"], "give --lint too"),
    ],
)
def test_what_lint_has_no_place_for_is_refused(arguments: list[str], message: str):
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_no_file_ends_with_the_code_of_bad_data(data: Path, tmp_path: Path):
    code, out, err = lint("--pred", tmp_path / "absent.csv", "--data", data)
    assert (code, out) == (3, "")
    assert "No such file" in err
