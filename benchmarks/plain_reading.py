"""The peer of the reading benchmarks: features and answers as transformers' `run_qa.py` makes them, in its essentials.

Features come from one tokenizer call for a batch of pairs, through `datasets.map`, padded to the full length; answers
from two nested loops over the best starts and the best ends of every window, with every candidate a dictionary.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def features_of(tokenizer: Any, examples: Any, *, max_length: int, overlap: int) -> Any:
    """A `datasets.Dataset` of windows from one of `id`, `question`, `context`."""

    def prepare(batch: Mapping[str, Sequence[str]]) -> Any:
        encoded = tokenizer(
            [question.lstrip() for question in batch["question"]],
            batch["context"],
            truncation="only_second",
            max_length=max_length,
            stride=overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding="max_length",
        )
        owners = encoded.pop("overflow_to_sample_mapping")
        encoded["example_id"] = [batch["id"][owner] for owner in owners]
        encoded["offset_mapping"] = [
            [span if part == 1 else None for span, part in zip(spans, encoded.sequence_ids(number), strict=True)]
            for number, spans in enumerate(encoded["offset_mapping"])
        ]
        return encoded

    return examples.map(prepare, batched=True, remove_columns=examples.column_names, load_from_cache_file=False)


def answers_of(
    examples: Any, features: Any, logits: tuple[np.ndarray, np.ndarray], *, nbest: int, max_length: int
) -> dict[str, list[dict[str, Any]]]:
    """The n-best list of each example."""
    windows = defaultdict(list)
    for number, feature in enumerate(features):
        windows[feature["example_id"]].append((number, feature["offset_mapping"]))
    answers = {}
    for example in examples:
        candidates = []
        for number, offsets in windows[example["id"]]:
            start, end = logits[0][number], logits[1][number]
            starts, ends = (np.argsort(scores)[-1 : -nbest - 1 : -1].tolist() for scores in (start, end))
            for first in starts:
                for last in ends:
                    if first >= len(offsets) or last >= len(offsets) or not offsets[first] or not offsets[last]:
                        continue
                    if last < first or last - first + 1 > max_length:
                        continue
                    place = (offsets[first][0], offsets[last][1])
                    candidates.append({"offsets": place, "score": start[first] + end[last]})
        best = sorted(candidates, key=lambda candidate: candidate["score"], reverse=True)[:nbest]
        for candidate in best:
            candidate["text"] = example["context"][slice(*candidate["offsets"])]
        scores = np.array([candidate["score"] for candidate in best])
        likelihood = np.exp(scores - scores.max()) if len(scores) else scores
        for candidate, share in zip(best, likelihood / likelihood.sum(), strict=True):
            candidate["probability"] = share
        answers[example["id"]] = best
    return answers
