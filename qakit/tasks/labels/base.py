"""What intents and slots have in common: records that are one text each, and classes that have names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qakit import __version__
from qakit.config import DecodingSettings, ReadConfig, TrainConfig
from qakit.data.labels import (
    OUT_OF_SCOPE,
    LabelledRecord,
    LabelPrediction,
    Schema,
    note_on_unknown,
    ranked_intents,
    write_labels,
)
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.io import check_outputs, write_json
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import LoadedModel
from qakit.modeling.processes import map_over_processes
from qakit.spans.windowing import EncodedPairs
from qakit.tasks.labels.decoding import RANKED, LabelDecoder
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo, write_label_scores

if TYPE_CHECKING:
    from qakit.modeling.models import LoadedModel

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
        yield from map_over_processes(chunk, work, shares=loaded.shares)


_SETTINGS = ("nbest", "oos_threshold")  # of decoding, that labels have too


def refuse_what_questions_have(given: Mapping[str, Any], decoding: DecodingSettings | None = None) -> None:
    """Make sure that nothing is asked for that only questions have.

    Args:
        given: options by name; None, False and an empty tuple are what they have when not given.
        decoding: settings, of which those that labels have not must be the defaults.

    Raises:
        ConfigError: naming the first that is.
    """
    options = {f"--{name}": value for name, value in given.items()}
    if decoding is not None:
        changed = decoding.model_dump(exclude_defaults=True, exclude=set(_SETTINGS))
        options |= {f"decoding.{name}": value for name, value in changed.items()}
    for name, value in options.items():
        if not (value is None or value is False or value == ()):
            raise ConfigError(f"{name}: is for questions, and this is data of intents or slots; leave it out")


def scope_threshold(task: Schema, stored: float | None, given: float | None) -> float | None:
    """The probability below which a text is out of scope: what was given, or else is stored; None where nothing is.

    Raises:
        ConfigError: one is given for tags.
    """
    if given is None:
        return stored
    if task != "intent":
        raise ConfigError(f"oos_threshold {given:g}: is for intents; tags have no scope")
    return given or None


def load_labeller(model: str, schema: Schema, config: ReadConfig) -> "LoadedModel":
    """A model of the task, on the accelerator where there is one, with the threshold of scope that is asked for.

    Raises:
        CheckpointError: nothing usable there, or a model of another task.
        ConfigError: a threshold of scope for tags.
    """
    from qakit.modeling.models import load_trained
    from qakit.modeling.processes import process_state
    from qakit.tasks.registry import TASKS
    from qakit.training.device import keep_freed_memory

    keep_freed_memory()
    loaded = load_trained(model, task=schema, auto_class=TASKS[schema].auto_class, inference=config.inference)
    loaded.model.to(process_state().device)
    threshold = scope_threshold(schema, loaded.info.oos_threshold, config.decoding.oos_threshold)
    return replace(loaded, info=loaded.info.model_copy(update={"oos_threshold": threshold}))


def score_records(loaded: "LoadedModel", records: Sequence[Any], config: ReadConfig) -> "Iterator[LabelScores]":
    """The scores of all classes for each record, in order."""
    from qakit.tasks.labels.intent import score_texts
    from qakit.tasks.labels.slots import score_words

    return (score_texts if loaded.info.task == "intent" else score_words)(loaded, records, config)


def label_records(loaded: "LoadedModel", records: Sequence[Any], config: ReadConfig) -> Iterator[LabelPrediction]:
    """What a model predicts for each record, in order."""
    return decoded(loaded, score_records(loaded, records, config), config.decoding.nbest)


def in_scope_of(info: LabelScoresInfo, records: Sequence[Any]) -> Sequence[Any]:
    """The records as models that know of a scope are to answer them: intents that they have not are out of it."""
    if info.oos_threshold is None:
        return records
    known = set(info.names)
    return [record if record.label in known else replace(record, label=OUT_OF_SCOPE) for record in records]


@dataclass(frozen=True)
class LabelPredictions:
    """The predictions, in the order of the data, and the files that were written."""

    schema: Schema
    predictions: tuple[LabelPrediction, ...]
    files: tuple[Path, ...]


def predict_labels(
    dataset: Dataset[Any],
    loaded: "LoadedModel",
    config: ReadConfig,
    *,
    out: Path | None = None,
    nbest_out: Path | None = None,
    scores: Path | None = None,
) -> LabelPredictions:
    """Predict the labels of a dataset and write what is asked for.

    Args:
        out: the predictions, CSV `id,intent` or `id,tags`.
        nbest_out: the likeliest intents of each text with their probabilities, one JSON object.
        scores: the scores of all classes, for `ensemble`.

    Raises:
        ConfigError: an output that is an input, no CSV, or n-best lists of tags.
    """
    schema: Schema = loaded.info.task  # type: ignore[assignment]  # as `load_labeller` made sure
    check_outputs([out, nbest_out, scores], dataset.files)
    check_label_outputs(schema, out, nbest_out)
    from qakit.modeling.processes import is_main_process

    found = score_records(loaded, dataset.records, config)
    rows = list(found) if scores else found
    predictions = tuple(decoded(loaded, rows, config.decoding.nbest))
    if is_main_process():
        write_label_outputs(predictions, schema, out=out, nbest_out=nbest_out)
        if scores:
            write_label_scores(scores, rows, scores_info(loaded))
    return LabelPredictions(schema, predictions, tuple(file for file in (out, nbest_out, scores) if file))


def check_label_outputs(schema: Schema, out: Path | None, nbest_out: Path | None) -> None:
    """Make sure that predictions can be written so.

    Raises:
        ConfigError: predictions that are no CSV, or n-best lists of tags.
    """
    if out and out.suffix != ".csv":
        raise ConfigError(f"{out}: predictions of {schema} are CSV; give it a name that ends in .csv")
    if nbest_out and schema != "intent":
        raise ConfigError("--nbest-out: is for intents; a sentence has one sequence of tags")


def write_label_outputs(
    predictions: Sequence[LabelPrediction], schema: Schema, *, out: Path | None, nbest_out: Path | None
) -> None:
    """Write predictions, and the likeliest intents of each text as one JSON object, where they are asked for."""
    if out:
        write_labels(predictions, out, schema)
    if nbest_out:
        write_json(nbest_out, {one.id: ranked_intents(one) for one in predictions})
