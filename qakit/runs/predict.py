"""`predict`: answers, n-best lists and scores files from one or two models."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.config import DecodingSettings, InferenceSettings, ReadConfig
from qakit.data.corpus import Corpus, read_bare_questions
from qakit.data.formats import read_dataset
from qakit.data.formats.shapes import surrogate_fault
from qakit.data.predictions import Prediction, chosen_format, write_outputs
from qakit.data.records import Dataset, Paragraph, Record
from qakit.errors import ConfigError, DataError, Problem, RecordError
from qakit.io import check_outputs, write_json
from qakit.modeling.models import LoadedModel
from qakit.modeling.processes import is_main_process
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.tasks.questions.models import Models, answer_dataset, checked_reader
from qakit.tasks.questions.search import Found, search
from qakit.tasks.questions.two_stage import Answered

_DEFAULTS = InferenceSettings()


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


@dataclass(frozen=True)
class CorpusResult:
    """As `PredictResult`; `found` has the answers of each question with the passages that they stand in."""

    predictions: tuple[Prediction, ...]
    found: tuple[tuple[Found, ...], ...]
    format: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def answers(self) -> dict[str, list[dict[str, Any]]]:
        """All answers by the id of their question, as JSON."""
        pairs = zip(self.predictions, self.found, strict=True)
        return {prediction.id: list(map(_described, found)) for prediction, found in pairs}


def _described(found: Found) -> dict[str, Any]:
    passage = found.passage
    place = {
        "document": passage.document,
        "file": str(passage.file) if passage.file else None,
        "passage": passage.paragraph.id,
        "context": passage.text,
    }
    return found.answer._asdict() | (place if found.answer.text else dict.fromkeys(place))


def questions_for(
    data: Path | None, question: str | None, *, context: Path | None = None, lenient: bool = False
) -> Dataset:
    """The questions of a file, which need no text to look in, or one question.

    Raises:
        ConfigError: neither, or both.
        DataError: mistakes in the file, or a question that is empty or was no UTF-8.
    """
    if data is not None and question is None:
        return read_bare_questions(data, context=context, lenient=lenient)
    if data is not None or question is None:
        raise ConfigError("--corpus: give --data FILE, or --question, to ask it something")
    return read_questions(None, question=question, text="-")


def predict_from_corpus(
    dataset: Dataset,
    corpus: Corpus,
    models: Models,
    config: ReadConfig,
    *,
    out: Path | None = None,
    format: str | None = None,
    nbest_out: Path | None = None,
    progress: Callable[[Iterable[tuple[Found, ...]]], Iterable[tuple[Found, ...]]] = iter,
) -> CorpusResult:
    """Answer the questions of a dataset from a corpus, and write what is asked for, as `predict` does.

    Args:
        nbest_out: the n-best lists, one JSON object; each answer with document, file, passage and its text.

    Raises:
        ConfigError: an unknown format, before any question is answered; no reader, or a null threshold for one that
            was trained without questions that have no answer.
    """
    reader = checked_reader(models, config)
    chosen = chosen_format(format, dataset.schema, out)
    check_outputs([out, nbest_out], [*dataset.files, *corpus.files])
    answers = tuple(progress(search(dataset, corpus, reader, config, selector=models.selector)))
    predictions = tuple(
        Prediction(record.id, 0, tuple(item.answer for item in found))
        for record, found in zip(dataset, answers, strict=True)
    )
    skipped = (f"{dataset.skipped} bad records skipped",) if dataset.skipped else ()
    read = f"read through {reader.windows_with(config.windows).description}"
    result = CorpusResult(predictions, answers, chosen, (), (*corpus.notes, *dataset.notes, *skipped, read))
    if not is_main_process():
        return result
    files = write_outputs(predictions, out=out, format=chosen, nbest_out=None)
    if nbest_out:
        write_json(nbest_out, result.answers)
        files += (nbest_out,)
    return CorpusResult(predictions, answers, chosen, files, result.notes)
