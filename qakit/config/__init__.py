"""The settings of every command, as frozen models: the one place that names them and their defaults."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from qakit.config.base import Negatives, Precision, Settings
from qakit.config.preprocessing import ClozeSettings, PreprocessConfig
from qakit.config.reading import DEFAULT_OVERLAP, DecodingSettings, InferenceSettings, WindowSettings
from qakit.config.training import (
    POLYNOMIAL_END,
    Adversarial,
    Attention,
    DataSettings,
    ModelSettings,
    Schedule,
    SelectionSettings,
    TrainingSettings,
    TrickSettings,
)

__all__ = [
    "DEFAULT_OVERLAP",
    "POLYNOMIAL_END",
    "Adversarial",
    "Attention",
    "ClozeSettings",
    "DataSettings",
    "DecodingSettings",
    "EnsembleConfig",
    "InferenceSettings",
    "ModelSettings",
    "Negatives",
    "Precision",
    "PreprocessConfig",
    "ReadConfig",
    "Schedule",
    "SelectionSettings",
    "TrainConfig",
    "TrainingSettings",
    "TrickSettings",
    "WindowSettings",
]


class TrainConfig(Settings):
    """Everything that decides what `train-qa` and `train-select` produce."""

    out: Path
    data: DataSettings
    model: ModelSettings
    windows: WindowSettings = WindowSettings()
    training: TrainingSettings = TrainingSettings()
    tricks: TrickSettings = TrickSettings()
    decoding: DecodingSettings = DecodingSettings()
    selection: SelectionSettings = SelectionSettings()
    inference: InferenceSettings = InferenceSettings()
    metric: str | None = None
    """A preset of `qakit.metrics.presets`; the data schema's own when not given."""


class ReadConfig(Settings):
    """How `predict` and `evaluate` run trained models; None means as in training."""

    windows: WindowSettings | None = None
    decoding: DecodingSettings = DecodingSettings()
    inference: InferenceSettings = InferenceSettings()


class EnsembleConfig(Settings):
    """How `ensemble` combines scores files."""

    method: Literal["mean", "vote"] = "mean"
    nbest: int = Field(1, ge=1)
