"""`LabelTask`: what tasks on single texts share in all commands.

A task of this family brings its data schema, its metrics, how a text is encoded and scored, and the decoder that reads
labels off scores; all else is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from qakit.chunks import chunked
from qakit.config import DataSettings, DecodingSettings, EnsembleConfig, ReadConfig, TrainConfig
from qakit.data.labels import (
    OUT_OF_SCOPE,
    LabelledRecord,
    LabelPrediction,
    LabelSchema,
    note_on_unknown,
    ranked_labels,
    read_labelled,
    read_labels,
    render_labels,
    single_record,
)
from qakit.data.records import Dataset
from qakit.errors import ConfigError, DataError, Problem
from qakit.io import file_error, write_json, write_text
from qakit.metrics.classes import count_pairs
from qakit.metrics.comparison import Comparison, compare
from qakit.metrics.intervals import Interval, bootstrap
from qakit.spans.ensembling import Combined
from qakit.spans.scores import is_scores_file
from qakit.tasks.base import Models, Prepared
from qakit.tasks.labels.decoding import LabelDecoder, LabelEnsemble
from qakit.tasks.labels.evaluation import (
    LabelEvaluation,
    LabelReferences,
    Labels,
    are_right,
    record_row,
    write_label_report,
)
from qakit.tasks.labels.scores import (
    LabelScores,
    LabelScoresFile,
    LabelScoresInfo,
    check_same_texts,
    is_label_scores_file,
    open_label_scores,
    write_label_scores,
)
from qakit.tasks.labels.training import with_labels
from qakit.tasks.requests import EvaluateRequest, PredictRequest

if TYPE_CHECKING:
    from qakit.modeling.models import LoadedModel

_CHUNK = 1024  # texts whose logits are in memory at once

Record = TypeVar("Record", bound=LabelledRecord)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A predicted label, and the scores that it was read off."""

    prediction: LabelPrediction
    scores: LabelScores


class LabelTask(ABC):
    """Base of the tasks on single texts; see `Task` for the methods without a docstring of their own here.

    Attributes:
        schema: keys of the data files; `name` is its name.
        title: the labels in headings.
        decoder: reads labels off scores.
        one_place: each record has one place with a label, not one for each word.
        has_scope: the task knows texts out of scope (`decoding.oos_threshold`, `--tune oos`).
    """

    name: str
    unit: str
    auto_class: str
    pipeline_tag: str
    usage: str
    backends: tuple[str, ...] = ()
    best_scores: tuple[str, ...]
    schema: LabelSchema
    title: str
    decoder: type[LabelDecoder] = LabelDecoder
    one_place = True
    has_scope = False
    tunable: tuple[str, ...] = ()
    records_at_once = 1024
    default_model: str | None = None
    can_lint = False
    reads_pairs = False
    merges_scores = False
    unused: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "predict": ("question", "corpus", "context", "interactive", "selector", "backend", "format", "part-size"),
        "evaluate": ("selector", "gold", "context", "metric", "slices"),
        "ensemble": ("gold", "context", "format"),
    }
    unused_settings = frozenset(DecodingSettings.model_fields) - {"nbest", "oos_threshold"}

    # Slots of a task.

    @abstractmethod
    def measure(self, golds: Sequence[str], found: Sequence[LabelPrediction | None]) -> dict[str, float]:
        """Scores in percent by name; the first is the share of records that are wholly right."""

    def classes_of(self, label: str) -> list[str]:
        """The classes that a label consists of: itself, or the tags of a sentence."""
        return [label]

    @abstractmethod
    def score(self, loaded: "LoadedModel", records: Sequence[Any], config: ReadConfig) -> Iterator[LabelScores]:
        """The scores of all classes for each record, in order."""

    @abstractmethod
    def prepare(self, dataset: Dataset[Any], tokenizer: Any, config: TrainConfig) -> Prepared:
        """Turn labelled records into a training set."""

    # Data.

    def read(self, paths: Sequence[Path], settings: DataSettings) -> Dataset[Any]:
        """The records of data files."""
        return read_labelled(paths, self.schema, lenient=settings.lenient)

    def takes_text(self, request: PredictRequest) -> bool:
        """Always."""
        return True

    def read_asked(self, request: PredictRequest) -> Dataset[Any]:
        """The records of a file, or the text of the command line."""
        if request.data:
            return read_labelled([request.data], self.schema, lenient=request.lenient)
        return single_record(request.text or "", self.schema)

    # Training.

    def classes(self, dataset: Dataset[Any]) -> tuple[str, ...]:
        """The classes of the labelled records, sorted."""
        return tuple(sorted({name for record in with_labels(dataset) for name in record.classes}))

    def notes_on_dev(self, dataset: Dataset[Any], classes: Sequence[str]) -> Sequence[str]:
        """A sentence on labels of the development data that the training data lack."""
        return list(filter(None, [note_on_unknown(dataset, classes, self.schema.noun)]))

    def can_score(self, record: LabelledRecord) -> bool:
        """Whether the label is known."""
        return record.label is not None

    def evaluate(self, loaded: "LoadedModel", dataset: Dataset[Any], config: TrainConfig) -> Mapping[str, float]:
        """The scores of the labelled records."""
        records = [record for record in dataset if record.label is not None]
        found = [one.prediction for one in self._labelled(loaded, records, ReadConfig(inference=config.inference))]
        return self.measure([record.label for record in records], found)

    # Predicting.

    def load(
        self, model: str | None, selector: str | None, config: ReadConfig, *, backend: str | None = None
    ) -> Models:
        """The model, with the threshold of scope that the settings give in the place of its own."""
        from qakit.modeling.models import load_trained
        from qakit.modeling.processes import process_state
        from qakit.training.device import keep_freed_memory

        if model is None:
            raise ConfigError(f"--model: give a model that was trained with train-{self.name}")
        keep_freed_memory()
        loaded = load_trained(model, task=self.name, auto_class=self.auto_class, inference=config.inference)
        loaded.model.to(process_state().device)
        threshold = self._threshold(loaded.info.oos_threshold, config.decoding.oos_threshold)
        return Models(replace(loaded, info=loaded.info.model_copy(update={"oos_threshold": threshold})))

    def _threshold(self, stored: float | None, given: float | None) -> float | None:
        """The probability below which a text is out of scope; None where nothing is.

        Raises:
            ConfigError: one is given, and the task has no scope.
        """
        if given is None:
            return stored
        if not self.has_scope:
            raise ConfigError(
                f"oos_threshold {given:g}: does not apply to {self.unit} (task {self.name}); leave it out"
            )
        return given or None  # 0 turns it off

    def predict(self, dataset: Dataset[Any], models: Models, config: ReadConfig) -> Iterator[Labelled]:
        """The label of every record, in order."""
        return self._labelled(_model(models), dataset.records, config)

    def _labelled(self, loaded: "LoadedModel", records: Sequence[Any], config: ReadConfig) -> Iterator[Labelled]:
        decoder = self.decoder(scores_info(loaded), config.decoding.nbest)
        for row in self.score(loaded, records, config):
            yield Labelled(decoder.predict(row), row)

    def notes_on_reading(self, dataset: Dataset[Any], models: Models, config: ReadConfig) -> Sequence[str]:
        """None."""
        return ()

    # Predictions as files, JSON and text.

    def prediction_format(self, given: str | None, schema: str, out: Path | None, nbest_out: Path | None) -> str:
        """CSV `id,LABEL` alone."""
        if out and out.suffix != ".csv":
            raise ConfigError(f"{out}: predictions of {self.name} are CSV; give it a name that ends in .csv")
        if nbest_out and not self.one_place:
            raise ConfigError(f"--nbest-out: {self.unit} have one sequence of tags each; leave it out")
        return "csv"

    def render(self, predictions: Sequence[LabelPrediction], format: str) -> str:
        """The CSV file."""
        return render_labels(predictions, self.schema.label_key)

    def write_predictions(
        self, predictions: Sequence[LabelPrediction], *, out: Path | None, format: str, nbest_out: Path | None
    ) -> tuple[Path, ...]:
        """Write labels, and the likeliest classes of each text as one JSON object."""
        if out:
            write_text(out, self.render(predictions, format))
        if nbest_out:
            write_json(nbest_out, {one.id: ranked_labels(one, self.schema.label_key) for one in predictions})
        return tuple(filter(None, (out, nbest_out)))

    def as_json(self, predictions: Sequence[LabelPrediction], records: Sequence[Any] = ()) -> dict[str, Any]:
        """Label, probability and likeliest classes of each record."""
        known = {record.id: record for record in records}
        return {"labels": {one.id: self.describe(one, known.get(one.id)) for one in predictions}}

    def describe(self, one: LabelPrediction, record: Any) -> dict[str, Any]:
        """A prediction as JSON, with more where its record is known."""
        ranked = ranked_labels(one, self.schema.label_key)
        return {"label": one.label, "probability": one.probability, "ranked": ranked}

    def lines(self, one: LabelPrediction, record: Any) -> Iterator[str]:
        """One prediction for people: the label, and the likeliest ones with their probabilities."""
        yield one.label
        yield from (f"  {name}  {probability:.4f}" for name, probability in one.ranked)

    def summarise(self, predictions: Sequence[LabelPrediction]) -> str:
        """The number of records."""
        return f"{len(predictions)} records labelled"

    def doubts(self, predictions: Sequence[LabelPrediction]) -> str | None:
        """None: every class is one of the model's."""
        return None

    # Scores files.

    def scores_row(self, predicted: Labelled) -> LabelScores:
        """The scores of one record."""
        return predicted.scores

    def write_scores(
        self, path: Path, rows: Sequence[LabelScores], dataset: Dataset[Any], models: Models, config: ReadConfig
    ) -> None:
        """Write the scores of all classes."""
        write_label_scores(path, rows, scores_info(_model(models)))

    def open_scores(self, path: Path) -> LabelScoresFile:
        """Open a scores file of this task."""
        file = open_label_scores(path, one_place=self.one_place)
        if file.info.task != self.name:
            raise file_error(path, "task", f"is {file.info.task}; expected scores of the task {self.name}")
        return file

    def merge_scores(self, path: Path, order: Sequence[str], files: Sequence[Path], *, model: str) -> None:
        """Not for labels, whose folds write no scores (`merges_scores`)."""
        raise ConfigError(f"scores of {self.unit} are not merged over folds")

    def check_members(self, paths: Sequence[Path], rows: Sequence[LabelScores]) -> None:
        """One text, in as many places."""
        check_same_texts(paths, rows)

    # Evaluating.

    def references_for(self, request: EvaluateRequest, data: Dataset[Any] | None) -> LabelReferences:
        """The labelled records."""
        return self.references(data, request.gold, request.metric)

    def references(self, data: Dataset[Any] | None, gold: Path | None, metric: str | None) -> LabelReferences:
        """The labelled records."""
        if metric:
            raise ConfigError(f"--metric: {self.unit} are scored by {self.best_scores[0]}; leave it out")
        records = {record.id: record for record in data or () if record.label is not None}
        if data is None or not records:
            files = ", ".join(map(str, data.files)) if data else ""
            raise ConfigError(f"--data {files}: no record has a label to score against")
        return LabelReferences(records, self.best_scores[0], frozenset(record.id for record in data))

    def score_predictions(self, path: Path, references: LabelReferences) -> LabelEvaluation:
        """Score a CSV file."""
        found = self._read_predicted(path, references.records)
        unknown = sum(name not in references.known for name in found)
        return self._scored("predictions", list(references.records.values()), found, unknown=unknown)

    def _read_predicted(self, path: Path, records: Mapping[str, LabelledRecord]) -> Labels:
        """The predictions of a CSV file, by id.

        Raises:
            DataError: the file cannot be read, or has another number of tags than a record has words; all are named.
        """
        found = read_labels(path, self.schema.label_key)
        problems = []
        for record in records.values():
            one, right = found.get(record.id), self.classes_of(record.label or "")
            if one and len(self.classes_of(one.label)) != len(right):
                message = f"has {len(self.classes_of(one.label))} tags for {len(right)} words; expected one a word"
                problems.append(Problem(str(path), f"id {record.id}", self.schema.label_key, message))
        if problems:
            raise DataError(problems)
        return found

    def _scored(
        self, source: str, records: Sequence[LabelledRecord], found: Labels, *, unknown: int = 0
    ) -> LabelEvaluation:
        """Score predictions of labelled records."""
        golds = [record.label or "" for record in records]
        given = [found.get(record.id) for record in records]
        pairs = [
            pair
            for gold, one in zip(golds, given, strict=True)
            if one is not None
            for pair in zip(self.classes_of(gold), self.classes_of(one.label), strict=True)
        ]
        right = bootstrap(are_right(records, found), [record.text for record in records])
        return LabelEvaluation(
            task=self.name,
            source=source,
            scores=self.measure(golds, given),
            main=Interval(*(100.0 * value for value in right)),
            missing=given.count(None),
            unknown=unknown,
            counts=count_pairs(*zip(*pairs, strict=True)) if pairs else count_pairs((), ()),
            rows=tuple(record_row(record, one) for record, one in zip(records, given, strict=True)),
        )

    def score_scores_file(self, path: Path, references: LabelReferences) -> LabelEvaluation:
        """Refused by `check_request`: `ensemble --data` scores such a file."""
        raise ConfigError(f"--scores {path}: is for questions")

    def score_models(
        self, dataset: Dataset[Any], references: LabelReferences, models: Models, config: ReadConfig
    ) -> LabelEvaluation:
        """Predict the labelled records and score them; labels that the model cannot predict are noted."""
        info = scores_info(_model(models))
        judged = references.judged([info])
        records = list(judged.records.values())
        found = {one.prediction.id: one.prediction for one in self._labelled(_model(models), records, config)}
        note = self._note_on_unknown(info, list(references.records.values()))
        return replace(self._scored("model", records, found), notes=note)

    def _note_on_unknown(self, info: LabelScoresInfo, records: Sequence[LabelledRecord]) -> tuple[str, ...]:
        knows_outside = info.oos_threshold is not None
        known = {*info.names, OUT_OF_SCOPE} if knows_outside else info.names
        note = note_on_unknown(records, known, self.schema.noun)
        return (note + ("; they count as out of scope" if knows_outside else ""),) if note else ()

    def compare(self, path: Path, result: LabelEvaluation, references: LabelReferences) -> Comparison:
        """Compare whole records, right or wrong; where systems have a threshold of scope, each is judged by its own."""
        if is_scores_file(path):
            raise file_error(path, "file", f"has scores of questions, and the data are of {self.name}")
        records, judged = list(references.records.values()), references
        if is_label_scores_file(path):
            file = self.open_scores(path)
            judged, other = references.judged([file.info]), self._decoded(file, references.records)
        else:
            other = self._read_predicted(path, references.records)
        missing = sum(record.id not in other for record in records)
        if missing == len(records):
            theirs = next(iter(other), None)
            raise file_error(path, "id", f"no id is one of the data's: it has {theirs!r}, the data {records[0].id!r}")
        score, right = next(iter(result.scores)), [float(row["right"]) for row in result.rows]
        others = are_right(list(judged.records.values()), other)
        return compare(str(path), {score: right}, {score: others}, [one.text for one in records], missing=missing)

    def _decoded(self, file: LabelScoresFile, records: Mapping[str, LabelledRecord]) -> Labels:
        decoder, found = self.decoder(file.info), dict[str, LabelPrediction]()
        for row in file.rows():
            if row.id in found:
                raise file_error(file.path, "id", f"{row.id!r} stands twice")
            if row.id in records and row.text != records[row.id].text:
                raise file_error(file.path, "text", f"that of {row.id} is another one than in the data")
            found[row.id] = decoder.predict(row)
        return found

    def check_request(self, request: EvaluateRequest, decoding: DecodingSettings) -> None:
        """Only what is `tunable`, with a model that keeps it."""
        if request.scores:
            raise ConfigError(
                f"--scores {request.scores}: qakit ensemble {request.scores} --data {request.data} scores such a file, "
                "and with --out it writes predictions for --pred"
            )
        for name in request.tune:
            if name not in self.tunable:
                mine = f"; {self.unit} have --tune {', '.join(self.tunable)}" if self.tunable else ""
                raise ConfigError(f"--tune {name}: does not apply to {self.unit}{mine}")
        if request.tune and not request.model:
            raise ConfigError(f"--tune {request.tune[0]}: give --model, with which the setting is kept")
        if decoding.oos_threshold is not None and request.pred:
            raise ConfigError("decoding.oos_threshold: is for a --model; the labels of --pred are given")
        if decoding.oos_threshold is not None and request.tune:
            raise ConfigError("decoding.oos_threshold: is what --tune oos finds; give one of them")

    def tune(
        self, names: Sequence[str], dataset: Dataset[Any], references: Any, models: Models, config: ReadConfig
    ) -> tuple[Models, Any]:
        """Nothing, where nothing is `tunable`."""
        return models, None

    def write_report(
        self, result: LabelEvaluation, path: Path, facts: Sequence[tuple[str, object]]
    ) -> tuple[Path, ...]:
        """The page, and the picture of confusions beside it."""
        return write_label_report(result, path, title=self.title, facts=facts)

    # Ensembling.

    def configured(self, infos: Sequence[LabelScoresInfo], config: EnsembleConfig) -> Sequence[LabelScoresInfo]:
        """The members' settings, with the threshold of scope that is given."""
        if config.metric:
            raise ConfigError(f"--metric: {self.unit} are scored by {self.best_scores[0]}; leave it out")
        return [replace(one, oos_threshold=self._threshold(one.oos_threshold, config.oos_threshold)) for one in infos]

    def combine(
        self, rows: Sequence[Sequence[LabelScores]], infos: Sequence[LabelScoresInfo], how: Combined
    ) -> LabelEnsemble:
        """Take in the members' scores."""
        return LabelEnsemble(rows, infos, how, self.decoder)

    def check_same_texts(
        self, rows: Sequence[LabelScores], references: LabelReferences, data: Path, scores: Path
    ) -> None:
        """Scores of other texts are refused."""
        for row in rows:
            if references.records[row.id].text != row.text:
                raise file_error(data, "text", f"that of {row.id} is another one than in {scores}")


def _model(models: Models) -> "LoadedModel":
    if models.reader is None:
        raise ConfigError("--model: give a trained model")
    return models.reader


def scores_info(loaded: "LoadedModel") -> LabelScoresInfo:
    """The head of a model's scores files."""
    names = loaded.model.config.id2label
    transitions = getattr(loaded.model, "transitions", None)  # a module, where there is a conditional random field
    return LabelScoresInfo(
        task=loaded.info.task,
        model=loaded.source,
        names=tuple(names[number] for number in range(len(names))),
        follows_bio=loaded.info.follows_bio,
        oos_threshold=loaded.info.oos_threshold,
        transitions=() if transitions is None else tuple(map(tuple, transitions().double().tolist())),
    )


def score_in_chunks(
    loaded: "LoadedModel", records: Iterable[Record], score: Callable[[Sequence[Record]], Iterable[Result]]
) -> Iterator[Result]:
    """Scores of the records, in order, some at a time; several processes share each chunk."""
    from qakit.modeling.processes import map_over_processes

    for chunk in chunked(records, _CHUNK):
        yield from map_over_processes(chunk, score, shares=loaded.shares)
