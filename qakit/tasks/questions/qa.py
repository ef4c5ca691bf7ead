"""Span extraction: the start and end token of the answer in its paragraph."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qakit import __version__
from qakit.config import ReadConfig, TrainConfig
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError
from qakit.metrics.presets import default_preset, evaluate
from qakit.spans.distillation import Teacher, token_teacher
from qakit.spans.windowing import EncodedPairs, answer_spans, describe_windows, encode_pairs, reachable
from qakit.tasks.base import OneWindowEach, Prepared
from qakit.tasks.questions.base import QuestionTask
from qakit.tasks.questions.reading import read_answers
from qakit.tasks.questions.two_stage import QA

if TYPE_CHECKING:
    from torch import Tensor

    from qakit.modeling.batching import EpochWindows, WindowBatch
    from qakit.modeling.info import ModelInfo
    from qakit.modeling.models import LoadedModel
    from qakit.training.loop import TrainingBatch
    from qakit.training.objective import Classification


class QaTrainingSet(OneWindowEach):
    """Pairs with the place of their answer; each epoch shows each pair through one window, at a new random place."""

    def __init__(self, windows: "EpochWindows", teacher: Teacher | None = None) -> None:
        super().__init__(windows)
        self._teacher = teacher

    def batch(self, index: Sequence[int], epoch: int) -> "TrainingBatch":
        """The windows of numbers `index`.

        Targets are token indices in the window, shape (B,), the end inclusive; `padding`, true where a window has no
        token, shape (B, T); and with a teacher its log-probabilities, shape (2, B, T).
        """
        import torch

        from qakit.training.loop import TrainingBatch

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

    def _teach(self, teacher: Teacher, batch: "WindowBatch", shows_answer: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Nothing for windows without the answer: teachers say where it is, not whether there is one."""
        scores = np.full((2, *batch.inputs["input_ids"].shape), -np.inf, dtype=np.float32)
        has_answer = shows_answer & (self._windows.spans[batch.pairs][:, 0] >= 0)
        for row in np.flatnonzero(has_answer).tolist():
            offset, length, first = batch.paragraph_offset[row], batch.paragraph_length[row], batch.first_token[row]
            scores[:, row, offset : offset + length] = teacher[batch.pairs[row]][:, first : first + length]
        return scores

    def classify(self, output: Any, targets: "dict[str, Tensor]") -> "Sequence[Classification]":
        """The start and the end of the answer, among the tokens of the window.

        As the loss of transformers' models, but that an answer is not looked for in the padding: otherwise the loss of
        a window would depend on the windows beside it.
        """
        import torch

        from qakit.training.objective import Classification

        logits = output.start_logits, output.end_logits
        padding = targets["padding"].repeat(len(logits[0]) // len(targets["padding"]), 1)
        labels = targets["start_positions"], targets["end_positions"]
        teachers = targets["teacher"].unbind() if "teacher" in targets else (None, None)
        return [
            Classification(logit.float().masked_fill(padding, -torch.inf), label, teacher)
            for logit, label, teacher in zip(logits, labels, teachers, strict=True)
        ]


class QuestionAnswering(QuestionTask):
    """The span extraction task; models are `AutoModelForQuestionAnswering`."""

    name, auto_class = QA
    pipeline_tag = "question-answering"
    usage = "qakit predict --model . --data test.json --out answers.csv"
    best_scores: tuple[str, ...] = ("em", "f1")
    merges_scores = True

    def prepare(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> Prepared:
        """Find each answer's tokens; leave out records without a label, and answers that no window can hold."""
        from qakit.modeling.batching import EpochWindows
        from qakit.modeling.info import ModelInfo

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

    def evaluate(self, loaded: "LoadedModel", dataset: Dataset, config: TrainConfig) -> Mapping[str, float]:
        """EM and F1 in percent, reading the paragraph that holds the answer."""
        records = [record for record in dataset if self.can_score(record)]
        answered = read_answers(loaded, records, ReadConfig(inference=config.inference))
        predictions = {prediction.id: prediction.text for prediction, _ in answered}
        golds = {record.id: record.references for record in records}
        scores = evaluate(predictions, golds, config.metric or default_preset(dataset))
        return {"em": scores.em, "f1": scores.f1}


def _notes(pairs: EncodedPairs, given: int, kept: int, info: "ModelInfo") -> Iterator[str]:
    yield f"{kept} questions to train on; the longest answer has {info.max_answer_length} tokens"
    if kept < given:
        yield f"{given - kept} questions left out: no label, or an answer that no window can hold"
    yield from describe_windows(pairs)
