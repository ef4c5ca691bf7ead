"""The installed command as a user runs it: from the sample data to what the contests take, through all six verbs."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from qakit.data.schemas import read_dataset

QAKIT = str(Path(sys.executable).with_name("qakit"))
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TINY = [word for name, size in SIZES.items() for word in ("--set", f"model.{name}={size}")]
TINY += ["--from-scratch", "--model", "bert", "--max-steps", "3", "--batch-size", "4", "--max-length", "128"]


class Shell:
    """Runs commands in a folder; what they print comes back, and an unexpected exit code fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(self, *command: object) -> tuple[str, str]:
        done = subprocess.run(
            list(map(str, command)), cwd=self._folder, env=self._environment, capture_output=True, check=False
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == 0, f"{command}\n{err}"
        assert "Traceback" not in err
        assert "Warning" not in err
        return out, err

    def both(self, first: tuple[object, ...], second: tuple[object, ...]) -> list[tuple[str, str]]:
        """Two commands at once: most of their time goes into imports."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda command: self.run(*command), (first, second)))


def ids_of(path: Path) -> list[str]:
    return [record.id for record in read_dataset([path])]


def first_questions(path: Path, folder: Path, count: int = 6) -> Path:
    """The first questions of an ADL file, in a folder of their own beside their texts."""
    folder.mkdir()
    shutil.copy(path.with_name("context.json"), folder)
    questions = json.loads(path.read_text(encoding="utf-8"))[:count]
    (folder / path.name).write_text(json.dumps(questions), encoding="utf-8")
    return folder / path.name


def table(text: str) -> tuple[list[str], list[str]]:
    """Header and ids of a prediction CSV."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert all(len(row) == 2 for row in rows)
    return header, [row[0] for row in rows]


def test_all_verbs_from_the_sample_data_to_the_files_that_contests_take(sample_data: Path, tmp_path: Path):
    shell = Shell(tmp_path)
    preprocess(shell, sample_data, tmp_path)
    train(shell, sample_data, tmp_path)
    predict(shell, sample_data, tmp_path)
    evaluate(shell, sample_data, tmp_path)
    ensemble(shell, sample_data, tmp_path)


def preprocess(shell: Shell, data: Path, folder: Path) -> None:
    command = (QAKIT, "preprocess", data / "source.json", "--to", "adl2021", "--split", "0.7,0.15,0.15", "--json")
    out, err = shell.run(*command, "--candidates", 3, "--negatives", "random", "--out", "adl2021")
    report = json.loads(out)
    assert list(report["report"]) == ["train", "public", "private"]
    assert [Path(file).name for file in report["files"]] == [
        "train.json",
        "context.json",
        "public.json",
        "private.json",
        "private_gold.csv",
    ]
    assert err.count("wrote ") == 5
    out, err = shell.run(QAKIT, "preprocess", data / "hw7" / "hw7_dev.json", "--quiet")
    assert out.split("\n")[0].split() == ["hw7_dev"]
    assert err == ""
    assert not (folder / "hw7_dev.json").exists()


def train(shell: Shell, data: Path, folder: Path) -> None:
    adl, hw7, tiny = data / "adl", data / "hw7", (*TINY, "--tokenizer", data / "tokenizer")
    dev = first_questions(adl / "valid.json", folder / "dev")
    (out, err), (qa_out, qa_err) = shell.both(
        (QAKIT, "train-select", "--train", adl / "train.json", "--dev", dev, *tiny, "--out", "select"),
        (
            QAKIT,
            "train-qa",
            "--train",
            hw7 / "hw7_train.json",
            "--dev",
            hw7 / "hw7_dev.json",
            *tiny,
            "--out",
            "讀者",
            "--json",
        ),
    )
    assert out == ""
    assert "step 3, epoch 0.06: accuracy" in err
    assert json.loads(qa_out)["steps"] == 3
    assert "step 3 of 3: loss" in qa_err
    for run in ("select", "讀者"):
        for file in (
            "config.yaml",
            "manifest.json",
            "metrics.jsonl",
            "curves.svg",
            "best/qakit.json",
            "best/README.md",
        ):
            assert (folder / run / file).is_file()


def predict(shell: Shell, data: Path, folder: Path) -> None:
    test, hw7 = data / "adl" / "test.json", data / "hw7" / "hw7_test.json"
    models = ("--model", "讀者", "--selector", "select/best")
    written = ("--out", "p.csv", "--scores", "s.parquet", "--nbest", 2, "--nbest-out", "n.json")
    (out, err), (hw7_out, hw7_err) = shell.both(
        (QAKIT, "predict", *models, "--data", test, *written), (QAKIT, "predict", "--model", "讀者", "--data", hw7)
    )
    assert out == ""
    assert err.splitlines()[-3:] == ["wrote p.csv", "wrote n.json", "wrote s.parquet"]
    assert table((folder / "p.csv").read_text(encoding="utf-8")) == (["id", "answer"], ids_of(test))
    assert list(json.loads((folder / "n.json").read_text(encoding="utf-8"))) == ids_of(test)
    assert table(hw7_out) == (["ID", "Answer"], ids_of(hw7))
    assert all(line.count(",") == 1 for line in hw7_out.splitlines())
    assert "39 questions answered" in hw7_err


def evaluate(shell: Shell, data: Path, folder: Path) -> None:
    private, valid = folder / "adl2021" / "private.json", folder / "dev" / "valid.json"
    models = ("--model", "讀者/best", "--selector", "select")
    (out, _), (scored, err) = shell.both(
        (sys.executable, "-m", "qakit", "predict", *models, "--data", private, "--out", "p.json", "--json"),
        (QAKIT, "evaluate", *models, "--data", valid, "--details", "d.csv", "--json"),
    )
    answers = json.loads((folder / "p.json").read_text(encoding="utf-8"))
    assert list(answers) == list(json.loads(out)["answers"]) == ids_of(private)
    assert all(isinstance(answer, str) for answer in answers.values())
    scores = json.loads(scored)
    assert (scores["source"], scores["total"], scores["missing"]) == ("end-to-end", len(ids_of(valid)), 0)
    assert {"gold_paragraph", "selection_accuracy"} <= scores.keys()
    assert err == "wrote d.csv\n"
    with open(folder / "d.csv", encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ids_of(valid)
    out, err = shell.run(QAKIT, "evaluate", "--pred", "p.csv", "--gold", data / "adl" / "test_gold.csv")
    assert out.split("\n")[0] == "predictions, metric adl, 39 questions, 0 without a prediction"
    assert err == ""


def ensemble(shell: Shell, data: Path, folder: Path) -> None:
    shutil.copy(folder / "s.parquet", folder / "s2.parquet")
    out, err = shell.run(QAKIT, "ensemble", "s.parquet", "s2.parquet", "--out", "e.csv", "--quiet")
    assert (out, err) == ("", "")
    assert table((folder / "e.csv").read_text(encoding="utf-8")) == (
        ["id", "answer"],
        ids_of(data / "adl" / "test.json"),
    )
    out, _ = shell.run(QAKIT, "ensemble", "s.parquet", "s2.parquet", "--method", "vote", "--format", "jsonl")
    assert [json.loads(line)["id"] for line in out.splitlines()] == ids_of(data / "adl" / "test.json")
