"""`predict`: answers, n-best lists and scores files from one or two models."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qakit.config import DecodingSettings, InferenceSettings, ReadConfig
from qakit.data.formats import read_dataset
from qakit.data.formats.shapes import surrogate_fault
from qakit.data.records import Dataset, Paragraph, Record
from qakit.errors import ConfigError, DataError, Problem, RecordError
from qakit.modeling.models import LoadedModel, load_trained
from qakit.modeling.processes import is_main_process, processes
from qakit.runs.outputs import check_outputs, chosen_format, write_outputs
from qakit.spans.answers import Prediction
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.tasks.base import Task
from qakit.tasks.qa import QuestionAnswering
from qakit.tasks.select import ParagraphSelection
from qakit.tasks.stages import Answered, answer_records
from qakit.training.memory import keep_freed_memory

_DEFAULTS = InferenceSettings()


@dataclass(frozen=True)
class Models:
    """The reader, and the selector where paragraphs have to be chosen; either may be absent."""

    reader: LoadedModel | None = None
    selector: LoadedModel | None = None


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
        raise ConfigError("give --data FILE, or --question (-q) and --text (-c) together")
    for field, given in (("question", question), ("text", text)):
        if surrogate_fault(given):  # how Python passes bytes on that it cannot decode
            raise DataError([Problem("command line", field, "encoding", "is not UTF-8; give it as UTF-8")])
    try:
        record = Record("question", question, (Paragraph("text", text),), relevant=0)
    except RecordError as error:
        raise DataError([Problem("command line", "question", error.field, error.message)]) from None
    return Dataset((record,), "jsonl")


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
    keep_freed_memory()
    return Models(
        reader=_load(model, QuestionAnswering(), backend, inference) if model else None,
        selector=_load(selector, ParagraphSelection(), backend, inference) if selector else None,
    )


def _load(source: str, task: Task, backend: str | None, inference: InferenceSettings) -> LoadedModel:
    loaded = load_trained(source, task=task.name, auto_class=task.auto_class, backend=backend, inference=inference)
    loaded.model.to(processes().device)
    return loaded


def answer_dataset(dataset: Dataset, models: Models, config: ReadConfig) -> Iterator[Answered]:
    """Answer every question, in order, as `answer_records` does.

    Raises:
        ConfigError: a question has several paragraphs, and neither a selector nor the data tells which to read; or
            what `checked_reader` raises.
    """
    yield from answer_records(dataset.records, checked_reader(models, config), models.selector, config)


def checked_reader(models: Models, config: ReadConfig) -> LoadedModel:
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
    decoder = reader.info.decoder(decoding)
    return ScoresInfo(
        schema=dataset.schema,
        model=reader.source,
        max_answer_length=decoder.max_length,
        null_threshold=decoder.null_threshold,
        temperature=decoder.temperature,
        length_bonus=decoder.bonus,
    )
