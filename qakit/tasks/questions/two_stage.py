"""Read questions in two stages: load a reader and a selector, choose paragraphs, read them, take the best answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from qakit.config import InferenceSettings, ReadConfig
from qakit.data.predictions import PredictedAnswer, Prediction
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError
from qakit.spans.decoder import Decoder
from qakit.spans.decoding import log_normalisers
from qakit.spans.token_scores import TokenScores
from qakit.tasks.base import Models
from qakit.tasks.questions.reading import read_answers, score_candidates

if TYPE_CHECKING:
    from qakit.modeling.models import LoadedModel

QA = "qa", "AutoModelForQuestionAnswering"
SELECT = "select", "AutoModelForMultipleChoice"
_DEFAULTS = InferenceSettings()
Selection = tuple[float, ...]
_LEAST = -1e300  # below all logarithms; keeps an infinity from being taken from another


@dataclass(frozen=True, slots=True)
class Answered:
    """A question that was read: its answers and the scores that they were decoded from.

    Attributes:
        prediction: the n-best answers, from one of the record's paragraphs.
        scores: of the tokens of that paragraph.
        selection: the log-probability of each paragraph; empty without a selector.
    """

    record: Record
    prediction: Prediction
    scores: TokenScores
    selection: Selection = ()


def load_models(
    model: str | None,
    selector: str | None,
    *,
    backend: str | None = None,
    inference: InferenceSettings = _DEFAULTS,
) -> Models:
    """Load what is named, onto the accelerator where there is one; the process keeps the memory that it frees.

    Args:
        backend, inference: what runs them and how, as `load_trained` takes them.

    Raises:
        CheckpointError: nothing usable there, or a model of another task.
        ConfigError: an unknown backend, or its package is not installed.
    """
    from qakit.training.device import keep_freed_memory

    keep_freed_memory()
    return Models(
        reader=_load(model, QA, backend, inference) if model else None,
        selector=_load(selector, SELECT, backend, inference) if selector else None,
    )


def _load(source: str, kind: tuple[str, str], backend: str | None, inference: InferenceSettings) -> "LoadedModel":
    from qakit.modeling.models import load_trained
    from qakit.modeling.processes import process_state

    task, auto_class = kind
    loaded = load_trained(source, task=task, auto_class=auto_class, backend=backend, inference=inference)
    loaded.model.to(process_state().device)
    return loaded


def answer_dataset(dataset: Dataset, models: Models, config: ReadConfig) -> Iterator[Answered]:
    """Answer every question, in order, as `answer_records` does.

    Raises:
        ConfigError: a question has several paragraphs, and neither a selector nor the data tells which to read; or
            what `checked_reader` raises.
    """
    yield from answer_records(dataset.records, checked_reader(models, config), models.selector, config)


def checked_reader(models: Models, config: ReadConfig) -> "LoadedModel":
    """The reader.

    Raises:
        ConfigError: there is none, or it cannot do what is asked for.
    """
    if models.reader is None:
        raise ConfigError("give --model: the folder or hub name of a model for span extraction, or mini-zh")
    if config.decoding.null_threshold is not None and not models.reader.info.answers_null:
        raise ConfigError(f"--null-threshold: {models.reader.source} was never taught that a question has no answer")
    if config.decoding.oos_threshold is not None:
        raise ConfigError("decoding.oos_threshold: is for intents; questions have --null-threshold")
    return models.reader


def answer_records(
    records: Sequence[Record], reader: "LoadedModel", selector: "LoadedModel | None", config: ReadConfig
) -> Iterator[Answered]:
    """Answer every question, in order: choose its paragraph and read it, or read several and choose among the answers.

    Without a selector the relevant paragraph is read, or the only one.

    Raises:
        ConfigError: a question has several paragraphs, and neither a selector nor the data tells which to read.
    """
    count, weight = reader.info.joint(config.decoding)
    selections = choose_paragraphs(records, selector, config)
    for options in read_paragraphs(records, selections, reader, config, count=count):
        yield best_jointly(options, weight) if len(options) > 1 else options[0]


def read_paragraphs(
    records: Sequence[Record], selections: Sequence[Selection], reader: "LoadedModel", config: ReadConfig, *, count: int
) -> Iterator[list[Answered]]:
    """Read the `count` likeliest paragraphs of each record, the likeliest first; one where nothing was selected."""
    chosen = [
        sorted(range(len(selection)), key=lambda number: -selection[number])[:count]
        if selection
        else [_given_candidate(record)]
        for record, selection in zip(records, selections, strict=True)
    ]
    asked = [record for record, candidates in zip(records, chosen, strict=True) for _ in candidates]
    answers = read_answers(reader, asked, config, candidates=list(chain.from_iterable(chosen)))
    for record, selection, candidates in zip(records, selections, chosen, strict=True):
        yield [Answered(record, *next(answers), selection) for _ in candidates]


def best_jointly(options: Sequence[Answered], weight: float) -> Answered:
    """The paragraph whose best answer has the highest score plus `weight` times the paragraph's log-probability.

    Of equal ones it is the first. A paragraph where the reader sees no answer counts with its best span.
    """

    def joint_score(option: Answered) -> float:
        spans = [answer.score for answer in option.prediction.answers if answer.text]
        return max(spans, default=-inf) + _prior(option, weight)

    return max(options, key=joint_score)


def _prior(option: Answered, weight: float) -> float:
    """The score that the choice of a paragraph adds to its spans."""
    return weight * option.selection[option.prediction.candidate] if option.selection else 0.0


def ranked_jointly(
    options: Sequence[Answered], weight: float, decoder: Decoder
) -> list[tuple[Answered, PredictedAnswer]]:
    """The answers of several paragraphs in one list, each with the paragraph it is of; the first is `best_jointly`'s.

    The answers of a paragraph stay in their order. An answer's probability becomes one over the spans of all the
    paragraphs, each span weighing exp((score + `weight` times the log-probability of its paragraph) / temperature).
    "No answer" is listed, first, only where the best paragraph has none.

    Args:
        decoder: by which the answers were found.
    """
    none = [(best, answer) for best in [best_jointly(options, weight)] for answer in best.prediction.answers[:1]]
    listed: list[tuple[float, Answered, PredictedAnswer]] = []
    for option, share in zip(options, _shares(options, weight, decoder), strict=True):
        spans = [answer for answer in option.prediction.answers if answer.text]
        # Settings may put a lower score first: an answer stands where the best of those behind it would.
        reached = list(accumulate(reversed([answer.score for answer in spans]), max))[::-1]
        listed += [
            (score + _prior(option, weight), option, answer._replace(probability=share * answer.probability))
            for score, answer in zip(reached, spans, strict=True)
        ]
    ranked = sorted(listed, key=lambda item: -item[0])
    return [*(item for item in none if not item[1].text), *((option, answer) for _, option, answer in ranked)]


def _shares(options: Sequence[Answered], weight: float, decoder: Decoder) -> list[float]:
    """The probability that each paragraph's spans have together, 0 without any; they sum to 1."""
    scores, temperature = [option.scores for option in options], decoder.temperature
    spans = log_normalisers(scores, max_length=decoder.max_length, temperature=temperature, bonus=decoder.bonus)
    logs = [
        log + _prior(option, weight) / temperature if option.prediction.answers else -inf
        for option, log in zip(options, spans.tolist(), strict=True)
    ]
    shares: list[float] = np.exp(np.array(logs) - max(np.logaddexp.reduce(logs), _LEAST)).tolist()
    return shares


def choose_paragraphs(records: Sequence[Record], selector: "LoadedModel | None", config: ReadConfig) -> list[Selection]:
    """The log-probabilities of each record's candidates; empty where there is but one, or no selector."""
    several = [record for record in records if len(record.paragraphs) > 1]
    if selector is None or not several:
        return [()] * len(records)
    scored = score_candidates(selector, several, config)
    return [tuple(next(scored).tolist()) if len(record.paragraphs) > 1 else () for record in records]


def _given_candidate(record: Record) -> int:
    if record.relevant is None and len(record.paragraphs) > 1:
        raise ConfigError(
            f"question {record.id} has {len(record.paragraphs)} paragraphs and does not tell which one holds the "
            "answer; give --selector, a model trained by train-select"
        )
    return record.relevant or 0
