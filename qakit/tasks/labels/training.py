"""Training data of the tasks on single texts: the records to learn from, and what is told of them."""

from collections.abc import Sequence
from typing import Any, TypeVar

from qakit import __version__
from qakit.config import TrainConfig
from qakit.data.labels import LabelledRecord
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.modeling.info import ModelInfo
from qakit.spans.windowing import EncodedPairs

Record = TypeVar("Record", bound=LabelledRecord)


def with_labels(dataset: Dataset[Record]) -> list[Record]:
    """The records to learn from.

    Raises:
        ConfigError: none has a label.
    """
    records = [record for record in dataset if record.label is not None]
    if not records:
        raise ConfigError(f"{', '.join(map(str, dataset.files))}: no record has a label to learn from")
    return records


def check_settings(config: TrainConfig) -> None:
    """Refuse settings that only tasks on questions have.

    Raises:
        ConfigError: one is given.
    """
    given = {
        "metric": config.metric,
        "tricks.negative_windows": config.tricks.negative_windows,
        "tricks.distill": config.tricks.distill,
    }
    changed = config.decoding.model_dump(exclude_defaults=True)
    for name, value in (given | {f"decoding.{name}": True for name in changed}).items():
        if value:
            raise ConfigError(f"{name}: is for tasks on questions (train-qa, train-select); leave it out")


def model_info(task: str, config: TrainConfig, **known: Any) -> "ModelInfo":
    """The `qakit.json` beside the weights."""
    from qakit.modeling.info import ModelInfo

    return ModelInfo(task=task, windows=config.windows, qakit_version=__version__, **known)


def notes_on(dataset: Dataset[Any], records: Sequence[Any], classes: Sequence[str], pairs: "EncodedPairs") -> list[str]:
    """Sentences on the training data."""
    notes = [f"{len(records)} records to train on, {len(classes)} classes"]
    if len(records) < len(dataset):
        notes.append(f"{len(dataset) - len(records)} records left out: they have no label, or no token")
    if longer := int((pairs.paragraph_lengths > pairs.room).sum()):
        notes.append(f"{longer} texts are longer than a window of {pairs.room.max()} tokens; each epoch shows a part")
    return notes
