"""`TextClassification`: what tasks with one class a text share; a task of it is its keys, its names and its scores."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import create_model

from qakit.config import ReadConfig, TrainConfig
from qakit.data.labels import LabelPrediction, LabelSchema, TextRecord
from qakit.data.records import Dataset
from qakit.data.schemas.shapes import FilledText, Id, Shape, parse
from qakit.errors import ConfigError
from qakit.metrics.classes import class_scores
from qakit.spans.windowing import covering_windows, encode_texts
from qakit.tasks.base import OneWindowEach, Prepared
from qakit.tasks.labels.base import LabelTask, score_in_chunks
from qakit.tasks.labels.scores import LabelScores
from qakit.tasks.labels.training import check_settings, model_info, notes_on, with_labels

if TYPE_CHECKING:
    from torch import Tensor

    from qakit.modeling.batching import EpochWindows
    from qakit.modeling.models import LoadedModel
    from qakit.training.loop import TrainingBatch
    from qakit.training.objective import Classification


class _Text(Shape):
    id: Id
    text: FilledText


def text_schema(name: str, *, label_key: str, noun: str) -> LabelSchema:
    """The schema of files of `{"id", "text", LABEL_KEY}`, for the task `name`; `noun` is a label, with its article."""
    label: dict[str, Any] = {label_key: (FilledText | None, None)}
    shape = create_model("_LabelledText", __base__=_Text, **label)

    def parse_text(value: Any, required: Collection[str]) -> TextRecord:
        found = parse(shape, value, required=required)
        return TextRecord(found.id, found.text, getattr(found, label_key))

    return LabelSchema(
        name=name,
        text_key="text",
        label_key=label_key,
        noun=noun,
        parse=parse_text,
        from_text=lambda text: TextRecord("text", text),
    )


class TextTrainingSet(OneWindowEach):
    """Texts with the number of their class; a text longer than a window shows another part in each epoch."""

    def __init__(self, windows: "EpochWindows", labels: NDArray[np.int64]) -> None:
        super().__init__(windows)
        self._labels = labels

    def batch(self, index: Sequence[int], epoch: int) -> "TrainingBatch":
        """The texts of numbers `index`; targets are the numbers of their classes, shape (B,)."""
        import torch

        from qakit.training.loop import TrainingBatch

        inputs = self._windows.batch(index, epoch).inputs
        return TrainingBatch(inputs, {"labels": torch.from_numpy(self._labels[index])}, len(index))

    def classify(self, output: Any, targets: "dict[str, Tensor]") -> "Sequence[Classification]":
        """The class of each text."""
        from qakit.training.objective import Classification

        return [Classification(output.logits.float(), targets["labels"])]


class TextClassification(LabelTask):
    """Base of the tasks with one class a text; models are `AutoModelForSequenceClassification`."""

    unit = "texts"
    auto_class = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"
    best_scores: tuple[str, ...] = ("accuracy", "macro_f1")

    def measure(self, golds: Sequence[str], found: Sequence[LabelPrediction | None]) -> dict[str, float]:
        """Accuracy, macro F1 and accuracy among the first few."""
        return class_scores(golds, [one.names if one else () for one in found])

    def prepare(self, dataset: Dataset[TextRecord], tokenizer: Any, config: TrainConfig) -> Prepared:
        """Encode the texts whose label is known."""
        from qakit.modeling.batching import EpochWindows

        check_settings(config)
        if config.model.overrides.get("crf"):
            raise ConfigError("model.crf: is for train-slots, where tags follow each other; leave it out")
        records, classes = with_labels(dataset), self.classes(dataset)
        pairs = encode_texts(tokenizer, [record.text for record in records], config.windows)
        nowhere = np.full((len(pairs), 2), -1, dtype=np.int32)  # no answer that each window would have to hold
        windows = EpochWindows(pairs, nowhere, pad_id=tokenizer.pad_token_id, seed=config.training.seed)
        number = {name: position for position, name in enumerate(classes)}
        labels = np.array([number[record.label or ""] for record in records], dtype=np.int64)
        notes = notes_on(dataset, records, classes, pairs)
        return Prepared(TextTrainingSet(windows, labels), model_info(self.name, config), tuple(notes))

    def score(self, loaded: "LoadedModel", records: Sequence[TextRecord], config: ReadConfig) -> Iterator[LabelScores]:
        """Log-probabilities of all classes; a text of several windows has the mean of theirs."""
        from qakit.modeling.inference import run_windows

        def scored(share: Sequence[TextRecord]) -> Iterator[LabelScores]:
            texts = [record.text for record in share]
            pairs = encode_texts(loaded.tokenizer, texts, loaded.windows_with(config.windows))
            windows = covering_windows(pairs)
            sums = np.zeros((len(pairs), loaded.model.config.num_labels))
            pad_id = loaded.tokenizer.pad_token_id
            for batch, output in run_windows(loaded.model, pairs, windows, pad_id=pad_id, settings=config.inference):
                np.add.at(sums, batch.pairs, output.logits.double().log_softmax(dim=-1).cpu().numpy())
            logs = (sums / np.bincount(windows.pairs, minlength=len(pairs))[:, None]).astype(np.float32)
            return (LabelScores(record.id, record.text, row[None]) for record, row in zip(share, logs, strict=True))

        return score_in_chunks(loaded, records, scored)
