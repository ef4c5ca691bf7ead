"""Score answers to questions: predictions, scores files and models, and compare them with another system.

Only scoring models needs torch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, pairwise
from math import exp, inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qakit.config import ReadConfig
from qakit.data.predictions import Prediction, detect_contest, read_predictions
from qakit.data.records import Dataset, Record
from qakit.data.schemas.known import SCHEMAS
from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.metrics.analysis import Analysis
from qakit.metrics.comparison import Comparison, compare
from qakit.metrics.intervals import Interval, bootstrap
from qakit.metrics.places import Span
from qakit.metrics.presets import Scores, default_preset, evaluate, get_preset
from qakit.metrics.questions import Reading, question_result
from qakit.report.text_tables import INTERVAL, aligned, comparison_lines
from qakit.spans.ensembling import decode_questions
from qakit.spans.fitting import token_places
from qakit.spans.scores import QuestionScores, has_metadata, is_scores_file, read_scores
from qakit.spans.token_scores import TokenScores
from qakit.spans.tokenizing import trim
from qakit.tasks.base import Models
from qakit.tasks.questions.two_stage import answer_dataset, checked_reader, choose_paragraphs

if TYPE_CHECKING:
    import pandas as pd

    from qakit.modeling.models import LoadedModel
    from qakit.tasks.questions.tuning import Tuned

NBEST = 5
"""Answers that are kept of each question, at least."""

Read = tuple[Reading, Callable[[Span], bool]]
"""What is kept of a question that was read, and whether a span of its paragraph could have been answered."""


@dataclass(frozen=True)
class QuestionReferences:
    """The texts that count as right for each labelled question, and the rule by which answers are scored.

    `records` are the questions themselves, none where only a file of answers was given.
    """

    golds: Mapping[str, Sequence[str]]
    records: Mapping[str, Record]
    metric: str
    columns: tuple[str, ...] = ("em", "f1")
    _scored: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def labelled(self) -> list[Record]:
        """The questions whose answer is known."""
        return [record for record in self.records.values() if record.id in self.golds]

    @property
    def total(self) -> int:
        """The number of known answers; a file of answers may know more than the data has questions."""
        return len(self.golds)

    def score(self, prediction: Prediction) -> tuple[float, ...]:
        """EM and F1 of an answer, in percent; each distinct text is scored once."""
        key = (prediction.id, prediction.text)
        if key not in self._scored:
            em, f1 = get_preset(self.metric).score(prediction.text, self.golds[prediction.id])
            self._scored[key] = (100 * em, 100 * f1)
        return self._scored[key]

    def group(self, record: Record) -> str:
        """The paragraph that holds the answer: its questions are drawn together."""
        return record.paragraphs[record.relevant or 0].text

    def judged(self, infos: Sequence[Any]) -> "QuestionReferences":
        """These: what is right does not depend on the models."""
        return self


def references_of(dataset: Dataset | None, gold: Path | None, metric: str | None = None) -> QuestionReferences:
    """The references of a dataset, or those of a file of answers (`id,answer`) in their place.

    Args:
        metric: a preset; the data's own when not given.

    Raises:
        ConfigError: neither is given, or the dataset holds no answers.
    """
    records = {record.id: record for record in dataset} if dataset else {}
    if gold is not None:
        golds: dict[str, list[str]] = {id_: [text] for id_, text in read_predictions(gold).items()}
        default = default_preset(dataset) if dataset else SCHEMAS[detect_contest(gold)].metric
    elif dataset is not None:
        golds = {record.id: record.references for record in dataset if record.is_labelled}
        default = default_preset(dataset)
    else:
        raise ConfigError("give --data, the questions with their answers, or --gold, a file of answers")
    if not golds:
        raise ConfigError("the data holds no answers to score against; give --gold, a file of answers")
    return QuestionReferences(golds, records, metric or default)


@dataclass(frozen=True)
class QuestionEvaluation:
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
    notes: tuple[str, ...] = ()

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
        """Share of the questions whose relevant paragraph was chosen, in percent."""
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

    def lines(self, *, slices: bool = False) -> Iterator[str]:
        """Tables for people: tunings, scores with intervals, losses, comparisons.

        Args:
            slices: with the scores of each slice and the reliability curve, which JSON always has.
        """
        for one in self.tuned:
            yield from _tuning_lines(one)
        missing = f", {self.scores.missing} without a prediction" if self.scores else ""
        missing += f", {self.unknown} predictions for other questions" if self.unknown else ""
        yield f"{self.source}, metric {self.metric}, {len(self.rows)} questions{missing}"
        yield from aligned([["", "score", INTERVAL], *_score_rows(self)])
        for name, analysis in (("lost", self.analysis), ("lost with the gold paragraph", self.gold_analysis)):
            if analysis and analysis.losses:
                yield f"{name}: {', '.join(f'{cause} {share:.2f}' for cause, share in analysis.losses.items())}"
        for comparison in self.comparisons:
            yield from comparison_lines(comparison)
        if slices and self.analysis:
            yield from _slice_lines(self.analysis)


def _of_gold_paragraph(row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"gold_paragraph_{name}": row[name] for name in ("prediction", "em", "f1", "verdict")}


_INFINITE = {("joint", inf): "selector alone", ("null", inf): "never none", ("null", -inf): "always none"}
_NAMES = {
    "length": "weight of the length",
    "temperature": "temperature",
    "joint": "weight of the selector",
    "null": "threshold of no answer",
}


def _tuning_lines(one: "Tuned") -> Iterator[str]:
    """A row for each value tried, a star at the one that was kept."""
    figures = list(one.chosen.figures)
    titles = [_NAMES[one.what], "EM", "F1", *(name.replace("_", " ") for name in figures)]
    table = [titles]
    for trial in one.trials:
        value = _INFINITE.get((one.what, trial.value)) or f"{trial.value:.4g}"
        numbers = (trial.em, trial.f1, *(trial.figures[name] for name in figures))
        table.append([value, *(f"{number:.3f}" for number in numbers)])
    marks = [" ", *("*" if trial == one.chosen else " " for trial in one.trials)]
    yield from (f"{mark} {line}" for mark, line in zip(marks, aligned(table), strict=True))
    yield ""


def _score_rows(result: QuestionEvaluation) -> Iterator[list[str]]:
    for prefix, analysis in (("", result.analysis), ("gold paragraph ", result.gold_analysis)):
        if analysis:
            em, f1 = analysis.intervals
            yield from ([f"{prefix}em", *_interval(em)], [f"{prefix}f1", *_interval(f1)])
            for name, value in analysis.scores.extra.items():
                shown = f"{value:.0f}" if name.endswith("_total") else f"{value:.3f}"  # a count, or a score
                yield [prefix + name.replace("_", " "), shown, ""]
            if analysis.calibration:
                yield [f"{prefix}calibration error", f"{analysis.calibration.error:.3f}", ""]
    if result.selection:
        yield ["selection accuracy", *_interval(result.selection)]
    if result.analysis and (human := result.analysis.human):
        yield from (["human em", *_interval(human.em)], ["human f1", *_interval(human.f1)])


def _interval(interval: Interval) -> list[str]:
    mean, low, high = interval
    return [f"{mean:.3f}", f"{low:.2f} to {high:.2f}"]


def _slice_lines(analysis: Analysis) -> Iterator[str]:
    for dimension, slices in groupby(analysis.slices, key=lambda one: one.dimension):
        yield ""
        title = [dimension.replace("_", " "), "questions", "em", INTERVAL, "f1", INTERVAL]
        rows = [[one.label, str(one.total), *_interval(one.em), *_interval(one.f1)] for one in slices]
        yield from aligned([title, *rows])
    if analysis.calibration:
        yield ""
        title = ["probability", "answers", "mean", "right"]
        curve = analysis.calibration.curve
        bins = [
            [
                f"{100 * one.low:.1f} to {100 * one.high:.1f}",
                str(one.total),
                f"{one.probability:.2f}",
                f"{one.right:.2f}",
            ]
            for one in curve
        ]
        yield from aligned([title, *bins])


def evaluate_predictions(path: Path, references: QuestionReferences) -> QuestionEvaluation:
    """Score a prediction file, whatever tool wrote it.

    Raises:
        DataError: the file cannot be read, or shares no id with the references.
    """
    return evaluate_texts(read_predictions(path), references, file=path)


def evaluate_texts(
    predictions: Mapping[str, str],
    references: QuestionReferences,
    *,
    file: Path = Path("predictions"),
) -> QuestionEvaluation:
    """Score predicted texts by question id; a missing one scores 0.

    Raises:
        DataError: no predicted id is one of the references', so they belong to other data; `file` names the culprit.
    """
    check_ids(predictions, references, file)
    analysis = _analysis(predictions, {}, references)
    return QuestionEvaluation(
        analysis.metric, "predictions", analysis, unknown=len(predictions.keys() - references.golds.keys())
    )


def evaluate_scores(path: Path, references: QuestionReferences) -> QuestionEvaluation:
    """Score the best spans of a scores file.

    Raises:
        DataError: the file cannot be read, shares no id with the references, or read other texts than the data has.
    """
    questions, info = read_scores(path)
    for question in questions:
        _check_text(question, references.records.get(question.id), path)
    read = {
        question.id: _kept(prediction, question.context, question.tokens, question.selection, info.max_answer_length)
        for question, prediction in zip(questions, decode_questions(questions, info, NBEST), strict=True)
    }
    check_ids(read, references, path)
    analysis = _analysis(_texts(read), read, references)
    unknown = len(read.keys() - references.golds.keys())
    return QuestionEvaluation(analysis.metric, "predictions", analysis, unknown=unknown)


def _kept(
    prediction: Prediction, context: str, tokens: TokenScores, selection: Sequence[float], max_length: int
) -> Read:
    """Keep of a question that was read all but its logits.

    Args:
        selection: the candidates' log-probabilities, nothing without a selector.
        max_length: tokens of the longest answer.
    """
    windows = tuple(
        (int(tokens.char_start[first]), int(tokens.char_end[end - 1]))
        for first, end in pairwise(tokens.bounds.tolist())
        if first < end
    )
    reading = Reading(prediction.candidate, context, prediction.answers, windows, tuple(map(exp, selection)))
    return reading, partial(_reaches, context, tokens, max_length)


def _reaches(context: str, tokens: TokenScores, max_length: int, span: Span) -> bool:
    """Whether some window holds that span of the paragraph between token boundaries, and it is not too long."""
    start, end = trim(context, *span)
    return any(
        last - first < max_length and tokens.char_start[first] == start and tokens.char_end[last] == end
        for first, last in token_places(tokens, start, end)
    )


def _check_text(question: QuestionScores, record: Record | None, file: Path) -> None:
    candidate = question.candidate
    known = record.paragraphs[candidate : candidate + 1] if record else ()
    if record and (not known or known[0].text != question.context):
        message = f"paragraph {candidate} of {question.id} is another text than in the data: not the same data"
        raise file_error(file, "context", message)


def _texts(read: Mapping[str, Read]) -> dict[str, str]:
    return {id_: reading.answers[0].text if reading.answers else "" for id_, (reading, _) in read.items()}


def _analysis(predictions: Mapping[str, str], read: Mapping[str, Read], references: QuestionReferences) -> Analysis:
    """Score the predictions and gather what is known of each question.

    Args:
        read: how models came to them, where that is known.
    """
    scores = evaluate(predictions, references.golds, references.metric)
    questions = tuple(
        question_result(
            id_,
            golds,
            predictions.get(id_),
            scores.per_question[id_],
            record=references.records.get(id_),
            reading=read[id_][0] if id_ in read else None,
            reaches=read[id_][1] if id_ in read else None,
        )
        for id_, golds in references.golds.items()
    )
    return Analysis(references.metric, scores, questions)


def evaluate_models(
    dataset: Dataset, references: QuestionReferences, models: Models, config: ReadConfig
) -> QuestionEvaluation:
    """Answer the dataset and score the answers.

    With a selector the scores are end to end, and those of reading the relevant paragraph stand beside them where the
    data tells it.

    Raises:
        DataError: no question of the data is one of the references'.
    """
    records = tuple(record for record in dataset if record.id in references.golds)
    check_ids({record.id: record for record in records}, references, Path("--data"))
    labelled = replace(dataset, records=records)
    read, selected = _read(labelled, models, config)
    analysis = _analysis(_texts(read), read, references)
    chosen = [(record, read[record.id][0].candidate) for record in labelled if record.id in selected]
    result = QuestionEvaluation(analysis.metric, "end-to-end" if chosen else "gold-paragraph", analysis)
    if not chosen or any(record.relevant is None for record, _ in chosen):
        return result
    with_gold, _ = _read(labelled, replace(models, selector=None), config)
    right = [100.0 * (candidate == record.relevant) for record, candidate in chosen]
    return replace(
        result,
        gold_analysis=_analysis(_texts(with_gold), with_gold, references),
        selection=bootstrap(right, [record.context for record, _ in chosen]),
    )


def _read(dataset: Dataset, models: Models, config: ReadConfig) -> tuple[dict[str, Read], set[str]]:
    """Read each question; also the ids of those for which a selector chose the paragraph."""
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
        read[item.record.id] = _kept(item.prediction, context, item.scores, item.selection, longest)
        if item.selection:
            selected.add(item.record.id)
    return read, selected


def evaluate_selector(dataset: Dataset, selector: "LoadedModel", config: ReadConfig) -> QuestionEvaluation:
    """Accuracy of a selector alone: the share of questions for which it chooses the relevant paragraph."""
    records = [record for record in dataset if record.relevant is not None and len(record.paragraphs) > 1]
    if not records:
        raise ConfigError("the data has no question with several paragraphs that tells the relevant one")
    selections = choose_paragraphs(records, selector, config)
    chosen = [selection.index(max(selection)) for selection in selections]
    rows = tuple(
        {"id": record.id, "question": record.question, "relevant": record.relevant, "chosen": candidate}
        for record, candidate in zip(records, chosen, strict=True)
    )
    right = [100.0 * (row["relevant"] == row["chosen"]) for row in rows]
    accuracy = bootstrap(right, [record.context for record in records])
    return QuestionEvaluation("accuracy", "selection", None, selection=accuracy, choices=rows)


def compare_with(path: Path, analysis: Analysis, references: QuestionReferences) -> Comparison:
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


def _predicted(path: Path) -> Mapping[str, str]:
    if has_metadata(path, "qakit_labels"):
        raise file_error(path, "file", "has scores of labels, and the data are questions")
    if not is_scores_file(path):
        return read_predictions(path)
    questions, info = read_scores(path)
    return {prediction.id: prediction.text for prediction in decode_questions(questions, info, 1)}


def check_ids(predictions: Mapping[str, object], references: QuestionReferences, file: Path) -> None:
    """Make sure that predictions are of these questions.

    Raises:
        DataError: no predicted id is one of the references'; `file` names the culprit.
    """
    if not predictions.keys() & references.golds.keys():
        some = next(iter(predictions), None), next(iter(references.golds))
        raise file_error(file, "id", f"no id is one of the data's: it has {some[0]!r}, the data {some[1]!r}")
