"""What a task is: the few places where span extraction, paragraph selection, intents and slots differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qakit.config import DataSettings, TrainConfig
from qakit.data.formats import read_dataset
from qakit.data.records import Dataset
from qakit.modeling.batching import EpochWindows
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import LoadedModel
from qakit.training.loop import TrainingSet


@dataclass(frozen=True)
class Prepared:
    """A task's training data, ready for the loop.

    Attributes:
        info: what is stored beside the weights.
        notes: sentences for the user on what was left out, and how the windows turned out.
    """

    training_set: TrainingSet
    info: ModelInfo
    notes: tuple[str, ...]


class OneWindowEach:
    """What training sets have in common whose records each show one window at a time."""

    def __init__(self, windows: EpochWindows) -> None:
        self._windows = windows

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each window of an epoch."""
        return self._windows.lengths

    @property
    def rows(self) -> NDArray[np.int64]:
        """One window a record."""
        return np.ones_like(self._windows.lengths)


class Task(Protocol):
    """One thing a model can be trained for.

    Attributes:
        name: as in `qakit train-<name>` and `qakit.json`.
        unit: what its records are called in messages.
        auto_class: the transformers class of its models.
        best_scores: the evaluation scores, higher is better, by which the best model is kept; the later ones decide
            between equals.
    """

    name: str
    unit: str
    auto_class: str
    best_scores: tuple[str, ...]

    def read(self, paths: Sequence[Path], settings: DataSettings) -> Dataset[Any]:
        """The records of data files.

        Raises:
            DataError: with all the mistakes in them.
        """
        ...

    def classes(self, dataset: Dataset[Any]) -> tuple[str, ...]:
        """The names of what a model's head has one output for, learnt from training data; none where these are places.

        Raises:
            ConfigError: no record has a label.
        """
        ...

    def notes_on_dev(self, dataset: Dataset[Any], classes: Sequence[str]) -> Sequence[str]:
        """Sentences for the user on what a model with these classes cannot get right in a development set."""
        ...

    def prepare(self, dataset: Dataset[Any], tokenizer: Any, config: TrainConfig) -> Prepared:
        """Turn labelled records into a training set.

        Raises:
            ConfigError: no record can be learned from.
        """
        ...

    def can_score(self, record: Any) -> bool:
        """Whether the record tells what is right, so that `evaluate` counts it."""
        ...

    def evaluate(self, loaded: LoadedModel, dataset: Dataset[Any], config: TrainConfig) -> Mapping[str, float]:
        """Scores in percent on the labelled records of a development set; the `best_scores` are among them."""
        ...


class OfQuestions:
    """The slots that both tasks on questions fill in the same way."""

    unit = "questions"

    def read(self, paths: Sequence[Path], settings: DataSettings) -> Dataset:
        """Questions, in any of their schemas."""
        return read_dataset(paths, context=settings.context, lenient=settings.lenient)

    def classes(self, dataset: Dataset) -> tuple[str, ...]:
        """None: what is chosen is a place."""
        return ()

    def notes_on_dev(self, dataset: Dataset, classes: Sequence[str]) -> Sequence[str]:
        """None: what is told of questions comes with their scores."""
        return ()
