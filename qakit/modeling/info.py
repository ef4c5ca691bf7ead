"""`qakit.json`, the facts of a training that prediction needs, and the model card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qakit import __version__
from qakit.config import DecodingSettings, TrainConfig, WindowSettings
from qakit.errors import CheckpointError, ConfigError
from qakit.modeling.loading import stored_file
from qakit.spans.decoder import Decoder

INFO_FILE = "qakit.json"
FALLBACK_ANSWER_LENGTH = 64
"""Tokens, for models of other tools, whose training data is unknown; the longest ADL answer has 63 characters."""


class ModelInfo(BaseModel):
    """Contents of `qakit.json`: what prediction needs to know of the training.

    Attributes:
        max_answer_length: longest answer of the training data, in tokens.
        answers_null: whether the training data had questions without an answer.
        null_threshold, joint_paragraphs, joint_weight, temperature, length_weight: found by `evaluate --tune`, as in
            `DecodingSettings`.
        length_prior: log-probabilities of answers of 1, 2, ... tokens, which `length_weight` scales.
        oos_threshold: a text whose likeliest intent is less probable than this is out of scope.
        follows_bio: whether in the training data every `I-` tag follows a tag of its kind.
    """

    # Ignored, not refused: a model of a newer qakit stays usable.
    model_config = ConfigDict(frozen=True, extra="ignore")

    task: str
    windows: WindowSettings
    max_answer_length: int | None = None
    answers_null: bool = False
    null_threshold: float = 0.0
    joint_paragraphs: int = 1
    joint_weight: float = 1.0
    temperature: float = Field(1.0, gt=0)
    length_weight: float = 0.0
    length_prior: tuple[float, ...] = ()
    oos_threshold: float | None = Field(None, ge=0, le=1)
    follows_bio: bool = False
    qakit_version: str = ""

    def windows_with(self, given: WindowSettings | None) -> WindowSettings:
        """The windows of the training, overridden by the fields that are set in `given`.

        Raises:
            ConfigError: the two contradict each other.
        """
        if given is None:
            return self.windows
        changes = {name: getattr(given, name) for name in given.model_fields_set}
        if given.match_length is None:  # a printed config has null for a field that was not given
            changes.pop("match_length", None)
        # Overlap and step say the same in two ways, so a given one replaces both. An overlap that is too long for the
        # given windows falls back to their default.
        if changes.keys() & {"overlap", "step"}:
            changes = {"overlap": None, "step": None, **changes}
        elif (self.windows.overlap or 0) >= changes.get("max_length", self.windows.max_length):
            changes["overlap"] = None
        try:
            return WindowSettings.model_validate({**self.windows.model_dump(), **changes})
        except ValidationError as error:
            raise ConfigError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    def joint(self, given: DecodingSettings) -> tuple[int, float]:
        """Number of likeliest paragraphs to read, and the weight of their log-probability: as given, else stored."""
        weight = self.joint_weight if given.joint_weight is None else given.joint_weight
        return given.joint_paragraphs or self.joint_paragraphs, weight

    def decoder(self, given: DecodingSettings) -> Decoder:
        """The decoder of this model: settings as given, else as stored.

        Raises:
            ConfigError: a length weight is given, but the model has no length prior.
        """
        names = ("null_threshold", "temperature", "length_weight")
        stored = {name: getattr(self, name) for name in names if getattr(given, name) is None}
        settings = given.model_copy(update=stored)
        weight = settings.length_weight or 0.0
        if weight and not self.length_prior:
            raise ConfigError(
                f"decoding.length_weight: {weight:g}, but this model has no prior of answer lengths; "
                "`qakit evaluate --tune length` makes one"
            )
        length = given.max_answer_length or self.max_answer_length or FALLBACK_ANSWER_LENGTH
        return Decoder(settings, length, tuple(weight * log for log in self.length_prior) if weight else ())


def read_info(source: str, **hub: Any) -> ModelInfo | None:
    """The `qakit.json` in a folder or hub repository; None if another tool trained the model.

    Args:
        hub: `revision` and `token`, as in transformers' `cached_file`.

    Raises:
        CheckpointError: the file is damaged.
    """
    file = stored_file(source, INFO_FILE, **hub)
    if file is None:
        return None
    try:
        return ModelInfo.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise CheckpointError(f"{file}: is damaged: {error}") from None


def model_card(
    config: TrainConfig,
    info: ModelInfo,
    scores: Mapping[str, float],
    step: int,
    *,
    pipeline_tag: str,
    usage: str,
) -> str:
    """Model card (README.md) in the hub's form: origin, scores, settings and usage.

    `pipeline_tag` and `usage` are those of the `Task`.
    """
    model, training = config.model, config.training
    origin = "trained from random weights" if model.is_untrained else f"fine-tuned from `{model.name}`"
    facts = "the window" if info.max_answer_length is None else "the window and the answer length"
    rows = "\n".join(f"| {name} | {value:.2f} |" for name, value in scores.items()) or "| none | no development data |"
    # Only names that the hub knows: it refuses cards whose `base_model` is a path.
    base = "" if model.is_untrained or _is_path(model.name) else f"base_model: {model.name}\n"
    return f"""---
library_name: transformers
pipeline_tag: {pipeline_tag}
tags: [qakit]
{base}---

# {config.out.name}

A model for `{info.task}`, {origin} with qakit {__version__}.

| score on the development data, step {step} | percent |
|---|---|
{rows}

| setting | value |
|---|---|
| learning rate | {training.learning_rate:g}, {training.schedule}, warm-up {training.warmup:g} |
| records per step | {training.batch_size} x {training.accumulation} |
| epochs | {training.epochs:g} |
| window | {config.windows.max_length} tokens |
| seed | {training.seed} |

Use it with `{usage}`, or load it with transformers' `from_pretrained`.
`qakit.json` holds {facts} it was trained with.
"""


def _is_path(name: str) -> bool:
    return name.startswith((".", "/")) or Path(name).exists()
