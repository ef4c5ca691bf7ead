"""Texts to windows, and logits to answers, against the functions of transformers' example (`plain_reading.py`).

`pip install --target PEER --no-deps datasets dill multiprocess xxhash`, then `python benchmarks/reading_speed.py PEER
[DATA] [--rounds N]`: all 3,524 questions of DRCD's dev file at 384/128 on one thread; random logits, 20 best answers
of 30 tokens at most. Each measurement is a process of its own, the ways take turns, and medians are printed. Peak
memory is what the work adds to that of the imports.
"""

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
LENGTH, OVERLAP, NBEST, LONGEST = 384, 128, 20, 30
WAYS = ("preprocess peer", "preprocess distinct texts", "preprocess qakit", "decode peer", "decode qakit", "compare")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def worker(way: str, data: Path) -> dict[str, float]:
    import datasets
    import plain_reading
    from transformers.utils import logging

    from qakit.config import WindowSettings
    from qakit.data.schemas import read_dataset
    from qakit.modeling.loading import load_tokenizer
    from qakit.spans.decoder import cut_answers_of
    from qakit.spans.decoding import decode_batch
    from qakit.spans.windowing import covering_windows, encode_pairs
    from qakit.tasks.questions.reading import tokens_by_pair

    datasets.disable_progress_bars()
    logging.set_verbosity_error()
    tokenizer = load_tokenizer(data / "vocab" / "bert-base-chinese-vocab.txt")
    records = read_dataset([data / "drcd" / "DRCD_dev.json"]).records
    columns = {"id": [r.id for r in records], "question": [r.question for r in records]}
    examples = datasets.Dataset.from_dict({**columns, "context": [r.context for r in records]})
    texts = list({r.question for r in records} | {r.context for r in records})
    pairs = [(record.question, record.context) for record in records]
    settings = WindowSettings(max_length=LENGTH, overlap=OVERLAP)
    tokenizer("暖", "身")
    before = peak()
    if way == "preprocess distinct texts":
        _, seconds = timed(lambda: tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False))
        return {"seconds": seconds, "mib": peak() - before}
    if way == "preprocess peer":
        features, seconds = timed(
            lambda: plain_reading.features_of(tokenizer, examples, max_length=LENGTH, overlap=OVERLAP)
        )
        return {"seconds": seconds, "mib": peak() - before, "windows": len(features)}
    encoded, seconds = timed(lambda: encode_pairs(tokenizer, pairs, settings))
    windows, more = timed(lambda: covering_windows(encoded))
    if way == "preprocess qakit":
        return {"seconds": seconds + more, "mib": peak() - before, "windows": len(windows)}
    lengths = windows.paragraph_lengths
    offset = 2 + encoded.question_lengths[windows.pairs]
    logits = np.random.default_rng(0).normal(size=(2, len(windows), LENGTH)).astype(np.float32)
    inside = (np.arange(LENGTH) >= offset[:, None]) & (np.arange(LENGTH) < (offset + lengths)[:, None])

    def ours() -> list[Any]:
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        flat = [one[inside] for one in logits]
        scored = list(tokens_by_pair(encoded, windows, bounds, *flat, logits[:, :, 0].T))
        found = decode_batch(scored, max_length=LONGEST, nbest=NBEST)
        return cut_answers_of([record.context for record in records], found, [None] * len(records))

    if way == "decode qakit":
        gc.collect()
        answers, seconds = timed(ours)
        return {"seconds": seconds, "answers": sum(map(len, answers))}
    features = plain_reading.features_of(tokenizer, examples, max_length=LENGTH, overlap=OVERLAP)
    gc.collect()
    theirs, seconds = timed(
        lambda: plain_reading.answers_of(examples, features, (logits[0], logits[1]), nbest=NBEST, max_length=LONGEST)
    )
    if way == "decode peer":
        return {"seconds": seconds, "answers": sum(map(len, theirs.values()))}
    same = better = 0
    for record, mine in zip(records, ours(), strict=True):
        other = theirs[record.id][0]
        same += (mine[0].start, mine[0].end) == other["offsets"]
        better += (mine[0].start, mine[0].end) != other["offsets"] and mine[0].score > other["score"]
    return {"questions": len(records), "same best": int(same), "ours scores higher": int(better)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", type=Path)
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(worker(arguments.worker, arguments.data)))
        return
    quiet = {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment = {**os.environ, **quiet, "PYTHONPATH": str(arguments.peer)}
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(arguments.rounds):
        for way in WAYS[:-1]:
            found[way].append(run(way, arguments, environment))
    seconds = {}
    for way in WAYS[:-1]:
        seconds[way] = median(one["seconds"] for one in found[way])
        print(f"{way:26} {seconds[way]:6.3f} s  {found[way][0]}")
    peer, texts, ours = (seconds[f"preprocess {name}"] for name in ("peer", "distinct texts", "qakit"))
    memory = {way: median(one["mib"] for one in found[way]) for way in WAYS[:3]}
    print(f"preprocessing: {peer / ours:.1f} times as fast, {ours / texts:.2f} times encoding the distinct texts once")
    print(f"added to peak memory: {memory['preprocess qakit']:.0f} MiB, peer {memory['preprocess peer']:.0f} MiB")
    print(f"decoding: {seconds['decode peer'] / seconds['decode qakit']:.1f} times as fast")
    print(run("compare", arguments, environment))


def run(way: str, arguments: argparse.Namespace, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, __file__, str(arguments.peer), str(arguments.data), "--worker", way]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
