"""Settings of windows, decoding and inference: used by every command that runs a model."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from qakit.config.base import SETTINGS, Flag, NBestFlag, Precision, PrecisionFlag, Settings

DEFAULT_OVERLAP = 128


class WindowSettings(Settings):
    """Windows: the pieces of question and paragraph that a model reads. All lengths are in tokens."""

    max_length: Annotated[
        int, Flag("Tokens of a window, question included; 384, or as in training.", SETTINGS, default=False)
    ] = Field(384, ge=16)
    """Special tokens count too."""
    overlap: Annotated[int | None, Flag("Tokens that two neighbouring windows share.", SETTINGS)] = Field(None, ge=0)
    """128, or half of the room where windows are short, when neither `overlap` nor `step` is given."""
    step: Annotated[int | None, Flag("Tokens from one window to the next: an alternative to --overlap.", SETTINGS)] = (
        Field(None, ge=1)
    )
    max_question_length: int | None = Field(None, ge=1)
    """Longer questions lose their end; half of `max_length` when not given."""
    max_paragraph_length: int | None = Field(None, ge=1)
    """Tokens of a window's paragraph part; as many as fit when not given."""
    match_length: Annotated[
        int | None,
        Flag(
            "Token types count exact matches: the longest run around a paragraph token that the question has too, up "
            "to this many tokens.",
            SETTINGS,
            default="as the model to start from, or 0",
        ),
    ] = Field(None, ge=0)
    """0 marks nothing."""

    @property
    def description(self) -> str:
        """The windows in words, for messages."""
        if self.step is not None:
            return f"windows of {self.max_length} tokens, each {self.step} further on"
        if self.overlap is not None:
            return f"windows of {self.max_length} tokens, of which neighbours share {self.overlap}"
        return (
            f"windows of {self.max_length} tokens, of which neighbours share {DEFAULT_OVERLAP} or, where few fit, half"
        )

    @model_validator(mode="after")
    def _one_of_overlap_and_step(self) -> "WindowSettings":
        if self.overlap is not None and self.step is not None:
            raise ValueError(f"overlap ({self.overlap}) and step ({self.step}) say the same thing: give one of them")
        if self.overlap is not None and self.overlap >= self.max_length:
            raise ValueError(f"overlap ({self.overlap}) must be below max_length ({self.max_length})")
        return self


class DecodingSettings(Settings):
    """Decoding: from logits to answers."""

    max_answer_length: Annotated[
        int | None, Flag("Tokens of the longest answer; as in training when not given.", SETTINGS)
    ] = Field(None, ge=1)
    """In training, the longest answer of the training data when not given."""
    nbest: Annotated[int, NBestFlag] = Field(1, ge=1)
    null_threshold: Annotated[
        float | None, Flag("Predict no answer when the null score beats the best span's by more than this.")
    ] = None
    """0 in training, and as in training afterwards, when not given."""
    oos_threshold: float | None = Field(None, ge=0, le=1)
    """Out-of-scope threshold: a text is out of scope when its most probable intent is less probable than this. 0 turns
    it off. As stored with the model, or 0, when not given."""
    temperature: float | None = Field(None, gt=0)
    """Logits are divided by this before the softmax; as stored with the model, or 1, when not given."""
    length_weight: float | None = Field(None, ge=0)
    """Weight of the log-probability of an answer's length in its score; as stored with the model, or 0, when not
    given."""
    choose_by: Literal["score", "windows", "text", "f1"] = "score"
    """Order of the best spans: by score; by probability, summed over the windows that hold the span; by probability of
    the text, summed over its spans in all windows; or by expected F1 (minimum Bayes risk; Kumar and Byrne, 2004)."""
    pool: int = Field(20, ge=1)
    """Number of best spans that `choose_by`, `repair_brackets` and `distinct` choose from; unused with none of them."""
    repair_brackets: bool = False
    """Extend an answer with an unpaired bracket or quotation mark to its partner if it is near, else drop the mark."""
    distinct: bool = False
    """Leave answers out of n-best lists that share more than half of their characters with a better one."""
    joint_paragraphs: Annotated[
        int | None,
        Flag(
            "With --selector, read this many of the most probable paragraphs and choose the best answer of all.",
            SETTINGS,
            default="as stored with --model, or 1",
        ),
    ] = Field(None, ge=1)
    """The best answer has the highest sum of its score and the weighted log-probability of its paragraph."""
    joint_weight: Annotated[
        float | None,
        Flag(
            "Weight of the selector's log-probability, added to an answer's score.",
            SETTINGS,
            default="as stored with --model, or 1",
        ),
    ] = Field(None, ge=0)
    shortlist: Annotated[int, Flag("Passages of --corpus that BM25 picks out for each question.")] = Field(5, ge=1)
    """They go to the selector, or without one to the reader."""


class InferenceSettings(Settings):
    """Inference: speed and memory. The answers stay the same."""

    batch_tokens: Annotated[
        int | None, Flag("Tokens per forward pass; 1,024 per thread on a CPU, 16,384 elsewhere.", SETTINGS)
    ] = Field(None, ge=1)
    """Padding counts too."""
    precision: Annotated[Precision | None, PrecisionFlag] = None
    """Of the encoder; on an accelerator as its weights are stored, and fp32 on a CPU, when not given."""
    compile: bool = False
    """Use torch.compile: half a minute for each kind of batch, worth it for long runs on a GPU."""
    num_threads: Annotated[
        int | None, Flag("CPU threads of torch and onnxruntime; their own choice when not given.", SETTINGS)
    ] = Field(None, ge=1)
