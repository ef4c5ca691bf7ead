"""`evaluate`: scores of predictions, of a scores file or of models. All but the last run without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qakit.config import ReadConfig
from qakit.data.formats import read_dataset
from qakit.data.predictions import read_predictions
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.metrics.presets import Scores, default_preset, get_preset
from qakit.metrics.presets import evaluate as score
from qakit.runs.details import check_details, write_details
from qakit.runs.outputs import check_outputs
from qakit.spans.ensembling import decode_scores
from qakit.spans.scores import read_scores

if TYPE_CHECKING:
    from qakit.runs.tune import Tuned


@dataclass(frozen=True)
class References:
    """What counts as right: the reference texts of each labelled question, and where they came from.

    `records` are the questions themselves, none where only a file of answers was given.
    """

    golds: Mapping[str, Sequence[str]]
    records: Mapping[str, Record]
    default_metric: str


@dataclass(frozen=True)
class EvaluateResult:
    """Scores in percent, and one row a question.

    Attributes:
        source: what was scored: `predictions`, `end-to-end`, `gold-paragraph` or `selection`.
        scores: of the answers; None where only a selector was scored.
        gold_paragraph: the scores when reading the relevant paragraph, where `scores` are end to end.
        selection_accuracy: how often the relevant paragraph was chosen, in percent.
        unknown: predictions whose id is none of the references'; they count for nothing.
        tuned: what was tried and found for each of `EvaluateRequest.tune`.
        rows: question, references, prediction and scores of each question, as JSON.
    """

    metric: str
    source: str
    scores: Scores | None
    rows: tuple[Mapping[str, Any], ...]
    unknown: int = 0
    gold_paragraph: Scores | None = None
    selection_accuracy: float | None = None
    tuned: "tuple[Tuned, ...]" = ()

    def summary(self) -> dict[str, Any]:
        """The result without its rows, as JSON."""
        summary: dict[str, Any] = {"metric": self.metric, "source": self.source, "total": len(self.rows)}
        if self.scores:
            summary |= {**_summary(self.scores), "unknown": self.unknown}
        if self.gold_paragraph:
            summary["gold_paragraph"] = _summary(self.gold_paragraph)
        if self.selection_accuracy is not None:
            summary["selection_accuracy"] = self.selection_accuracy
        if self.tuned:
            summary["tuned"] = {one.what: one.summary() for one in self.tuned}
        return summary


@dataclass(frozen=True)
class EvaluateRequest:
    """What to score (`pred`, `scores`, or `model` with `selector`) against what (`data`, `gold`).

    `details` is the file for the rows of the result: `.csv`, `.json`, `.jsonl` or `.parquet`. `tune` names settings of
    decoding (`qakit.runs.tune.SETTING`) that are to score best on `data`, and to be kept with the model.
    """

    pred: Path | None = None
    scores: Path | None = None
    model: str | None = None
    selector: str | None = None
    data: Path | None = None
    gold: Path | None = None
    context: Path | None = None
    metric: str | None = None
    details: Path | None = None
    lenient: bool = False
    tune: tuple[str, ...] = ()


def evaluate(request: EvaluateRequest, config: ReadConfig) -> EvaluateResult:
    """Score what is asked for, and write the details where they are asked for.

    Raises:
        ConfigError: not one thing to score, nothing to score it against, or no such metric or form of details.
        DataError: a file that cannot be read.
    """
    if request.metric:
        get_preset(request.metric)
    if request.details:
        check_details(request.details)
        inputs = (request.pred, request.scores, request.data, request.gold, request.context)
        check_outputs([request.details], filter(None, inputs))
    if request.tune:
        from qakit.runs.tune import check_tuning

        check_tuning(request.tune, request.model, config.decoding)
    result = _evaluate(request, config)
    if request.details:
        write_details(result.rows, request.details)
    return result


def _evaluate(request: EvaluateRequest, config: ReadConfig) -> EvaluateResult:
    given = [request.pred, request.scores, request.model or request.selector]
    if sum(thing is not None for thing in given) != 1:
        raise ConfigError("give one thing to score: --pred, --scores, or --model and/or --selector")
    data = read_dataset([request.data], context=request.context, lenient=request.lenient) if request.data else None
    if request.selector and not request.model:
        return _evaluate_selector(_needed(data), request.selector, config)
    references = references_of(data, request.gold)
    if request.pred:
        return evaluate_predictions(request.pred, references, metric=request.metric)
    if request.scores:
        return evaluate_scores(request.scores, references, metric=request.metric)
    from qakit.runs.predict import load_models

    models, metric = (
        load_models(request.model, request.selector, inference=config.inference),
        request.metric or references.default_metric,
    )
    if not request.tune:
        return evaluate_models(_needed(data), references, models, config, metric=metric)
    from qakit.runs.tune import tune

    models, tuned = tune(request.tune, _needed(data), references.golds, models, config, metric=metric)
    result = evaluate_models(_needed(data), references, models, config, metric=metric)
    return replace(result, tuned=tuple(tuned))


def _needed(data: Dataset | None) -> Dataset:
    if data is None:
        raise ConfigError("--data: a model needs the questions it is to answer")
    return data


def references_of(dataset: Dataset | None, gold: Path | None) -> References:
    """The references of a dataset, or those of a file of answers (`id,answer`) in their place.

    Raises:
        ConfigError: neither is given, or the dataset holds no answers.
    """
    records = {record.id: record for record in dataset} if dataset else {}
    if gold is not None:
        golds: dict[str, list[str]] = {id_: [text] for id_, text in read_predictions(gold).items()}
    elif dataset is not None:
        golds = {record.id: record.references for record in dataset if record.is_labelled}
    else:
        raise ConfigError("give --data, the questions with their answers, or --gold, a file of answers")
    if not golds:
        raise ConfigError("the data holds no answers to score against; give --gold, a file of answers")
    return References(golds, records, default_preset(dataset) if dataset else "adl")


def evaluate_predictions(path: Path, references: References, *, metric: str | None = None) -> EvaluateResult:
    """Score a prediction file, whatever tool wrote it.

    Raises:
        DataError: the file cannot be read, or shares no id with the references.
    """
    return evaluate_texts(read_predictions(path), references, metric=metric, file=path)


def evaluate_scores(path: Path, references: References, *, metric: str | None = None) -> EvaluateResult:
    """Score what a scores file's best spans say."""
    questions, info = read_scores(path)
    predictions = {question.id: decode_scores(question, info, 1).text for question in questions}
    return evaluate_texts(predictions, references, metric=metric, file=path)


def evaluate_texts(
    predictions: Mapping[str, str],
    references: References,
    *,
    metric: str | None = None,
    source: str = "predictions",
    file: Path = Path("predictions"),
) -> EvaluateResult:
    """Score predicted texts by question id; a missing one scores 0.

    Raises:
        DataError: no predicted id is one of the references', so they belong to other data; `file` names the culprit.
    """
    if not predictions.keys() & references.golds.keys():
        some = next(iter(predictions), None), next(iter(references.golds))
        raise file_error(file, "id", f"no id is one of the data's: it has {some[0]!r}, the data {some[1]!r}")
    metric = metric or references.default_metric
    scores = score(predictions, references.golds, metric)
    rows = tuple(
        _row(id_, predictions.get(id_), golds, scores, references.records.get(id_))
        for id_, golds in references.golds.items()
    )
    unknown = len(predictions.keys() - references.golds.keys())
    return EvaluateResult(metric, source, scores, rows, unknown=unknown)


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
    """
    from qakit.runs.predict import answer_dataset

    labelled = replace(dataset, records=tuple(record for record in dataset if record.id in references.golds))
    texts: dict[str, str] = {}
    chosen: list[tuple[Record, int]] = []
    for item in answer_dataset(labelled, models, config):
        texts[item.record.id] = item.prediction.text
        if item.selection:
            chosen.append((item.record, item.prediction.candidate))
    if not chosen:
        return evaluate_texts(texts, references, metric=metric, source="gold-paragraph")
    result = evaluate_texts(texts, references, metric=metric, source="end-to-end")
    if any(record.relevant is None for record, _ in chosen):
        return result
    right = sum(candidate == record.relevant for record, candidate in chosen)
    with_gold = answer_dataset(labelled, replace(models, selector=None), config)
    gold_texts = {item.record.id: item.prediction.text for item in with_gold}
    return replace(
        result,
        gold_paragraph=score(gold_texts, references.golds, result.metric),
        selection_accuracy=100.0 * right / len(chosen),
    )


def _evaluate_selector(dataset: Dataset, selector: str, config: ReadConfig) -> EvaluateResult:
    """How often a selector alone finds the relevant paragraph."""
    from qakit.runs.predict import choose_paragraphs, load_models

    records = [record for record in dataset if record.relevant is not None and len(record.paragraphs) > 1]
    if not records:
        raise ConfigError("the data has no question with several paragraphs that tells the relevant one")
    selections = choose_paragraphs(records, load_models(None, selector, inference=config.inference).selector, config)
    chosen = [selection.index(max(selection)) for selection in selections]
    rows = tuple(
        {"id": record.id, "question": record.question, "relevant": record.relevant, "chosen": candidate}
        for record, candidate in zip(records, chosen, strict=True)
    )
    right = sum(row["relevant"] == row["chosen"] for row in rows)
    return EvaluateResult("accuracy", "selection", None, rows, selection_accuracy=100.0 * right / len(rows))


def _row(
    id_: str, prediction: str | None, golds: Sequence[str], scores: Scores, record: Record | None
) -> dict[str, Any]:
    em, f1 = scores.per_question[id_]
    return {
        "id": id_,
        "question": record.question if record else None,
        "references": list(golds),
        "prediction": prediction,
        "em": 100.0 * em,
        "f1": 100.0 * f1,
    }


def _summary(scores: Scores) -> dict[str, Any]:
    return {
        "em": scores.em,
        "f1": scores.f1,
        "total": scores.total,
        "missing": scores.missing,
        **scores.extra,
    }
