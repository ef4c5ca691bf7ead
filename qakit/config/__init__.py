"""The settings of every command, as frozen models: the one place that names them and their defaults."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

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

NonNegative = Annotated[float, Field(ge=0)]


class TrainConfig(Settings):
    """Everything that decides what a training command produces."""

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

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> "TrainConfig":
        for name, trick in self.tricks.in_vain:
            raise ValueError(f"tricks.{name} does nothing without tricks.{trick}: set that too, or leave {name} out")
        if self.decoding.oos_threshold is not None:
            raise ValueError("decoding.oos_threshold is for predict and evaluate: leave it out of the training")
        return self


class ReadConfig(Settings):
    """How `predict` and `evaluate` run trained models; None means as in training."""

    windows: WindowSettings | None = None
    decoding: DecodingSettings = DecodingSettings()
    inference: InferenceSettings = InferenceSettings()


class EnsembleConfig(Settings):
    """How `ensemble` combines scores files."""

    method: Literal["mean", "vote", "greedy"] = "mean"
    """An average by character; a vote by text; an average with weights that score best on labelled questions."""
    average: Literal["log", "probability"] = "log"
    """Of log-probabilities, in which each member may forbid; or of probabilities, in which each may propose."""
    weights: tuple[NonNegative, ...] | None = None
    """One for each scores file; all alike when not given."""
    rounds: int = Field(20, ge=1)
    """Of `greedy`: members that are added, one a round, at most."""
    folds: int = Field(5, ge=2)
    """Of `greedy`: parts, by article, of which each is scored with the weights that the others chose."""
    metric: str | None = None
    """A preset of `qakit.metrics.presets`, for `greedy` and the report; the data's own when not given."""
    nbest: int = Field(1, ge=1)
    oos_threshold: float | None = Field(None, ge=0, le=1)
    """Of intents, in the place of what the members' files hold; 0: no text is out of scope."""

    @model_validator(mode="after")
    def _weights_that_are_used(self) -> "EnsembleConfig":
        if self.weights is not None and self.method == "greedy":
            raise ValueError("weights are what the method greedy finds: give one of them")
        if self.weights is not None and not any(self.weights):
            raise ValueError("weights are all 0: one member at least must count")
        if self.average != "log" and self.method == "vote":
            raise ValueError("average is of mean and greedy: a vote averages nothing")
        return self
