"""`qakit ensemble` as a user runs it: weights chosen on labelled questions, and where the table goes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.test_ensemble_report import QUESTIONS, data, four, gold, member

QAKIT = str(Path(sys.executable).with_name("qakit"))
__all__ = ["four", "gold"]  # fixtures


def run(*arguments: object) -> tuple[str, str]:
    done = subprocess.run([QAKIT, "ensemble", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout, done.stderr


def test_greedy_prints_what_each_member_adds_and_the_weights(four: list[Path], gold: Path, tmp_path: Path):
    out, err = run(*four, "--method", "greedy", "--tune-on", gold, "--metric", "hw7", "--out", tmp_path / "o.csv")
    lines = out.splitlines()
    assert lines[0].startswith("metric hw7, 60 questions on 12 paragraphs; the ensemble out of fold")
    assert lines[1].split() == ["weight", "EM", "F1", "adds", "EM", "adds", "F1"]
    assert [line.split()[0] for line in lines[2:6]] == list(map(str, four))
    assert lines[6].startswith("ensemble ")
    assert "on what chose its weights" in lines[7]
    assert lines[8].startswith(f"ensemble over {four[0]} ")
    assert lines[-1] == "weights 1,1,1,0"
    assert err.splitlines() == ["60 questions answered", f"wrote {tmp_path / 'o.csv'}"]
    again, _ = run(*four, "--weights", "1,1,1,0", "--out", tmp_path / "again.csv")
    assert again == ""
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "o.csv").read_bytes()


def test_without_a_file_the_table_leaves_standard_output_to_the_predictions(four: list[Path], gold: Path):
    out, err = run(*four[:3], "--data", gold, "--metric", "hw7", "--format", "jsonl")
    assert len(list(map(json.loads, out.splitlines()))) == QUESTIONS
    assert "adds EM" in err
    assert "weights 1,1,1" in err
    out, err = run(*four[:3], "--data", gold, "--metric", "hw7", "--format", "jsonl", "--quiet")
    assert (len(out.splitlines()), err) == (QUESTIONS, "")


def test_json_tells_all(four: list[Path], tmp_path: Path):
    tuned = [member(tmp_path / f"dev-{file.name}", range(30), lambda number: number % 2 == 0) for file in four]
    given = [word for file in tuned for word in ("--tune-scores", file)]
    dev = data(tmp_path / "dev.jsonl", range(30))
    out, _ = run(*four, "--method", "greedy", "--tune-on", dev, *given, "--metric", "hw7", "--json", "--quiet")
    told = json.loads(out)
    assert list(told) == ["files", "answers", "weights", "report"]
    assert told["weights"] == pytest.approx([1, 0, 0, 0])
    report = told["report"]
    assert (report["metric"], report["how"], report["records"]) == ("hw7", "out-of-fold", 30)
    assert set(report["ensemble"]["em"]) == {"mean", "low", "high"}
    assert [one["name"] for one in report["members"]] == list(map(str, four))
