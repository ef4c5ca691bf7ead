"""Every task by its name, as in `qakit train-<name>` and `qakit.json`."""

from collections.abc import Mapping

from qakit.tasks.base import Task
from qakit.tasks.labels.intent import IntentClassification
from qakit.tasks.labels.slots import SlotTagging
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.select import ParagraphSelection

TASKS: Mapping[str, Task] = {
    task.name: task for task in (QuestionAnswering(), ParagraphSelection(), IntentClassification(), SlotTagging())
}
