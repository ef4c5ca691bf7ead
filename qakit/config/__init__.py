"""Settings of all commands, as frozen pydantic models: name, default, limits and flag of each, written once.

In: YAML files, `--set` and flags (`qakit.config.files`). Out: one validated config per command.
"""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from qakit.config.base import (
    METRICS,
    TRAINING,
    WEIGHTS,
    Flag,
    NBestFlag,
    Negatives,
    OneOrMore,
    Precision,
    SeedFlag,
    Settings,
)
from qakit.config.sections import (
    DEFAULT_OVERLAP,
    POLYNOMIAL_END,
    RECURRENT,
    Adversarial,
    Attention,
    DataSettings,
    DecodingSettings,
    InferenceSettings,
    ModelSettings,
    Schedule,
    SelectionSettings,
    TrainingSettings,
    TrickSettings,
    WindowSettings,
)

__all__ = [
    "DEFAULT_OVERLAP",
    "POLYNOMIAL_END",
    "RECURRENT",
    "Adversarial",
    "AnswerKind",
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
AnswerKind = Literal["time", "number", "person", "place", "name", "thing", "phrase"]


class ClozeSettings(Settings):
    """Cloze questions generated from texts (`preprocess --to cloze`). Shares are probabilities per word or question."""

    questions: Annotated[int, Flag("Cloze questions for each paragraph.")] = Field(20, ge=0)
    copies: int = Field(0, ge=0)
    """Noisy copies of each question that the files already have."""
    kinds: Annotated[tuple[AnswerKind, ...], OneOrMore] = get_args(AnswerKind)
    """Kinds of answers to ask for, in the proportions in which people ask for them."""
    shortest_answer: int = Field(2, ge=1)
    """Characters of the shortest answer; with 2, a single digit is an answer too."""
    longest_answer: int = Field(30, ge=1)
    """Characters of the longest answer; the limit of eight words holds too."""
    drop: float = Field(0.12, ge=0, lt=1)
    """Share of the words dropped from a question."""
    replace: float = Field(0.05, ge=0, lt=1)
    """Share of the words replaced by words of other paragraphs, to imitate a paraphrase."""
    shuffle: float = Field(0.3, ge=0, le=1)
    """Share of the questions whose parts are out of the order of their sentence."""
    topic: float = Field(0.5, ge=0, le=1)
    """Share of the questions that begin with a word of the title or of the paragraph's beginning."""
    exchange: float = Field(0.0, ge=0, le=1)
    """Share of a paragraph's names, times and numbers exchanged for those of other paragraphs, drawn anew for every few
    questions."""

    @model_validator(mode="after")
    def _words_left(self) -> "ClozeSettings":
        if self.drop + self.replace >= 1:
            raise ValueError(f"drop ({self.drop}) and replace ({self.replace}) leave no word as it is")
        return self

    @model_validator(mode="after")
    def _some_answers(self) -> "ClozeSettings":
        if not self.kinds:
            raise ValueError(f"kinds names none: give one of {', '.join(get_args(AnswerKind))}")
        if self.shortest_answer > self.longest_answer:
            shortest, longest = self.shortest_answer, self.longest_answer
            raise ValueError(f"shortest_answer ({shortest}) must not be above longest_answer ({longest})")
        return self


class PreprocessConfig(Settings):
    """All settings of `preprocess`."""

    to: Annotated[
        str | None,
        Flag(
            "Schema to write: hw7, adl2021, adl2022, squad, squad2, drcd, cmrc, cmrc-flat, jsonl, csv or parquet; the "
            "input's schema when not given. Or cloze: questions generated from texts; or tokenizer: one trained on "
            "them.",
            metavar="SCHEMA",
        ),
    ] = None
    split: Annotated[
        tuple[float, float, float] | None,
        Flag("Split by article into these shares, such as 0.8,0.1,0.1.", metavar="TRAIN,DEV,TEST"),
    ] = None
    candidates: Annotated[int | None, Flag("Give questions with one paragraph this many to choose from.")] = Field(
        None, ge=2
    )
    """The question's own paragraph is one of them."""
    negatives: Annotated[Negatives, Flag("Source of the added paragraphs.")] = "bm25"
    first_answer: Annotated[bool, Flag("Keep only the first of several annotators' answers.")] = False
    script: Annotated[
        str | None,
        Flag("Convert all texts with OpenCC; answers keep their places.", metavar="s2t|t2s|s2twp|..."),
    ] = None
    repair: Annotated[bool, Flag("Move misplaced answers to where their text stands, and list every change.")] = False
    repair_threshold: float = Field(90.0, gt=50, le=100)
    """Minimum similarity, in percent, of an answer to the text in its place, where the exact text is not found."""
    seed: Annotated[int, SeedFlag] = Field(42, ge=0)
    tokenizer: Annotated[str | None, Flag("Report windows in this model's tokens: a name, folder or vocab.txt.")] = None
    reachability: Annotated[
        bool, Flag("Report the answers that windows of several lengths and overlaps hold, and draw it.")
    ] = False
    """In tokens of `tokenizer`, or of the bundled model."""
    lengths: tuple[Annotated[int, Field(ge=16)], ...] = Field((128, 256, 384, 512), min_length=1)
    """Window lengths for `reachability`."""
    overlaps: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 32, 64, 128), min_length=1)
    """Overlaps for `reachability`; each is used with the lengths above it."""
    vocabulary: Annotated[int, Flag("Maximum vocabulary size of the new tokenizer.")] = Field(8000, ge=300)
    cloze: ClozeSettings = ClozeSettings()
    windows: WindowSettings = WindowSettings()

    @model_validator(mode="after")
    def _overlaps_below_lengths(self) -> "PreprocessConfig":
        if min(self.overlaps) >= min(self.lengths):
            raise ValueError(f"overlaps must have one below the shortest of lengths ({min(self.lengths)})")
        return self


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
