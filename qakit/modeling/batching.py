"""Batches of windows: gathered into tensors, for the epochs of a training and by length for inference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qakit.spans.tokenizing import Ints
from qakit.spans.windowing import (
    EncodedPairs,
    Windows,
    gather_windows,
    has_negatives,
    negative_windows,
    training_windows,
)


@dataclass(frozen=True)
class WindowBatch:
    """B windows of T tokens as inputs of a model.

    Attributes:
        inputs: `input_ids`, `attention_mask` and, where the model takes them, `token_type_ids`; shape (B, T).
        index: number of each window, shape (B,).
        pairs: number of each window's pair, shape (B,).
        paragraph_offset, paragraph_length: first paragraph token in the window, and their number, shape (B,).
        first_token: number of that first token within its whole paragraph, shape (B,).
    """

    inputs: dict[str, Tensor]
    index: "np.ndarray[Any, np.dtype[np.int64]]"
    pairs: "np.ndarray[Any, np.dtype[np.int32]]"
    paragraph_offset: "np.ndarray[Any, np.dtype[np.int32]]"
    paragraph_length: "np.ndarray[Any, np.dtype[np.int32]]"
    first_token: "np.ndarray[Any, np.dtype[np.int32]]"


def gather_batch(pairs: EncodedPairs, windows: Windows, index: Sequence[int], pad_id: int) -> WindowBatch:
    """Gather the windows with the numbers `index` into tensors on the CPU."""
    gathered = gather_windows(pairs, windows, index, pad_id)
    inputs = {"input_ids": gathered.input_ids, "attention_mask": gathered.attention_mask}
    if gathered.token_type_ids is not None:
        inputs["token_type_ids"] = gathered.token_type_ids
    # The tensors share the arrays' memory, so nothing is copied.
    return WindowBatch(
        inputs={name: torch.from_numpy(array) for name, array in inputs.items()},
        index=np.asarray(index),
        pairs=windows.pairs[index],
        paragraph_offset=gathered.paragraph_offset,
        paragraph_length=gathered.paragraph_length,
        first_token=windows.rows[index, 2],
    )


class EpochWindows:
    """Training windows of each epoch: one per pair that holds its answer, then some without the answer.

    Both are drawn again for each epoch; see `qakit.spans.windowing`.

    Attributes:
        lengths: tokens of each window, the same in every epoch, shape (windows of an epoch,).
    """

    # One window a pair, at a random place around the answer: a model that sees the answer in the middle only learns
    # the middle, as the public HW7 solutions show, which need much overlap at prediction to repair it.

    def __init__(self, pairs: EncodedPairs, spans: Ints, *, pad_id: int, seed: int, negatives: float = 0.0) -> None:
        """Prepare the windows; `negatives` is the share of answerable pairs that also get a window without answer."""
        self.pairs = pairs
        self.spans = spans
        self._pad_id = pad_id
        self._seed = seed
        self._negatives = round(negatives * int(has_negatives(pairs, spans).sum()))
        self._drawn: tuple[int, Windows] | None = None
        own = np.minimum(pairs.paragraph_lengths, pairs.room) + pairs.question_lengths + pairs.frame.size
        # A window without the answer is always full. Its pair changes from epoch to epoch, so it counts as the longest:
        # the plan of a training needs lengths that hold in every epoch.
        full = np.full(self._negatives, (pairs.room + pairs.question_lengths + pairs.frame.size).max(initial=0))
        self.lengths = np.concatenate([own, full]).astype(np.int64)

    def batch(self, index: Sequence[int], epoch: int) -> WindowBatch:
        """The windows with the numbers `index`, as drawn for `epoch`; from `len(pairs)` on they lack the answer."""
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, self._draw(epoch)
        return gather_batch(self.pairs, self._drawn[1], index, self._pad_id)

    def _draw(self, epoch: int) -> Windows:
        own = training_windows(self.pairs, self.spans, seed=self._seed, epoch=epoch)
        if not self._negatives:
            return own
        others = negative_windows(self.pairs, self.spans, self._negatives, seed=self._seed, epoch=epoch)
        return Windows(np.concatenate([own.rows, others.rows]), np.concatenate([own.pairs, others.pairs]))


def batches_by_length(pairs: EncodedPairs, windows: Windows, batch_tokens: int) -> Iterator[list[int]]:
    """Numbers of the windows of each batch, longest first.

    A batch holds at most `batch_tokens` tokens including padding, and at least one window.
    """
    lengths = windows.paragraph_lengths + pairs.question_lengths[windows.pairs] + pairs.frame.size
    batch: list[int] = []
    # Longest first: a batch that does not fit in memory fails at once, not after an hour.
    for number in np.argsort(-lengths, kind="stable").tolist():
        # The first window is the longest, so all others are padded to it.
        if batch and (len(batch) + 1) * int(lengths[batch[0]]) > batch_tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
