"""What intents and slots have in common: records that are one text each, and classes that have names."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from qakit import __version__
from qakit.config import TrainConfig
from qakit.data.labelled import LabelledRecord, note_on_unknown
from qakit.data.predicted_labels import LabelPrediction
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import LoadedModel
from qakit.modeling.processes import shared_out
from qakit.spans.label_scores import LabelScores, LabelScoresInfo
from qakit.spans.labelling import RANKED, LabelDecoder
from qakit.spans.windowing import EncodedPairs

_CHUNK = 1024  # texts whose logits are in memory at once

Item = TypeVar("Item", bound=LabelledRecord)
Result = TypeVar("Result")


def with_labels(dataset: Dataset[Item]) -> list[Item]:
    """The records to learn from.

    Raises:
        ConfigError: none has a label.
    """
    records = [record for record in dataset if record.label is not None]
    if not records:
        raise ConfigError(f"{', '.join(map(str, dataset.files))}: no record has a label to learn from")
    return records


def check_settings(config: TrainConfig) -> None:
    """Refuse what only questions have.

    Raises:
        ConfigError: such a setting is given.
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


def model_info(task: str, config: TrainConfig, **known: Any) -> ModelInfo:
    """What is stored beside the weights."""
    return ModelInfo(task=task, windows=config.windows, qakit_version=__version__, **known)


def notes_on(dataset: Dataset[Any], records: Sequence[Any], classes: Sequence[str], pairs: EncodedPairs) -> list[str]:
    """Sentences for the user on the training data."""
    notes = [f"{len(records)} records to train on, {len(classes)} classes"]
    if len(records) < len(dataset):
        notes.append(f"{len(dataset) - len(records)} records left out: they have no label, or no token")
    if longer := int((pairs.paragraph_lengths > pairs.room).sum()):
        notes.append(f"{longer} texts are longer than a window of {pairs.room.max()} tokens; each epoch shows a part")
    return notes


def notes_on_dev(dataset: Dataset[Any], classes: Sequence[str]) -> list[str]:
    """A sentence for the user where labels of the development data are none of the training data."""
    return list(filter(None, [note_on_unknown(dataset, classes)]))


def class_names(loaded: LoadedModel) -> list[str]:
    """The names of a model's classes, in the order of its outputs."""
    names = loaded.model.config.id2label
    return [names[number] for number in range(len(names))]


def scores_info(loaded: LoadedModel) -> LabelScoresInfo:
    """What all scores of a model have in common."""
    transitions = getattr(loaded.model, "transitions", None)  # a module, where there is a conditional random field
    return LabelScoresInfo(
        task=loaded.info.task,  # type: ignore[arg-type]  # one of these two
        model=loaded.source,
        names=tuple(class_names(loaded)),
        follows_bio=loaded.info.follows_bio,
        oos_threshold=loaded.info.oos_threshold,
        transitions=() if transitions is None else tuple(map(tuple, transitions().double().tolist())),
    )


def decoded(loaded: LoadedModel, rows: Iterable[LabelScores], ranked: int = RANKED) -> Iterator[LabelPrediction]:
    """What a model predicts, from its scores.

    Intents may be out of scope, where the model has a threshold; tags are well-formed BIO where those of the training
    data were.
    """
    return map(LabelDecoder(scores_info(loaded), ranked).predict, rows)


def in_chunks(
    loaded: LoadedModel, records: Iterable[Item], work: Callable[[Sequence[Item]], Iterable[Result]]
) -> Iterator[Result]:
    """What `work` gives for the records, in order; several processes share each chunk."""
    todo = iter(records)
    while chunk := list(islice(todo, _CHUNK)):
        yield from shared_out(chunk, work, shares=loaded.shares)
