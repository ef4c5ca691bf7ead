"""What the parts of the model in the box are worth, each left out of one short training.

`python benchmarks/mini_ablation.py [DATA] [--steps N] [--only NAME] [--out DIR]` trains the model of
configs/mini-zh.yaml from random weights, 1,000 steps of 32 questions at 192 tokens with a falling rate, and four
others: without match types, without cloze questions (copies of labelled ones in their place), without rotary positions
(a BERT of the same sizes), and without exchanging names. It scores them on HW7's development part through windows of
192 and of 384 tokens. The data are those of data/mini-zh.sh.

Three more trainings take the labels of 200 questions only, where the others have 7,400: with cloze questions of all
paragraphs and noisy copies of the 200; with such copies alone; and without any label, on cloze questions alone.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = Path(os.environ.get("QAKIT_DATA", ROOT.parent / "shared" / "data"))
MADE = {
    "both": ["--questions", "5", "--set", "cloze.copies=2", "--set", "cloze.exchange=0.5"],
    "no exchange": ["--questions", "5", "--set", "cloze.copies=2"],
    "copies": ["--questions", "0", "--set", "cloze.copies=4", "--set", "cloze.exchange=0.5"],
    "cloze": ["--questions", "5", "--set", "cloze.exchange=0.5"],
}
FEW = 200


def qakit(*arguments: str | Path) -> str:
    done = subprocess.run([sys.executable, "-m", "qakit", *map(str, arguments)], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def make_data(data: Path, out: Path) -> tuple[list[Path], dict[str, Path]]:
    """The labelled files, and those of questions made from them."""
    cmrc = data / "cmrc2018"
    qakit("preprocess", cmrc / "cmrc2018_dev.json", "--split", "0.85,0.05,0.1", "--to", "cmrc", "--out", out / "data")
    qakit("preprocess", cmrc / "cmrc2018_trial.json", "--lenient", "--to", "cmrc", "--out", out / "data")
    made = [out / "data" / name for name in ("train.json", "cmrc2018_trial.json")]
    labelled = [data / "hw7" / "hw7_train.json", *made, data / "xquad" / "xquad.zh.json"]
    for name, flags in MADE.items():
        qakit("preprocess", *labelled, "--to", "cloze", *flags, "--seed", "7", "--out", out / name)
    qakit("preprocess", *labelled, "--to", "tokenizer", "--out", out)
    few = json.loads(labelled[0].read_text(encoding="utf-8"))
    few["questions"] = few["questions"][:FEW]
    (out / "few.json").write_text(json.dumps(few, ensure_ascii=False), encoding="utf-8")
    qakit("preprocess", out / "few.json", "--to", "cloze", *MADE["copies"], "--seed", "7", "--out", out / "few copies")
    return labelled, {name: out / name / "cloze.json" for name in (*MADE, "few copies")}


def score(name: str, data: Path, out: Path, files: list[Path], steps: int, /, **changes: Any) -> None:
    """Train once and print the scores.

    Args:
        changes: of the model's settings; and `match_length`.
    """
    settings = yaml.safe_load((ROOT / "configs" / "mini-zh.yaml").read_text())
    settings["windows"]["match_length"] = changes.pop("match_length", settings["windows"]["match_length"])
    settings["model"] |= {"tokenizer": str(out / "tokenizer"), **changes}
    settings["model"] = {field: value for field, value in settings["model"].items() if value is not None}
    settings["training"] |= {"schedule": "linear", "warmup": 100, "epochs": 99, "max_steps": steps}
    config, run, dev = out / f"{name}.yaml", out / name.replace(" ", "-"), data / "hw7" / "hw7_dev.json"
    config.write_text(yaml.safe_dump(settings))
    train = [argument for file in files for argument in ("--train", file)]
    qakit("train-qa", "--config", config, *train, "--dev", dev, "--lenient", "--out", run, "--evaluate-every", steps)
    for length, overlap in ((192, 96), (384, 128)):
        reading = ("--max-length", str(length), "--overlap", str(overlap), "--metric", "drcd", "--json", "--quiet")
        found = json.loads(qakit("evaluate", "--model", run, "--data", dev, *reading))
        print(f"{name:30}  windows of {length}  EM {found['em']:.2f}  F1 {found['f1']:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", action="append", help="a training by its name; all when not given")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "ablation")
    arguments = parser.parse_args()
    data, out, steps = arguments.data, arguments.out, arguments.steps
    labelled, made = make_data(data, out)
    whole = [*labelled, made["both"]]
    few = [out / "few.json", made["few copies"]]
    trainings: dict[str, tuple[list[Path], dict[str, Any]]] = {
        "as it is": (whole, {}),
        "no match types": (whole, {"match_length": 0}),
        "no cloze questions": ([*labelled, made["copies"]], {}),
        "no rotary positions": (whole, {"name": "bert", "embedding_size": None}),
        "nothing exchanged": ([*labelled, made["no exchange"]], {}),
        "few labels": ([*few, made["cloze"]], {}),
        "few labels, no cloze questions": (few, {}),
        "no labels": ([made["cloze"]], {}),
    }
    for name in arguments.only or trainings:
        files, changes = trainings[name]
        score(name, data, out, files, steps, **changes)


if __name__ == "__main__":
    main()
