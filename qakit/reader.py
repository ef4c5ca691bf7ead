"""The Python interface: a trained model that answers questions about texts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from os import PathLike, fspath
from typing import Any, Literal, overload

import torch

from qakit.config import InferenceSettings, ReadConfig
from qakit.data.corpus import Corpus
from qakit.data.predictions import PredictedAnswer, Prediction
from qakit.data.records import Paragraph, Record
from qakit.errors import ConfigError, RecordError
from qakit.io import surrogate_fault
from qakit.modeling.loading import BUNDLED_MODEL, load_tokenizer
from qakit.modeling.models import LoadedModel, load_trained, wrap_model
from qakit.tasks.base import Task
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.reading import read_answers
from qakit.tasks.questions.search import Found, search
from qakit.tasks.questions.select import ParagraphSelection
from qakit.tasks.questions.two_stage import Answered, answer_records

_CHUNK = 256  # pairs that are read together: enough to form batches of like length
_NO_ANSWER = PredictedAnswer("", 0, 0, 0.0, 0.0)

Answers = tuple[PredictedAnswer, ...]


@dataclass(frozen=True, slots=True)
class BadItem:
    """An item of a stream that cannot be answered: its number, counted from 0, and what is wrong with it."""

    index: int
    error: RecordError

    def explained(self) -> RecordError:
        """The error to raise, which tells the number too."""
        return RecordError(f"item {self.index}: {self.error.field}", self.error.message)


class Reader:
    """Answers questions from texts of any length.

    Example:
        >>> reader = Reader()
        >>> reader("學校在哪裡？", "這所學校位於臺北市。").text  # doctest: +SKIP
        '臺北市'
    """

    def __init__(
        self,
        model: Any = BUNDLED_MODEL,
        tokenizer: Any = None,
        *,
        selector: str | PathLike[str] | None = None,
        device: str | int | torch.device | None = None,
        backend: str | None = None,
        config: ReadConfig | None = None,
        hub: Mapping[str, Any] | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: the name of the model that comes with qakit, a run folder, any folder in the hub's layout, a hub
                name; or a model that is loaded already, with its tokenizer, which answers as it would by the folder
                that it was loaded from: the model itself is put on the device and made ready, heads of 16 bits in fp32.
            tokenizer: a folder or hub name, or a loaded tokenizer; the model's own when not given.
            selector: a folder or hub name of a model that chooses among paragraphs, trained by `train-select`.
            device: such as `cpu` or `cuda:1`; the accelerator where there is one when not given.
            backend: `torch`, `onnx` or `int8`, what runs the model and the selector; when not given, for each what its
                folder has weights for.
            config: windows, decoding and inference; those that the model was trained with when not given.
            hub: `revision`, `token`, `trust_remote_code`, as `from_pretrained` takes them, of names on the hub; the
                revision is the model's.

        Raises:
            CheckpointError: nothing usable there, or a model of another task.
            ConfigError: a loaded model without a tokenizer, or an unknown backend.
        """
        self.config = config or ReadConfig()
        loaded = _loaded(model, tokenizer, backend, self.config.inference, hub or {})
        place = device if device is not None else _accelerator()
        self.loaded = _placed(loaded, place)
        self.selector: LoadedModel | None = None
        if selector is not None:
            others = {name: value for name, value in (hub or {}).items() if name != "revision"}
            chooser = _load(ParagraphSelection(), selector, backend, self.config.inference, others)
            self.selector = _placed(chooser, place)

    def __call__(self, question: str, context: str) -> PredictedAnswer:
        """The best answer; its text is empty where the model sees none.

        Raises:
            RecordError: the question or the context is empty.
        """
        return next(self.batch([(question, context)]))[0]

    def nbest(self, question: str, context: str, count: int = 5) -> Answers:
        """The `count` best answers, best first; fewer where the text has fewer.

        Raises:
            RecordError: the question or the context is empty.
        """
        return next(self.batch([(question, context)], nbest=count))

    @overload
    def batch(
        self, pairs: Iterable[tuple[str, str]], *, nbest: int | None = None, errors: Literal["raise"] = "raise"
    ) -> Iterator[Answers]: ...

    @overload
    def batch(
        self, pairs: Iterable[tuple[str, str]], *, nbest: int | None = None, errors: Literal["report"]
    ) -> Iterator[Answers | BadItem]: ...

    def batch(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        nbest: int | None = None,
        errors: Literal["raise", "report"] = "raise",
    ) -> Iterator[Answers | BadItem]:
        """The best answers to each (question, context), in order, one at least; memory does not grow with the pairs.

        Args:
            nbest: answers to each; as the reader's `config` says, one by default, when not given.
            errors: `report` gives a `BadItem` in the place of an item that is no pair of texts, and answers the others.

        Raises:
            ConfigError: `nbest` or `errors` is none of these; raised at the call.
            RecordError: an item is no question and context with something in them; the answers to those before it come
                first, and the message tells its number. Half a surrogate pair, as JSON may hold, is no text.
            Exception: what `pairs` raises, after the answers to the pairs before it.
        """
        if errors not in ("raise", "report"):
            raise ConfigError(f"errors {errors!r}: expected 'raise' or 'report'")
        return self._batch(pairs, self._config_for(nbest), errors == "report")

    def _batch(
        self, pairs: Iterable[tuple[str, str]], config: ReadConfig, reports: bool
    ) -> Iterator[Answers | BadItem]:
        for read in self.read(pairs, config):
            if isinstance(read, Answered):
                yield read.prediction.answers or (_NO_ANSWER,)
            elif reports:
                yield read
            else:
                raise read.explained()

    def choose(self, question: str, paragraphs: Sequence[str], *, nbest: int | None = None) -> Prediction:
        """The best answers that one of several paragraphs has, and the number of that paragraph, as `candidate`.

        As `predict --selector`: the paragraph that the selector finds likeliest is read, or, with `joint_paragraphs` in
        `config.decoding` or stored with the model, that many of them, whose answers compete.

        Args:
            nbest: answers at most; as the reader's `config` says, one by default, when not given.

        Raises:
            RecordError: a text is empty or no text, or there is no paragraph.
            ConfigError: several paragraphs, and the reader has no selector; or `nbest` is no number of answers.
        """
        if isinstance(paragraphs, str) or not isinstance(paragraphs, Sequence):
            raise RecordError("paragraphs", f"expected a list of texts, found {type(paragraphs).__name__}")
        if len(paragraphs) > 1 and self.selector is None:
            raise ConfigError(f"{len(paragraphs)} paragraphs, but no selector to choose by: Reader(selector=...)")
        for field, text in (("question", question), *(("paragraph", text) for text in paragraphs)):
            _check_text(field, text)
        candidates = (Paragraph(str(number), text) for number, text in enumerate(paragraphs))
        record = Record("question", question, tuple(candidates))
        return next(answer_records([record], self.loaded, self.selector, self._config_for(nbest))).prediction

    def search(self, question: str, corpus: Corpus, *, nbest: int | None = None) -> tuple[Found, ...]:
        """The best answers that a corpus has, best first, each with its passage; nothing where no passage is near.

        As `predict --corpus`, with the reader's selector where it has one; `shortlist`, `joint_paragraphs` and
        `joint_weight` are settings of `config.decoding`.

        Args:
            nbest: answers at most; as the reader's `config` says, one by default, when not given.

        Raises:
            RecordError: the question is empty or no text.
            ConfigError: `nbest` is no number of answers.
        """
        _check_text("question", question)
        record = Record("question", question, (Paragraph("question", question),), relevant=0)
        return next(search([record], corpus, self.loaded, self._config_for(nbest), selector=self.selector))

    def _config_for(self, nbest: int | None) -> ReadConfig:
        if nbest is None:
            return self.config
        if not isinstance(nbest, int) or nbest < 1:
            raise ConfigError(f"nbest {nbest!r}: expected a whole number, 1 or more")
        decoding = self.config.decoding.model_copy(update={"nbest": nbest})
        return self.config.model_copy(update={"decoding": decoding})

    def read(self, pairs: Iterable[tuple[str, str]], config: ReadConfig) -> Iterator[Answered | BadItem]:
        """As `batch`, with the scores of all tokens, and a `BadItem` for what cannot be answered.

        What `pairs` raises is raised after the answers to the pairs before it.
        """
        items = _records(pairs)
        while True:
            chunk, failure = _taken(items)
            yield from self._read_chunk(chunk, config)
            if failure:
                raise failure
            if len(chunk) < _CHUNK:
                return

    def _read_chunk(self, chunk: list[Record | BadItem], config: ReadConfig) -> Iterator[Answered | BadItem]:
        """The chunk's items in order, those that can be read together."""
        read = read_answers(self.loaded, [item for item in chunk if isinstance(item, Record)], config)
        for item in chunk:
            yield item if isinstance(item, BadItem) else Answered(item, *next(read))


def _loaded(
    model: Any, tokenizer: Any, backend: str | None, inference: InferenceSettings, hub: Mapping[str, Any]
) -> LoadedModel:
    task: Task = QuestionAnswering()
    if isinstance(tokenizer, str | PathLike):
        others = {name: value for name, value in hub.items() if name != "revision" or tokenizer == model}
        tokenizer = load_tokenizer(fspath(tokenizer), **others)
    if isinstance(model, str | PathLike):
        loaded = _load(task, model, backend, inference, hub)
        return replace(loaded, tokenizer=tokenizer) if tokenizer else loaded
    if tokenizer is None:
        raise ConfigError(f"a loaded {type(model).__name__} needs its tokenizer: Reader(model, tokenizer)")
    return wrap_model(model, tokenizer, task=task.name, inference=inference)


def _load(
    task: Task, source: str | PathLike[str], backend: str | None, inference: InferenceSettings, hub: Mapping[str, Any]
) -> LoadedModel:
    settings: dict[str, Any] = {"backend": backend, "inference": inference, "hub": hub}
    return load_trained(fspath(source), task=task.name, auto_class=task.auto_class, **settings)


def _placed(loaded: LoadedModel, device: str | int | torch.device) -> LoadedModel:
    """The model on a device; in several processes each asks it what it wants."""
    loaded.model.to(device)
    return replace(loaded, is_own=True)


def _accelerator() -> torch.device | str:
    return torch.accelerator.current_accelerator(check_available=True) or "cpu"


def _records(pairs: Iterable[tuple[str, str]]) -> Iterator[Record | BadItem]:
    for index, pair in enumerate(pairs):
        try:
            yield _record(index, pair)
        except RecordError as error:
            yield BadItem(index, error)


def _taken(items: Iterator[Record | BadItem]) -> tuple[list[Record | BadItem], Exception | None]:
    """The next items, as many as are read together, and what kept their iterator from giving more."""
    taken: list[Record | BadItem] = []
    try:
        for item in islice(items, _CHUNK):
            taken.append(item)  # one by one: those before a failure are kept
    except Exception as error:
        return taken, error
    return taken, None


def _record(index: int, pair: Any) -> Record:
    if isinstance(pair, str) or not isinstance(pair, list | tuple) or len(pair) != 2:
        raise RecordError("pair", f"expected (question, context), found {type(pair).__name__}")
    for field, text in zip(("question", "context"), pair, strict=True):
        _check_text(field, text)
    question, context = pair
    return Record(str(index), question, (Paragraph("text", context),), relevant=0)


def _check_text(field: str, text: Any) -> None:
    if not isinstance(text, str):
        raise RecordError(field, f"expected text, found {type(text).__name__}")
    if fault := surrogate_fault(text):
        raise RecordError(field, fault)
