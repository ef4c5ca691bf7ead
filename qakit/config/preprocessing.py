"""What `preprocess` makes of files."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from qakit.config.base import Negatives, OneOrMore, Settings
from qakit.config.reading import WindowSettings

AnswerKind = Literal["time", "number", "person", "place", "name", "thing", "phrase"]


class ClozeSettings(Settings):
    """How questions are made from texts (`preprocess --to cloze`); the shares are drawn for each word or question."""

    questions: int = Field(20, ge=0)
    """Questions on each paragraph."""
    copies: int = Field(0, ge=0)
    """Copies, with noise, of each question that the files bring with its answer."""
    kinds: Annotated[tuple[AnswerKind, ...], OneOrMore] = get_args(AnswerKind)
    """Kinds of answers that are asked for, each as often among these as people ask for it."""
    shortest_answer: int = Field(2, ge=1)
    """Characters of the shortest answer; where these are two, a digit alone is an answer too."""
    longest_answer: int = Field(30, ge=1)
    """Characters of the longest answer; none has more than eight words."""
    drop: float = Field(0.12, ge=0, lt=1)
    """Share of the words left out of a question."""
    replace: float = Field(0.05, ge=0, lt=1)
    """Share of the words replaced by words of other paragraphs, as a paraphrase would be."""
    shuffle: float = Field(0.3, ge=0, le=1)
    """Share of the questions that do not keep the order of their sentence."""
    topic: float = Field(0.5, ge=0, le=1)
    """Share of the questions that begin with a word from the title or the beginning of the paragraph."""
    exchange: float = Field(0.0, ge=0, le=1)
    """Share of a paragraph's names, times and numbers exchanged for those of other paragraphs, for every few questions
    anew."""

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
    """What `preprocess` makes of the data."""

    to: str | None = None
    """Schema to write, `cloze` for questions made from texts, or `tokenizer`; the input's schema when not given."""
    split: tuple[float, float, float] | None = None
    """Shares of train, dev and test; the files stay as they are when not given."""
    candidates: int | None = Field(None, ge=2)
    """Paragraphs a question that comes with one is given."""
    negatives: Negatives = "bm25"
    first_answer: bool = False
    """Keep the first of several annotators' answers only."""
    script: str | None = None
    """Conversion by OpenCC, such as s2t or t2s, of all texts; they stay as they are when not given."""
    repair: bool = False
    """Put answers that are not where their file says where their text stands, and list every change."""
    repair_threshold: float = Field(90.0, gt=50, le=100)
    """How much alike, in percent, an answer and what stands in its place must be where the text itself is not found."""
    seed: int = Field(42, ge=0)
    tokenizer: str | None = None
    """For the part of the report that counts tokens and windows."""
    reachability: bool = False
    """Report what windows of several lengths and overlaps hold and cost, in tokens of `tokenizer` or mini-zh."""
    lengths: tuple[Annotated[int, Field(ge=16)], ...] = Field((128, 256, 384, 512), min_length=1)
    """Lengths of windows for `reachability`."""
    overlaps: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 32, 64, 128), min_length=1)
    """Overlaps for it; one that is not below a length is left out there."""
    vocabulary: int = Field(8000, ge=300)
    """Entries of the vocabulary that `--to tokenizer` makes, at most."""
    cloze: ClozeSettings = ClozeSettings()
    windows: WindowSettings = WindowSettings()

    @model_validator(mode="after")
    def _overlaps_below_lengths(self) -> "PreprocessConfig":
        if min(self.overlaps) >= min(self.lengths):
            raise ValueError(f"overlaps must have one below the shortest of lengths ({min(self.lengths)})")
        return self
