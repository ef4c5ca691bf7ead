"""The `Task` protocol: all that the commands need to know of a task, from its data files to its predictions.

The commands (`qakit.runs`) are written once over this protocol. `QuestionTask` and `LabelTask` fill in most of it for
two families; a task of one of them is one file beside its metrics. Importing a task loads no torch: methods that run
models import what they need.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from qakit.config import DecodingSettings
from qakit.errors import ConfigError
from qakit.metrics.comparison import Comparison
from qakit.spans.ensembling import Combined, Weights
from qakit.spans.scores import ScoresSource
from qakit.tasks.requests import EvaluateRequest, PredictRequest, given_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qakit.config import DataSettings, EnsembleConfig, ReadConfig, TrainConfig
    from qakit.data.records import AnyRecord, Dataset
    from qakit.modeling.batching import EpochWindows
    from qakit.modeling.info import ModelInfo
    from qakit.modeling.models import LoadedModel
    from qakit.training.loop import TrainingSet


@dataclass(frozen=True)
class Prepared:
    """A task's training data, ready for the loop.

    Attributes:
        info: what is stored beside the weights.
        notes: sentences for the user on what was left out, and how the windows turned out.
    """

    training_set: "TrainingSet"
    info: "ModelInfo"
    notes: tuple[str, ...]


class OneWindowEach:
    """Base of training sets whose records each show one window at a time."""

    def __init__(self, windows: "EpochWindows") -> None:
        self._windows = windows

    @property
    def lengths(self) -> "NDArray[np.int64]":
        """Tokens of each window of an epoch."""
        return self._windows.lengths

    @property
    def rows(self) -> "NDArray[np.int64]":
        """One window a record."""
        import numpy as np

        return np.ones_like(self._windows.lengths)


@dataclass(frozen=True)
class Models:
    """The models of a task.

    Attributes:
        reader: the model of the task itself.
        selector: chooses the paragraph, for tasks on questions.
    """

    reader: "LoadedModel | None" = None
    selector: "LoadedModel | None" = None


class Predicted(Protocol):
    """A record's prediction, with what led to it."""

    @property
    def prediction(self) -> Any:
        """A type with an `id`."""
        ...


class References(Protocol):
    """Labelled records, and how predictions of them are scored."""

    @property
    def labelled(self) -> "Sequence[AnyRecord]":
        """The labelled records."""
        ...

    @property
    def total(self) -> int:
        """The number of known labels."""
        ...

    @property
    def metric(self) -> str:
        """Name of the scoring rule."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the scores, the most important one first."""
        ...

    def score(self, prediction: Any) -> tuple[float, ...]:
        """The scores of a prediction in percent, one for each of `columns`."""
        ...

    def group(self, record: Any) -> str:
        """The text that intervals are bootstrapped over: the record's paragraph, or its own text."""
        ...

    def judged(self, infos: Sequence[Any]) -> "References":
        """The labels that models with these settings are to predict: without an intent of theirs, out of scope."""
        ...


class Evaluation(Protocol):
    """The result of `evaluate`."""

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a record, as JSON."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for the user."""
        ...

    def summary(self) -> dict[str, Any]:
        """The result without its rows, as JSON."""
        ...

    def lines(self, *, slices: bool = False) -> Iterator[str]:
        """The result as lines of text."""
        ...


class Combiner(Protocol):
    """Members' scores of some records, to be combined with any weights."""

    def predictions(self, weights: Weights) -> Sequence[Any]:
        """The combined prediction of every record.

        Raises:
            ConfigError: the weights or the members cannot be combined.
        """
        ...


class Task(Protocol):
    """One thing that models are trained for, in all commands.

    Attributes:
        name: as in `qakit train-<name>` and `qakit.json`.
        unit: plural noun for its records in messages.
        auto_class: the transformers class of its models.
        pipeline_tag: the hub's name for what its models do.
        usage: a command that uses a model of it, run in the model's folder.
        backends: engines besides torch that its models can be exported to.
        best_scores: development scores, higher is better, by which the best model is kept; later ones decide ties.
        tunable: names that `evaluate --tune` takes.
        unused: options of `predict`, `evaluate` and `ensemble` that mean nothing to the task, by command.
        reads_pairs: windows hold a question and a part of its text, not a text alone.
        unused_settings: fields of the `decoding` settings that mean nothing to it.
        records_at_once: records whose scores `ensemble` holds in memory together.
        default_model: the model of `predict` where none is named.
        can_lint: prediction files can be looked at without right answers.
        merges_scores: each fold of a cross-validation scores the part that it left out, into one file of all.
    """

    name: str
    unit: str
    auto_class: str
    pipeline_tag: str
    usage: str
    backends: tuple[str, ...]
    best_scores: tuple[str, ...]
    tunable: tuple[str, ...]
    unused: ClassVar[Mapping[str, tuple[str, ...]]]
    reads_pairs: bool
    unused_settings: frozenset[str]
    records_at_once: int
    default_model: str | None
    can_lint: bool
    merges_scores: bool

    # Data.

    def takes_text(self, request: PredictRequest) -> bool:
        """Whether `--text` is a text to be read: the words themselves, `@FILE` or standard input."""
        ...

    def read(self, paths: Sequence[Path], settings: "DataSettings") -> "Dataset[Any]":
        """The records of data files.

        Raises:
            DataError: with all the mistakes in them.
        """
        ...

    def read_asked(self, request: PredictRequest) -> "Dataset[Any]":
        """The records that `predict` is asked about: those of a file, or one of the text on the command line.

        Raises:
            ConfigError: neither, or both.
            DataError: mistakes in them.
        """
        ...

    # Training.

    def classes(self, dataset: "Dataset[Any]") -> tuple[str, ...]:
        """The names of what a model's head has one output for, learnt from training data; none where these are places.

        Raises:
            ConfigError: no record has a label.
        """
        ...

    def notes_on_dev(self, dataset: "Dataset[Any]", classes: Sequence[str]) -> Sequence[str]:
        """Sentences on what a model with these classes cannot get right in a development set."""
        ...

    def prepare(self, dataset: "Dataset[Any]", tokenizer: Any, config: "TrainConfig") -> Prepared:
        """Turn labelled records into a training set.

        Raises:
            ConfigError: no record can be learned from.
        """
        ...

    def can_score(self, record: Any) -> bool:
        """Whether the record has a label to score against."""
        ...

    def evaluate(self, loaded: "LoadedModel", dataset: "Dataset[Any]", config: "TrainConfig") -> Mapping[str, float]:
        """Development scores in percent; the `best_scores` are among them."""
        ...

    # Predicting.

    def load(
        self, model: str | None, selector: str | None, config: "ReadConfig", *, backend: str | None = None
    ) -> Models:
        """Load the models that are named, onto the accelerator where there is one.

        Raises:
            CheckpointError: nothing usable there, or a model of another task.
            ConfigError: an unknown backend, its package is not installed, or a setting that the model does not take.
        """
        ...

    def predict(self, dataset: "Dataset[Any]", models: Models, config: "ReadConfig") -> Iterator[Predicted]:
        """Predict every record, in order.

        Raises:
            ConfigError: the models cannot do what is asked for.
        """
        ...

    def notes_on_reading(self, dataset: "Dataset[Any]", models: Models, config: "ReadConfig") -> Sequence[str]:
        """Sentences on how predictions came about."""
        ...

    # Predictions as files, JSON and text.

    def prediction_format(self, given: str | None, schema: str, out: Path | None, nbest_out: Path | None) -> str:
        """The format of prediction files: the one asked for, else what the data and the file's name ask for.

        Raises:
            ConfigError: there is no such format, or it cannot be written there.
        """
        ...

    def render(self, predictions: Sequence[Any], format: str) -> str:
        """A prediction file as text."""
        ...

    def write_predictions(
        self, predictions: Sequence[Any], *, out: Path | None, format: str, nbest_out: Path | None
    ) -> tuple[Path, ...]:
        """Write predictions and n-best lists where they are asked for; returns the files."""
        ...

    def as_json(self, predictions: Sequence[Any], records: "Sequence[Any]" = ()) -> dict[str, Any]:
        """Predictions as JSON by id, under one key that names them."""
        ...

    def lines(self, prediction: Any, record: Any) -> Iterator[str]:
        """One prediction as lines for people."""
        ...

    def summarise(self, predictions: Sequence[Any]) -> str:
        """A sentence that counts the predictions."""
        ...

    def doubts(self, predictions: Sequence[Any]) -> str | None:
        """A sentence on predictions that look wrong; None without any."""
        ...

    # Scores files.

    def scores_row(self, predicted: Any) -> Any:
        """The row of a scores file for one record."""
        ...

    def write_scores(
        self, path: Path, rows: Sequence[Any], dataset: "Dataset[Any]", models: Models, config: "ReadConfig"
    ) -> None:
        """Write a scores file."""
        ...

    def open_scores(self, path: Path) -> ScoresSource[Any, Any]:
        """Open a scores file.

        Raises:
            DataError: it is missing, damaged, or of another kind.
        """
        ...

    def merge_scores(self, path: Path, order: Sequence[str], files: Sequence[Path], *, model: str) -> None:
        """Write scores files of different records as one, in the order of the ids that they have."""
        ...

    def check_members(self, paths: Sequence[Path], rows: Sequence[Any]) -> None:
        """Make sure that the rows of one record, one a scores file, are of the same data.

        Raises:
            DataError: they are not; the message names the file.
        """
        ...

    # Evaluating.

    def check_request(self, request: EvaluateRequest, decoding: DecodingSettings) -> None:
        """Refuse what cannot be scored or tuned, before anything is read.

        Raises:
            ConfigError: naming the option.
        """
        ...

    def references_for(self, request: EvaluateRequest, data: "Dataset[Any] | None") -> Any:
        """The `References` that a request is scored against.

        Raises:
            ConfigError: there are none.
        """
        ...

    def references(self, data: "Dataset[Any] | None", gold: Path | None, metric: str | None) -> References:
        """The labelled records of a dataset, or the answers of a file in their place.

        Raises:
            ConfigError: there are none.
        """
        ...

    def score_predictions(self, path: Path, references: Any) -> Any:
        """Score a prediction file, whatever tool wrote it: an `Evaluation`.

        Raises:
            DataError: the file cannot be read, or shares no id with the references.
        """
        ...

    def score_scores_file(self, path: Path, references: Any) -> Any:
        """Score what a scores file decodes to: an `Evaluation`.

        Raises:
            DataError: the file cannot be read, or is of other data.
        """
        ...

    def score_models(self, dataset: "Dataset[Any]", references: Any, models: Models, config: "ReadConfig") -> Any:
        """Score what models predict: an `Evaluation`.

        Raises:
            DataError: no record is one of the references'.
        """
        ...

    def compare(self, path: Path, result: Any, references: Any) -> Comparison:
        """Compare an `Evaluation` with predictions or a scores file of another system.

        Raises:
            DataError: the file cannot be read, or is of other data.
        """
        ...

    def tune(
        self, names: Sequence[str], dataset: "Dataset[Any]", references: Any, models: Models, config: "ReadConfig"
    ) -> tuple[Models, Any]:
        """Find settings that score best, and keep them with the model; returns the models with them, and the trials.

        Raises:
            ConfigError: the model is in no folder of the user's, or the data does not suit.
        """
        ...

    def write_report(self, result: Any, path: Path, facts: Sequence[tuple[str, object]]) -> tuple[Path, ...]:
        """Write the page of an evaluation; returns the files.

        Args:
            facts: what was given, for the page's head; those without a value are left out.
        """
        ...

    # Ensembling.

    def configured(self, infos: Sequence[Any], config: "EnsembleConfig") -> Sequence[Any]:
        """The members' own settings, with those that `config` gives in their place."""
        ...

    def combine(self, rows: Sequence[Sequence[Any]], infos: Sequence[Any], how: Combined) -> Combiner:
        """Take in the members' scores of some records."""
        ...

    def check_same_texts(self, rows: Sequence[Any], references: Any, data: Path, scores: Path) -> None:
        """Make sure that scores are of the texts that the labelled records have.

        Raises:
            DataError: they are not.
        """
        ...


Progress = Callable[[Any], Any]
"""Wraps an iterable on its way, for a progress bar."""


def refuse_unused(task: Task, command: str, request: object, decoding: DecodingSettings | None = None) -> None:
    """Make sure that no option and no setting is given which means nothing to a task.

    Raises:
        ConfigError: naming the first that is.
    """
    given = given_options(request)
    names = [f"--{name}" for name in task.unused.get(command, ()) if name in given]
    if decoding is not None:
        changed = decoding.model_dump(exclude_defaults=True)
        names += [f"decoding.{name}" for name in changed if name in task.unused_settings]
    if names:
        raise ConfigError(f"{names[0]}: does not apply to {task.unit} (task {task.name}); leave it out")
