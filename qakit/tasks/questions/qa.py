"""Span extraction: where in its paragraph a question's answer stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qakit import __version__
from qakit.config import InferenceSettings, ReadConfig, TrainConfig
from qakit.data.predictions import Prediction
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError
from qakit.metrics.presets import default_preset, evaluate
from qakit.modeling.batching import EpochWindows, WindowBatch
from qakit.modeling.inference import run_windows
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import LoadedModel
from qakit.modeling.processes import map_over_processes
from qakit.spans.distillation import Teacher, token_teacher
from qakit.spans.token_scores import TokenScores
from qakit.spans.windowing import (
    EncodedPairs,
    Windows,
    answer_spans,
    covering_windows,
    describe_windows,
    encode_pairs,
    reachable,
)
from qakit.tasks.base import OfQuestions, OneWindowEach, Prepared
from qakit.training.loop import TrainingBatch
from qakit.training.objective import Classification

_CHUNK = 1024  # questions whose logits are in memory at once


class QaTrainingSet(OneWindowEach):
    """Pairs with the place of their answer; each epoch shows each pair through one window, at a new random place."""

    def __init__(self, windows: EpochWindows, teacher: Teacher | None = None) -> None:
        super().__init__(windows)
        self._teacher = teacher

    def batch(self, index: Sequence[int], epoch: int) -> TrainingBatch:
        """The windows of numbers `index`.

        Targets are token indices in the window, shape (B,), the end inclusive; `padding`, true where a window has no
        token, shape (B, T); and with a teacher its log-probabilities, shape (2, B, T).
        """
        batch = self._windows.batch(index, epoch)
        shows_answer = np.asarray(index) < len(self._windows.pairs)
        spans = np.where(shows_answer[:, None], self._windows.spans[batch.pairs], -1)
        places = (batch.paragraph_offset - batch.first_token)[:, None] + spans
        places = np.where(spans < 0, self._windows.pairs.frame.null_position, places)
        start, end = torch.from_numpy(places.astype(np.int64)).unbind(dim=1)
        targets = {"start_positions": start, "end_positions": end, "padding": batch.inputs["attention_mask"] == 0}
        if self._teacher:
            targets["teacher"] = torch.from_numpy(self._teach(self._teacher, batch, shows_answer))
        return TrainingBatch(batch.inputs, targets, len(index))

    def _teach(self, teacher: Teacher, batch: WindowBatch, shows_answer: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Nothing for windows without the answer: teachers say where it is, not whether there is one."""
        scores = np.full((2, *batch.inputs["input_ids"].shape), -np.inf, dtype=np.float32)
        has_answer = shows_answer & (self._windows.spans[batch.pairs][:, 0] >= 0)
        for row in np.flatnonzero(has_answer).tolist():
            offset, length, first = batch.paragraph_offset[row], batch.paragraph_length[row], batch.first_token[row]
            scores[:, row, offset : offset + length] = teacher[batch.pairs[row]][:, first : first + length]
        return scores

    def classify(self, output: Any, targets: dict[str, Tensor]) -> Sequence[Classification]:
        """Where the answer starts and where it ends, among the tokens of the window.

        As the loss of transformers' models, but that an answer is not looked for in the padding: otherwise the loss of
        a window would depend on the windows beside it.
        """
        logits = output.start_logits, output.end_logits
        padding = targets["padding"].repeat(len(logits[0]) // len(targets["padding"]), 1)
        labels = targets["start_positions"], targets["end_positions"]
        teachers = targets["teacher"].unbind() if "teacher" in targets else (None, None)
        return [
            Classification(logit.float().masked_fill(padding, -torch.inf), label, teacher)
            for logit, label, teacher in zip(logits, labels, teachers, strict=True)
        ]


class QuestionAnswering(OfQuestions):
    """The span extraction task; models are `AutoModelForQuestionAnswering`."""

    name = "qa"
    auto_class = "AutoModelForQuestionAnswering"
    best_scores: tuple[str, ...] = ("em", "f1")

    def prepare(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> Prepared:
        """Find each answer's tokens; leave out records without a label, and answers that no window can hold."""
        records = [record for record in dataset if record.impossible or record.span is not None]
        if not records:
            raise ConfigError(f"{', '.join(map(str, dataset.files))}: no record has an answer to learn from")
        pairs = encode_pairs(tokenizer, [(record.question, record.context) for record in records], config.windows)
        spans = answer_spans(pairs, range(len(pairs)), records)
        usable = reachable(pairs, spans) & (np.array([record.impossible for record in records]) | (spans[:, 0] >= 0))
        if not usable.any():
            raise ConfigError(f"no answer fits in a window of {config.windows.max_length} tokens; raise max_length")
        records = [record for record, keep in zip(records, usable, strict=True) if keep]
        pairs, spans = pairs.take(usable), spans[usable]
        info = ModelInfo(
            task=self.name,
            windows=config.windows,
            max_answer_length=config.decoding.max_answer_length or int((spans[:, 1] - spans[:, 0]).max()) + 1,
            answers_null=any(record.impossible for record in records),
            null_threshold=config.decoding.null_threshold or 0.0,
            qakit_version=__version__,
        )
        tricks = config.tricks
        windows = EpochWindows(
            pairs,
            spans,
            pad_id=tokenizer.pad_token_id,
            seed=config.training.seed,
            negatives=tricks.negative_windows,
        )
        teacher = token_teacher(tricks.distill, records, pairs) if tricks.distill else None
        notes = list(_notes(pairs, len(dataset), len(records), info))
        if tricks.negative_windows:
            notes.append(f"{len(windows.lengths) - len(pairs)} windows without an answer are shown in each epoch")
        return Prepared(QaTrainingSet(windows, teacher), info, tuple(notes))

    def can_score(self, record: Record) -> bool:
        """Whether the answer is known."""
        return record.is_labelled

    def evaluate(self, loaded: LoadedModel, dataset: Dataset, config: TrainConfig) -> Mapping[str, float]:
        """EM and F1 in percent, reading the paragraph that holds the answer."""
        records = [record for record in dataset if self.can_score(record)]
        answered = read_answers(loaded, records, ReadConfig(inference=config.inference))
        predictions = {prediction.id: prediction.text for prediction, _ in answered}
        golds = {record.id: record.references for record in records}
        scores = evaluate(predictions, golds, config.metric or default_preset(dataset))
        return {"em": scores.em, "f1": scores.f1}


def _notes(pairs: EncodedPairs, given: int, kept: int, info: ModelInfo) -> Iterator[str]:
    yield f"{kept} questions to train on; the longest answer has {info.max_answer_length} tokens"
    if kept < given:
        yield f"{given - kept} questions left out: no label, or an answer that no window can hold"
    yield from describe_windows(pairs)


def read_answers(
    loaded: LoadedModel, records: Sequence[Record], config: ReadConfig, *, candidates: Sequence[int] | None = None
) -> Iterator[tuple[Prediction, TokenScores]]:
    """Answer each record from one of its paragraphs, in order; the scores are those of all that paragraph's tokens.

    Args:
        candidates: position of the paragraph to read in each record; the relevant or only one when not given.
    """
    info, decoder = loaded.info, loaded.info.decoder(config.decoding)
    places = candidates if candidates is not None else [record.relevant or 0 for record in records]

    def answered(share: Sequence[tuple[Record, int]]) -> Iterator[tuple[Prediction, TokenScores]]:
        texts = [(record.question, record.paragraphs[candidate].text) for record, candidate in share]
        pairs = encode_pairs(loaded.tokenizer, texts, loaded.windows_with(config.windows))
        scored = list(score_tokens(loaded, pairs, config.inference, with_null=info.answers_null))
        found = decoder.answers([context for _, context in texts], scored)
        for (record, candidate), scores, answers in zip(share, scored, found, strict=True):
            yield Prediction(record.id, candidate, answers), scores

    todo = iter(zip(records, places, strict=True))
    while chunk := list(islice(todo, _CHUNK)):
        yield from map_over_processes(chunk, answered, shares=loaded.shares)


def score_tokens(
    loaded: LoadedModel, pairs: EncodedPairs, settings: InferenceSettings, *, with_null: bool
) -> Iterator[TokenScores]:
    """Start and end logits of every paragraph token of each pair, over all its windows."""
    windows = covering_windows(pairs)
    bounds = np.concatenate([[0], np.cumsum(windows.paragraph_lengths)])
    start, end = np.empty((2, bounds[-1]), dtype=np.float32)
    null = np.empty((len(windows), 2), dtype=np.float32)
    runs = run_windows(loaded.model, pairs, windows, pad_id=loaded.tokenizer.pad_token_id, settings=settings)
    for batch, output in runs:
        logits = torch.stack([output.start_logits, output.end_logits]).float().cpu().numpy()
        null[batch.index] = logits[:, :, pairs.frame.null_position].T
        columns = (batch.index, batch.paragraph_offset, batch.paragraph_length)
        for row, (number, offset, length) in enumerate(zip(*columns, strict=True)):
            tokens = slice(bounds[number], bounds[number] + length)
            start[tokens], end[tokens] = logits[:, row, offset : offset + length]
    for scores in tokens_by_pair(pairs, windows, bounds, start, end, null):
        yield scores if with_null else replace(scores, null=None)


def tokens_by_pair(
    pairs: EncodedPairs, windows: Windows, bounds: Any, start: Any, end: Any, null: Any
) -> Iterator[TokenScores]:
    """Cut flat logits of all windows, `bounds` being each window's first, into the questions they belong to."""
    paragraphs, rows = pairs.paragraphs, windows.rows
    first = paragraphs.bounds[rows[:, 1]] + rows[:, 2]
    ends = (first + windows.paragraph_lengths).tolist()
    char_start, char_end = (
        np.concatenate([offsets[:0], *(offsets[low:high] for low, high in zip(first.tolist(), ends, strict=True))])
        for offsets in (paragraphs.starts, paragraphs.ends)
    )
    owned = np.searchsorted(windows.pairs, np.arange(len(pairs) + 1))
    lowest = null[np.lexsort((null.sum(axis=1), windows.pairs))[owned[:-1]]]
    nulls = zip(lowest.sum(axis=1).tolist(), map(tuple, lowest.tolist()), strict=True)
    limits = zip(pairwise(owned.tolist()), pairwise(bounds[owned].tolist()), nulls, strict=True)
    for (first_window, last), (low, high), (score, logits) in limits:
        tokens = slice(low, high)
        columns = start[tokens], end[tokens], char_start[tokens], char_end[tokens]
        yield TokenScores(*columns, bounds[first_window : last + 1] - low, score, logits)
