"""Two processes against one: the same losses, the same predictions.

`python benchmarks/two_processes.py [DATA] [--steps N]` trains the seed study's small model (dropout off, fp32) on the
training data of HW7 with one process and with two of `accelerate launch` on the CPU, with the same questions in each
step; both models, and both ways to start `predict`, answer the test part. Prints the largest difference of a step's
loss, and how many predictions differ.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT = Path(os.environ.get("QAKIT_DATA", REPOSITORY.parent / "shared" / "data"))
BIN = Path(sys.executable).parent
ONE = [str(BIN / "qakit")]
TWO = [str(BIN / "accelerate"), "launch", "--config_file", str(REPOSITORY / "configs" / "accelerate" / "ddp.yaml")]
TWO += ["--num_processes", "2", "-m", "qakit"]


def run(start: list[str], *arguments: object) -> None:
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*start, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)


def losses(folder: Path) -> list[float]:
    entries = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [entry["loss"] for entry in entries if entry["kind"] == "train"]


def answers(file: Path) -> list[list[str]]:
    with open(file, encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    hw7, vocabulary = arguments.data / "hw7", arguments.data / "vocab" / "bert-base-chinese-vocab.txt"
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        common = ["--train", hw7 / "hw7_train.json", "--config", REPOSITORY / "configs/adl2022/not-pretrained.yaml"]
        common += ["--tokenizer", vocabulary, "--max-steps", arguments.steps, "--batch-size", 4, "--lr", 1e-3]
        common += ["--set", "model.hidden_dropout_prob=0", "--set", "model.attention_probs_dropout_prob=0"]
        common += ["--max-length", 256, "--precision", "fp32"]
        run(ONE, "train-qa", *common, "--accumulation", 2, "--out", out / "one")
        run(TWO, "train-qa", *common, "--accumulation", 1, "--out", out / "two")
        gap = max(abs(a - b) for a, b in zip(losses(out / "one"), losses(out / "two"), strict=True))
        print(f"largest difference of a step's loss over {arguments.steps} steps: {gap:.1e}")
        found = {}
        for name, start, model in (("one", ONE, "one"), ("model of two", ONE, "two"), ("predict by two", TWO, "one")):
            file = out / f"{name}.csv"
            run(start, "predict", "--model", out / model, "--data", hw7 / "hw7_test.json", "--out", file)
            found[name] = answers(file)
        for name, rows in found.items():
            differing = sum(row != other for row, other in zip(rows, found["one"], strict=True))
            print(f"{name}: {len(rows) - 1} predictions, {differing} differ from one process")


if __name__ == "__main__":
    main()
