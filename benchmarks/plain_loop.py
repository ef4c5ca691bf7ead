"""The peer of the training benchmarks: the loop of transformers' `run_qa_no_trainer.py`, in its essentials.

Every overlapping window of every question is a sample, padded to the full length; fp32, AdamW and accelerate, all with
their defaults. A window without the whole answer is taught to point at its first token.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from transformers import default_data_collator, get_scheduler

from qakit.config import WindowSettings
from qakit.data.records import Record
from qakit.spans.windowing import answer_spans, covering_windows, encode_pairs, gather_windows


def features_of(tokenizer: Any, records: Sequence[Record], max_length: int, **settings: int) -> list[dict[str, Any]]:
    """All windows of all records, padded; `settings` are those of `WindowSettings`."""
    texts = [(record.question, record.context) for record in records]
    pairs = encode_pairs(tokenizer, texts, WindowSettings(max_length=max_length, **settings))
    spans, windows = answer_spans(pairs, range(len(pairs)), records), covering_windows(pairs)
    features = []
    for number in range(len(windows)):
        gathered = gather_windows(pairs, windows, [number], tokenizer.pad_token_id)
        arrays = {
            "input_ids": gathered.input_ids,
            "attention_mask": gathered.attention_mask,
            "token_type_ids": gathered.token_type_ids,
        }
        width = max_length - gathered.input_ids.shape[1]
        start, end = spans[windows.pairs[number]]
        first, behind = windows.rows[number, 2:]
        shift = int(gathered.paragraph_offset[0] - first) if first <= start and end < behind else None
        padded = {
            name: torch.nn.functional.pad(torch.from_numpy(array[0]), (0, width)) for name, array in arrays.items()
        }
        places = (0, 0) if shift is None else (int(start) + shift, int(end) + shift)
        features.append(padded | dict(zip(("start_positions", "end_positions"), places, strict=True)))
    return features


def train(
    model: Any,
    features: Sequence[dict[str, Any]],
    *,
    batch_size: int,
    learning_rate: float = 3e-5,
    warmup: float = 0.0,
    epochs: int = 1,
) -> Iterator[tuple[float, int]]:
    """One item a step: when it ended (seconds of a clock) and how many tokens of it were not padding."""
    accelerator = Accelerator(cpu=True)
    no_decay = ("bias", "LayerNorm.weight")
    decayed = [weight for name, weight in model.named_parameters() if not name.endswith(no_decay)]
    plain = [weight for name, weight in model.named_parameters() if name.endswith(no_decay)]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate)
    loader = DataLoader(features, shuffle=True, collate_fn=default_data_collator, batch_size=batch_size)
    steps = len(loader) * epochs
    schedule = get_scheduler("linear", optimizer, int(warmup * steps), steps)
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    model.train()
    for _ in range(epochs):
        for batch in loader:
            accelerator.backward(model(**batch).loss)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            yield time.perf_counter(), int(batch["attention_mask"].sum())
