"""`predict`: answers, n-best lists and scores files from one or two models."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf
from pathlib import Path

from qakit.config import DecodingSettings, ReadConfig
from qakit.data.formats import read_dataset
from qakit.data.formats.shapes import surrogate_fault
from qakit.data.records import Dataset, Paragraph, Record
from qakit.errors import ConfigError, DataError, Problem, RecordError
from qakit.modeling.models import LoadedModel, load_trained
from qakit.modeling.processes import is_main_process
from qakit.runs.outputs import check_outputs, chosen_format, write_outputs
from qakit.spans.answers import Prediction
from qakit.spans.decoding import TokenScores
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.tasks.base import Task
from qakit.tasks.qa import FALLBACK_ANSWER_LENGTH, QuestionAnswering, read_answers
from qakit.tasks.select import ParagraphSelection, score_candidates

Selection = tuple[float, ...]


@dataclass(frozen=True)
class Models:
    """The reader, and the selector where paragraphs have to be chosen; either may be absent."""

    reader: LoadedModel | None = None
    selector: LoadedModel | None = None


@dataclass(frozen=True)
class Answered:
    """One question's outcome. `selection` holds the candidates' log-probabilities, nothing without a selector."""

    record: Record
    prediction: Prediction
    scores: TokenScores
    selection: Selection


@dataclass(frozen=True)
class PredictResult:
    """The predictions, in the order of the data, the files that were written, and sentences on how they came about."""

    predictions: tuple[Prediction, ...]
    format: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def read_questions(
    data: Path | None,
    *,
    question: str | None = None,
    text: str | None = None,
    context: Path | None = None,
    lenient: bool = False,
) -> Dataset:
    """The questions of a file, or one question and its text.

    Raises:
        ConfigError: neither, or both.
        DataError: mistakes in the file, or a question or text that is empty or was no UTF-8.
    """
    if data is not None and question is None and text is None:
        return read_dataset([data], context=context, lenient=lenient)
    if data is not None or question is None or text is None:
        raise ConfigError("give --data FILE, or --question and --text together")
    for field, given in (("question", question), ("text", text)):
        if surrogate_fault(given):  # how Python passes bytes on that it cannot decode
            raise DataError([Problem("command line", field, "encoding", "is not UTF-8; give it as UTF-8")])
    try:
        record = Record("question", question, (Paragraph("text", text),), relevant=0)
    except RecordError as error:
        raise DataError([Problem("command line", "question", error.field, error.message)]) from None
    return Dataset((record,), "jsonl")


def load_models(model: str | None, selector: str | None, *, backend: str | None = None) -> Models:
    """Load what is named, onto the accelerator where there is one.

    Args:
        backend: what runs them, as `load_trained` takes it.

    Raises:
        CheckpointError: nothing usable there, or a model of another task.
        ConfigError: an unknown backend, or its package is not installed.
    """
    return Models(
        reader=_load(model, QuestionAnswering(), backend) if model else None,
        selector=_load(selector, ParagraphSelection(), backend) if selector else None,
    )


def _load(source: str, task: Task, backend: str | None) -> LoadedModel:
    from accelerate import PartialState

    loaded = load_trained(source, task=task.name, auto_class=task.auto_class, backend=backend)
    loaded.model.to(PartialState().device)
    return loaded


def answer_dataset(dataset: Dataset, models: Models, config: ReadConfig) -> Iterator[Answered]:
    """Answer every question, in order: choose its paragraph and read it, or read several and choose among the answers.

    Without a selector the relevant paragraph is read, or the only one.

    Raises:
        ConfigError: a question has several paragraphs, and neither a selector nor the data tells which to read; or a
            null threshold for a model that was trained without questions that have no answer.
    """
    if models.reader is None:
        raise ConfigError("give --model: the folder or hub name of a model for span extraction, or mini-zh")
    if config.decoding.null_threshold is not None and not models.reader.info.answers_null:
        raise ConfigError(f"--null-threshold: {models.reader.source} was never taught that a question has no answer")
    info, decoding, records = models.reader.info, config.decoding, dataset.records
    selections = choose_paragraphs(records, models.selector, config)
    count = decoding.joint_paragraphs or info.joint_paragraphs
    weight = info.joint_weight if decoding.joint_weight is None else decoding.joint_weight
    for options in read_paragraphs(records, selections, models.reader, config, count=count):
        yield best_jointly(options, weight) if len(options) > 1 else options[0]


def read_paragraphs(
    records: Sequence[Record], selections: Sequence[Selection], reader: LoadedModel, config: ReadConfig, *, count: int
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
        return max(spans, default=-inf) + weight * option.selection[option.prediction.candidate]

    return max(options, key=joint_score)


def choose_paragraphs(records: Sequence[Record], selector: LoadedModel | None, config: ReadConfig) -> list[Selection]:
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


def predict(
    dataset: Dataset,
    models: Models,
    config: ReadConfig,
    *,
    out: Path | None = None,
    format: str | None = None,
    scores: Path | None = None,
    nbest_out: Path | None = None,
    progress: Callable[[Iterable[Answered]], Iterable[Answered]] = iter,
) -> PredictResult:
    """Answer a dataset and write what is asked for.

    Args:
        out: predictions, in `format` (by default what the data's contest takes).
        scores: a scores file, for `ensemble`.
        nbest_out: the n-best lists, one JSON object.
        progress: wraps the answers on their way, for a progress bar.

    Raises:
        ConfigError: an unknown format, before any question is answered; or what `answer_dataset` raises.
    """
    chosen = chosen_format(format, dataset.schema, out)
    check_outputs([out, scores, nbest_out], dataset.files)
    predictions: list[Prediction] = []
    questions: list[QuestionScores] = []
    for answered in progress(answer_dataset(dataset, models, config)):
        predictions.append(answered.prediction)
        if scores:
            questions.append(question_scores(answered))
    if not is_main_process():
        return PredictResult(tuple(predictions), chosen, (), ())
    files = write_outputs(predictions, out=out, format=chosen, nbest_out=nbest_out)
    if scores and models.reader:
        write_scores(scores, questions, _scores_info(dataset, models.reader, config.decoding))
        files += (scores,)
    return PredictResult(tuple(predictions), chosen, files, tuple(_notes(dataset, models, config)))


def _notes(dataset: Dataset, models: Models, config: ReadConfig) -> Iterator[str]:
    yield from dataset.notes
    if dataset.skipped:
        yield f"{dataset.skipped} bad records skipped"
    if models.selector is None and any(len(record.paragraphs) > 1 for record in dataset):
        yield "no --selector: the paragraphs that the data marks as relevant were read"
    if models.reader:
        yield f"read through {models.reader.windows_with(config.windows).description}"


def question_scores(answered: Answered) -> QuestionScores:
    """The scores of one question as a scores file holds them."""
    record, candidate = answered.record, answered.prediction.candidate
    return QuestionScores(record.id, record.paragraphs[candidate].text, candidate, answered.selection, answered.scores)


def _scores_info(dataset: Dataset, reader: LoadedModel, decoding: DecodingSettings) -> ScoresInfo:
    info = reader.info
    return ScoresInfo(
        schema=dataset.schema,
        model=reader.source,
        max_answer_length=decoding.max_answer_length or info.max_answer_length or FALLBACK_ANSWER_LENGTH,
        max_answer_characters=info.max_answer_characters or FALLBACK_ANSWER_LENGTH,
        null_threshold=info.null_threshold if decoding.null_threshold is None else decoding.null_threshold,
    )
