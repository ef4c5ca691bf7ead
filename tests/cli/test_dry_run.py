"""`--dry-run` on the command line: a table or one JSON document, and no files."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qakit.cli import app
from qakit.runs.dry_run import DryRun

TINY = ("hidden_size=16", "num_hidden_layers=1", "num_attention_heads=2", "intermediate_size=32")


@pytest.fixture
def arguments(sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A dry run without `--out`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    sizes = [word for size in TINY for word in ("--set", f"model.{size}")]
    model = ["--from-scratch", "--model", "bert", "--tokenizer", str(sample_data / "tokenizer")]
    train = ["train-qa", "--train", str(sample_data / "adl" / "train.json"), "--dry-run"]
    return [*train, *model, *sizes, "--max-length", "64"]


def test_a_dry_run_prints_a_table_and_makes_no_file(arguments: list[str], tmp_path: Path):
    result = CliRunner().invoke(app, [*arguments, "--set", "tricks.freeze_layers=1"])
    assert result.exit_code == 0
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert rows["steps"].strip() == "27 an epoch, 54 in all, 5 of warm-up"
    assert rows["parameters"].strip().endswith("M, 0.00 M of them trained")
    assert "making 3 of 54 steps" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_prints_one_json_document(arguments: list[str], tmp_path: Path):
    result = CliRunner().invoke(app, [*arguments, "--json", "--quiet", "--out", "there"])
    assert (result.exit_code, result.stderr) == (0, "")
    values = json.loads(result.stdout)
    assert list(values) == [field.name for field in fields(DryRun)]
    assert (values["total_steps"], values["steps_made"]) == (54, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_leaves_a_run_alone(arguments: list[str], tmp_path: Path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "config.yaml").write_text("a: run\n")
    assert CliRunner().invoke(app, [*arguments, "--quiet", "--out", "there"]).exit_code == 0
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["config.yaml"]
