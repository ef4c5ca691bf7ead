"""Every task by its name, and the task that files, models and options are of."""

from collections.abc import Mapping
from pathlib import Path

from qakit.data.labels import schema_of
from qakit.errors import CheckpointError
from qakit.io import file_error
from qakit.spans.scores import read_metadata
from qakit.tasks.base import Task
from qakit.tasks.labels.base import LabelTask
from qakit.tasks.labels.intent import IntentClassification
from qakit.tasks.labels.scores import METADATA_KEY
from qakit.tasks.labels.slots import SlotTagging
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.select import ParagraphSelection
from qakit.tasks.requests import PredictRequest

TASKS: Mapping[str, Task] = {
    task.name: task for task in (QuestionAnswering(), ParagraphSelection(), IntentClassification(), SlotTagging())
}
"""By the names in `qakit train-<name>` and `qakit.json`; a new task needs a line here and in `TASK_SUMMARIES`."""

QUESTIONS = TASKS["qa"]


def task_of_data(path: Path | None, model: str | None = None) -> Task:
    """The task whose records a data file holds, told from its first record; questions where it is of no other.

    Texts without a label may be of several tasks: then they are of the one that `model` was trained for.
    """
    schemas = [task.schema for task in TASKS.values() if isinstance(task, LabelTask)]
    schema = schema_of(path, schemas) if path else None
    own = task_of_model(model) if path and schema and model else None
    if path and isinstance(own, LabelTask):
        schema = schema_of(path, [own.schema, *schemas])
    return TASKS[schema.name] if schema else QUESTIONS


def task_of_model(name: str) -> Task:
    """The task that a model was trained for, by its `qakit.json`; questions where it has none.

    Raises:
        CheckpointError: there is no such model, or it is of a task that this qakit does not have.
    """
    from qakit.modeling.info import read_info
    from qakit.modeling.loading import bundled_folder, model_folder

    info = None if bundled_folder(name) else read_info(model_folder(name))
    if info and info.task not in TASKS:
        raise CheckpointError(
            f"{name}: is a model for {info.task!r}, which is no task of this qakit: {', '.join(TASKS)}"
        )
    return TASKS[info.task] if info else QUESTIONS


def task_of_scores(path: Path) -> Task:
    """The task whose scores a file holds.

    Raises:
        DataError: the file cannot be read.
    """
    found = read_metadata(path, METADATA_KEY)
    if found is None:
        return QUESTIONS
    if found.get("task") not in TASKS:
        raise file_error(path, "task", f"{found.get('task')!r} is no task of this qakit: {', '.join(TASKS)}")
    return TASKS[found["task"]]


def task_asked(request: PredictRequest) -> Task:
    """The task of `predict`: that of the data or, for a text without a question, that of the model."""
    if request.data:
        return task_of_data(request.data, request.model)
    is_text_alone = request.text is not None and request.question is None
    if is_text_alone and request.model and not (request.corpus or request.interactive):
        found = task_of_model(request.model)
        return found if isinstance(found, LabelTask) else QUESTIONS
    return QUESTIONS
