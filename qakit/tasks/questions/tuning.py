"""`evaluate --tune`: settings of decoding that score best on questions whose answers are known, kept with the model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from qakit.config import DecodingSettings, ReadConfig
from qakit.data.predictions import PredictedAnswer
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError, suggestion
from qakit.io import write_json
from qakit.metrics.calibration import expected_calibration_error
from qakit.metrics.presets import Scores, evaluate
from qakit.modeling.info import INFO_FILE
from qakit.modeling.loading import own_folder
from qakit.spans.decoding import decode_batch
from qakit.spans.fitting import fit_length_prior, fit_null_threshold, fit_temperature, token_places
from qakit.spans.token_scores import TokenScores
from qakit.tasks.base import Models
from qakit.tasks.questions.reading import read_answers
from qakit.tasks.questions.two_stage import Answered, answer_dataset, best_jointly, choose_paragraphs, read_paragraphs

if TYPE_CHECKING:
    from qakit.modeling.models import LoadedModel

Golds = Mapping[str, Sequence[str]]
Answers = tuple[PredictedAnswer, ...]

SETTING = {"length": "length_weight", "temperature": "temperature", "joint": "joint_weight", "null": "null_threshold"}
"""What can be tuned, in the order in which it is, and the setting that it finds: each builds on those before it."""
PARAGRAPHS = 4
JOINT_WEIGHTS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, inf)
"""That are tried; infinity is the selector alone."""
LENGTH_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Trial:
    """Scores of one value, in percent; `figures` are those that only some settings have.

    These are `right_paragraph` (percent), `log_loss` (mean, of the probability that the answer is
    right), `ece` (expected calibration error, percent) and `no_answer` (percent of the questions that get none).
    """

    value: float
    em: float
    f1: float
    figures: Mapping[str, float] = field(default_factory=dict)

    def summary(self) -> dict[str, float | str]:
        """As JSON, which knows no infinity but as text."""
        value = self.value if isfinite(self.value) else str(self.value)
        return {"value": value, "em": self.em, "f1": self.f1, **self.figures}


@dataclass(frozen=True)
class Tuned:
    """One setting: the values tried, the one chosen, and the fields of `qakit.json` that keep it."""

    what: str
    trials: tuple[Trial, ...]
    chosen: Trial
    kept: Mapping[str, Any]

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        return {"trials": [trial.summary() for trial in self.trials], "chosen": self.chosen.summary()["value"]}


def check_names(what: Sequence[str], model: str | None, decoding: DecodingSettings) -> None:
    """Refuse what cannot be tuned, before anything is read.

    Raises:
        ConfigError: no model, an unknown name, or a setting that is given already.
    """
    if not model:
        raise ConfigError("--tune: give --model, with which the settings are kept")
    for name in what:
        if name not in SETTING:
            raise ConfigError(f"--tune: {name!r} is not one of {', '.join(SETTING)}{suggestion(name, SETTING)}")
        if getattr(decoding, SETTING[name]) is not None:
            raise ConfigError(f"--tune {name} finds what decoding.{SETTING[name]} would say; leave that out")


def tune(
    what: Iterable[str], dataset: Dataset, golds: Golds, models: Models, config: ReadConfig, *, metric: str
) -> tuple[Models, list[Tuned]]:
    """Find each setting in turn, and keep all of them in the `qakit.json` of the reader.

    Returns:
        The models with what was found, and what was tried.

    Raises:
        ConfigError: no reader in a folder of the user's, or models or data that do not go with what is to be tuned.
    """
    if models.reader is None:
        raise ConfigError("--tune: give --model, with which the settings are kept")
    folder = own_folder(models.reader.source)
    steps: dict[str, Callable[[_Development], Tuned]] = {
        "length": _tune_length,
        "temperature": _tune_temperature,
        "joint": _tune_joint,
        "null": _tune_null,
    }
    development = _Development(dataset, golds, models.reader, models.selector, config, metric)
    found: list[Tuned] = []
    for name in SETTING:
        if name in what:
            found.append(steps[name](development))
            development.learn(found[-1].kept)
    info = development.reader.info
    write_json(folder / INFO_FILE, info.model_dump(mode="json"))
    return replace(models, reader=replace(models.reader, info=info)), found


class _Development:
    """The questions to tune on, read once, and the reader with what was found so far."""

    def __init__(
        self,
        dataset: Dataset,
        golds: Golds,
        reader: "LoadedModel",
        selector: "LoadedModel | None",
        config: ReadConfig,
        metric: str,
    ) -> None:
        self.records = tuple(record for record in dataset if record.id in golds)
        self.dataset = replace(dataset, records=self.records)
        self.golds, self.reader, self.selector, self.config, self.metric = golds, reader, selector, config, metric

    def learn(self, kept: Mapping[str, Any]) -> None:
        """Take what was found into the reader."""
        self.reader = self.with_info(kept)

    def with_info(self, changes: Mapping[str, Any]) -> "LoadedModel":
        """The reader, were that found."""
        return replace(self.reader, info=self.reader.info.model_copy(update=dict(changes)))

    @cached_property
    def scored(self) -> list[tuple[Record, TokenScores]]:
        """Each record that has its answer in its context, with the scores of that context."""
        records = [record for record in self.records if record.span]
        if not records:
            raise ConfigError("--tune: the data needs answers with their place in the text")
        read = read_answers(self.reader, records, self.config)
        return [(record, scores) for record, (_, scores) in zip(records, read, strict=True)]

    def decoded(self, changes: Mapping[str, Any]) -> tuple[Scores, list[Answers]]:
        """The answers to the `scored` records, were that found, and their scores."""
        decoder = self.with_info(changes).info.decoder(self.config.decoding)
        found = list(decoder.answers([record.context for record, _ in self.scored], [one for _, one in self.scored]))
        texts = {
            record.id: answers[0].text if answers else ""
            for (record, _), answers in zip(self.scored, found, strict=True)
        }
        return self.score(texts), found

    def score(self, texts: Mapping[str, str]) -> Scores:
        """Of these questions only."""
        return evaluate(texts, {name: self.golds[name] for name in texts}, self.metric)


def _best(trials: Iterable[Trial]) -> Trial:
    """The highest EM, then F1; of equal ones the last."""
    return max(enumerate(trials), key=lambda item: (item[1].em, item[1].f1, item[0]))[1]


def _tune_length(development: _Development) -> Tuned:
    """Tune the weight of the log-probability of an answer's length, by the lengths of the right answers."""
    decoder = development.reader.info.decoder(development.config.decoding)
    lengths = []
    for record, tokens in development.scored:
        answer = record.span
        if answer and answer.start is not None and answer.end is not None:
            lengths += [last - first + 1 for first, last in token_places(tokens, answer.start, answer.end)[:1]]
    if not lengths:
        raise ConfigError("--tune length: no answer of the data is made of whole tokens of a window")
    prior = fit_length_prior(lengths, decoder.max_length)
    trials = []
    for weight in reversed(LENGTH_WEIGHTS):  # of equal ones the lowest
        scores, _ = development.decoded({"length_prior": prior, "length_weight": weight})
        trials.append(Trial(weight, scores.em, scores.f1))
    best = _best(trials)
    kept = {"length_prior": prior if best.value else (), "length_weight": best.value}
    return Tuned("length", tuple(reversed(trials)), best, kept)


def _tune_temperature(development: _Development) -> Tuned:
    """Tune the temperature, so that an answer's probability is the share of such answers that are right."""
    decoder = development.reader.info.decoder(development.config.decoding)
    scored, answers = development.decoded({"temperature": 1.0})
    answered = [
        (scores, found[0].score, scored.per_question[record.id].em)
        for (record, scores), found in zip(development.scored, answers, strict=True)
        if found and found[0].text
    ]
    if not answered:
        raise ConfigError("--tune temperature: no question has an answer")
    questions, points, right = zip(*answered, strict=True)
    temperature, *losses = fit_temperature(questions, points, right, max_length=decoder.max_length, bonus=decoder.bonus)
    trials = []
    for value, loss in zip((1.0, temperature), losses, strict=True):
        scored, answers = development.decoded({"temperature": value})
        sure = [found[0].probability if found else 0.0 for found in answers]
        error = expected_calibration_error(
            sure, [scored.per_question[record.id].em for record, _ in development.scored]
        )
        trials.append(Trial(value, scored.em, scored.f1, {"log_loss": loss, "ece": error}))
    return Tuned("temperature", tuple(trials), trials[1], {"temperature": temperature})


def _tune_joint(development: _Development) -> Tuned:
    """Tune the weight of a paragraph's log-probability beside the score of a span; each paragraph is read once."""
    if development.selector is None:
        raise ConfigError("--tune joint: give --model and --selector")
    records = [record for record in development.records if len(record.paragraphs) > 1]
    if not records or any(record.relevant is None for record in records):
        raise ConfigError("--tune joint: the data needs questions with several paragraphs that tell the relevant one")
    config, count = development.config, development.config.decoding.joint_paragraphs or PARAGRAPHS
    selections = choose_paragraphs(records, development.selector, config)
    options = list(read_paragraphs(records, selections, development.reader, config, count=count))
    trials = []
    for weight in JOINT_WEIGHTS:
        chosen = [best_jointly(group, weight) if weight < inf else group[0] for group in options]
        scores = development.score({item.record.id: item.prediction.text for item in chosen})
        right = sum(item.prediction.candidate == item.record.relevant for item in chosen)
        figures = {"right_paragraph": 100.0 * right / len(chosen)}
        trials.append(Trial(weight, scores.em, scores.f1, figures))
    best = _best(trials)  # of equal ones that which leans most on the selector
    alone = best.value == inf
    kept = {"joint_paragraphs": 1 if alone else count, "joint_weight": 1.0 if alone else best.value}
    return Tuned("joint", tuple(trials), best, kept)


def _tune_null(development: _Development) -> Tuned:
    """Tune the threshold by which "no answer" must lead: the best of all splits of the questions."""
    if not development.reader.info.answers_null:
        raise ConfigError(f"--tune null: {development.reader.source} was never taught that a question has no answer")
    if len({record.impossible for record in development.records}) < 2:
        raise ConfigError("--tune null: the data needs questions with an answer and questions without one")
    before = development.reader.info.null_threshold
    open_config = _with_decoding(development.config, null_threshold=inf)
    models = Models(development.reader, development.selector)
    answered = list(answer_dataset(development.dataset, models, open_config))
    leads = _leads(answered, development)
    texts = {item.record.id: item.prediction.text for item in answered}
    spans = development.score(texts).per_question
    empty = development.score(dict.fromkeys(texts, "")).per_question
    known = [name for name, lead in leads.items() if isfinite(lead)]
    if not known:
        raise ConfigError("--tune null: no question has a text to choose an answer from")
    pairs = [[(one[name].em, one[name].f1) for name in known] for one in (spans, empty)]
    threshold = fit_null_threshold([leads[name] for name in known], *pairs)

    def trial(value: float) -> Trial:
        given = {name: "" if leads[name] > value else text for name, text in texts.items()}
        scores, none = development.score(given), sum(not text for text in given.values())
        return Trial(value, scores.em, scores.f1, {"no_answer": 100.0 * none / len(given)})

    values = sorted({-inf, 0.0, before, threshold, inf})
    best = trial(threshold)
    return Tuned("null", tuple(map(trial, values)), best, {"null_threshold": threshold})


def _leads(answered: Sequence[Answered], development: _Development) -> dict[str, float]:
    """By how much "no answer" is above the best span of each question; infinity where there is no span."""
    decoder = development.reader.info.decoder(development.config.decoding)
    found = decode_batch([item.scores for item in answered], max_length=decoder.max_length, bonus=decoder.bonus)
    return {
        item.record.id: item.scores.null - float(spans.score[0]) if len(spans) and item.scores.null is not None else inf
        for item, spans in zip(answered, found, strict=True)
    }


def _with_decoding(config: ReadConfig, **changes: Any) -> ReadConfig:
    return config.model_copy(update={"decoding": config.decoding.model_copy(update=changes)})
