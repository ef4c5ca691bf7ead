"""The base class of all settings models, and the command-line flag that a setting may carry."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.fields import FieldInfo

Precision = Literal["fp32", "bf16", "fp16"]
Negatives = Literal["bm25", "article", "random"]

# The panels of --help; a flag without one stands under "Options".
MODELS, SETTINGS, TRAINING, FOLDS, OUTPUT = "Models", "Settings", "Training", "Cross-validation", "Output"
WEIGHTS = "Weights and scores"
TASK_SUMMARIES = {
    "select": "Train a model that chooses the paragraph which holds the answer.",
    "qa": "Train a model that finds the answer in its paragraph.",
    "intent": "Train a model that tells what a text wants.",
    "slots": "Train a model that tags the words of a text.",
}
"""The name of every task, as in `qakit.tasks.registry`, and the summary of its training command.

Written here so that `--help` loads no task. The names are also the top-level keys of a recipe whose settings apply to
one task only.
"""
METRICS = "hw7|adl|adl2021|drcd|cmrc|squad|squad2"


@dataclass(frozen=True, slots=True)
class Flag:
    """The command-line flag of a setting, as metadata of its field: `epochs: Annotated[float, Flag("Passes ...")]`.

    Type, default and choices are those of the field. `qakit.cli.options.with_settings` makes options of flags.
    """

    help: str
    panel: str | None = None
    metavar: str | None = None
    names: tuple[str, ...] = ()
    """The flag, then its short forms; `--batch-size` for the field `batch_size` when not given."""
    default: str | bool | None = None
    """Text for --help instead of the field's own default; False shows none."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


OneOrMore = BeforeValidator(_listed)
"""Lets one value stand for a list of one: `trackers: wandb` is `trackers: [wandb]`."""

# Settings of several models share a flag.
ContextFlag = Flag("ADL's context.json; found beside the data file when not given.")
LenientFlag = Flag("Skip bad records instead of stopping, and say how many.")
SeedFlag = Flag("Seed of all random draws.", SETTINGS)
PrecisionFlag = Flag("Number format of the forward pass.", SETTINGS)
NBestFlag = Flag("Answers per question, where they are shown or written.", OUTPUT)


class Settings(BaseModel):
    """Frozen settings; unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def flagged_settings(kind: type[BaseModel], section: str = "") -> Iterator[tuple[str, Flag, FieldInfo]]:
    """Each setting of `kind` that has a flag, in the order of the fields: dotted name, flag with its names, field."""
    for key, field in kind.model_fields.items():
        for part in (field.annotation, *get_args(field.annotation)):  # a section may be optional
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from flagged_settings(part, f"{section}{key}.")
        for flag in field.metadata:
            if isinstance(flag, Flag):
                yield section + key, replace(flag, names=flag.names or ("--" + key.replace("_", "-"),)), field
