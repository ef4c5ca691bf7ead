"""The models that answer questions: a reader and, where paragraphs have to be chosen, a selector."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qakit.config import InferenceSettings, ReadConfig
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.tasks.base import Models
from qakit.tasks.questions.two_stage import Answered, answer_records

if TYPE_CHECKING:
    from qakit.modeling.models import LoadedModel

QA = "qa", "AutoModelForQuestionAnswering"
SELECT = "select", "AutoModelForMultipleChoice"
_DEFAULTS = InferenceSettings()


def load_models(
    model: str | None,
    selector: str | None,
    *,
    backend: str | None = None,
    inference: InferenceSettings = _DEFAULTS,
) -> Models:
    """Load what is named, onto the accelerator where there is one; the process keeps the memory that it frees.

    Args:
        backend, inference: what runs them and how, as `load_trained` takes them.

    Raises:
        CheckpointError: nothing usable there, or a model of another task.
        ConfigError: an unknown backend, or its package is not installed.
    """
    from qakit.training.device import keep_freed_memory

    keep_freed_memory()
    return Models(
        reader=_load(model, QA, backend, inference) if model else None,
        selector=_load(selector, SELECT, backend, inference) if selector else None,
    )


def _load(source: str, kind: tuple[str, str], backend: str | None, inference: InferenceSettings) -> "LoadedModel":
    from qakit.modeling.models import load_trained
    from qakit.modeling.processes import process_state

    task, auto_class = kind
    loaded = load_trained(source, task=task, auto_class=auto_class, backend=backend, inference=inference)
    loaded.model.to(process_state().device)
    return loaded


def answer_dataset(dataset: Dataset, models: Models, config: ReadConfig) -> Iterator[Answered]:
    """Answer every question, in order, as `answer_records` does.

    Raises:
        ConfigError: a question has several paragraphs, and neither a selector nor the data tells which to read; or
            what `checked_reader` raises.
    """
    yield from answer_records(dataset.records, checked_reader(models, config), models.selector, config)


def checked_reader(models: Models, config: ReadConfig) -> "LoadedModel":
    """The reader.

    Raises:
        ConfigError: there is none, or it cannot do what is asked for.
    """
    if models.reader is None:
        raise ConfigError("give --model: the folder or hub name of a model for span extraction, or mini-zh")
    if config.decoding.null_threshold is not None and not models.reader.info.answers_null:
        raise ConfigError(f"--null-threshold: {models.reader.source} was never taught that a question has no answer")
    if config.decoding.oos_threshold is not None:
        raise ConfigError("decoding.oos_threshold: is for intents; questions have --null-threshold")
    return models.reader
