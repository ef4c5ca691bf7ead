"""What a model of intents or slots says of records: `predict`, and where `evaluate` takes its predictions from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qakit.config import DecodingSettings, ReadConfig
from qakit.data.labelled import OUT_OF_SCOPE, Schema
from qakit.data.predicted_labels import LabelPrediction, ranked_intents, write_labels
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.io import write_json
from qakit.runs.outputs import check_outputs
from qakit.spans.label_scores import LabelScores, LabelScoresInfo, write_label_scores

if TYPE_CHECKING:
    from qakit.modeling.models import LoadedModel


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
    from qakit.modeling.processes import processes
    from qakit.tasks.registry import TASKS
    from qakit.training.memory import keep_freed_memory

    keep_freed_memory()
    loaded = load_trained(model, task=schema, auto_class=TASKS[schema].auto_class, inference=config.inference)
    loaded.model.to(processes().device)
    threshold = scope_threshold(schema, loaded.info.oos_threshold, config.decoding.oos_threshold)
    return replace(loaded, info=loaded.info.model_copy(update={"oos_threshold": threshold}))


def score_records(loaded: "LoadedModel", records: Sequence[Any], config: ReadConfig) -> "Iterator[LabelScores]":
    """The scores of all classes for each record, in order."""
    from qakit.tasks.intent import score_texts
    from qakit.tasks.slots import score_words

    return (score_texts if loaded.info.task == "intent" else score_words)(loaded, records, config)


def label_records(loaded: "LoadedModel", records: Sequence[Any], config: ReadConfig) -> Iterator[LabelPrediction]:
    """What a model predicts for each record, in order."""
    from qakit.tasks.labelled import decoded

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
    from qakit.tasks.labelled import decoded, scores_info

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
