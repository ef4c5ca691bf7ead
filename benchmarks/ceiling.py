"""What a perfect model would score: `python benchmarks/ceiling.py [DATA]`.

The logits point at the tokens of each question's first reference that is a span, in every window that holds it whole;
elsewhere they are noise. What is then lost is lost by tokens, windows and cutting, not by a model. The files are DRCD
dev and CMRC 2018 dev; DATA is the folder with the public datasets, by default $QAKIT_DATA or `shared/data` beside the
repository.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from qakit.config import WindowSettings
from qakit.data.records import Record
from qakit.data.schemas import read_dataset
from qakit.metrics.presets import evaluate
from qakit.modeling.loading import load_tokenizer
from qakit.spans.decoder import cut_answers
from qakit.spans.decoding import decode_batch
from qakit.spans.token_scores import TokenScores
from qakit.spans.tokenizing import Ints
from qakit.spans.windowing import EncodedPairs, Windows, answer_spans, covering_windows, encode_pairs, held_whole

BESIDE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = {"drcd": "drcd/DRCD_dev.json", "cmrc": "cmrc2018/cmrc2018_dev.json"}
SETTINGS = {
    "max_length 384, overlap 128": WindowSettings(max_length=384, overlap=128),
    "max_length 300, paragraph 150, step 75": WindowSettings(max_length=300, max_paragraph_length=150, step=75),
}
PEAK, NOISE, SEED = 20.0, 0.1, 0
SHOWN = 8


@dataclass(frozen=True)
class Ceiling:
    """The score, the length cap in tokens, and what each lost question was lost to."""

    em: float
    f1: float
    cap: int
    windows: int
    lost: dict[str, str]
    examples: list[str]


def perfect_scores(pairs: EncodedPairs, windows: Windows, spans: Ints) -> Iterator[TokenScores]:
    """The scores of a model that knows the answers, question after question."""
    random = np.random.default_rng(SEED)
    owned = np.searchsorted(windows.pairs, np.arange(len(pairs) + 1))
    for pair, (first, end) in enumerate(pairwise(owned.tolist())):
        rows = windows.rows[first:end].tolist()
        logits = [_window_logits(random, row, spans[pair].tolist()) for row in rows]
        tokens = np.concatenate([np.arange(row[2], row[3]) for row in rows]) + pairs.paragraphs.bounds[rows[0][1]]
        bounds = np.concatenate([[0], np.cumsum([row[3] - row[2] for row in rows])])
        start, end_logits = np.concatenate(logits, axis=1).astype(np.float32)
        yield TokenScores(start, end_logits, pairs.paragraphs.starts[tokens], pairs.paragraphs.ends[tokens], bounds)


def _window_logits(random: np.random.Generator, row: list[int], span: list[int]) -> Any:
    """Start and end logits of one window, shape (2, tokens)."""
    _, _, first, end = row
    logits = NOISE * random.standard_normal((2, end - first))
    if first <= span[0] and span[1] < end:
        logits[[0, 1], [span[0] - first, span[1] - first]] = PEAK
    return logits


def ceiling(records: Sequence[Record], tokenizer: Any, settings: WindowSettings, metric: str) -> Ceiling:
    pairs = encode_pairs(tokenizer, [(record.question, record.context) for record in records], settings)
    windows = covering_windows(pairs)
    spans = answer_spans(pairs, range(len(records)), records)
    cap = int((spans[:, 1] - spans[:, 0]).max()) + 1
    scored = perfect_scores(pairs, windows, spans)
    best = decode_batch(scored, max_length=cap)
    predictions = {
        record.id: next((answer.text for answer in cut_answers(record.context, found)), "")
        for record, found in zip(records, best, strict=True)
    }
    scores = evaluate(predictions, {record.id: record.references for record in records}, metric)
    held = held_whole(windows, spans)
    missed = [n for n, record in enumerate(records) if not scores.per_question[record.id].em]
    lost = {records[n].id: _reason(records[n], spans[n].tolist(), bool(held[n])) for n in missed}
    examples = [f"{records[n].id}: {records[n].references[0]!r} became {predictions[records[n].id]!r}" for n in missed]
    return Ceiling(scores.em, scores.f1, cap, len(windows), lost, examples)


def _reason(record: Record, span: list[int], held: bool) -> str:
    if record.span is None:
        return "no reference is a span"
    if span[0] < 0:
        return "no token at the answer"
    return "a token is wider than the answer" if held else "no window holds the whole answer"


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("QAKIT_DATA", BESIDE_REPOSITORY))
    tokenizer = load_tokenizer(data / "vocab" / "bert-base-chinese-vocab.txt")
    for metric, file in FILES.items():
        records = read_dataset([data / file]).records
        without = sum(record.span is None for record in records)
        print(f"{file}: {len(records)} questions, {without} without a reference that is a span")
        for name, settings in SETTINGS.items():
            found = ceiling(records, tokenizer, settings, metric)
            print(f"  {name}: EM {found.em:.3f}, F1 {found.f1:.3f} ({found.windows} windows, cap {found.cap} tokens)")
            for reason, count in Counter(found.lost.values()).most_common():
                print(f"    {count} lost: {reason}")
            for example in found.examples[:SHOWN]:
                print(f"      {example}")


if __name__ == "__main__":
    main()
