"""`QuestionTask`: what the tasks on questions share in all commands.

Span extraction and paragraph selection read the same files, and `predict` and `evaluate` run their models together: a
selector chooses paragraphs, a reader answers from them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from qakit import __version__
from qakit.config import DataSettings, DecodingSettings, EnsembleConfig, ReadConfig
from qakit.data.lint.answers import count_faults, fault_note
from qakit.data.predictions import Prediction, answers_json, choose_format, render_texts, write_outputs
from qakit.data.records import Dataset, Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError, DataError, Problem, RecordError
from qakit.io import surrogate_fault, write_text
from qakit.metrics.analysis import Analysis
from qakit.metrics.calibration import BINS
from qakit.metrics.comparison import Comparison
from qakit.metrics.presets import get_preset
from qakit.modeling.loading import BUNDLED_MODEL
from qakit.report.curves import curves_of_run
from qakit.report.error_report import Card, Fact, Page, in_words, render
from qakit.spans.ensembling import Combined, Ensemble
from qakit.spans.scores import QuestionScores, ScoresFile, ScoresInfo, check_same_questions, open_scores, write_scores
from qakit.tasks.base import Models
from qakit.tasks.questions.evaluation import (
    QuestionEvaluation,
    QuestionReferences,
    compare_with,
    evaluate_models,
    evaluate_predictions,
    evaluate_scores,
    evaluate_selector,
    references_of,
)
from qakit.tasks.questions.tuning import SETTING, check_names, tune
from qakit.tasks.questions.two_stage import Answered, answer_dataset, checked_reader, load_models
from qakit.tasks.requests import EvaluateRequest, PredictRequest

Facts = Sequence[tuple[str, object]]
_INTERVALS = (
    "Intervals: 95 %, percentiles of the means of paragraphs drawn with replacement, each with all its questions."
)


class QuestionTask:
    """Base of the tasks on questions; see `Task` for what the methods are for."""

    unit = "questions"
    backends: tuple[str, ...] = ("onnx", "int8")
    tunable: tuple[str, ...] = tuple(SETTING)
    default_model: str | None = BUNDLED_MODEL
    can_lint = True
    reads_pairs = True
    merges_scores = False
    records_at_once = 256  # their arrays for ten members take some 20 MB
    unused: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    unused_settings = frozenset({"oos_threshold"})

    # Data.

    def read(self, paths: Sequence[Path], settings: DataSettings) -> Dataset:
        """Questions, in any of their schemas."""
        return read_dataset(paths, context=settings.context, lenient=settings.lenient)

    def takes_text(self, request: PredictRequest) -> bool:
        """If there is a question to ask of it."""
        return request.question is not None

    def read_asked(self, request: PredictRequest) -> Dataset:
        """The questions of a file, or one question and its text."""
        return read_questions(
            request.data,
            question=request.question,
            text=request.text,
            context=request.context,
            lenient=request.lenient,
        )

    # Training.

    def classes(self, dataset: Dataset) -> tuple[str, ...]:
        """None: answers and paragraphs are places."""
        return ()

    def notes_on_dev(self, dataset: Dataset, classes: Sequence[str]) -> Sequence[str]:
        """None: evaluations tell of questions."""
        return ()

    # Predicting.

    def load(
        self, model: str | None, selector: str | None, config: ReadConfig, *, backend: str | None = None
    ) -> Models:
        """A reader, a selector, or both."""
        return load_models(model, selector, backend=backend, inference=config.inference)

    def predict(self, dataset: Dataset, models: Models, config: ReadConfig) -> Iterator[Answered]:
        """Choose each question's paragraph and read it."""
        return answer_dataset(dataset, models, config)

    def notes_on_reading(self, dataset: Dataset, models: Models, config: ReadConfig) -> Sequence[str]:
        """Notes of the readers, the choice of paragraphs, and the windows."""
        notes = list(dataset.notes)
        if dataset.skipped:
            notes.append(f"{dataset.skipped} bad records skipped")
        if models.selector is None and any(len(record.paragraphs) > 1 for record in dataset):
            notes.append("no --selector: the paragraphs that the data marks as relevant were read")
        if models.reader:
            notes.append(f"read through {models.reader.windows_with(config.windows).description}")
        return notes

    # Predictions as files, JSON and text.

    def prediction_format(self, given: str | None, schema: str, out: Path | None, nbest_out: Path | None) -> str:
        """The data's contest decides, and the suffix of the file."""
        return choose_format(given, schema, out)

    def render(self, predictions: Sequence[Prediction], format: str) -> str:
        """The best answers."""
        return render_texts(predictions, format)

    def write_predictions(
        self, predictions: Sequence[Prediction], *, out: Path | None, format: str, nbest_out: Path | None
    ) -> tuple[Path, ...]:
        """Write the best answers, and the n-best lists as one JSON object."""
        return write_outputs(predictions, out=out, format=format, nbest_out=nbest_out)

    def as_json(self, predictions: Sequence[Prediction], records: Sequence[Any] = ()) -> dict[str, Any]:
        """All answers to each question."""
        return {"answers": answers_json(predictions)}

    def lines(self, prediction: Prediction, record: Record) -> Iterator[str]:
        """The answers, best first."""
        yield from (answer.text for answer in prediction.answers)

    def summarise(self, predictions: Sequence[Prediction]) -> str:
        """The number of questions, and of empty answers."""
        count, empty = len(predictions), sum(not prediction.text for prediction in predictions)
        answered = f"{count} question{'' if count == 1 else 's'} answered"
        if not empty:
            return answered
        share = (
            f"all {empty} answers are" if 1 < empty == count else f"{empty} answer{' is' if empty == 1 else 's are'}"
        )
        return f"{answered}; {share} empty"

    def doubts(self, predictions: Sequence[Prediction]) -> str | None:
        """A sentence on half brackets, long answers and the like."""
        return fault_note(count_faults([prediction.text for prediction in predictions]))

    # Scores files.

    def scores_row(self, predicted: Answered) -> QuestionScores:
        """The scores of the paragraph that was read."""
        record, candidate = predicted.record, predicted.prediction.candidate
        context = record.paragraphs[candidate].text
        return QuestionScores(record.id, context, candidate, predicted.selection, predicted.scores)

    def write_scores(
        self, path: Path, rows: Sequence[QuestionScores], dataset: Dataset, models: Models, config: ReadConfig
    ) -> None:
        """Write the logits of every token of every window."""
        reader = checked_reader(models, config)
        decoder = reader.info.decoder(config.decoding)
        info = ScoresInfo(
            schema=dataset.schema,
            model=reader.source,
            max_answer_length=decoder.max_length,
            null_threshold=decoder.null_threshold,
            temperature=decoder.temperature,
            length_bonus=decoder.bonus,
        )
        write_scores(path, rows, info)

    def open_scores(self, path: Path) -> ScoresFile:
        """Open a scores file of questions."""
        return open_scores(path)

    def check_members(self, paths: Sequence[Path], rows: Sequence[QuestionScores]) -> None:
        """The same paragraphs, of as many candidates."""
        check_same_questions(paths, rows)

    # Evaluating.

    def check_request(self, request: EvaluateRequest, decoding: DecodingSettings) -> None:
        """The metric, the settings to tune, and what a selector alone cannot give."""
        if request.metric:
            get_preset(request.metric)
        if request.selector and not request.model:
            for option, given in (("report", request.report), ("compare", request.compare)):
                if given:
                    raise ConfigError(f"--{option}: a selector alone gives no answers; give --model too")
        if request.tune:
            check_names(request.tune, request.model, decoding)

    def references_for(self, request: EvaluateRequest, data: Dataset | None) -> QuestionReferences:
        """The labelled questions; a selector alone needs none."""
        if request.selector and not request.model:
            return QuestionReferences({}, {}, "accuracy")
        return self.references(data, request.gold, request.metric)

    def references(self, data: Dataset | None, gold: Path | None, metric: str | None) -> QuestionReferences:
        """The labelled questions, or a file of right answers."""
        return references_of(data, gold, metric)

    def score_predictions(self, path: Path, references: QuestionReferences) -> QuestionEvaluation:
        """EM and F1 of a prediction file."""
        return evaluate_predictions(path, references)

    def score_scores_file(self, path: Path, references: QuestionReferences) -> QuestionEvaluation:
        """EM and F1 of the best spans."""
        return evaluate_scores(path, references)

    def score_models(
        self, dataset: Dataset, references: QuestionReferences, models: Models, config: ReadConfig
    ) -> QuestionEvaluation:
        """EM and F1 end to end and with the gold paragraph, or how often a selector alone is right."""
        if models.reader is None and models.selector is not None:
            return evaluate_selector(dataset, models.selector, config)
        return evaluate_models(dataset, references, models, config)

    def compare(self, path: Path, result: QuestionEvaluation, references: QuestionReferences) -> Comparison:
        """Compare EM and F1, question by question."""
        if result.analysis is None:
            raise ConfigError("--compare: a selector alone gives no answers; give --model too")
        return compare_with(path, result.analysis, references)

    def tune(
        self,
        names: Sequence[str],
        dataset: Dataset,
        references: QuestionReferences,
        models: Models,
        config: ReadConfig,
    ) -> tuple[Models, Any]:
        """Find settings of decoding."""
        models, found = tune(names, dataset, references.golds, models, config, metric=references.metric)
        return models, tuple(found)

    def write_report(
        self, result: QuestionEvaluation, path: Path, facts: Sequence[tuple[str, object]]
    ) -> tuple[Path, ...]:
        """The error report, with the learning curves of the model's run."""
        model = next((value for name, value in facts if name == "Model"), None)
        write_report(result, path, facts=facts, model=str(model) if model else None)
        return (path,)

    # Ensembling.

    def configured(self, infos: Sequence[ScoresInfo], config: EnsembleConfig) -> Sequence[ScoresInfo]:
        """The members' settings as they are."""
        if config.metric:
            get_preset(config.metric)
        if config.oos_threshold is not None:
            raise ConfigError("oos_threshold: is for intents, and these are scores of questions; leave it out")
        return infos

    def combine(self, rows: Sequence[Sequence[QuestionScores]], infos: Sequence[ScoresInfo], how: Combined) -> Ensemble:
        """Lay out the members' scores by character."""
        return Ensemble(rows, infos, how)

    def merge_scores(self, path: Path, order: Sequence[str], files: Sequence[Path], *, model: str) -> None:
        """Write several scores files of different questions as one, in the order of the ids that they have."""
        members = list(map(open_scores, files))
        rows = {row.id: row for member in members for row in member.rows()}
        infos = [member.info for member in members]
        info = replace(
            infos[0],
            model=model,
            max_answer_length=max(one.max_answer_length for one in infos),
            temperature=1.0,
            length_bonus=(),
        )
        write_scores(path, [rows[name] for name in order if name in rows], info)

    def check_same_texts(
        self, rows: Sequence[QuestionScores], references: QuestionReferences, data: Path, scores: Path
    ) -> None:
        """Nothing: members are checked against each other, and answers are scored as texts."""


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


def write_report(result: QuestionEvaluation, path: Path, *, facts: Facts = (), model: str | None = None) -> None:
    """Write the page of an evaluation of answers.

    Args:
        facts: inputs and settings for the page's head; those without a value are left out.
        model: a run folder, or the best model in one, whose learning curves are shown.
    """
    write_text(path, render(page_of(result, facts=facts, model=model)))


def page_of(result: QuestionEvaluation, *, facts: Facts = (), model: str | None = None) -> Page:
    """The page of an evaluation of answers; `write_report` tells the arguments.

    Raises:
        ConfigError: only a selector was scored, so there are no answers.
    """
    if result.analysis is None:
        raise ConfigError("--report: a selector alone gives no answers to show; give --model too")
    analysis, notes = result.analysis, [_INTERVALS]
    if result.unknown:
        notes.append(
            f"Predictions for questions that the data does not have, which count for nothing: {result.unknown:,}."
        )
    curves, problem = _curves(model)
    given = [*facts, ("Metric", result.metric), ("Source", in_words(result.source)), ("qakit", __version__)]
    about = next((Path(str(value)) for name, value in facts if value and name in ("Data", "Right answers")), None)
    return Page(
        title=f"Error report: {about.name}" if about else "Error report",
        questions=analysis.questions,
        facts=tuple(Fact(name, str(value)) for name, value in given if value),
        cards=tuple(_cards(result, analysis)),
        overall=analysis.intervals[0],
        slices=analysis.slices,
        curves=curves,
        reliability=analysis.calibration.curve if analysis.calibration else (),
        comparisons=result.comparisons,
        notes=(*notes, *problem),
    )


def _cards(result: QuestionEvaluation, analysis: Analysis) -> Iterator[Card]:
    yield from _score_cards(analysis, "" if result.source == "predictions" else in_words(result.source).lower())
    totals = analysis.scores.extra.items()
    yield from (Card(name, value) for name, value in totals if not name.endswith("_total"))  # these are counts
    if result.gold_analysis:
        yield from _score_cards(result.gold_analysis, "gold paragraph")
    if result.selection:
        yield Card("Selection", result.selection.mean, result.selection, "the relevant paragraph was read")
    if human := analysis.human:
        note = f"annotators against each other, {human.total:,} questions"
        yield Card("Human EM", human.em.mean, human.em, note)
        yield Card("Human F1", human.f1.mean, human.f1, note)
    if analysis.calibration:
        yield Card("Calibration error", analysis.calibration.error, note=f"ECE, {BINS} bins")


def _score_cards(analysis: Analysis, note: str) -> Iterator[Card]:
    for name, interval in zip(("EM", "F1"), analysis.intervals, strict=True):
        yield Card(name, interval.mean, interval, note)


def _curves(model: str | None) -> tuple[str | None, list[str]]:
    """The learning curves of the model's run, and a sentence where they cannot be drawn."""
    if model is None:
        return None, []
    try:
        return curves_of_run(Path(model)), []
    except DataError as error:  # scoring may have taken hours: a picture that fails must not lose its page
        return None, [f"There are no learning curves: {error}"]
