"""Intent classification: what the author of a text wants, one class a text."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qakit.config import DataSettings, ReadConfig, TrainConfig
from qakit.data.labelled import IntentRecord, read_labelled
from qakit.data.predicted_labels import LabelPrediction
from qakit.data.records import Dataset
from qakit.metrics.intents import OUT_OF_SCOPE, intent_scores
from qakit.modeling.batching import EpochWindows
from qakit.modeling.inference import run_windows
from qakit.modeling.models import LoadedModel
from qakit.spans.alone import encode_texts
from qakit.spans.windowing import covering_windows
from qakit.tasks.base import OneWindowEach, Prepared
from qakit.tasks.labelled import check_settings, class_names, in_chunks, model_info, notes_on, with_labels
from qakit.training.loop import TrainingBatch
from qakit.training.objective import Classification

_RANKED = 5  # intents that a prediction names


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
    auto_class = "AutoModelForSequenceClassification"
    best_scores: tuple[str, ...] = ("accuracy", "macro_f1")

    def read(self, paths: Sequence[Path], settings: DataSettings) -> Dataset[IntentRecord]:
        """Texts with their intents."""
        return read_labelled(paths, "intent", lenient=settings.lenient)

    def classes(self, dataset: Dataset[IntentRecord]) -> tuple[str, ...]:
        """The intents, sorted."""
        return tuple(sorted({record.label for record in with_labels(dataset) if record.label is not None}))

    def prepare(self, dataset: Dataset[IntentRecord], tokenizer: Any, config: TrainConfig) -> Prepared:
        """Encode the texts whose intent is known."""
        check_settings(config)
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
        found = classify_texts(loaded, records, ReadConfig(inference=config.inference))
        return intent_scores([record.label or "" for record in records], [one.names for one in found])


def classify_texts(
    loaded: LoadedModel, records: Sequence[IntentRecord], config: ReadConfig
) -> Iterator[LabelPrediction]:
    """The likeliest intents of each text, in order, with their probabilities.

    A text of several windows has the mean of their log-probabilities. Where the model has a threshold and no intent
    reaches it, the text is out of scope.
    """
    names, threshold = class_names(loaded), loaded.info.oos_threshold
    count = min(max(_RANKED, config.decoding.nbest), len(names))

    def classified(share: Sequence[IntentRecord]) -> Iterator[LabelPrediction]:
        for record, row in zip(share, class_probabilities(loaded, share, config), strict=True):
            order = np.argsort(-row, kind="stable")[:count].tolist()
            ranked = tuple((names[number], float(row[number])) for number in order)
            is_outside = threshold is not None and ranked[0][1] < threshold
            yield LabelPrediction(record.id, OUT_OF_SCOPE if is_outside else ranked[0][0], ranked)

    return in_chunks(loaded, records, classified)


def class_probabilities(
    loaded: LoadedModel, records: Sequence[IntentRecord], config: ReadConfig
) -> NDArray[np.float64]:
    """The probability of each of the model's classes, shape (records, L)."""
    pairs = encode_texts(loaded.tokenizer, [record.text for record in records], loaded.windows_with(config.windows))
    windows = covering_windows(pairs)
    sums = np.zeros((len(pairs), len(class_names(loaded))))
    runs = run_windows(loaded.model, pairs, windows, pad_id=loaded.tokenizer.pad_token_id, settings=config.inference)
    for batch, output in runs:
        np.add.at(sums, batch.pairs, output.logits.double().log_softmax(dim=-1).cpu().numpy())
    means = sums / np.bincount(windows.pairs, minlength=len(pairs))[:, None]
    weights = np.exp(means - means.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return probabilities
