"""Answers have to be the same however questions are batched, ordered and padded.

`python benchmarks/invariance.py [DATA] [--questions N]` asks N questions of DRCD's dev file (drawn at random), in fp32,
of the model in the box (windows of 512) and of a BERT of 4 layers of 256 from random weights (windows of 384). Each way
of asking is compared with the reader's defaults: text, start and end of the best answer. Where the answer is another
one, its score in the reference tells why: below 1e-5 under the best it is a tie that rounding decides, and counted as
such; otherwise it is a fault. Overlap must not matter where a paragraph fits in one window. For longer paragraphs
nothing is promised, as every window gives its tokens other logits: how many answers agree is printed as it is.
"""

import argparse
import os
import random
import time
from collections.abc import Callable, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import torch

from qakit import Reader
from qakit.config import DecodingSettings, InferenceSettings, ReadConfig, WindowSettings
from qakit.data.predictions import PredictedAnswer
from qakit.data.schemas import read_dataset
from qakit.spans.windowing import encode_pairs

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
TIE = 1e-5
NBEST = 20
BATCH_TOKENS = (1, 2_000, 50_000)  # 1: every window alone
OVERLAPS = (0, 64, 200)

Pair = tuple[str, str]
Lists = list[tuple[PredictedAnswer, ...]]


class Padded(torch.nn.Module):
    """A model whose windows are all padded to a multiple of `to` tokens."""

    def __init__(self, model: Any, to: int) -> None:
        super().__init__()
        self.model, self.to_multiple, self.config = model, to, model.config

    def forward(self, input_ids: torch.Tensor, **others: torch.Tensor) -> Any:
        more = -input_ids.shape[1] % self.to_multiple
        pad = torch.nn.functional.pad
        others = {name: pad(tensor, (0, more)) for name, tensor in others.items()}
        return self.model(input_ids=pad(input_ids, (0, more), value=self.config.pad_token_id), **others)


def box() -> tuple[Any, Any, WindowSettings]:
    loaded = Reader("mini-zh").loaded
    return loaded.model.float(), loaded.tokenizer, loaded.info.windows


def random_bert(data: Path) -> tuple[Any, Any, WindowSettings]:
    from transformers import BertConfig, BertForQuestionAnswering, BertTokenizer

    torch.manual_seed(1)
    tokenizer = BertTokenizer(vocab=str(data / "vocab" / "bert-base-chinese-vocab.txt"))
    sizes = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
    model = BertForQuestionAnswering(BertConfig(**sizes, vocab_size=len(tokenizer))).eval()
    return model, tokenizer, WindowSettings(max_length=384, overlap=128)


def asker(model: Any, tokenizer: Any, windows: WindowSettings) -> Callable[..., Lists]:
    """A function that answers pairs with some settings changed."""

    def ask(pairs: Sequence[Pair], *, batch_tokens: int = 8192, pad_to: int = 1, overlap: int | None = None) -> Lists:
        changed = windows if overlap is None else windows.model_copy(update={"overlap": overlap, "step": None})
        config = ReadConfig(
            windows=changed,
            decoding=DecodingSettings(nbest=NBEST, max_answer_length=30),
            inference=InferenceSettings(batch_tokens=batch_tokens),
        )
        chosen = Padded(model, pad_to) if pad_to > 1 else model
        return list(Reader(chosen, tokenizer, device="cpu", config=config).batch(pairs))

    return ask


def place(answer: PredictedAnswer) -> tuple[str, int, int]:
    return answer.text, answer.start, answer.end


def behind(reference: tuple[PredictedAnswer, ...], answer: PredictedAnswer) -> float:
    """How far an answer's score is under the best one of the reference; infinite where it is not listed there."""
    scores = [one.score for one in reference if place(one) == place(answer)]
    return reference[0].score - scores[0] if scores else float("inf")


def compare(name: str, reference: Lists, found: Lists, *, promised: bool = True) -> int:
    """Print how many best answers are equal, and how the others differ; the number of faults."""
    pairs = list(zip(reference, found, strict=True))
    gaps = sorted(behind(first, second[0]) for first, second in pairs if place(first[0]) != place(second[0]))
    ties = sum(gap < TIE for gap in gaps)
    score = max((abs(first[0].score - second[0].score) for first, second in pairs), default=0.0)
    line = f"  {name:32} {len(pairs) - len(gaps):5} / {len(pairs)} equal, best scores differ by {score:.1e} at most"
    if not promised:
        print(line, flush=True)
        return 0
    lists = sum([place(one) for one in first] == [place(one) for one in second] for first, second in pairs)
    print(f"{line}; {ties} ties, {len(gaps) - ties} faults; {lists} lists of {NBEST} equal", flush=True)
    for gap in gaps:
        print(f"      an answer {gap:.1e} under the best of the reference")
    return len(gaps) - ties


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--questions", type=int, default=500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generator = random.Random(1)
    records = list(read_dataset([arguments.data / "drcd" / "DRCD_dev.json"]).records)
    generator.shuffle(records)
    pairs = [(record.question, record.context) for record in records[: arguments.questions]]
    faults = 0
    for name, (model, tokenizer, windows) in {
        "mini-zh": box(),
        "random BERT, 4x256": random_bert(arguments.data),
    }.items():
        began = time.perf_counter()
        faults += vary(name, pairs, encode_pairs(tokenizer, pairs, windows), asker(model, tokenizer, windows), windows)
        print(f"  {time.perf_counter() - began:.0f} s")
    raise SystemExit(bool(faults))


def vary(name: str, pairs: Sequence[Pair], encoded: Any, ask: Callable[..., Lists], windows: WindowSettings) -> int:
    """Ask in every way; the number of faults."""
    fits = encoded.paragraph_lengths <= encoded.room
    print(f"{name}: {len(pairs)} questions, {sum(fits)} of one window of {windows.max_length} tokens", flush=True)
    reference = ask(pairs)
    faults = 0
    for tokens in BATCH_TOKENS:
        faults += compare(f"batches of {tokens} tokens", reference, ask(pairs, batch_tokens=tokens))
    orders = {
        "reversed": list(reversed(range(len(pairs)))),
        "shuffled": random.Random(2).sample(range(len(pairs)), k=len(pairs)),
    }
    for order, numbers in orders.items():
        found = dict(zip(numbers, ask([pairs[number] for number in numbers]), strict=True))
        faults += compare(order, reference, [found[number] for number in range(len(pairs))])
    for multiple in (64, 512):
        faults += compare(f"padded to multiples of {multiple}", reference, ask(pairs, pad_to=multiple))
    for group, chosen in (("one window", fits), ("several windows", ~fits)):
        asked, expected = list(compress(pairs, chosen)), list(compress(reference, chosen))
        for overlap in OVERLAPS if asked else ():
            found = ask(asked, overlap=overlap)
            faults += compare(f"overlap {overlap}, {group}", expected, found, promised=chosen is fits)
    return faults


if __name__ == "__main__":
    main()
