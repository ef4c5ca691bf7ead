"""Every task by its name, as in `qakit train-<name>` and `qakit.json`."""

from collections.abc import Mapping

from qakit.tasks.base import Task
from qakit.tasks.intent import IntentClassification
from qakit.tasks.qa import QuestionAnswering
from qakit.tasks.select import ParagraphSelection
from qakit.tasks.slots import SlotTagging

TASKS: Mapping[str, Task] = {
    task.name: task for task in (QuestionAnswering(), ParagraphSelection(), IntentClassification(), SlotTagging())
}
