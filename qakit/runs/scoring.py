"""The kinds of things that can be scored: predictions, scores files, models. All but the last without torch."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from qakit.config import ReadConfig
from qakit.data.predictions import read_predictions
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.metrics.analysis import Analysis
from qakit.metrics.intervals import bootstrap
from qakit.metrics.presets import evaluate as score
from qakit.metrics.questions import question_result
from qakit.runs.comparing import check_ids
from qakit.runs.evaluation import EvaluateResult
from qakit.runs.readings import NBEST, Read, reading_of
from qakit.runs.references import References
from qakit.spans.ensembling import decode_scores
from qakit.spans.scores import QuestionScores, read_scores


def evaluate_predictions(path: Path, references: References, *, metric: str | None = None) -> EvaluateResult:
    """Score a prediction file, whatever tool wrote it.

    Raises:
        DataError: the file cannot be read, or shares no id with the references.
    """
    return evaluate_texts(read_predictions(path), references, metric=metric, file=path)


def evaluate_texts(
    predictions: Mapping[str, str],
    references: References,
    *,
    metric: str | None = None,
    file: Path = Path("predictions"),
) -> EvaluateResult:
    """Score predicted texts by question id; a missing one scores 0.

    Raises:
        DataError: no predicted id is one of the references', so they belong to other data; `file` names the culprit.
    """
    check_ids(predictions, references, file)
    analysis = _analysis(predictions, {}, references, metric)
    return EvaluateResult(
        analysis.metric, "predictions", analysis, unknown=len(predictions.keys() - references.golds.keys())
    )


def evaluate_scores(path: Path, references: References, *, metric: str | None = None) -> EvaluateResult:
    """Score what a scores file's best spans say.

    Raises:
        DataError: the file cannot be read, shares no id with the references, or read other texts than the data has.
    """
    questions, info = read_scores(path)
    read: dict[str, Read] = {}
    for question in questions:
        _check_text(question, references.records.get(question.id), path)
        answers = decode_scores(question, info, NBEST).answers
        reading = reading_of(question.candidate, question.context, answers, question.tokens, question.selection)
        read[question.id] = Read(reading, question.tokens, info.max_answer_length)
    check_ids(read, references, path)
    analysis = _analysis(_texts(read), read, references, metric)
    return EvaluateResult(analysis.metric, "predictions", analysis, unknown=len(read.keys() - references.golds.keys()))


def _check_text(question: QuestionScores, record: Record | None, file: Path) -> None:
    candidate = question.candidate
    known = record.paragraphs[candidate : candidate + 1] if record else ()
    if record and (not known or known[0].text != question.context):
        message = f"paragraph {candidate} of {question.id} is another text than in the data: not the same data"
        raise file_error(file, "context", message)


def _texts(read: Mapping[str, Read]) -> dict[str, str]:
    return {id_: one.reading.answers[0].text if one.reading.answers else "" for id_, one in read.items()}


def _analysis(
    predictions: Mapping[str, str], read: Mapping[str, Read], references: References, metric: str | None
) -> Analysis:
    """Score the predictions and gather what is known of each question.

    Args:
        read: how models came to them, where that is known.
    """
    metric = metric or references.default_metric
    scores = score(predictions, references.golds, metric)
    questions = tuple(
        question_result(
            id_,
            golds,
            predictions.get(id_),
            scores.per_question[id_],
            record=references.records.get(id_),
            reading=read[id_].reading if id_ in read else None,
            reaches=read[id_].reaches if id_ in read else None,
        )
        for id_, golds in references.golds.items()
    )
    return Analysis(metric, scores, questions)


def evaluate_models(
    dataset: Dataset,
    references: References,
    models: Any,
    config: ReadConfig,
    *,
    metric: str | None = None,
) -> EvaluateResult:
    """Answer the dataset and score the answers.

    With a selector the scores are end to end, and those of reading the relevant paragraph stand beside them where the
    data tells it.

    Args:
        models: `qakit.runs.predict.Models`.

    Raises:
        DataError: no question of the data is one of the references'.
    """
    records = tuple(record for record in dataset if record.id in references.golds)
    check_ids({record.id: record for record in records}, references, Path("--data"))
    labelled = replace(dataset, records=records)
    read, selected = _read(labelled, models, config)
    analysis = _analysis(_texts(read), read, references, metric)
    chosen = [(record, read[record.id].reading.candidate) for record in labelled if record.id in selected]
    result = EvaluateResult(analysis.metric, "end-to-end" if chosen else "gold-paragraph", analysis)
    if not chosen or any(record.relevant is None for record, _ in chosen):
        return result
    with_gold, _ = _read(labelled, replace(models, selector=None), config)
    right = [100.0 * (candidate == record.relevant) for record, candidate in chosen]
    return replace(
        result,
        gold_analysis=_analysis(_texts(with_gold), with_gold, references, metric),
        selection=bootstrap(right, [record.context for record, _ in chosen]),
    )


def _read(dataset: Dataset, models: Any, config: ReadConfig) -> tuple[dict[str, Read], set[str]]:
    """How each question was read, and the questions for which a selector chose the paragraph."""
    from qakit.runs.predict import answer_dataset, checked_reader

    decoding = config.decoding
    # More answers for those who look at them; as many as the pool at most, among which the best is chosen.
    nbest = max(decoding.nbest, min(NBEST, decoding.pool))
    config = config.model_copy(update={"decoding": decoding.model_copy(update={"nbest": nbest})})
    longest = checked_reader(models, config).info.decoder(decoding).max_length
    read: dict[str, Read] = {}
    selected: set[str] = set()
    for item in answer_dataset(dataset, models, config):
        candidate = item.prediction.candidate
        context = item.record.paragraphs[candidate].text
        reading = reading_of(candidate, context, item.prediction.answers, item.scores, item.selection)
        read[item.record.id] = Read(reading, item.scores, longest)
        if item.selection:
            selected.add(item.record.id)
    return read, selected


def evaluate_selector(dataset: Dataset, selector: str, config: ReadConfig) -> EvaluateResult:
    """How often a selector alone finds the relevant paragraph."""
    from qakit.runs.predict import load_models
    from qakit.tasks.stages import choose_paragraphs

    records = [record for record in dataset if record.relevant is not None and len(record.paragraphs) > 1]
    if not records:
        raise ConfigError("the data has no question with several paragraphs that tells the relevant one")
    selections = choose_paragraphs(records, load_models(None, selector, inference=config.inference).selector, config)
    chosen = [selection.index(max(selection)) for selection in selections]
    rows = tuple(
        {"id": record.id, "question": record.question, "relevant": record.relevant, "chosen": candidate}
        for record, candidate in zip(records, chosen, strict=True)
    )
    right = [100.0 * (row["relevant"] == row["chosen"]) for row in rows]
    accuracy = bootstrap(right, [record.context for record in records])
    return EvaluateResult("accuracy", "selection", None, selection=accuracy, choices=rows)
