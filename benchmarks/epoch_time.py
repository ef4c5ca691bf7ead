"""Time per epoch and what it buys, against the plain loop of the transformers example.

`python benchmarks/epoch_time.py [DATA] [--epochs N] [--seeds N]` trains a small RoFormer from random weights on the
training and development parts of HW7's files (2,969 questions of DRCD) and reads its test part (555 questions), with

- the loop of transformers' `run_qa_no_trainer.py` (`plain_loop.py`): every window of 384 tokens of every question in
  each epoch, fp32;
- qakit: one window a question and epoch, of 256 tokens, holding the answer at a random place, and for half of the
  questions one without it; bf16, batches by length.

Both have the same model, exact-match token types, batch size, learning rate and number of epochs, and are read through
the same windows of 384 tokens. Each training is a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, median

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SIZES = {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512}
WINDOWS = {"max_length": 384, "overlap": 128, "match_length": 2}
SHORT, NEGATIVES = WINDOWS | {"max_length": 256}, 0.5
BATCH, RATE, WARMUP = 8, 1e-3, 0.1


def worker(data: Path, way: str, seed: int, epochs: int) -> dict[str, float]:
    import plain_loop
    from transformers import set_seed

    from qakit.config import ReadConfig, TrainConfig, WindowSettings
    from qakit.data.predictions import read_predictions
    from qakit.data.schemas import read_dataset
    from qakit.metrics.presets import evaluate
    from qakit.modeling.building import build_for_training
    from qakit.modeling.models import LoadedModel
    from qakit.tasks.questions.qa import QuestionAnswering
    from qakit.tasks.questions.reading import read_answers
    from qakit.training.accelerator import make_accelerator
    from qakit.training.learner import Learner

    files = [data / "hw7" / f"hw7_{part}.json" for part in ("train", "dev")]
    config = TrainConfig.model_validate(
        {
            "out": "unused",
            "data": {"train": files},
            "model": {
                "name": "roformer",
                "from_scratch": True,
                "tokenizer": str(data / "vocab" / "bert-base-chinese-vocab.txt"),
                "embedding_size": SIZES["hidden_size"],
                **SIZES,
            },
            "windows": SHORT if way == "qakit" else WINDOWS,
            "tricks": {"negative_windows": NEGATIVES},
            "training": {
                "batch_size": BATCH,
                "learning_rate": RATE,
                "warmup": WARMUP,
                "epochs": epochs,
                "seed": seed,
                "precision": "bf16",
                "group_by_length": True,
            },
        }
    )
    set_seed(seed)
    train_data = read_dataset(files)
    accelerator = make_accelerator(config.training) if way == "qakit" else None
    model, tokenizer, _ = build_for_training(config.model, "AutoModelForQuestionAnswering", config.windows)
    prepared = QuestionAnswering().prepare(train_data, tokenizer, config)
    began = time.perf_counter()
    if way == "qakit":
        steps = sum(1 for _ in Learner(model, config, accelerator, prepared.training_set).steps())
    else:
        features = plain_loop.features_of(tokenizer, train_data.records, **WINDOWS)
        began = time.perf_counter()
        steps = sum(
            1
            for _ in plain_loop.train(
                model, features, batch_size=BATCH, learning_rate=RATE, warmup=WARMUP, epochs=epochs
            )
        )
    seconds = time.perf_counter() - began
    test = read_dataset([data / "hw7" / "hw7_test.json"]).records
    reading = ReadConfig(windows=WindowSettings.model_validate(WINDOWS))
    answers = read_answers(LoadedModel(model, tokenizer, prepared.info, way), test, reading)
    predictions = {prediction.id: prediction.text for prediction, _ in answers}
    golds = {name: (text,) for name, text in read_predictions(data / "hw7" / "hw7_test_gold.csv").items()}
    scores = evaluate(predictions, golds, "drcd")
    return {"seconds": seconds / epochs, "steps": steps, "em": scores.em, "f1": scores.f1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.update(ACCELERATE_USE_CPU="true", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    if arguments.worker:
        way, seed = arguments.worker
        print(json.dumps(worker(arguments.data, way, int(seed), arguments.epochs)))
        return
    results: dict[str, list[dict[str, float]]] = {"plain loop": [], "qakit": []}
    for seed in range(1, arguments.seeds + 1):
        for way, found in results.items():
            command = [sys.executable, __file__, str(arguments.data), "--epochs", str(arguments.epochs)]
            done = subprocess.run([*command, "--worker", way, str(seed)], capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"seed {seed}  {way:10}  {found[-1]}", flush=True)
    seconds = {way: median(result["seconds"] for result in found) for way, found in results.items()}
    for way, found in results.items():
        em, f1 = (mean(result[name] for result in found) for name in ("em", "f1"))
        print(f"{way:10}  {seconds[way]:6.1f} s an epoch  EM {em:.2f}  F1 {f1:.2f} after {arguments.epochs} epochs")
    print(f"time per epoch: {seconds['plain loop'] / seconds['qakit']:.2f} times less")


if __name__ == "__main__":
    main()
