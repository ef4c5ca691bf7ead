"""A hundred thousand questions through `predict --part-size`: memory, and what kills leave behind.

`python benchmarks/bulk.py [DATA] [--questions N] [--kills N]` repeats DRCD's dev file with new ids and answers it
with a model of one small layer, 2,000 questions a part: once a tenth of the questions and once all, to compare peak
memory; and once more, sent SIGKILL at random moments and started again until it is done. Every id has to be there
once, in order, and every part equal to that of the run nobody killed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
PART = 2000


def write_model(folder: Path, data: Path) -> None:
    import torch
    from transformers import BertConfig, BertForQuestionAnswering, BertTokenizer

    torch.manual_seed(1)
    tokenizer = BertTokenizer(vocab=str(data / "vocab" / "bert-base-chinese-vocab.txt"))
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32}
    config = BertConfig(**sizes, vocab_size=len(tokenizer), initializer_range=0.4)
    BertForQuestionAnswering(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_questions(file: Path, data: Path, count: int) -> None:
    from qakit.data.schemas import read_dataset

    records = read_dataset([data / "drcd" / "DRCD_dev.json"]).records
    with open(file, "w", encoding="utf-8") as lines:
        for number in range(count):
            record = records[number % len(records)]
            row = {"id": f"{number}-{record.id}", "question": record.question, "context": record.context}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def start(model: Path, questions: Path, out: Path) -> subprocess.Popen[bytes]:
    flags = ("--part-size", str(PART), "--max-answer-length", "30", "--quiet")
    command = [sys.executable, "-m", "qakit", "predict", "--model", model, "--data", questions, "--out", out, *flags]
    return subprocess.Popen(list(map(str, command)))


def peak_of(process: subprocess.Popen[bytes]) -> float:
    """MiB at the peak of a process that ends well."""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"the run ended with status {status}")
    return usage.ru_maxrss / 1024


def killed(model: Path, questions: Path, out: Path, seconds: float, kills: int) -> int:
    """Answer all, killing the run `kills` times; how often a kill met a running process."""
    moments, met = random.Random(1), 0
    for _ in range(kills):
        process = start(model, questions, out)
        timer = threading.Timer(moments.uniform(0.1, 1) * seconds / kills, process.kill)
        timer.start()
        met += process.wait() == -9
        timer.cancel()
    if start(model, questions, out).wait():
        sys.exit("the last run failed")
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=6)
    arguments = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model", arguments.data)
        peaks = []
        for count in (arguments.questions // 10, arguments.questions):
            write_questions(folder / f"{count}.jsonl", arguments.data, count)
            began = time.perf_counter()
            peaks.append(peak_of(start(folder / "model", folder / f"{count}.jsonl", folder / f"out-{count}")))
            seconds = time.perf_counter() - began
            print(f"{count:7} questions: {seconds:.1f} s, {peaks[-1]:.0f} MiB at the peak", flush=True)
        print(f"peak memory grows by {100 * (peaks[1] / peaks[0] - 1):.1f} %")
        questions, whole = folder / f"{arguments.questions}.jsonl", folder / f"out-{arguments.questions}"
        met = killed(folder / "model", questions, folder / "killed", seconds, arguments.kills)
        parts = sorted((folder / "killed").glob("part-*"))
        ids = [json.loads(line)["id"] for part in parts for line in part.read_text(encoding="utf-8").splitlines()]
        asked = [json.loads(line)["id"] for line in questions.read_text(encoding="utf-8").splitlines()]
        same = sum(part.read_bytes() == (whole / part.name).read_bytes() for part in parts)
        print(f"killed {met} times: {len(ids)} ids, as asked {ids == asked}, {same} of {len(parts)} parts the same")


if __name__ == "__main__":
    main()
