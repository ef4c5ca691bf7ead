"""What all settings have in common."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

Precision = Literal["fp32", "bf16", "fp16"]
Negatives = Literal["bm25", "article", "random"]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


OneOrMore = BeforeValidator(_listed)
"""`trackers: wandb` is `trackers: [wandb]`."""


class Settings(BaseModel):
    """Frozen, and without fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
