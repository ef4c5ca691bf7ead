"""`evaluate --tune` as a user runs it: a table, or JSON, and a model that has kept what was found."""

import json
from pathlib import Path

from typer.testing import CliRunner

from qakit.cli import app
from tests.runs.models import save_reader

TUNE = ["--tune", "temperature", "--tune", "length"]


def test_tuning_prints_its_tables_and_keeps_what_it_found(sample_data: Path, tmp_path: Path):
    data, model = str(sample_data / "hw7" / "hw7_dev.json"), save_reader(tmp_path / "qa")
    command = ["evaluate", "--model", model, "--data", data]
    done = CliRunner().invoke(app, [*command, *TUNE])
    assert done.exit_code == 0, done.output
    titles = [line for line in done.stdout.splitlines() if "EM" in line and "F1" in line]
    assert [title.split("EM")[0].strip() for title in titles] == ["weight of the length", "temperature"]
    assert sum(line.startswith("* ") for line in done.stdout.splitlines()) == 2
    kept = json.loads((tmp_path / "qa" / "qakit.json").read_text(encoding="utf-8"))
    again = CliRunner().invoke(app, [*command, *TUNE, "--json"])
    assert again.exit_code == 0, again.output
    tuned = json.loads(again.stdout)["tuned"]
    assert (tuned["length"]["chosen"], tuned["temperature"]["chosen"]) == (kept["length_weight"], kept["temperature"])


def test_an_unknown_name_is_refused_before_anything_is_read(tmp_path: Path):
    command = [
        "evaluate",
        "--model",
        str(tmp_path / "none"),
        "--tune",
        "temprature",
        "--data",
        str(tmp_path / "none.json"),
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "did you mean temperature?" in done.stderr
