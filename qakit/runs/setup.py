"""Set up a training before its first step: data, tokens, model, optimiser."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qakit.config import RECURRENT, TrainConfig
from qakit.data.records import Dataset
from qakit.data.splits import held_out
from qakit.errors import ConfigError
from qakit.modeling.adapting import adapt
from qakit.modeling.building import build_for_training, known_match_length
from qakit.runs.fingerprint import identity_of
from qakit.runs.folder import RunFolder
from qakit.signals import StopSignals
from qakit.tasks.base import Prepared, Task
from qakit.training.events import Listener, Note
from qakit.training.learner import Learner


@dataclass(frozen=True)
class Run:
    """The constants of a training; `data_files` are all that were read for it."""

    task: Task
    config: TrainConfig
    folder: RunFolder
    tokenizer: Any
    prepared: Prepared
    dev_data: Dataset[Any] | None
    data_files: tuple[Path, ...]
    learner: Learner
    identity: Mapping[str, Any]
    stop: StopSignals
    listen: Listener

    @property
    def bytes_to_write(self) -> int:
        """Bytes in the folder at most: the checkpoints, one that is being written, and the best model twice."""
        kept = self.config.training.keep_checkpoints
        return (kept + 1) * self.learner.checkpoint_bytes + 2 * self.learner.model_bytes


Build = Callable[[TrainConfig, str, Sequence[str], Dataset[Any], Listener], tuple[Any, Any, list[str]]]
"""Builds model and tokenizer for an auto class and class names; names the weights that are newly initialised."""

_LOW_RATE = 1e-4  # with which random weights learn next to nothing in a few epochs


def _build(
    config: TrainConfig, auto_class: str, classes: Sequence[str], data: Dataset[Any], listen: Listener
) -> tuple[Any, Any, list[str]]:
    return build_for_training(
        config.model,
        auto_class,
        config.windows,
        classes=classes,
        data=data,
        tell=lambda text: listen(Note(text)),
    )


def set_up(
    task: Task,
    config: TrainConfig,
    accelerator: Any,
    folder: RunFolder,
    stop: StopSignals,
    listen: Listener,
    *,
    build: Build = _build,
) -> Run:
    """Read, tokenise and build all that a training needs; nothing is written.

    The config of the run has a `windows.match_length`, also where the one given leaves it to the model.
    """
    from accelerate.utils import set_seed

    train_data, dev_data = _read_data(task, config, listen)
    config = _with_match_length(task, config, listen)
    set_seed(config.training.seed)
    if config.model.name in RECURRENT and config.training.learning_rate < _LOW_RATE:
        rate = f"training.learning_rate {config.training.learning_rate:g}"
        listen(Note(f"{rate} is low for a model from random weights; the recipes for it have 1e-3 to 2e-3"))
    model, tokenizer, fresh = build(config, task.auto_class, task.classes(train_data), train_data, listen)
    if fresh:
        listen(Note(f"{config.model.name} has no weights for {', '.join(fresh)}: newly initialised."))
    model = adapt(model, config)
    set_seed(config.training.seed, device_specific=True)  # other dropout in each process
    prepared = task.prepare(train_data, tokenizer, config)
    on_dev = task.notes_on_dev(dev_data, task.classes(train_data)) if dev_data is not None else ()
    for note in (*prepared.notes, *on_dev):
        listen(Note(note))
    roles = {"training": train_data, "development": dev_data}
    learner = Learner(model, config, accelerator, prepared.training_set)
    identity = identity_of(task.name, config, roles, learner=learner, tokenizer=tokenizer)
    files = tuple(dict.fromkeys([*train_data.files, *(dev_data.files if dev_data else ())]))
    return Run(task, config, folder, tokenizer, prepared, dev_data, files, learner, identity, stop, listen)


def _with_match_length(task: Task, config: TrainConfig, listen: Listener) -> TrainConfig:
    """The config with the match length that was given or, where none was, that of the model the training starts from.

    Only windows of questions have one.
    """
    given = config.windows.match_length
    known = 0 if given or not task.reads_pairs else known_match_length(config.model)
    if known and given is None:
        listen(Note(f"windows.match_length is {known}, as {config.model.name} was trained; 0 turns it off"))
    elif known:
        lost = "what its token types tell of the question's words in a paragraph is lost"
        listen(Note(f"windows.match_length is 0, and {config.model.name} was trained with {known}: {lost}"))
    windows = config.windows.model_copy(update={"match_length": known if given is None else given})
    return config.model_copy(update={"windows": windows})


def _read_data(task: Task, config: TrainConfig, listen: Listener) -> tuple[Dataset[Any], Dataset[Any] | None]:
    """The data to learn from, and the data to evaluate with."""
    data = config.data
    train_data = _read(task, data.train, config, listen)
    dev_data = _read(task, data.dev, config, listen) if data.dev else None
    if data.folds and data.fold:
        train_data, dev_data = held_out(train_data, data.fold, data.folds)
        listen(
            Note(f"fold {data.fold} of {data.folds}: {len(dev_data)} {task.unit} left out of {len(train_data)} others")
        )
    if config.training.patience is not None and (dev_data is None or data.train_on_dev):
        raise ConfigError("training.patience counts evaluations, and there is no development data to evaluate with")
    if dev_data is not None and data.train_on_dev:
        files = (*train_data.files, *dev_data.files)
        return replace(train_data, records=(*train_data.records, *dev_data.records), files=files), None
    if dev_data is not None and not any(map(task.can_score, dev_data)):
        names = ", ".join(map(str, dev_data.files))
        raise ConfigError(f"data.dev {names}: no question has a known answer to evaluate with; leave it out")
    return train_data, dev_data


def _read(task: Task, paths: tuple[Path, ...], config: TrainConfig, listen: Listener) -> Dataset[Any]:
    dataset = task.read(paths, config.data)
    names = ", ".join(path.name for path in paths)
    listen(Note(f"{names}: {len(dataset)} records, schema {dataset.schema}"))
    if dataset.skipped:
        listen(Note(f"{names}: {dataset.skipped} bad records skipped"))
    for note in dataset.notes:
        listen(Note(note))
    return dataset
