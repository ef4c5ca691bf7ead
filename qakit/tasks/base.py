"""What a task is: the few places where span extraction and paragraph selection differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from qakit.config import TrainConfig
from qakit.data.records import Dataset, Record
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


class Task(Protocol):
    """One thing a model can be trained for.

    Attributes:
        name: as in `qakit train-<name>` and `qakit.json`.
        auto_class: the transformers class of its models.
        best_scores: the evaluation scores, higher is better, by which the best model is kept; the later ones decide
            between equals.
    """

    name: str
    auto_class: str
    best_scores: tuple[str, ...]

    def prepare(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> Prepared:
        """Turn labelled records into a training set.

        Raises:
            ConfigError: no record can be learned from.
        """
        ...

    def can_score(self, record: Record) -> bool:
        """Whether the record tells what is right, so that `evaluate` counts it."""
        ...

    def evaluate(self, loaded: LoadedModel, dataset: Dataset, config: TrainConfig) -> Mapping[str, float]:
        """Scores in percent on the labelled records of a development set; the `best_scores` are among them."""
        ...
