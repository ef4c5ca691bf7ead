"""How fast scores files are ensembled, and in how much memory.

`python benchmarks/ensemble_speed.py [DATA] [--members N]` makes N (10) scores files of DRCD's development part (3,524
questions, a token a character, random logits that point at the right answer in four of five questions), then runs
`qakit ensemble` on them in a process of its own, method by method, and prints seconds, processor seconds and peak
memory. The first row reads the files and does nothing else; the start of Python with its imports is in every row.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from qakit.data.records import Record
from qakit.data.schemas import read_dataset
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.spans.token_scores import TokenScores

DATA = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
READ = "import sys; from pathlib import Path; from qakit.spans.ensembling import open_members as o; "
READ += "sum(1 for _ in o([*map(Path, sys.argv[1:])]))"
WAYS = {
    "reading alone": ["-c", READ],
    "mean": ["-m", "qakit", "ensemble", "--method", "mean"],
    "mean of probabilities": ["-m", "qakit", "ensemble", "--method", "mean", "--average", "probability"],
    "mean, 20 best": ["-m", "qakit", "ensemble", "--method", "mean", "--nbest", "20"],
    "vote": ["-m", "qakit", "ensemble", "--method", "vote"],
    "greedy": ["-m", "qakit", "ensemble", "--method", "greedy"],
}


def questions(records: list[Record], seed: int) -> Iterator[QuestionScores]:
    random = np.random.default_rng(seed)
    for record in records:
        places = np.arange(len(record.context), dtype=np.int32)
        logits = random.normal(scale=3, size=(2, len(places))).astype(np.float32)
        answer = record.answers[0]
        if random.random() < 0.8:
            logits[[0, 1], [answer.start, answer.start + len(answer.text) - 1]] += 12
        tokens = TokenScores(*logits, places, places + 1, np.array([0, len(places)]))
        yield QuestionScores(record.id, record.context, 0, (), tokens)


def make(data: Path, files: list[Path]) -> int:
    """Write the files; gives the number of questions."""
    records = list(read_dataset([data]))
    for member, file in enumerate(files):
        write_scores(file, questions(records, member), ScoresInfo("drcd", file.stem, max_answer_length=30))
    return len(records)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak memory in MB of a process."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--only", choices=WAYS, action="append")
    arguments = parser.parse_args()
    data = arguments.data / "drcd" / "DRCD_dev.json"
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{member}.parquet" for member in range(arguments.members)]
        with ProcessPoolExecutor(1) as pool:  # as the peak memory of a process counts as that of those it starts
            count = pool.submit(make, data, files).result()
        size = sum(file.stat().st_size for file in files)
        print(f"{len(files)} files of {count} questions, {size / 1e6:.0f} MB")
        print("| | seconds | processor seconds | peak memory, MB |\n|---|---|---|---|")
        for name in arguments.only or WAYS:
            command = [*WAYS[name], *map(str, files)]
            command += ["--out", f"{folder}/out.json"] if name != "reading alone" else []
            command += ["--tune-on", str(data)] if name == "greedy" else []
            seconds, processor, memory = measured(command)
            print(f"| {name} | {seconds:.1f} | {processor:.1f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
