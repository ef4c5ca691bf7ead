"""`predict`: predictions, n-best lists and scores files of any task, and answers from a corpus."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.config import ReadConfig
from qakit.data.corpus import Corpus, read_corpus_questions
from qakit.data.predictions import Prediction, choose_format, write_outputs
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.io import check_outputs, write_json
from qakit.modeling.processes import is_main_process
from qakit.tasks.base import Models, Predicted, Task
from qakit.tasks.questions.base import read_questions
from qakit.tasks.questions.search import Found, search
from qakit.tasks.questions.two_stage import checked_reader


@dataclass(frozen=True)
class PredictResult:
    """The predictions, in the order of the data, the files that were written, and sentences on how they came about."""

    predictions: tuple[Any, ...]
    format: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def predict(
    task: Task,
    dataset: Dataset[Any],
    models: Models,
    config: ReadConfig,
    *,
    out: Path | None = None,
    format: str | None = None,
    scores: Path | None = None,
    nbest_out: Path | None = None,
    progress: Callable[[Iterable[Predicted]], Iterable[Predicted]] = iter,
) -> PredictResult:
    """Predict a dataset and write what is asked for.

    Args:
        out: predictions, in `format` (by default what the data and the file's name ask for).
        scores: a scores file, for `ensemble`.
        nbest_out: the n-best lists, one JSON object.
        progress: wraps the predictions on their way, for a progress bar.

    Raises:
        ConfigError: an unknown format, before any record is read; or the models cannot do what is asked for.
    """
    chosen = task.prediction_format(format, dataset.schema, out, nbest_out)
    check_outputs([out, scores, nbest_out], dataset.files)
    predictions: list[Any] = []
    rows: list[Any] = []
    for predicted in progress(task.predict(dataset, models, config)):
        predictions.append(predicted.prediction)
        if scores:
            rows.append(task.scores_row(predicted))
    if not is_main_process():
        return PredictResult(tuple(predictions), chosen, (), ())
    files = task.write_predictions(predictions, out=out, format=chosen, nbest_out=nbest_out)
    if scores:
        task.write_scores(scores, rows, dataset, models, config)
        files += (scores,)
    return PredictResult(tuple(predictions), chosen, files, tuple(task.notes_on_reading(dataset, models, config)))


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
        return read_corpus_questions(data, context=context, lenient=lenient)
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
    chosen = choose_format(format, dataset.schema, out)
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
