"""What an ensemble of five small models of two tokenizers is worth: EM and F1 with 95 % intervals.

`python benchmarks/ensembles.py [DATA] [--steps N] [--out DIR]` trains five RoFormers of 2 layers of 128 from random
weights, which differ in tokenizer (that of mini-zh, which writes both scripts with the same entries, and BERT's Chinese
vocabulary), exact-match token types and seed, on HW7's training part, CMRC's trial part, XQuAD and questions made from
them. Each reads HW7's dev and test parts. Then every method of `qakit ensemble` is chosen on the dev part and scored on
the test part (`--method greedy --tune-on DEV --data TEST`). Trainings and scores that OUT already has are left as they
are.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = Path(os.environ.get("QAKIT_DATA", ROOT.parent / "shared" / "data"))
SIZES = ("num_hidden_layers=2", "hidden_size=128", "embedding_size=128", "num_attention_heads=2")
SIZES += ("intermediate_size=512", "max_position_embeddings=512", "attention_probs_dropout_prob=0.0")
MEMBERS = {  # tokenizer, longest run of exact matches, seed
    "own-1": ("mini-zh", 2, 1),
    "own-2": ("mini-zh", 2, 2),
    "own-3": ("mini-zh", 3, 3),
    "bert-4": ("bert", 2, 4),
    "bert-5": ("bert", 3, 5),
}
METHODS = {
    "mean": ("--method", "mean"),
    "mean of probabilities": ("--method", "mean", "--average", "probability"),
    "vote": ("--method", "vote"),
    "greedy": ("--method", "greedy"),
    "greedy, probabilities": ("--method", "greedy", "--average", "probability"),
}


def qakit(*arguments: str | Path | int) -> str:
    command = [sys.executable, "-m", "qakit", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def make_data(data: Path, out: Path) -> list[Path]:
    """The labelled files, and one of questions made from them."""
    trial = out / "data" / "cmrc2018_trial.json"
    labelled = [data / "hw7" / "hw7_train.json", trial, data / "xquad" / "xquad.zh.json"]
    made = out / "cloze" / "cloze.json"
    if not made.exists():
        source = data / "cmrc2018" / "cmrc2018_trial.json"
        qakit("preprocess", source, "--lenient", "--to", "cmrc", "--out", trial.parent)
        copies = ("--questions", 5, "--set", "cloze.copies=2", "--set", "cloze.exchange=0.5", "--seed", 7)
        qakit("preprocess", *labelled, "--to", "cloze", *copies, "--out", made.parent)
    return [*labelled, made]


def train(name: str, files: list[Path], data: Path, out: Path, steps: int) -> None:
    tokenizer, match_length, seed = MEMBERS[name]
    if tokenizer == "bert":
        tokenizer = str(data / "vocab" / "bert-base-chinese-vocab.txt")
    settings = [*(f"model.{size}" for size in SIZES), "windows.max_length=192", "windows.overlap=96"]
    settings += [f"windows.match_length={match_length}", "training.precision=bf16", "training.batch_size=32"]
    settings += ["training.learning_rate=1e-3", "training.warmup=100", "training.group_by_length=true"]
    settings += ["training.epochs=99", f"training.max_steps={steps}", "decoding.max_answer_length=30"]
    given = [word for file in files for word in ("--train", file)]
    given += [word for setting in settings for word in ("--set", setting)]
    scratch = ("--from-scratch", "--model", "roformer", "--tokenizer", tokenizer, "--seed", seed)
    qakit("train-qa", *given, *scratch, "--lenient", "--out", out / name, "--quiet")


def predict(name: str, part: str, data: Path, out: Path) -> None:
    reading = ("--max-length", 384, "--overlap", 128, "--out", out / f"{part}-{name}.csv")
    scores = ("--scores", out / f"{part}-{name}.parquet")
    qakit("predict", "--model", out / name, "--data", data / "hw7" / f"hw7_{part}.json", *reading, *scores, "--quiet")


def make_members(data: Path, out: Path, steps: int) -> None:
    files = make_data(data, out)
    for name in MEMBERS:
        began = time.monotonic()
        if not (out / name / "best").exists():
            train(name, files, data, out, steps)
        for part in ("dev", "test"):
            if not (out / f"{part}-{name}.parquet").exists():
                predict(name, part, data, out)
        print(f"{name}: trained and read in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def cell(interval: dict[str, float], sign: str = "") -> str:
    return f"{interval['mean']:{sign}.2f} ({interval['low']:{sign}.1f} to {interval['high']:{sign}.1f})"


def reported(data: Path, out: Path, flags: tuple[str, ...]) -> dict[str, Any]:
    """What an ensemble of a method does on the test part."""
    files = [out / f"test-{name}.parquet" for name in MEMBERS]
    test = ("--data", data / "hw7" / "hw7_test.json", "--gold", data / "hw7" / "hw7_test_gold.csv", "--metric", "drcd")
    tuned: list[str | Path] = []
    if "greedy" in flags:
        tuned = ["--tune-on", data / "hw7" / "hw7_dev.json"]
        tuned += [word for name in MEMBERS for word in ("--tune-scores", out / f"dev-{name}.parquet")]
    found: dict[str, Any] = json.loads(qakit("ensemble", *files, *flags, *tuned, *test, "--json", "--quiet"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "ensembles")
    arguments = parser.parse_args()
    data, out = arguments.data, arguments.out
    make_members(data, out, arguments.steps)
    found = {name: reported(data, out, flags) for name, flags in METHODS.items()}
    print("| | EM | F1 | over the best: EM | F1 | weights |\n|---|---|---|---|---|---|")
    for name, member in zip(MEMBERS, found["mean"]["report"]["members"], strict=True):
        print(f"| {name} | {cell(member['alone']['em'])} | {cell(member['alone']['f1'])} | | | |")
    for name, told in found.items():
        report = told["report"]
        scores = [cell(report["ensemble"][one]) for one in ("em", "f1")]
        gains = [cell(report["gain"][one], "+") for one in ("em", "f1")]
        weights = ",".join(f"{weight:g}" for weight in told["weights"])
        print(f"| {name} | {' | '.join([*scores, *gains, weights])} |")
    print("\n| what each adds to the mean | EM | F1 |\n|---|---|---|")
    for name, member in zip(MEMBERS, found["mean"]["report"]["members"], strict=True):
        print(f"| {name} | {cell(member['adds']['em'], '+')} | {cell(member['adds']['f1'], '+')} |")


if __name__ == "__main__":
    main()
