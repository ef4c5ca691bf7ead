"""`pipeline("question-answering")` as transformers had it before 5.3: its call forms, argument names and results.

The scores are those of transformers 4.57 for a context that fits in one window. Over several windows there is one
softmax over all of them, where 4.57 has one for each and adds up what overlapping windows both hold. docs/migration.md
lists what else differs.
"""

import math
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import Any

import numpy as np

from qakit.config import DecodingSettings, InferenceSettings, Precision, ReadConfig, WindowSettings
from qakit.errors import ConfigError, suggestion
from qakit.modeling.loading import BUNDLED_MODEL
from qakit.reader import BadItem, Reader
from qakit.spans.probability import log_sum_exp
from qakit.tasks.questions.two_stage import Answered

TASK = "question-answering"
Answer = dict[str, Any]
"""`score` (a probability), `start` and `end` (characters of the context, half-open) and `answer`."""

_MAX_LENGTH = 384
_LEAST = {
    "top_k": 1,
    "max_answer_len": 1,
    "doc_stride": 0,
    "max_seq_len": 16,
    "max_question_len": 1,
    "batch_size": 1,
}
_DEFAULT_BATCH = 8192  # tokens, as `InferenceSettings`


@dataclass(frozen=True)
class Sample:
    """A question and its context, as `create_sample` makes them."""

    question_text: str
    context_text: str


@dataclass(frozen=True)
class Options:
    """What may be given with `pipeline(...)` and with each call; lengths are in tokens.

    `padding`, `num_workers` are taken and do nothing: windows are batched by length, in one process.
    """

    top_k: int = 1
    doc_stride: int | None = None
    max_answer_len: int = 15
    max_seq_len: int | None = None
    max_question_len: int | None = None
    handle_impossible_answer: bool = False
    align_to_words: bool = True
    batch_size: int | None = None
    padding: Any = None
    num_workers: int | None = None

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise ValueError(f"{name} must be {least} or more, not {value!r}")
        if self.doc_stride is not None and self.doc_stride >= (self.max_seq_len or _MAX_LENGTH):
            raise ValueError(f"doc_stride ({self.doc_stride}) must be below max_seq_len ({self.max_seq_len or 384})")

    def with_changes(self, changes: Mapping[str, Any]) -> "Options":
        """These options with others in their place; None leaves one as it is.

        Raises:
            TypeError: an unknown name.
            ValueError: a value that makes no sense.
        """
        known = [field.name for field in fields(self)]
        given = {"top_k" if name == "topk" else name: value for name, value in changes.items() if value is not None}
        for name in given:
            if name not in known:
                raise TypeError(f"unknown argument {name}{suggestion(name, known)}")
        return replace(self, **given)

    def read_config(self, known: WindowSettings) -> ReadConfig:
        """The same as settings of a `Reader`.

        Args:
            known: the windows of the model's training; where nobody knows, nothing in them is set, and their length is
                one that the model can take.
        """
        windows: dict[str, Any] = {"overlap": self.doc_stride, "max_question_length": self.max_question_len}
        if self.max_seq_len or "max_length" not in known.model_fields_set:
            windows["max_length"] = self.max_seq_len or min(_MAX_LENGTH, known.max_length)
        batch = self.batch_size and self.batch_size * (self.max_seq_len or _MAX_LENGTH)
        return ReadConfig(
            windows=WindowSettings(**{name: value for name, value in windows.items() if value is not None}),
            decoding=DecodingSettings(max_answer_length=self.max_answer_len, nbest=self._candidates, length_weight=0.0),
            inference=InferenceSettings(batch_tokens=batch or _DEFAULT_BATCH),
        )

    @property
    def _candidates(self) -> int:
        """Spans that are looked at, as many as in 4.57: some become the same answer."""
        return 2 * self.top_k + 10 if self.align_to_words else self.top_k


class QuestionAnsweringPipeline:
    """A reader with the interface of the former pipeline."""

    def __init__(self, reader: Reader, options: Options) -> None:
        self.reader = reader
        self.options = options

    @property
    def model(self) -> Any:
        """The transformers model."""
        return self.reader.loaded.model

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self.reader.loaded.tokenizer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer one question or many.

        Args:
            args: `{"question": ..., "context": ...}`, several of them, a list of them, or a question and a context.
            kwargs: `question` and `context`, each a text or a list of texts; and `Options`.

        Returns:
            For one question, an `Answer`, or with `top_k` a list of them; for several, a list of what each one has; for
            a generator or a dataset, a generator.

        Raises:
            ValueError: an item without question or context; of a generator, when it is its turn.
            TypeError: an argument that is unknown.
        """
        names = ("question", "context", "data", "X")
        inputs = {name: kwargs.pop(name) for name in names if name in kwargs}
        options = self.options.with_changes(kwargs)
        items = _items(args, inputs)
        answers = self._answers(items, options)
        if not isinstance(items, Sequence):
            return answers
        found = list(answers)
        return found[0] if len(found) == 1 else found

    @staticmethod
    def create_sample(question: str | Sequence[str], context: str | Sequence[str]) -> Sample | list[Sample]:
        """A question with its context, or a list of such."""
        if isinstance(question, str) and isinstance(context, str):
            return Sample(question, context)
        return [Sample(one, other) for one, other in zip(question, context, strict=True)]

    def _answers(self, items: Iterable[Any], options: Options) -> Iterator[Any]:
        config = options.read_config(self.reader.loaded.info.windows)
        for read in self.reader.read(map(_pair, items), config):
            if isinstance(read, BadItem):
                raise read.explained()
            answers = _ranked(read, options)[: options.top_k]
            yield answers if options.top_k > 1 else answers[0]


def pipeline(
    task: str | None = TASK,
    model: Any = None,
    tokenizer: Any = None,
    *,
    device: Any = None,
    device_map: Any = None,
    dtype: Any = None,
    torch_dtype: Any = None,
    revision: str | None = None,
    token: str | bool | None = None,
    trust_remote_code: bool | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
    config: Any = None,
    framework: str | None = None,
    use_fast: bool = True,
    feature_extractor: Any = None,
    **options: Any,
) -> QuestionAnsweringPipeline:
    """The former `transformers.pipeline("question-answering", ...)`.

    Args:
        task: `question-answering`, or None.
        model: a name, a folder or a loaded model; the one that comes with qakit when not given.
        tokenizer: a name, a folder or a loaded tokenizer; the model's own when not given.
        device: a name, a torch device or a number, -1 for the CPU; the accelerator where there is one when not given.
        device_map: `auto`, which is the device when none is given, or a device.
        dtype, torch_dtype: the number format of the weights, such as `torch.bfloat16` or `"bfloat16"`; heads compute in
            fp32 at least.
        revision, token, trust_remote_code: as `from_pretrained` takes them.
        model_kwargs: these arguments once more.
        config: that of the model, which is read anyway.
        framework, use_fast, feature_extractor: torch is all there is, tokenizers are fast, and nothing is extracted.
        options: see `Options`.

    Raises:
        ValueError: another task, or a value that makes no sense.
        TypeError: an option that is unknown.
        ConfigError: an argument for a model that has to be loaded with transformers.
        CheckpointError: no such model.
    """
    if task not in (None, TASK):
        raise ValueError(f"qakit.pipeline is for the task {TASK!r}, not for {task!r}")
    chosen = Options().with_changes(options)
    refuse(model, config=config, framework=framework, feature_extractor=feature_extractor)
    loading = {
        "revision": revision,
        "token": token,
        "trust_remote_code": trust_remote_code,
        "device_map": device_map,
        "dtype": torch_dtype if dtype is None else dtype,
    }
    loading = with_more(loading, model_kwargs or {})
    device = device_of(device, loading.pop("device_map"))
    precision = precision_of(loading.pop("dtype"))
    reader = Reader(
        BUNDLED_MODEL if model is None else model,
        tokenizer,
        device=device,
        config=ReadConfig(inference=InferenceSettings(precision=precision)),
        hub={name: value for name, value in loading.items() if value is not None},
    )
    return QuestionAnsweringPipeline(reader, chosen)


def _items(args: tuple[Any, ...], inputs: Mapping[str, Any]) -> Iterable[Any]:
    """The items of a call: a sequence, or what gives them one by one."""
    if args:
        if len(args) == 2 and all(isinstance(one, str) for one in args):
            return [{"question": args[0], "context": args[1]}]
        given = args[0] if len(args) == 1 else list(args)
    elif "X" in inputs or "data" in inputs:
        given = inputs.get("X", inputs.get("data"))
    else:
        given = _paired(inputs.get("question"), inputs.get("context"))
    if isinstance(given, Mapping) or _is_sample(given):
        return [given]
    if isinstance(given, str) or not (isinstance(given, Iterable) or hasattr(given, "__getitem__")):
        raise ValueError(f"expected question and context, found {type(given).__name__}")
    return list(given) if isinstance(given, list | tuple) else iter(given)


def _paired(question: Any, context: Any) -> list[dict[str, Any]]:
    """Questions with their contexts; what is one text goes with each of the others."""
    if question is None or context is None:
        raise ValueError(f"{'question' if question is None else 'context'} is missing")
    for name, one in (("question", question), ("context", context)):
        if isinstance(one, bytes | Mapping) or not isinstance(one, Collection):
            raise ValueError(f"{name}: expected a text or a list of texts, found {type(one).__name__}")
    count = max((len(one) for one in (question, context) if not isinstance(one, str)), default=1)
    questions, contexts = ([one] * count if isinstance(one, str) else list(one) for one in (question, context))
    if len(questions) != len(contexts):
        raise ValueError(f"{len(questions)} questions, but {len(contexts)} contexts")
    return [{"question": one, "context": other} for one, other in zip(questions, contexts, strict=True)]


def _is_sample(item: Any) -> bool:
    return hasattr(item, "question_text") and hasattr(item, "context_text")


def _pair(item: Any) -> Any:
    """Question and context of an item; where it has none, what a reader will complain of."""
    if _is_sample(item):
        return item.question_text, item.context_text
    return (item.get("question"), item.get("context")) if isinstance(item, Mapping) else item


def _ranked(read: Answered, options: Options) -> list[Answer]:
    """The answers to one question, best first; equal ones, but for upper and lower case, are one."""
    context, null = read.record.context, read.scores.null_logits or (-math.inf, -math.inf)
    logits = zip((read.scores.start, read.scores.end), null, strict=True)
    normaliser: float = sum(log_sum_exp(np.append(tokens, np.float32(none))) for tokens, none in logits)
    merged: dict[str, Answer] = {}
    for answer in read.prediction.answers:
        if not answer.text:
            continue
        start, end = answer.start, answer.end
        if options.align_to_words:
            start, end = whole_words(context, start, end)
        text = context[start:end]
        found = merged.setdefault(text.lower(), {"score": 0.0, "start": start, "end": end, "answer": text})
        found["score"] += math.exp(answer.score - normaliser)
    none = {"score": math.exp(sum(null) - normaliser), "start": 0, "end": 0, "answer": ""}
    if options.handle_impossible_answer or not merged:
        merged[""] = none
    return sorted(merged.values(), key=lambda answer: -answer["score"])


# Scripts that put no space between words: an answer may begin at any character.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the rest of the words that it begins and ends in, where the script parts words by spaces."""
    while start > 0 and _in_one_word(text[start - 1], text[start]):
        start -= 1
    while end < len(text) and _in_one_word(text[end - 1], text[end]):
        end += 1
    return start, end


def _in_one_word(left: str, right: str) -> bool:
    return _of_a_word(left) and _of_a_word(right)


def _of_a_word(character: str) -> bool:
    """As BERT parts words, for scripts that have spaces: at white space, punctuation and ASCII symbols."""
    parts = unicodedata.category(character)[0] in "ZCP" or (character.isascii() and not character.isalnum())
    return not parts and not unicodedata.name(character, "").startswith(_UNSPACED)


_LOAD_IT = "load the model with transformers and give the objects: pipeline(model=model, tokenizer=tokenizer)"


def refuse(model: Any, *, config: Any, framework: str | None, feature_extractor: Any) -> None:
    """Refuse what is taken and does nothing where it would have to do something.

    Raises:
        ValueError: a framework that is not torch.
        ConfigError: a config of the caller's own, or a feature extractor.
    """
    if framework not in (None, "pt"):
        raise ValueError(f"framework {framework!r}: expected 'pt'; qakit runs on torch alone")
    if feature_extractor is not None:
        raise ConfigError(f"feature_extractor: questions and contexts have none; leave {feature_extractor!r} out")
    if config is not None and config != model and (model is None or isinstance(model, str | PathLike)):
        raise ConfigError(f"config: qakit reads the config that stands beside the weights; for another, {_LOAD_IT}")


def with_more(loading: dict[str, Any], model_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of loading with those of `model_kwargs`, which give way to what was given beside them.

    Raises:
        ConfigError: an argument that is not in `loading`.
    """
    more = {"dtype" if name == "torch_dtype" else name: value for name, value in model_kwargs.items()}
    if unknown := more.keys() - loading.keys():
        raise ConfigError(f"model_kwargs: expected {', '.join(loading)}, not {', '.join(sorted(unknown))}; {_LOAD_IT}")
    return {name: more.get(name) if value is None else value for name, value in loading.items()}


def device_of(device: Any, device_map: Any) -> Any:
    """The device in a form that `Reader` takes.

    Raises:
        ConfigError: a map that spreads a model over several devices.
    """
    if isinstance(device_map, Mapping) or device_map in ("balanced", "balanced_low_0", "sequential"):
        raise ConfigError(f"device_map {device_map!r}: expected 'auto' or a device; for a model on several, {_LOAD_IT}")
    if device is None and device_map != "auto":
        device = device_map
    return "cpu" if device == -1 else device


def precision_of(dtype: Any) -> Precision | None:
    """The precision of a number format by its name in torch, or itself; None for `auto`.

    Raises:
        ValueError: another format.
    """
    from qakit.modeling.precision import DTYPES

    name = str(dtype).removeprefix("torch.")
    if dtype is None or name == "auto":
        return None
    precisions = {str(known).removeprefix("torch."): precision for precision, known in DTYPES.items()}
    if name not in precisions:
        raise ValueError(f"dtype {dtype}: expected {', '.join(precisions)} or auto")
    return precisions[name]
