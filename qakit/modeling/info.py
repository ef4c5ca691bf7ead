"""`qakit.json`: what qakit stores beside a model's weights."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from qakit.config import WindowSettings
from qakit.errors import CheckpointError, ConfigError

INFO_FILE = "qakit.json"


class ModelInfo(BaseModel):
    """What qakit stores beside the weights (`qakit.json`): all that prediction needs to know of the training.

    `max_answer_length` (tokens) and `max_answer_characters` are the longest answer of the training data; `answers_null`
    says whether the training data had questions without an answer. `joint_paragraphs` and `joint_weight` are those of
    `DecodingSettings`, as `evaluate --tune-joint` found them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: str
    windows: WindowSettings
    max_answer_length: int | None = None
    max_answer_characters: int | None = None
    answers_null: bool = False
    null_threshold: float = 0.0
    joint_paragraphs: int = 1
    joint_weight: float = 1.0
    qakit_version: str = ""

    def windows_with(self, given: WindowSettings | None) -> WindowSettings:
        """The windows of the training, with what was given in its place; overlap and step replace each other.

        Raises:
            ConfigError: the two do not go together.
        """
        if given is None:
            return self.windows
        changes = {name: getattr(given, name) for name in given.model_fields_set}
        if changes.keys() & {"overlap", "step"}:
            changes = {"overlap": None, "step": None, **changes}
        try:
            return WindowSettings.model_validate({**self.windows.model_dump(), **changes})
        except ValidationError as error:
            raise ConfigError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def read_info(folder: str, task: str) -> ModelInfo:
    """What qakit stored beside the weights; little where another tool trained them.

    Raises:
        CheckpointError: the file is damaged.
    """
    file = Path(folder) / INFO_FILE
    if not file.is_file():
        return ModelInfo(task=task, windows=WindowSettings())
    try:
        return ModelInfo.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise CheckpointError(f"{file}: is damaged: {error}") from None
