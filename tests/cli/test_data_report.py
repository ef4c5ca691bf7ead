"""What `preprocess` says of data: what parts share, what windows hold and what was changed, each in its place."""

import json
from pathlib import Path

import pytest

from qakit.cli.preprocess import show_preprocessing
from qakit.data.leakage import find_leaks
from qakit.data.records import Paragraph, Record, Repair
from qakit.runs.preprocess import PreprocessResult
from qakit.spans.window_coverage import Reach

REPAIRS = tuple(Repair("f.json", str(number), "start", number, number + 1, "off") for number in range(7))
REACH = {"a": (Reach(128, 0, 2.0, 200.0, 97.5, 100.0), Reach(128, 64, 3.0, 300.0, None, None))}


def part(*questions: str) -> list[Record]:
    return [Record(str(n), question, (Paragraph("p", f"{question}。"),), 0) for n, question in enumerate(questions)]


def shown(capfd: pytest.CaptureFixture[str], *, as_json: bool = False, **parts: list[Record]) -> tuple[str, str]:
    result = PreprocessResult({}, (), ("a note",), REPAIRS, find_leaks(parts), REACH)
    show_preprocessing(result, json=as_json, quiet=False)
    captured = capfd.readouterr()
    return captured.out, captured.err


def test_parts_that_share_something_have_a_line_and_the_others_none(capfd: pytest.CaptureFixture[str]):
    out, _ = shown(capfd, a=part("何", "誰"), b=part("何？"), c=part("哪"))
    lines = out.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("a, b")]
    assert lines[place].split()[2:] == ["1", "50", "100", "1", "50", "100"]
    assert lines[place + 1] == "such as '何' (a 0, b 0)"
    assert not any(line.startswith(("a, c", "b, c")) for line in lines)
    assert "no two parts share a question or a paragraph" in shown(capfd, a=part("何"), b=part("誰"))[0]
    assert "share" not in shown(capfd, a=part("何"))[0]


def test_windows_have_a_line_for_each_size(capfd: pytest.CaptureFixture[str]):
    rows = [line.split() for line in shown(capfd)[0].splitlines() if line.startswith("   128")]
    assert rows == [["128", "0", "2.00", "200.0", "97.50"], ["128", "64", "3.00", "300.0", "-"]]


def test_the_first_repairs_are_named_and_all_are_counted(capfd: pytest.CaptureFixture[str]):
    lines = shown(capfd)[1].splitlines()
    assert lines[:3] == ["a note", "repaired: 7 fields of 7 records", "  f.json: 0: start: 0 -> 1 (off)"]
    assert lines[-1] == "  ... and 2 more"


def test_json_has_everything(capfd: pytest.CaptureFixture[str]):
    document = json.loads(shown(capfd, as_json=True, a=part("何"), b=part("何"))[0])
    assert [repair["after"] for repair in document["repairs"]] == list(range(1, 8))
    assert document["leakage"][0]["questions"] == {
        "count": 1,
        "first": 100.0,
        "second": 100.0,
        "examples": [{"text": "何", "first": "0", "second": "0"}],
    }
    assert [reach["tokens"] for reach in document["reachability"]["a"]] == [200.0, 300.0]


def test_a_file_that_repairs_would_help_says_so(tmp_path: Path):
    from typer.testing import CliRunner

    from qakit.cli import app

    row = {"id": "1", "question": "何？", "context": "甲乙", "answers": [{"text": "乙", "start": 0}]}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    refused = CliRunner().invoke(app, ["preprocess", str(path)])
    assert (refused.exit_code, "qakit preprocess --repair" in refused.stderr) == (3, True)
    repaired = CliRunner().invoke(app, ["preprocess", str(path), "--repair"])
    assert (repaired.exit_code, "repaired: 1 fields of 1 records" in repaired.stderr) == (0, True)
