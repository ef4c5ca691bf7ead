"""Training throughput against the plain loop of the transformers example, side by side.

`python benchmarks/training_speed.py [DATA] [--rounds N]` trains BERT of two shapes, from random weights, on DRCD's dev
file (6,655 windows at 384/128) with

- the loop of transformers' `run_qa_no_trainer.py` (`plain_loop.py`): windows padded to 384, fp32, batch 8;
- qakit in fp32 and in bf16, batch 8, `group_by_length`.

Each measurement is a process of its own, so that neither's settings reach the other; rounds are interleaved, and
medians of windows per second and their ratios printed. The limit is named beside them: the share of the machine's own
matrix product rate that the useful tokens (no padding) come to.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SHAPES = {
    "4x256": {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024},
    "12x768": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
}
STEPS = {"4x256": 24, "12x768": 5}
WARM_UP = 2
MAX_LENGTH, OVERLAP, BATCH = 384, 128, 8
WAYS = ("peer", "fp32", "bf16")


def model_settings(data: Path, shape: str) -> dict[str, object]:
    vocabulary = data / "vocab" / "bert-base-chinese-vocab.txt"
    return {"name": "bert", "from_scratch": True, "tokenizer": str(vocabulary), **SHAPES[shape]}


def peer(data: Path, shape: str) -> dict[str, float]:
    """The plain loop, over as many of its windows as are timed."""
    import plain_loop
    from transformers import set_seed

    from qakit.config import ModelSettings, WindowSettings
    from qakit.data.schemas import read_dataset
    from qakit.modeling.building import build_for_training

    set_seed(42)
    settings, windows = ModelSettings.model_validate(model_settings(data, shape)), WindowSettings(max_length=MAX_LENGTH)
    model, tokenizer, _ = build_for_training(settings, "AutoModelForQuestionAnswering", windows)
    records = list(read_dataset([data / "drcd" / "DRCD_dev.json"]).records)
    random.Random(0).shuffle(records)
    features = plain_loop.features_of(
        tokenizer, records[: (STEPS[shape] + WARM_UP) * BATCH], MAX_LENGTH, overlap=OVERLAP
    )
    random.Random(0).shuffle(features)
    times, useful = [time.perf_counter()], []
    for ended, tokens in plain_loop.train(model, features[: (STEPS[shape] + WARM_UP) * BATCH], batch_size=BATCH):
        times.append(ended)
        useful.append(tokens)
    return measured(times, useful, MAX_LENGTH * BATCH, shape)


def ours(data: Path, shape: str, precision: str) -> dict[str, float]:
    from qakit.config import TrainConfig
    from qakit.data.schemas import read_dataset
    from qakit.modeling.building import build_for_training
    from qakit.tasks.questions.qa import QuestionAnswering
    from qakit.training.accelerator import make_accelerator
    from qakit.training.learner import Learner

    file = data / "drcd" / "DRCD_dev.json"
    config = TrainConfig.model_validate(
        {
            "out": "unused",
            "data": {"train": [file]},
            "model": model_settings(data, shape),
            "windows": {"max_length": MAX_LENGTH, "overlap": OVERLAP},
            "training": {
                "batch_size": BATCH,
                "precision": precision,
                "max_steps": STEPS[shape] + WARM_UP,
                "group_by_length": True,
            },
        }
    )
    accelerator = make_accelerator(config.training)
    model, tokenizer, _ = build_for_training(config.model, "AutoModelForQuestionAnswering", config.windows)
    training_set = QuestionAnswering().prepare(read_dataset([file]), tokenizer, config).training_set
    learner = Learner(model, config, accelerator, training_set)
    times, useful, padded = [time.perf_counter()], [], 0
    for number, _ in enumerate(learner.steps()):
        times.append(time.perf_counter())
        (index,) = learner.plan.step(number)[1]
        lengths = training_set.lengths[index]
        useful.append(int(lengths.sum()))
        padded += int(lengths.max()) * len(lengths)
    return measured(times, useful, padded / len(useful), shape)


def measured(times: list[float], useful: list[int], step_tokens: float, shape: str) -> dict[str, float]:
    seconds = times[-1] - times[WARM_UP]
    steps = len(useful) - WARM_UP
    layers, hidden = SHAPES[shape]["num_hidden_layers"], SHAPES[shape]["hidden_size"]
    # Forward and backward are 6 operations a weight and token; attention adds 12 per pair of tokens and channel.
    flops = sum(
        6 * 12 * layers * hidden**2 * tokens + 12 * layers * hidden * tokens**2 / BATCH for tokens in useful[WARM_UP:]
    )
    return {
        "windows_per_second": steps * BATCH / seconds,
        "padding": 1 - sum(useful) / (len(useful) * step_tokens),
        "flops_per_second": flops / seconds,
    }


def gemm_rate(precision: str) -> float:
    """Operations per second of one square matrix product, the best of several."""
    import torch

    size = 2048
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    first, second = torch.randn(2, size, size).to(kind)
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        first @ second
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.update(ACCELERATE_USE_CPU="true", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    if arguments.worker:
        shape, way = arguments.worker
        found = peer(arguments.data, shape) if way == "peer" else ours(arguments.data, shape, way)
        print(json.dumps(found | {"gemm": gemm_rate(way)}))
        return
    for shape in SHAPES:
        results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(arguments.rounds):
            for way in WAYS:
                command = [sys.executable, __file__, str(arguments.data), "--worker", shape, way]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                results[way].append(json.loads(done.stdout.splitlines()[-1]))
        baseline = median(result["windows_per_second"] for result in results["peer"])
        for way, found in results.items():
            rate = median(result["windows_per_second"] for result in found)
            share = median(result["flops_per_second"] / result["gemm"] for result in found)
            name = "plain loop, fp32" if way == "peer" else f"qakit, {way}"
            print(
                f"{shape}  {name:16}  {rate:7.2f} windows/s  x {rate / baseline:.2f}  "
                f"padding {found[0]['padding']:.1%}  "
                f"useful work {share:.0%} of this precision's matrix product rate",
                flush=True,
            )


if __name__ == "__main__":
    main()
