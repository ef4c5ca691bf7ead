"""`predict --part-size` as a user runs it: killed, started again, and asked for what it has no place for."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.data.schemas import write_dataset
from tests.modeling.tiny import qa_records
from tests.runs.models import save_reader

RECORDS = qa_records(300, shortest=40)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    write_dataset(RECORDS, tmp_path / "data.jsonl", "jsonl")
    model = save_reader(tmp_path / "model")
    data, out = str(tmp_path / "data.jsonl"), str(tmp_path / "out")
    return ["predict", "--model", model, "--data", data, "--out", out, "--part-size", "5"]


def test_a_killed_run_goes_on_and_no_question_is_lost_or_answered_twice(command: list[str], tmp_path: Path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "qakit", *command], env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and len(list(out.glob("part-*"))) < 3:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -9
    written = {file: file.read_bytes() for file in out.glob("part-*")}
    assert 3 <= len(written) < 60
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {
        "folder": str(out),
        "parts": 60,
        "kept": len(written),
        "questions": 300 - 5 * len(written),
        "skipped": 0,
        "skipped_file": None,
    }
    assert f"60 parts, {len(written)} of them by an earlier run" in done.stderr
    assert "answers that may be wrong" not in done.stderr  # of these texts none has brackets
    assert {file: file.read_bytes() for file in written} == written
    lines = [line for file in sorted(out.glob("part-*")) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line)["id"] for line in lines] == [record.id for record in RECORDS]


def test_answers_that_may_be_wrong_are_told_of_at_the_end(command: list[str], tmp_path: Path):
    texts = [replace(record.paragraphs[0], text="「" * len(record.context)) for record in RECORDS[:7]]
    records = [replace(record, paragraphs=(text,), answers=()) for record, text in zip(RECORDS[:7], texts, strict=True)]
    write_dataset(records, tmp_path / "data.jsonl", "jsonl")
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        0,
        "answers that may be wrong: 7 with half a pair of brackets or quotation marks; see qakit evaluate --lint",
    )
    quiet = CliRunner().invoke(app, [*command, "--quiet", "--out", str(tmp_path / "quiet")])
    assert (quiet.exit_code, "wrong" in quiet.stderr) == (0, False)


def test_bad_records_are_named_and_listed(command: list[str], tmp_path: Path):
    data, out = tmp_path / "data.jsonl", tmp_path / "out"
    lines = data.read_text(encoding="utf-8").splitlines()[:6]
    data.write_text("\n".join([lines[0], *["{]"] * 12, *lines[1:]]), encoding="utf-8")
    done = CliRunner().invoke(app, [*command, "--lenient"])
    assert done.exit_code == 0, done.stderr
    told = done.stderr.replace("\n", " ")
    assert f"12 bad records skipped, listed in {out / 'skipped.jsonl'}:" in told
    assert f"{data}: line 2: JSON: " in told
    assert f"{data}: line 11: JSON: " in told
    assert ("line 12" in told, "... and 2 more" in told) == (False, True)
    assert len((out / "skipped.jsonl").read_text(encoding="utf-8").splitlines()) == 12


def test_a_file_without_questions_is_a_mistake_as_it_is_without_parts(command: list[str], tmp_path: Path):
    (tmp_path / "data.jsonl").write_text("")
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "is empty" in done.stderr) == (3, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--nbest-out", "x.json"], "--part-size does not go with --nbest-out"),
        (["--scores", "x.parquet"], "--part-size does not go with --scores"),
        (["-q", "誰？"], "--part-size does not go with --question"),
        (["--format", "csv"], "parts are jsonl or parquet"),
        (["--data", "data.csv"], "only JSON lines and parquet"),
    ],
)
def test_what_parts_have_no_place_for_is_refused(command: list[str], tmp_path: Path, more: list[str], message: str):
    done = CliRunner().invoke(app, [*command, *more])
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_for_the_parts_is_needed(command: list[str]):
    done = CliRunner().invoke(app, [*command[:5], "--part-size", "5"])
    assert done.exit_code == 2
    assert "--out, a folder" in done.stderr
