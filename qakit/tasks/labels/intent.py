"""Intent classification: what the author of a text wants, one class a text."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qakit.config import DataSettings, ReadConfig, TrainConfig
from qakit.data.labels import IntentRecord, read_labelled
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.metrics.intents import intent_scores
from qakit.modeling.batching import EpochWindows
from qakit.modeling.inference import run_windows
from qakit.modeling.models import LoadedModel
from qakit.spans.windowing import covering_windows, encode_texts
from qakit.tasks.base import OneWindowEach, Prepared
from qakit.tasks.labels.base import (
    check_settings,
    class_names,
    decoded,
    in_chunks,
    model_info,
    notes_on,
    notes_on_dev,
    with_labels,
)
from qakit.tasks.labels.scores import LabelScores
from qakit.training.loop import TrainingBatch
from qakit.training.objective import Classification


class IntentTrainingSet(OneWindowEach):
    """Texts with the number of their intent; a text longer than a window shows another part in each epoch."""

    def __init__(self, windows: EpochWindows, labels: NDArray[np.int64]) -> None:
        super().__init__(windows)
        self._labels = labels

    def batch(self, index: Sequence[int], epoch: int) -> TrainingBatch:
        """The texts of numbers `index`; targets are the numbers of their intents, shape (B,)."""
        inputs = self._windows.batch(index, epoch).inputs
        return TrainingBatch(inputs, {"labels": torch.from_numpy(self._labels[index])}, len(index))

    def classify(self, output: Any, targets: dict[str, Tensor]) -> Sequence[Classification]:
        """Which intent a text has."""
        return [Classification(output.logits.float(), targets["labels"])]


class IntentClassification:
    """The intent task; models are `AutoModelForSequenceClassification`."""

    name = "intent"
    unit = "texts"
    auto_class = "AutoModelForSequenceClassification"
    best_scores: tuple[str, ...] = ("accuracy", "macro_f1")

    def read(self, paths: Sequence[Path], settings: DataSettings) -> Dataset[IntentRecord]:
        """Texts with their intents."""
        return read_labelled(paths, "intent", lenient=settings.lenient)

    def classes(self, dataset: Dataset[IntentRecord]) -> tuple[str, ...]:
        """The intents, sorted."""
        return tuple(sorted({record.label for record in with_labels(dataset) if record.label is not None}))

    def notes_on_dev(self, dataset: Dataset[IntentRecord], classes: Sequence[str]) -> Sequence[str]:
        """A sentence on intents that the training data lack."""
        return notes_on_dev(dataset, classes)

    def prepare(self, dataset: Dataset[IntentRecord], tokenizer: Any, config: TrainConfig) -> Prepared:
        """Encode the texts whose intent is known."""
        check_settings(config)
        if config.model.overrides.get("crf"):
            raise ConfigError("model.crf: is for train-slots, where tags follow each other; leave it out")
        records, classes = with_labels(dataset), self.classes(dataset)
        pairs = encode_texts(tokenizer, [record.text for record in records], config.windows)
        nowhere = np.full((len(pairs), 2), -1, dtype=np.int32)
        windows = EpochWindows(pairs, nowhere, pad_id=tokenizer.pad_token_id, seed=config.training.seed)
        number = {name: position for position, name in enumerate(classes)}
        labels = np.array([number[record.label or ""] for record in records], dtype=np.int64)
        notes = notes_on(dataset, records, classes, pairs)
        return Prepared(IntentTrainingSet(windows, labels), model_info(self.name, config), tuple(notes))

    def can_score(self, record: IntentRecord) -> bool:
        """Whether the intent is known."""
        return record.label is not None

    def evaluate(self, loaded: LoadedModel, dataset: Dataset[IntentRecord], config: TrainConfig) -> Mapping[str, float]:
        """Accuracy, macro F1 and accuracy among the first few, in percent."""
        records = [record for record in dataset if record.label is not None]
        found = decoded(loaded, score_texts(loaded, records, ReadConfig(inference=config.inference)))
        return intent_scores([record.label or "" for record in records], [one.names for one in found])


def score_texts(loaded: LoadedModel, records: Sequence[IntentRecord], config: ReadConfig) -> Iterator[LabelScores]:
    """The scores of all intents for each text, in order; a text of several windows has the mean of theirs."""

    def scored(share: Sequence[IntentRecord]) -> Iterator[LabelScores]:
        texts = [record.text for record in share]
        pairs = encode_texts(loaded.tokenizer, texts, loaded.windows_with(config.windows))
        windows = covering_windows(pairs)
        sums = np.zeros((len(pairs), len(class_names(loaded))))
        pad_id = loaded.tokenizer.pad_token_id
        for batch, output in run_windows(loaded.model, pairs, windows, pad_id=pad_id, settings=config.inference):
            np.add.at(sums, batch.pairs, output.logits.double().log_softmax(dim=-1).cpu().numpy())
        logs = (sums / np.bincount(windows.pairs, minlength=len(pairs))[:, None]).astype(np.float32)
        return (LabelScores(record.id, record.text, row[None]) for record, row in zip(share, logs, strict=True))

    return in_chunks(loaded, records, scored)
