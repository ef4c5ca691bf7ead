"""Settings of all commands, as frozen pydantic models: name, default, limits and flag of each, written once.

In: YAML files, `--set` and flags (`qakit.config.files`). Out: one validated config per command.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from qakit.config.base import METRICS, TRAINING, WEIGHTS, Flag, NBestFlag, Negatives, Precision, Settings
from qakit.config.preprocessing import ClozeSettings, PreprocessConfig
from qakit.config.reading import DEFAULT_OVERLAP, DecodingSettings, InferenceSettings, WindowSettings
from qakit.config.training import (
    POLYNOMIAL_END,
    RECURRENT,
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
    "RECURRENT",
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
    """All settings of a training command."""

    out: Annotated[Path, Flag("The run folder to make.")]
    data: DataSettings
    model: ModelSettings
    windows: WindowSettings = WindowSettings()
    training: TrainingSettings = TrainingSettings()
    tricks: TrickSettings = TrickSettings()
    decoding: DecodingSettings = DecodingSettings()
    selection: SelectionSettings = SelectionSettings()
    inference: InferenceSettings = InferenceSettings()
    metric: Annotated[
        str | None, Flag("Metric of the evaluations; the data's own when not given.", TRAINING, METRICS)
    ] = None
    """A preset of `qakit.metrics.presets`."""

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> "TrainConfig":
        for name, trick in self.tricks.in_vain:
            raise ValueError(f"tricks.{name} does nothing without tricks.{trick}: set that too, or leave {name} out")
        if self.decoding.oos_threshold is not None:
            raise ValueError("decoding.oos_threshold is for predict and evaluate: leave it out of the training")
        return self


class ReadConfig(Settings):
    """Settings of `predict` and `evaluate`, which run trained models; None means as in training."""

    windows: WindowSettings | None = None
    decoding: DecodingSettings = DecodingSettings()
    inference: InferenceSettings = InferenceSettings()


class EnsembleConfig(Settings):
    """Settings of `ensemble`, which combines scores files."""

    method: Annotated[Literal["mean", "vote", "greedy"], Flag("Combination of the members.")] = "mean"
    """An average by character; a vote by text; or an average whose weights score best on labelled questions."""
    average: Annotated[
        Literal["log", "probability"],
        Flag("Average of log-probabilities or of probabilities, for mean and greedy."),
    ] = "log"
    """With log-probabilities one member can veto an answer; with probabilities one member can propose it."""
    weights: Annotated[
        tuple[NonNegative, ...] | None,
        Flag("One weight for each of SCORES; 0 leaves a member out.", WEIGHTS, "W,W,..."),
    ] = None
    """All equal when not given."""
    rounds: int = Field(20, ge=1)
    """For `greedy`: maximum number of rounds; each adds one member."""
    folds: int = Field(5, ge=2)
    """For `greedy`: folds by article of the cross-validation; each is scored with weights chosen on the others."""
    metric: Annotated[str | None, Flag("Metric; the data's own when not given.", metavar=METRICS)] = None
    """A preset of `qakit.metrics.presets`, for `greedy` and the report."""
    nbest: Annotated[int, NBestFlag] = Field(1, ge=1)
    oos_threshold: float | None = Field(None, ge=0, le=1)
    """Out-of-scope threshold of intents, instead of those in the members' files; 0 turns it off."""

    @model_validator(mode="after")
    def _weights_that_are_used(self) -> "EnsembleConfig":
        if self.weights is not None and self.method == "greedy":
            raise ValueError("weights are what the method greedy finds: give one of them")
        if self.weights is not None and not any(self.weights):
            raise ValueError("weights are all 0: one member at least must count")
        if self.average != "log" and self.method == "vote":
            raise ValueError("average is of mean and greedy: a vote averages nothing")
        return self
