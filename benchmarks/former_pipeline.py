"""`qakit.pipeline` against the pipeline that transformers had: the documented call forms, and the same results.

First `pip install --target PEER --no-deps 'transformers==4.57.*' 'huggingface_hub<1' 'tokenizers>=0.22,<0.23'` and
`pip install --target PEER requests`; then `python benchmarks/former_pipeline.py PEER [DATA] [--model FOLDER]`. Both
run the same weights, by default a small BERT of random ones, over the first 200 questions of DRCD's dev file that fit
in one window; the peer in a process of its own. A result is equal when answers, offsets and order are, and scores to
1e-4.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
QUESTIONS = 200
LONGEST = 330  # characters: one window of 384 tokens holds them beside a question
Item = dict[str, str]


class Listed:
    """A dataset as torch knows it: a length and items by number."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Item:
        return self.items[number]


def forms(qa: Any, items: list[Item]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every call form that the pipeline's documentation or its argument handler tells of."""
    from torch.utils.data import Dataset

    one, two = items[:2]
    listed = type("Listed", (Listed, Dataset), {})(items[:3])
    same = [item for item in items if item["context"] == one["context"]][:2]
    questions, contexts = [item["question"] for item in items[:3]], [item["context"] for item in items[:3]]
    yield "question=, context=", lambda: qa(**one)
    yield "question=[...], context=", lambda: qa(question=[item["question"] for item in same], context=one["context"])
    yield "question=[...], context=[...]", lambda: qa(question=questions, context=contexts)
    yield "one dict", lambda: qa(one)
    yield "two dicts", lambda: qa(one, two)
    yield "list of dicts", lambda: qa(items[:3])
    yield "list of one dict", lambda: qa([one])
    yield "two texts", lambda: qa(one["question"], one["context"])
    yield "data=", lambda: qa(data=items[:3])
    yield "X=", lambda: qa(X=one)
    yield "create_sample", lambda: qa(qa.create_sample(**one))
    yield "list of create_sample", lambda: qa(qa.create_sample(question=questions, context=contexts))
    yield "generator", lambda: list(qa(item for item in items[:3]))
    yield "torch dataset", lambda: list(qa(listed))
    yield "top_k=3", lambda: qa(**one, top_k=3)
    yield "topk=3", lambda: qa(**one, topk=3)
    yield "list, top_k=3", lambda: qa(items[:3], top_k=3)
    yield "max_answer_len=4", lambda: qa(items[:3], max_answer_len=4)
    yield "max_answer_len=60", lambda: qa(items[:3], max_answer_len=60)
    yield "max_seq_len=512, doc_stride=64", lambda: qa(items[:3], max_seq_len=512, doc_stride=64)
    yield "max_question_len=32", lambda: qa(items[:3], max_question_len=32)
    yield "handle_impossible_answer=True", lambda: qa(items[:3], handle_impossible_answer=True)
    yield "the same, top_k=5", lambda: qa(items[:3], handle_impossible_answer=True, top_k=5)
    yield "align_to_words=False", lambda: qa(items[:3], align_to_words=False)
    yield "batch_size=2", lambda: qa(items[:3], batch_size=2)
    yield 'padding="longest"', lambda: qa(items[:3], padding="longest")
    yield f"{len(items)} questions", lambda: qa(items)
    yield f"{len(items)} questions, top_k=3", lambda: qa(items, top_k=3)


def results(pipeline: Any, model: Path, items: list[Item]) -> dict[str, Any]:
    qa = pipeline("question-answering", model=str(model), tokenizer=str(model), device=-1)
    found = {}
    for name, call in forms(qa, items):
        try:
            found[name] = call()
        except Exception as error:  # whatever a form ends with is its result here
            found[name] = f"{type(error).__name__}: {error}"
    return found


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, abs_tol=1e-4)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    return bool(one == other)


def write_model(folder: Path, data: Path) -> None:
    """A small BERT whose random weights are large enough for scores that differ."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering, BertTokenizer

    torch.manual_seed(1)
    tokenizer = BertTokenizer(vocab=str(data / "vocab" / "bert-base-chinese-vocab.txt"))
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    BertForQuestionAnswering(BertConfig(**sizes, vocab_size=len(tokenizer), initializer_range=0.4)).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)


def compare(former: dict[str, Any], ours: dict[str, Any]) -> None:
    for name, expected in former.items():
        found = ours[name]
        if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
            count = sum(map(equal, expected, found))
            print(f"{name:36} {count} of {len(found)} equal")
            for number, (one, other) in enumerate(zip(expected, found, strict=True)):
                if not equal(one, other):
                    print(f"    {number}: {one}\n       {other}")
        else:
            print(f"{name:36} {'equal' if equal(expected, found) else f'former {expected}; qakit {found}'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", type=Path)
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    if arguments.worker:
        from transformers import pipeline

        print(json.dumps(results(pipeline, arguments.model, json.loads(arguments.worker.read_text()))))
        return
    import qakit
    from qakit.data.schemas import read_dataset

    records = read_dataset([arguments.data / "drcd" / "DRCD_dev.json"]).records
    short = [record for record in records if len(record.context) < LONGEST][:QUESTIONS]
    items = [{"question": record.question, "context": record.context} for record in short]
    with TemporaryDirectory() as folder:
        model = arguments.model or Path(folder)
        if arguments.model is None:
            write_model(model, arguments.data)
        file = Path(folder) / "items.json"
        file.write_text(json.dumps(items))
        command = [sys.executable, __file__, "unused", "--model", str(model), "--worker", str(file)]
        environment = {**os.environ, "PYTHONPATH": str(arguments.peer)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        compare(json.loads(done.stdout.splitlines()[-1]), results(qakit.pipeline, model, items))


if __name__ == "__main__":
    main()
