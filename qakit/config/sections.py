"""Settings by section: windows, decoding and inference of all commands that run a model, and those of a training."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qakit.config.base import (
    FOLDS,
    MODELS,
    SETTINGS,
    TRAINING,
    ContextFlag,
    Flag,
    LenientFlag,
    NBestFlag,
    Negatives,
    OneOrMore,
    Precision,
    PrecisionFlag,
    SeedFlag,
    Settings,
)

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


Schedule = Literal["linear", "cosine", "polynomial", "constant"]
Adversarial = Literal["fgm", "pgd", "awp"]
Attention = Literal["eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"]

POLYNOMIAL_END = 1e-7  # where transformers' polynomial schedule ends

_Beta = Annotated[float, Field(ge=0, lt=1)]

_ONLY_WITH = {
    "lora_alpha": "lora_rank",
    "lora_dropout": "lora_rank",
    "lora_targets": "lora_rank",
    "adversarial_epsilon": "adversarial",
    "adversarial_steps": "adversarial",
    "distill_weight": "distill",
    "distill_temperature": "distill",
}


class DataSettings(Settings):
    """The training and development data."""

    train: Annotated[tuple[Path, ...], OneOrMore, Flag("Training data, in any schema; repeatable.")] = Field(
        min_length=1
    )
    dev: Annotated[tuple[Path, ...], OneOrMore, Flag("Development data, to find the best model with; repeatable.")] = ()
    context: Annotated[Path | None, ContextFlag] = None
    lenient: Annotated[bool, LenientFlag] = False
    train_on_dev: Annotated[
        bool, Flag("Train on --dev too; nothing is evaluated then, and the last model is kept.")
    ] = False
    folds: Annotated[
        int | None,
        Flag("Train this many models, each without one part of the data, and evaluate each on its part.", FOLDS),
    ] = Field(None, ge=2)
    """The parts are split by article."""
    fold: Annotated[int | None, Flag("Train only the model without this part, from 1 to --folds.", FOLDS)] = Field(
        None, ge=1
    )

    @model_validator(mode="after")
    def _one_held_out_part(self) -> "DataSettings":
        if self.fold is not None and (self.folds is None or self.fold > self.folds):
            raise ValueError(f"fold {self.fold} must be one of 1 to data.folds ({self.folds})")
        if self.folds is not None and self.dev:
            raise ValueError("folds evaluates on the part that is left out: give no dev files beside it")
        if self.train_on_dev and not self.dev:
            raise ValueError("train_on_dev needs dev files to learn from")
        return self


RECURRENT = ("lstm", "gru")
"""Models by name that have no pretrained weights: recurrent ones over the training data's words, for labels."""


class ModelSettings(BaseModel):
    """The encoder, and any field of its transformers config (`hidden_size: 32` with `from_scratch`)."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    name: Annotated[
        str,
        Flag(
            "Encoder to start from: a hub name, a folder, or with --from-scratch a model type or config file; "
            "lstm or gru for labels.",
            MODELS,
            names=("--model",),
        ),
    ]
    tokenizer: Annotated[
        str | None,
        Flag(
            "A hub name, a folder, a vocab.txt or `words` (of the training data); the model's own when not given.",
            MODELS,
        ),
    ] = None
    from_scratch: Annotated[
        bool, Flag("Start from random weights; shape them with --set model.hidden_size=32 and the like.", MODELS)
    ] = False
    embeddings: Path | None = None
    """Pretrained word vectors for `lstm` and `gru`: a text file in GloVe's format, a word and its numbers per line."""
    vocabulary: int = Field(50_000, ge=5)
    """Maximum size of a tokenizer of `words`: words of the training data first, then those of `embeddings`."""
    attention: Attention | None = None
    """Attention implementation of transformers; the fastest that the model supports when not given."""

    @property
    def overrides(self) -> dict[str, Any]:
        """The fields of the transformers config that were given."""
        return dict(self.model_extra or {})

    @property
    def is_untrained(self) -> bool:
        """Whether the model starts from random weights."""
        return self.from_scratch or self.name in RECURRENT


class TrainingSettings(Settings):
    """The optimisation. A step is one update of the weights."""

    epochs: Annotated[float, Flag("Passes over the data.", TRAINING)] = Field(2.0, gt=0)
    max_steps: Annotated[int | None, Flag("Stop after this many updates, or earlier by --epochs.", TRAINING)] = Field(
        None, ge=1
    )
    """The learning rate schedule is then this long."""
    batch_size: Annotated[int, Flag("Questions per forward pass.", TRAINING)] = Field(8, ge=1)
    """On each device."""
    accumulation: Annotated[int, Flag("Forward passes per update.", TRAINING)] = Field(1, ge=1)
    batch_tokens: Annotated[
        int | None, Flag("Tokens per forward pass, padding included; replaces --batch-size.", TRAINING)
    ] = Field(None, ge=16)
    """Long windows then come in small batches."""
    group_by_length: bool = False
    """Batch windows of similar length: less padding, and batches that are a little less random."""
    learning_rate: Annotated[float, Flag("Peak learning rate.", TRAINING, names=("--learning-rate", "--lr"))] = Field(
        3e-5, gt=0
    )
    schedule: Annotated[Schedule, Flag("Learning rate schedule after the warm-up.", TRAINING)] = "linear"
    warmup: Annotated[
        float, Flag("Warm-up of the learning rate: a share of all updates, or from 1 on their number.", TRAINING)
    ] = Field(0.1, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    adam_betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    adam_epsilon: float = Field(1e-8, gt=0)
    max_gradient_norm: float = Field(1.0, ge=0)
    """Gradients are clipped to this norm; 0 turns clipping off."""
    precision: Annotated[Precision | None, PrecisionFlag] = None
    """As `accelerate config` says, or fp32, when not given."""
    seed: Annotated[int, SeedFlag] = Field(42, ge=0, lt=2**31)
    evaluate_every: Annotated[
        int | None, Flag("Updates between evaluations; those of an epoch when not given.", TRAINING)
    ] = Field(None, ge=1)
    save_every: Annotated[
        int | None, Flag("Updates between checkpoints; those between evaluations when not given.", TRAINING)
    ] = Field(None, ge=1)
    keep_checkpoints: int = Field(2, ge=2)
    patience: Annotated[int | None, Flag("Stop after this many evaluations in a row without a new best.", TRAINING)] = (
        Field(None, ge=1)
    )
    gradient_checkpointing: Annotated[
        bool, Flag("Recompute activations in the backward pass: less memory, about a third more time.", TRAINING)
    ] = False
    compile: Annotated[bool, Flag("Use torch.compile.", TRAINING)] = False
    trackers: Annotated[tuple[str, ...], OneOrMore] = ()
    """Experiment trackers of accelerate, such as `tensorboard` or `wandb`."""
    project: str = Field("qakit", pattern=r"\S")
    """Project (or experiment) of the run in the trackers; for TensorBoard the name of a folder."""

    @model_validator(mode="after")
    def _inside_the_run(self) -> "TrainingSettings":
        outside = self.project == ".." or "\\" in self.project or Path(self.project).name != self.project
        if outside and "tensorboard" in self.trackers:
            raise ValueError(f"project ({self.project}) must be the name of a folder, not a path, for tensorboard")
        return self

    @model_validator(mode="after")
    def _room_to_fall(self) -> "TrainingSettings":
        if self.schedule == "polynomial" and self.learning_rate <= POLYNOMIAL_END:
            raise ValueError(f"learning_rate ({self.learning_rate:g}) must be above {POLYNOMIAL_END:g} to fall to it")
        return self

    @model_validator(mode="after")
    def _whole_steps_of_warmup(self) -> "TrainingSettings":
        if self.warmup >= 1 and self.warmup != int(self.warmup):
            raise ValueError(f"warmup ({self.warmup:g}) must be a share below 1 or a whole number of steps")
        return self


class TrickSettings(Settings):
    """Tricks beyond plain fine-tuning; all are off by default. Sources are in docs/tricks.md."""

    layer_decay: float = Field(1.0, gt=0, le=1)
    """Layer-wise learning rate decay: each layer has the rate of the layer above times this, and the head all of it."""
    reinitialize_head: bool = False
    """Initialise the task's own layers randomly, even if the checkpoint has them."""
    reinitialize_layers: int = Field(0, ge=0)
    """Initialise this many top layers of the encoder randomly."""
    freeze_embeddings: bool = False
    freeze_layers: int = Field(0, ge=0)
    """Freeze the embeddings and this many bottom layers."""
    lora_rank: int | None = Field(None, ge=1)
    """LoRA: train low-rank updates of the encoder's linear layers, and the head, not all weights (needs peft)."""
    lora_alpha: int = Field(16, ge=1)
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    lora_targets: Annotated[tuple[str, ...], OneOrMore] = ()
    """Names of the linear layers to update; all linear layers of the encoder when not given."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target probability that is spread over all positions of the window."""
    r_drop: float = Field(0.0, ge=0)
    """R-Drop: weight of the KL divergence between two passes with different dropout."""
    dropout_samples: int = Field(1, ge=1)
    """Multi-sample dropout: number of dropout masks before the head; the loss is their average."""
    adversarial: Adversarial | None = None
    """Adversarial training on perturbed embeddings (`fgm`: one step, `pgd`: several) or weights (`awp`)."""
    adversarial_epsilon: float | None = Field(None, gt=0)
    """Norm of the perturbation: 1 for a window's embeddings, or 0.005 of each weight's norm, when not given."""
    adversarial_steps: int = Field(3, ge=1)
    """Steps of `pgd`."""
    ema: float | None = Field(None, gt=0, lt=1)
    """Decay of an exponential moving average of the weights; the average is evaluated and kept instead of them."""
    swa: float | None = Field(None, ge=0, lt=1)
    """Stochastic weight averaging from this share of the training on; the average is evaluated and kept."""
    negative_windows: float = Field(0.0, ge=0, le=1)
    """Share of the questions that get a second window in each epoch, without the answer, labelled unanswerable."""
    distill: Annotated[tuple[Path, ...], OneOrMore] = ()
    """Distillation: scores files of teachers (`qakit predict --scores`) on the training data."""
    distill_weight: float = Field(0.5, gt=0, le=1)
    """Weight of the teachers' soft targets in the loss."""
    distill_temperature: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _one_average(self) -> "TrickSettings":
        if self.ema is not None and self.swa is not None:
            raise ValueError("ema and swa both replace the weights that are kept: give one of them")
        return self

    @property
    def in_vain(self) -> list[tuple[str, str]]:
        """Settings that have no effect, each with the trick that it needs."""
        return [
            (name, trick)
            for name, trick in _ONLY_WITH.items()
            if getattr(self, name) != type(self).model_fields[name].default and not getattr(self, trick)
        ]


class SelectionSettings(Settings):
    """Candidates for training a selector on data with one paragraph per question."""

    candidates: int = Field(4, ge=2)
    negatives: Negatives = "bm25"
