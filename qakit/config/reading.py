"""How texts become windows, and logits answers: settings that a trained model keeps."""

from typing import Literal

from pydantic import Field, model_validator

from qakit.config.base import Precision, Settings

DEFAULT_OVERLAP = 128


class WindowSettings(Settings):
    """How a question and its paragraph become windows; all lengths are in tokens."""

    max_length: int = Field(384, ge=16)
    """Tokens of a whole window, question and special tokens included."""
    overlap: int | None = Field(None, ge=0)
    """Tokens that two neighbouring windows share; 128, or less where windows are short, when neither is given."""
    step: int | None = Field(None, ge=1)
    """Tokens from the start of a window to the start of the next: the other way to say `overlap`."""
    max_question_length: int | None = Field(None, ge=1)
    """Longer questions lose their end; half of `max_length` when not given."""
    max_paragraph_length: int | None = Field(None, ge=1)
    """Tokens of a window's paragraph part; as many as fit when not given."""
    match_length: int | None = Field(None, ge=0)
    """The type of a paragraph token tells how many tokens around it the question has in a row too, up to this many; in
    training as the model was trained that it starts from, or 0: nothing, when not given."""

    @property
    def description(self) -> str:
        """These windows in words."""
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
    """How logits become answers."""

    max_answer_length: int | None = Field(None, ge=1)
    """Tokens of the longest answer; the longest of the training data when not given."""
    nbest: int = Field(1, ge=1)
    """Answers per question."""
    null_threshold: float | None = None
    """A question is unanswerable when its null score beats the best span's by more than this; 0 in training, and as
    in training afterwards, when not given."""
    oos_threshold: float | None = Field(None, ge=0, le=1)
    """A text is out of scope when its likeliest intent is less probable than this, and none is with 0; as stored with
    the model, or 0, when not given."""
    temperature: float | None = Field(None, gt=0)
    """Divides logits where they become probabilities; as stored with the model, or 1, when not given."""
    length_weight: float | None = Field(None, ge=0)
    """What the log-probability of an answer's length adds to its score; as stored with the model, or 0: nothing."""
    choose_by: Literal["score", "windows", "text", "f1"] = "score"
    """Which of the best spans comes first: that of highest score; that of the highest probability, summed over the
    windows that hold it; that whose text has the highest probability, summed over all spans with it, in all windows; or
    that of the highest expected F1 (Kumar and Byrne, 2004: minimum Bayes risk)."""
    pool: int = Field(20, ge=1)
    """Best spans among which `choose_by` chooses, where it is not the score."""
    repair_brackets: bool = False
    """An answer with half a pair of brackets or quotation marks takes in the other half if it is near, or drops it."""
    distinct: bool = False
    """N-best lists leave out answers that share more than half of their characters with a better one."""
    joint_paragraphs: int | None = Field(None, ge=1)
    """With a selector, so many of the likeliest paragraphs are read, and that answer wins whose score and weighted
    log-probability of its paragraph have the highest sum; as stored with the model, or 1, when not given."""
    joint_weight: float | None = Field(None, ge=0)
    """What a log-probability of the selector weighs beside the score of a span; as stored with the model, or 1."""
    shortlist: int = Field(5, ge=1)
    """Passages of a corpus that BM25 hands on to the selector, or without one to the reader."""


class InferenceSettings(Settings):
    """How fast a model answers, not what."""

    batch_tokens: int | None = Field(None, ge=1)
    """Tokens per forward pass, padding included; 1,024 for each thread of a CPU and 16,384 elsewhere when not given."""
    precision: Precision | None = None
    """What encoders compute in; as their weights are stored on an accelerator, and fp32 on a CPU, when not given."""
    compile: bool = False
    """Let torch compile the model: half a minute for each kind of batch, worth it for long runs on a GPU."""
    num_threads: int | None = Field(None, ge=1)
    """Threads of a CPU that torch and onnxruntime use; their own choice when not given."""
