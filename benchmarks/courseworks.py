"""Run the six commands on the courseworks' schemas, on real data, and check what would be handed in.

    python benchmarks/courseworks.py [DATA] [--steps N]

DATA is the folder with `hw7`, `adl2022`, `adl2021` and `vocab` (default: $QAKIT_DATA or ../shared/data). The model is
that of configs/adl2022/not-pretrained.yaml. Prints one line a command, then one line a file that would be handed in.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
QAKIT = str(Path(sys.executable).parent / "qakit")


@dataclass(frozen=True)
class Coursework:
    name: str
    train: str
    dev: str
    test: str
    out: str
    header: str | None
    gold: str | None = None


COURSEWORKS = (
    Coursework("hw7", "hw7_train.json", "hw7_dev.json", "hw7_test.json", "out.csv", "ID,Answer", "hw7_test_gold.csv"),
    Coursework("adl2022", "train.json", "valid.json", "test.json", "out.csv", "id,answer", "test_gold.csv"),
    Coursework("adl2021", "train.json", "public.json", "private.json", "out.json", None),
)


def run(*arguments: object) -> str:
    began = time.monotonic()
    done = subprocess.run([QAKIT, *map(str, arguments)], capture_output=True, text=True, check=False)
    print(f"{time.monotonic() - began:6.1f} s  exit {done.returncode}  qakit {' '.join(map(str, arguments))[:150]}")
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def test_ids(path: Path) -> list[str]:
    value = json.loads(path.read_text(encoding="utf-8"))
    return [str(question["id"]) for question in (value["questions"] if isinstance(value, dict) else value)]


def check(out: Path, work: Coursework, ids: list[str]) -> str:
    if work.header is None:
        found = list(json.loads(out.read_text(encoding="utf-8")))
    else:
        lines = out.read_text(encoding="utf-8").splitlines()
        if lines[0] != work.header:
            sys.exit(f"{out}: the header is {lines[0]!r}, expected {work.header!r}")
        found = [row[0] for row in csv.reader(lines[1:])]
    if found != ids:
        sys.exit(f"{out}: the ids are not those of the test file, in order")
    return f"{work.name}: {out.name} has {len(found)} ids, each test id once and in order, header {work.header}"


def coursework(work: Coursework, data: Path, out: Path, steps: int) -> list[str]:
    folder = data / work.name
    train, dev, test = (folder / name for name in (work.train, work.dev, work.test))
    small = ("--config", REPOSITORY / "configs/adl2022/not-pretrained.yaml", "--max-length", 256, "--max-steps", steps)
    small += ("--tokenizer", data / "vocab/bert-base-chinese-vocab.txt", "--batch-size", 8, "--accumulation", 1)
    small += ("--lr", "3e-4", "--evaluate-every", steps)
    run("preprocess", train, dev, test, "--out", out / "checked")
    run("train-select", "--train", train, "--dev", dev, "--out", out / "select", *small)
    for seed in (1, 2):
        run("train-qa", "--train", train, "--dev", dev, "--out", out / f"qa{seed}", "--seed", seed, *small)
        two_stages = ("--model", out / f"qa{seed}", "--selector", out / "select")
        predictions = (*two_stages, "--data", test, "--out", out / f"{seed}-{work.out}")
        run("predict", *predictions, "--scores", out / f"{seed}.parquet")
    print(run("evaluate", *two_stages, "--data", dev), end="")
    run("ensemble", out / "1.parquet", out / "2.parquet", "--out", out / work.out)
    if work.gold:
        print(run("evaluate", "--pred", out / work.out, "--gold", folder / work.gold), end="")
    return [check(out / name, work, test_ids(test)) for name in (f"1-{work.out}", f"2-{work.out}", work.out)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("QAKIT_DATA", REPOSITORY.parent / "shared" / "data")
    parser.add_argument("data", nargs="?", type=Path, default=Path(default))
    parser.add_argument("--steps", type=int, default=100, help="optimiser steps of each training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = [
            line
            for work in COURSEWORKS
            for line in coursework(work, arguments.data, Path(folder) / work.name, arguments.steps)
        ]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
