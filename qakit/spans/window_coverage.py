"""Coverage of windows by length and overlap: tokens read, and answers that one window holds whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qakit.config import WindowSettings
from qakit.data.records import Record
from qakit.spans.windowing import answer_spans, covering_windows, encode_pairs, held_whole, reachable, refit


@dataclass(frozen=True, slots=True)
class Reach:
    """Windows of `max_length` tokens, of which neighbours share `overlap`.

    `windows` and `tokens` are read a question (mean; question and special tokens of every window included, padding
    not). `held` is the share of answers, in percent, that a window holds whole, and `placeable` of those that a window
    placed at will could hold; both None where there are no answers.
    """

    max_length: int
    overlap: int
    windows: float
    tokens: float
    held: float | None
    placeable: float | None


def measure_reach(
    tokenizer: Any, records: Sequence[Record], lengths: Sequence[int], overlaps: Sequence[int]
) -> tuple[Reach, ...]:
    """Measure windows of each length with each overlap that is below it.

    Records with several paragraphs of which none is known to be the right one are left out.

    Raises:
        ConfigError: a length that leaves no room for a paragraph.
    """
    known = [record for record in records if record.relevant is not None or len(record.paragraphs) == 1]
    texts = [(record.question, record.context) for record in known]
    grid = [
        WindowSettings(max_length=length, overlap=overlap)
        for length in lengths
        for overlap in overlaps
        if overlap < length
    ]
    if not known or not grid:
        return ()
    encoded = encode_pairs(tokenizer, texts, grid[0])
    spans = answer_spans(encoded, range(len(encoded)), known)
    answered = spans[:, 0] >= 0
    found = []
    for settings in grid:
        # The texts stay tokenised; only the number of tokens that fit changes.
        pairs = refit(encoded, settings)
        windows = covering_windows(pairs)
        around = pairs.question_lengths[windows.pairs] + pairs.frame.size
        shares = [
            round(100 * float(there[answered].mean()), 2) if answered.any() else None
            for there in (held_whole(windows, spans), reachable(pairs, spans))
        ]
        tokens = float(np.sum(windows.paragraph_lengths + around, dtype=np.int64)) / len(pairs)
        mean_windows = round(len(windows) / len(pairs), 2)
        found.append(Reach(settings.max_length, settings.overlap or 0, mean_windows, round(tokens, 1), *shares))
    return tuple(found)
