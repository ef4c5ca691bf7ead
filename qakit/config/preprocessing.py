"""Settings of `preprocess`: conversion, splits, candidates, repair, cloze questions."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from qakit.config.base import Flag, Negatives, OneOrMore, SeedFlag, Settings
from qakit.config.reading import WindowSettings

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
