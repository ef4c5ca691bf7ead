"""What predictions are scored against."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qakit.config import ReadConfig
from qakit.data.predictions import PredictedAnswer, contest_of, read_predictions
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.metrics.analysis import Analysis
from qakit.metrics.comparison import Comparison, compare
from qakit.metrics.intervals import Interval, bootstrap
from qakit.metrics.places import Span
from qakit.metrics.presets import DEFAULT_PRESET, Scores, default_preset, evaluate
from qakit.metrics.presets import evaluate as score
from qakit.metrics.questions import Choice, Reading, question_result
from qakit.spans.ensembling import decode_scores
from qakit.spans.fitting import token_places
from qakit.spans.scores import QuestionScores, is_scores_file, read_scores
from qakit.spans.token_scores import TokenScores
from qakit.spans.tokenizing import trim
from qakit.tasks.labels.scores import is_label_scores_file

if TYPE_CHECKING:
    import pandas as pd

    from qakit.tasks.questions.tuning import Tuned


@dataclass(frozen=True)
class References:
    """What counts as right: the reference texts of each labelled question, and where they came from.

    `records` are the questions themselves, none where only a file of answers was given.
    """

    golds: Mapping[str, Sequence[str]]
    records: Mapping[str, Record]
    default_metric: str


def references_of(dataset: Dataset | None, gold: Path | None) -> References:
    """The references of a dataset, or those of a file of answers (`id,answer`) in their place.

    Raises:
        ConfigError: neither is given, or the dataset holds no answers.
    """
    records = {record.id: record for record in dataset} if dataset else {}
    if gold is not None:
        golds: dict[str, list[str]] = {id_: [text] for id_, text in read_predictions(gold).items()}
        metric = default_preset(dataset) if dataset else DEFAULT_PRESET[contest_of(gold)]
    elif dataset is not None:
        golds = {record.id: record.references for record in dataset if record.is_labelled}
        metric = default_preset(dataset)
    else:
        raise ConfigError("give --data, the questions with their answers, or --gold, a file of answers")
    if not golds:
        raise ConfigError("the data holds no answers to score against; give --gold, a file of answers")
    return References(golds, records, metric)


NBEST = 5
"""Answers that are kept of each question, at least."""


@dataclass(frozen=True)
class Read:
    """One question as it was read: what is kept of it, and the scores that tell what could have been answered.

    `max_length` is that of the longest answer, in tokens.
    """

    reading: Reading
    tokens: TokenScores
    max_length: int

    def reaches(self, span: Span) -> bool:
        """Whether some window holds that span of the paragraph between token boundaries, and it is not too long."""
        start, end = trim(self.reading.context, *span)
        tokens = self.tokens
        return any(
            last - first < self.max_length and tokens.char_start[first] == start and tokens.char_end[last] == end
            for first, last in token_places(tokens, start, end)
        )


def reading_of(
    candidate: int,
    context: str,
    answers: Sequence[PredictedAnswer],
    tokens: TokenScores,
    selection: Sequence[float] = (),
) -> Reading:
    """What is kept of a question whose paragraph number `candidate` was read.

    Args:
        selection: the candidates' log-probabilities, nothing without a selector.
    """
    windows = tuple(
        (int(tokens.char_start[first]), int(tokens.char_end[end - 1]))
        for first, end in pairwise(tokens.bounds.tolist())
        if first < end
    )
    choices = tuple(Choice(*answer) for answer in answers)
    return Reading(candidate, context, choices, windows, tuple(map(exp, selection)))


@dataclass(frozen=True)
class EvaluateResult:
    """Scores in percent, and what is known of each question.

    Attributes:
        source: what was scored: `predictions`, `end-to-end`, `gold-paragraph` or `selection`.
        analysis: of the answers; None where only a selector was scored.
        gold_analysis: of the answers from the relevant paragraphs, where `analysis` is end to end.
        selection: how often the relevant paragraph was chosen, in percent.
        choices: what a selector chose, a row a question, where only that was scored.
        unknown: predictions whose id is none of the references'; they count for nothing.
        comparisons: with each of `EvaluateRequest.compare`.
        tuned: what was tried and found for each of `EvaluateRequest.tune`.
    """

    metric: str
    source: str
    analysis: Analysis | None
    gold_analysis: Analysis | None = None
    selection: Interval | None = None
    choices: tuple[Mapping[str, Any], ...] = ()
    unknown: int = 0
    comparisons: tuple[Comparison, ...] = ()
    tuned: "tuple[Tuned, ...]" = ()

    @property
    def scores(self) -> Scores | None:
        """Of the answers."""
        return self.analysis.scores if self.analysis else None

    @property
    def gold_paragraph(self) -> Scores | None:
        """Of the answers from the relevant paragraphs, where `scores` are end to end."""
        return self.gold_analysis.scores if self.gold_analysis else None

    @property
    def selection_accuracy(self) -> float | None:
        """How often the relevant paragraph was chosen, in percent."""
        return self.selection.mean if self.selection else None

    @property
    def rows(self) -> tuple[Mapping[str, Any], ...]:
        """Each question as one row of a table, as JSON; where both are known the answer from the gold paragraph too."""
        if self.analysis is None:
            return self.choices
        rows = [question.row() for question in self.analysis.questions]
        if self.gold_analysis:
            golds = [question.row() for question in self.gold_analysis.questions]
            rows = [row | _of_gold_paragraph(gold) for row, gold in zip(rows, golds, strict=True)]
        return tuple(rows)

    def frame(self) -> "pd.DataFrame":
        """The rows as a pandas table."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def summary(self) -> dict[str, Any]:
        """The result without its rows, as JSON."""
        summary: dict[str, Any] = {"metric": self.metric, "source": self.source, "total": len(self.choices)}
        if self.analysis:
            summary |= {**self.analysis.summary(), "unknown": self.unknown}
        if self.gold_analysis:
            of_gold = self.gold_analysis.summary()
            summary["gold_paragraph"] = {name: value for name, value in of_gold.items() if name != "human"}
        if self.selection:
            summary["selection_accuracy"] = self.selection.mean
            summary["selection_accuracy_interval"] = [self.selection.low, self.selection.high]
        if self.comparisons:
            summary["comparisons"] = [comparison.summary() for comparison in self.comparisons]
        if self.tuned:
            summary["tuned"] = {one.what: one.summary() for one in self.tuned}
        return summary


def _of_gold_paragraph(row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"gold_paragraph_{name}": row[name] for name in ("prediction", "em", "f1", "verdict")}


def compare_with(path: Path, analysis: Analysis, references: References) -> Comparison:
    """Compare what was scored with another file, by the same preset.

    Raises:
        DataError: the file cannot be read, or shares no id with the references.
    """
    texts = _predicted(path)
    check_ids(texts, references, path)
    other = evaluate(texts, references.golds, analysis.metric)
    ids = [question.id for question in analysis.questions]
    mine, others = (
        {name: [getattr(scores[id_], name) for id_ in ids] for name in ("em", "f1")}
        for scores in (analysis.scores.per_question, other.per_question)
    )
    comparison = compare(str(path), mine, others, analysis.groups, missing=other.missing)
    return replace(comparison, predictions=texts, per_question=other.per_question)


def check_compared(paths: Iterable[Path]) -> None:
    """Make sure that files to compare with are there, before anything is answered or kept.

    Raises:
        DataError: one is not.
    """
    for path in paths:
        if not path.is_file():
            raise file_error(path, "file", "No such file")


def _predicted(path: Path) -> Mapping[str, str]:
    if is_label_scores_file(path):
        raise file_error(path, "file", "has scores of intents or slots, and the data are questions")
    if not is_scores_file(path):
        return read_predictions(path)
    questions, info = read_scores(path)
    return {question.id: decode_scores(question, info, 1).text for question in questions}


def check_ids(predictions: Mapping[str, object], references: References, file: Path) -> None:
    """Make sure that predictions are of these questions.

    Raises:
        DataError: no predicted id is one of the references'; `file` names the culprit.
    """
    if not predictions.keys() & references.golds.keys():
        some = next(iter(predictions), None), next(iter(references.golds))
        raise file_error(file, "id", f"no id is one of the data's: it has {some[0]!r}, the data {some[1]!r}")


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
    from qakit.tasks.questions.models import answer_dataset, checked_reader

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
    from qakit.tasks.questions.models import load_models
    from qakit.tasks.questions.two_stage import choose_paragraphs

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
