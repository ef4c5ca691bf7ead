"""Answering questions, against the pipeline that transformers had and the evaluation loop of its example.

First install the pipeline into PEER as `former_pipeline.py` tells; then `python benchmarks/inference_speed.py PEER
[DATA] [--shape 12x768|4x256] [--questions N] [--rounds N]`: BERT of random weights in fp32 and bf16, questions of
DRCD's dev file, one thread, the whole way from texts to answers. Each measurement is a process of its own, ways take
turns, and medians are printed.

- `pipeline B`: transformers 4.57, `batch_size=B`, windows of 384 that share 128.
- `example`: windows from the tokenizer, in the order of the file, 8 at a time, padded to the longest of these; it ends
  with the logits.
- `qakit 384/128`: the same windows through `predict`; `qakit`: its own defaults for a model it knows nothing of.
- `int8`: what `qakit export --to int8` makes of the model, at the same defaults, run by onnxruntime.
- bf16 is the pipeline's `dtype=torch.bfloat16` and `--precision bf16`.

Beside each stands its limit: the share of the machine's own matrix product rate, measured in the same process right
before, that its useful work comes to: two operations for each token and parameter outside the embeddings, and four for
each pair of tokens, layer and hidden unit. Padding is not useful, but the tokens that windows share are.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SHAPES = {
    "4x256": {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024},
    "12x768": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
}
QUESTIONS = {"4x256": 400, "12x768": 40}
PEERS = ("pipeline 1", "pipeline 8", "example")
OURS = ("qakit 384/128", "qakit")
LENGTH, OVERLAP, LONGEST, BATCH = 384, 128, 15, 8  # the pipeline's defaults, and the example's batch
Item = dict[str, str]


def matrix_rate(dtype: Any) -> float:
    """Operations per second of this process's matrix products, the best of some."""
    import torch

    left, right = torch.randn(1536, 768, dtype=dtype), torch.randn(768, 3072, dtype=dtype)
    out, rates = torch.empty(1536, 3072, dtype=dtype), []
    for _ in range(8):
        began = time.perf_counter()
        for _ in range(3):
            torch.mm(left, right, out=out)
        rates.append(3 * 2 * 1536 * 768 * 3072 / (time.perf_counter() - began))
    return max(rates)


def useful_operations(model: Any, lengths: list[int]) -> float:
    """Of windows of so many tokens."""
    weights = sum(value.numel() for name, value in model.named_parameters() if "embeddings" not in name)
    attention = 4 * model.config.num_hidden_layers * model.config.hidden_size
    return float(sum(2 * weights * length + attention * length**2 for length in lengths))


def pipeline(folder: Path, dtype: Any, batch: int) -> tuple[Any, Callable[[list[Item]], Any]]:
    import transformers

    qa = transformers.pipeline("question-answering", model=str(folder), tokenizer=str(folder), device=-1, dtype=dtype)
    return qa.model, lambda asked: qa(asked, batch_size=batch)


def example(folder: Path, dtype: Any) -> tuple[Any, Callable[[list[Item]], Any]]:
    """Without the example's search for answers, so that what is compared is the way to the logits."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer, DataCollatorWithPadding

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder, dtype=dtype).eval()
    collate = DataCollatorWithPadding(tokenizer)

    def answer(asked: list[Item]) -> Any:
        encoded = tokenizer(
            [item["question"] for item in asked],
            [item["context"] for item in asked],
            truncation="only_second",
            max_length=LENGTH,
            stride=OVERLAP,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        count = len(encoded["input_ids"])
        rows = [{name: encoded[name][row] for name in tokenizer.model_input_names} for row in range(count)]
        logits = []
        with torch.no_grad():
            for first in range(0, count, BATCH):
                output = model(**collate(rows[first : first + BATCH]))
                logits.append((output.start_logits.float().numpy(), output.end_logits.float().numpy()))
        return logits

    return model, answer


def qakit(folder: Path, precision: str, *, same: bool) -> tuple[Any, Callable[[list[Item]], Any]]:
    from qakit.config import DecodingSettings, InferenceSettings, ReadConfig, WindowSettings
    from qakit.data.records import Dataset, Paragraph, Record
    from qakit.tasks.questions.two_stage import answer_dataset, load_models

    backend = "int8" if precision == "int8" else "torch"
    folder, precision = (folder / "int8", "fp32") if backend == "int8" else (folder, precision)
    inference = InferenceSettings(precision=precision, num_threads=1)  # type: ignore[arg-type]
    models = load_models(str(folder), None, backend=backend, inference=inference)
    assert models.reader is not None
    config = ReadConfig(
        windows=WindowSettings(max_length=LENGTH, overlap=OVERLAP) if same else None,
        decoding=DecodingSettings(max_answer_length=LONGEST),
        inference=inference,
    )

    def answer(asked: list[Item]) -> Any:
        records = [
            Record(str(number), item["question"], (Paragraph("1", item["context"]),), relevant=0)
            for number, item in enumerate(asked)
        ]
        return [found.prediction.text for found in answer_dataset(Dataset(tuple(records), "jsonl"), models, config)]

    return models.reader.model, answer


def worker(way: str, precision: str, folder: Path, items: list[Item]) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    if way.startswith("pipeline"):
        model, answer = pipeline(folder, dtype, int(way.split()[1]))
    elif way == "example":
        model, answer = example(folder, dtype)
    else:
        model, answer = qakit(folder, precision, same=way != "qakit")
    answer(items[:8])
    lengths: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda _, __, inputs: lengths.extend(inputs["attention_mask"].sum(dim=1).tolist()), with_kwargs=True
    )
    rate = matrix_rate(dtype)
    began = time.perf_counter()
    answer(items)
    seconds = time.perf_counter() - began
    rate = max(rate, matrix_rate(dtype))
    hook.remove()
    done = useful_operations(model, lengths) / seconds
    share = 0.0 if precision == "int8" else done / rate
    return {"questions": len(items) / seconds, "share": share, "tokens": sum(lengths) / len(items)}


def make_model(data: Path, shape: str, folder: Path) -> None:
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    from qakit.modeling.loading import load_tokenizer

    tokenizer = load_tokenizer(data / "vocab" / "bert-base-chinese-vocab.txt")
    tokenizer.model_max_length = 512
    torch.manual_seed(0)
    BertForQuestionAnswering(BertConfig(vocab_size=len(tokenizer), **SHAPES[shape])).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    export = ("export", str(folder), "--to", "int8", "--out", str(folder / "int8"), "--quiet")
    subprocess.run([sys.executable, "-m", "qakit", *export], stdout=subprocess.PIPE, check=True)


def measure(way: str, precision: str, folder: Path, peer: Path) -> dict[str, float]:
    paths = [str(peer)] if way.startswith("pipeline") else []
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = [sys.executable, __file__, str(peer), "--worker", way, precision, str(folder)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", type=Path)
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--shape", choices=SHAPES, action="append")
    parser.add_argument("--questions", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        way, precision, folder = arguments.worker
        items = json.loads((Path(folder) / "questions.json").read_text())
        print(json.dumps(worker(way, precision, Path(folder), items)))
        return
    for shape in arguments.shape or SHAPES:
        with TemporaryDirectory() as name:
            folder = Path(name)
            make_model(arguments.data, shape, folder)
            items = questions(arguments.data, arguments.questions or QUESTIONS[shape])
            (folder / "questions.json").write_text(json.dumps(items))
            compare(shape, folder, arguments.peer, arguments.rounds)


def questions(data: Path, count: int) -> list[Item]:
    """So many of DRCD's dev file, spread over it."""
    from qakit.data.schemas import read_dataset

    records = read_dataset([data / "drcd" / "DRCD_dev.json"]).records
    step = max(1, len(records) // count)
    return [{"question": record.question, "context": record.context} for record in records[::step][:count]]


def compare(shape: str, folder: Path, peer: Path, rounds: int) -> None:
    ways = [(way, precision) for precision in ("fp32", "bf16") for way in (*PEERS, *OURS)] + [("qakit", "int8")]
    found: dict[tuple[str, str], list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            found[way].append(measure(*way, folder, peer))
    speed = {way: median(one["questions"] for one in found[way]) for way in ways}
    best = max(speed[way, "fp32"] for way in PEERS)
    print(f"{shape}, medians of {rounds} rounds; ratios to the best peer in fp32, the pipeline 1 in fp32 and in bf16")
    for way in ways:
        ratios = (best, speed["pipeline 1", "fp32"], speed["pipeline 1", "bf16"])
        share, tokens = (median(one[name] for one in found[way]) for name in ("share", "tokens"))
        print(
            f"  {way[1]} {way[0]:14} {speed[way]:8.2f} questions/s  {share:4.0%} of the matrix product rate  "
            f"{tokens:5.0f} tokens a question  " + "  ".join(f"{speed[way] / ratio:.2f}x" for ratio in ratios),
            flush=True,
        )


if __name__ == "__main__":
    main()
