"""The settings of every command: frozen models, filled from defaults, then a YAML file, then `--set` and flags.

Unknown keys are refused with a suggestion, and all mistakes are reported at once.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qakit.errors import ConfigError, DataError
from qakit.io import read_text

Schedule = Literal["linear", "cosine", "polynomial", "constant"]
Precision = Literal["fp32", "bf16", "fp16"]
Negatives = Literal["bm25", "article", "random"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSettings(_Settings):
    """The files to learn from."""

    train: tuple[Path, ...] = Field(min_length=1)
    dev: tuple[Path, ...] = ()
    context: Path | None = None
    """ADL's `context.json`; found beside each data file when not given."""
    lenient: bool = False


class ModelSettings(BaseModel):
    """Which encoder, and for `from_scratch` any field of its transformers config (`hidden_size: 32`)."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    name: str
    """A hub name, a folder, a config file, or with `from_scratch` a model type such as `bert`."""
    tokenizer: str | None = None
    """A hub name, a folder or a WordPiece `vocab.txt`; the model's own when not given."""
    from_scratch: bool = False

    @property
    def overrides(self) -> dict[str, Any]:
        """The fields of the transformers config that were given."""
        return dict(self.model_extra or {})


class WindowSettings(_Settings):
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

    @model_validator(mode="after")
    def _one_of_overlap_and_step(self) -> "WindowSettings":
        if self.overlap is not None and self.step is not None:
            raise ValueError(f"overlap ({self.overlap}) and step ({self.step}) say the same thing: give one of them")
        if self.overlap is not None and self.overlap >= self.max_length:
            raise ValueError(f"overlap ({self.overlap}) must be below max_length ({self.max_length})")
        return self


class TrainingSettings(_Settings):
    """The optimisation; a step is one update of the weights."""

    epochs: float = Field(2.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    """Ends training early; the schedule is then this long."""
    batch_size: int = Field(8, ge=1)
    """Questions per forward pass on each device."""
    accumulation: int = Field(1, ge=1)
    """Forward passes per step."""
    learning_rate: float = Field(3e-5, gt=0)
    schedule: Schedule = "linear"
    warmup: float = Field(0.1, ge=0)
    """Below 1 a share of all steps, otherwise a number of steps."""
    weight_decay: float = Field(0.01, ge=0)
    adam_betas: tuple[float, float] = (0.9, 0.999)
    adam_epsilon: float = Field(1e-8, gt=0)
    max_gradient_norm: float = Field(1.0, ge=0)
    """Gradients are scaled down to this norm; 0 leaves them."""
    precision: Precision | None = None
    """None takes what `accelerate config` says, fp32 where nothing does."""
    seed: int = Field(42, ge=0)
    evaluate_every: int | None = Field(None, ge=1)
    """Steps between evaluations; at the end of each epoch when not given."""
    save_every: int | None = Field(None, ge=1)
    """Steps between checkpoints; with each evaluation when not given."""
    keep_checkpoints: int = Field(2, ge=2)


class DecodingSettings(_Settings):
    """How logits become answers."""

    max_answer_length: int | None = Field(None, ge=1)
    """Tokens of the longest answer; the longest of the training data when not given."""
    nbest: int = Field(1, ge=1)
    """Answers per question."""
    null_threshold: float | None = None
    """A question is unanswerable when its null score beats the best span's by more than this; 0 in training, and as
    in training afterwards, when not given."""


class SelectionSettings(_Settings):
    """Paragraph selection on data whose questions come with one paragraph: candidates are added to it."""

    candidates: int = Field(4, ge=2)
    negatives: Negatives = "bm25"


class InferenceSettings(_Settings):
    """How fast a model answers, not what."""

    batch_tokens: int = Field(8192, ge=1)
    """Tokens per forward pass, padding included."""
    precision: Precision | None = None
    """Autocast; the model's own precision when not given."""


class TrainConfig(_Settings):
    """Everything that decides what `train-qa` and `train-select` produce."""

    out: Path
    data: DataSettings
    model: ModelSettings
    windows: WindowSettings = WindowSettings()
    training: TrainingSettings = TrainingSettings()
    decoding: DecodingSettings = DecodingSettings()
    selection: SelectionSettings = SelectionSettings()
    inference: InferenceSettings = InferenceSettings()
    metric: str | None = None
    """A preset of `qakit.metrics.presets`; the data schema's own when not given."""


class ReadConfig(_Settings):
    """How `predict` and `evaluate` run trained models; None means as in training."""

    windows: WindowSettings | None = None
    decoding: DecodingSettings = DecodingSettings()
    inference: InferenceSettings = InferenceSettings()


class EnsembleConfig(_Settings):
    """How `ensemble` combines scores files."""

    method: Literal["mean", "vote"] = "mean"
    nbest: int = Field(1, ge=1)


class PreprocessConfig(_Settings):
    """What `preprocess` makes of the data."""

    to: str | None = None
    """Schema to write; that of the input when not given."""
    split: tuple[float, float, float] | None = None
    """Shares of train, dev and test; the files stay as they are when not given."""
    candidates: int | None = Field(None, ge=2)
    """Paragraphs a question that comes with one is given."""
    negatives: Negatives = "bm25"
    first_answer: bool = False
    """Keep the first of several annotators' answers only."""
    seed: int = Field(42, ge=0)
    tokenizer: str | None = None
    """For the part of the report that counts tokens and windows."""
    windows: WindowSettings = WindowSettings()


Config = TypeVar("Config", bound=BaseModel)


def load_config(
    kind: type[Config],
    file: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """A config of class `kind`: defaults, then `file`, then `overrides` (`a.b=c`), then `flags`.

    Args:
        flags: values by dotted name, such as `{"training.epochs": 2}`; None means not given.

    Raises:
        ConfigError: all that is wrong with the three together, one line each.
    """
    values = _read_yaml(file) if file else {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {override}: expected KEY=VALUE, such as training.learning_rate=2e-5")
        _assign(values, key.strip(), _parse_value(text, override))
    for key, value in (flags or {}).items():
        if value is not None:
            _assign(values, key, value)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_render(error, kind)) from None


def to_yaml(config: BaseModel) -> str:
    """A config as YAML that `load_config` reads back as the same config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        text = read_text(file)
    except DataError as error:
        raise ConfigError(str(error)) from None
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ConfigError(f"{file}: write values out instead of using YAML aliases (*name)")
        values = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: expected sections such as `training:`, found {type(values).__name__}")
    return values


def _parse_value(text: str, override: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not YAML; quote it") from None


def _assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{dotted}: {section} holds a value, not a section")
    values[key] = value


def _render(error: ValidationError, kind: type[BaseModel]) -> str:
    lines = []
    for mistake in error.errors(include_url=False):
        place = ".".join(map(str, mistake["loc"]))
        if mistake["type"] == "extra_forbidden":
            *sections, key = map(str, mistake["loc"])
            lines.append(f"{place}: unknown setting{suggestion(key, _section(kind, sections).model_fields)}")
        elif mistake["type"] == "missing":
            lines += [f"{name}: is needed" for name in _needed(kind, mistake["loc"])]
        else:
            found = "" if isinstance(mistake["input"], dict) else f", found {mistake['input']!r}"
            lines.append(f"{place}: {mistake['msg'].removeprefix('Value error, ')}{found}")
    return "\n".join(lines)


def _needed(kind: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """A missing setting by its dotted name; for a missing section, those in it that have no default."""
    name = ".".join(map(str, place))
    section = _section(kind, place)
    if not hasattr(section, "model_fields"):
        return [name]
    return [f"{name}.{key}" for key, field in section.model_fields.items() if field.is_required()]


def _section(kind: type[BaseModel], place: Sequence[int | str]) -> Any:
    """The settings class, or the type of the setting, at a place of the config."""
    found: Any = kind
    for key in place:
        annotation = found.model_fields[key].annotation if hasattr(found, "model_fields") else None
        found = next((part for part in get_args(annotation) if part is not type(None)), annotation)
    return found
