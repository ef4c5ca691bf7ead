"""`--dry-run`: a few steps of a training, and what they tell of the rest.

A model that cannot be loaded is replaced by one of the same shape with random weights: so settings are checked, and
speed and memory measured, on a machine that has no access to the hub.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from qakit.config import ModelSettings, TrainConfig
from qakit.data.records import Dataset
from qakit.errors import CheckpointError
from qakit.metrics.presets import get_preset
from qakit.modeling.building import build_for_training
from qakit.modeling.loading import load_tokenizer
from qakit.runs.folder import RunFolder
from qakit.runs.setup import Run, set_up
from qakit.signals import StopSignals
from qakit.tasks.base import Task
from qakit.training.accelerator import make_accelerator
from qakit.training.events import Listener, Note
from qakit.training.learner import Learner
from qakit.training.loop import TrainingSet
from qakit.training.order import Plan

_HUB_PATIENCE = 3.0  # seconds
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class DryRun:
    """The plan of a training, measured.

    Attributes:
        parameters, trained: of the model, and how many of them are trained.
        questions: shown in an epoch; windows without an answer (`tricks.negative_windows`) count as questions.
        windows: of the first epoch; a selector has one for each candidate.
        tokens, padding: of the first epoch; `padding` is the share of padding in all that the model reads, 0 to 1.
        questions_per_step: of a full step, over all its passes and processes.
        steps_made: in this dry run, with `seconds_per_step` the median of all but the first.
        training_seconds: estimate for all steps; evaluations and checkpoints come on top.
        peak_memory_bytes: on a CUDA device what its tensors took at most, otherwise the memory of the process. The
            largest pass of the first epoch is among the steps.
        disk_bytes: what the run folder holds at most.
    """

    parameters: int
    trained: int
    device: str
    precision: str
    processes: int
    questions: int
    windows: int
    tokens: int
    padding: float
    questions_per_step: int
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int
    steps_made: int
    seconds_per_step: float
    training_seconds: float
    peak_memory_bytes: int
    checkpoint_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class _Epoch:
    """An epoch in figures; `largest_pass` is the number of the pass that the model reads most tokens in."""

    windows: int
    tokens: int
    read: int
    largest_pass: int


def dry_run(task: Task, config: TrainConfig, *, steps: int = 3, listen: Listener = lambda event: None) -> DryRun:
    """Prepare a training as `train` does, make its first steps, and write nothing.

    A well-known model that cannot be loaded is built in its shape with random weights, and a tokenizer that cannot be
    loaded is made from the training data.

    Args:
        steps: to make, where the training has as many. The first is the one with the largest pass.

    Raises:
        QakitError: one of its kinds, as `train`.
    """
    if config.metric:
        get_preset(config.metric)
    if config.data.folds and config.data.fold is None:
        listen(Note(f"the figures are those of fold 1; a training makes {config.data.folds} such"))
        config = config.model_copy(update={"data": config.data.model_copy(update={"fold": 1})})
    accelerator = make_accelerator(config.training, config.out)
    if accelerator.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(accelerator.device)
    folder = RunFolder(config.out, writes=False)
    with without_waiting_for_the_hub(config.model):
        run = set_up(task, config, accelerator, folder, StopSignals(), listen, build=build_for_dry_run)
    plan = run.learner.plan
    epoch = _first_epoch(run.prepared.training_set, plan)
    listen(Note(f"making {min(steps, plan.total_steps)} of {plan.total_steps} steps"))
    return _report(run, epoch, _timed_steps(run.learner, epoch.largest_pass, steps))


def _report(run: Run, epoch: _Epoch, seconds: Sequence[float]) -> DryRun:
    learner, plan = run.learner, run.learner.plan
    accelerator = learner.accelerator
    seconds_per_step = median(seconds[1:] or seconds)
    return DryRun(
        parameters=learner.parameters,
        trained=learner.trained,
        device=str(accelerator.device),
        precision=learner.precision,
        processes=accelerator.num_processes,
        questions=len(plan.lengths),
        windows=epoch.windows,
        tokens=epoch.tokens,
        padding=1 - epoch.tokens / epoch.read,
        questions_per_step=plan.step_records,
        steps_per_epoch=plan.steps_per_epoch,
        total_steps=plan.total_steps,
        warmup_steps=plan.warmup_steps,
        steps_made=len(seconds),
        seconds_per_step=seconds_per_step,
        training_seconds=seconds_per_step * plan.total_steps,
        peak_memory_bytes=_peak_memory(accelerator.device),
        checkpoint_bytes=learner.checkpoint_bytes,
        disk_bytes=run.bytes_to_write,
    )


def _first_epoch(training_set: TrainingSet, plan: Plan) -> _Epoch:
    """Count what the first epoch shows; every batch is made for that, and none is run."""
    windows, tokens, read = 0, 0, []
    for records in plan.passes(0):
        inputs = training_set.batch(records.tolist(), 0).inputs
        windows += inputs["input_ids"].shape[:-1].numel()
        tokens += int(inputs["attention_mask"].sum())
        read.append(inputs["input_ids"].numel())
    return _Epoch(windows, tokens, sum(read), read.index(max(read)))


def _timed_steps(learner: Learner, largest_pass: int, steps: int) -> list[float]:
    """Seconds of so many steps: the one with the largest pass, which takes most memory, and then the first ones."""
    plan = learner.plan
    largest = largest_pass // (plan.settings.accumulation * plan.processes)
    learner.steps_done = min(largest, plan.total_steps - 1)
    seconds = _seconds(learner, 1)
    learner.steps_done = 0
    return seconds + _seconds(learner, min(steps, plan.total_steps) - 1)


def _seconds(learner: Learner, steps: int) -> list[float]:
    """Seconds of each of the next steps."""
    seconds = []
    began = time.perf_counter()
    for _ in islice(learner.steps(), steps):
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
    return seconds


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def build_for_dry_run(
    config: TrainConfig, auto_class: str, classes: Sequence[str], data: Dataset[Any], listen: Listener
) -> tuple[Any, Any, list[str]]:
    """The result of `build_for_training`, or a model of the same shape with random weights if that finds nothing.

    The shape comes from a folder with a config and no weights, or from a table of hub names (`known_config`). A missing
    tokenizer of such a name is replaced by one made from the characters of `data`, the training data. `listen` gets a
    note on each replacement.

    Raises:
        ConfigError, CheckpointError: as `build_for_training`, if the shape is unknown or files are damaged.
    """
    build = partial(
        build_for_training,
        auto_class=auto_class,
        windows=config.windows,
        classes=classes,
        data=data,
        tell=lambda text: listen(Note(text)),
    )
    with without_waiting_for_the_hub(config.model), TemporaryDirectory() as folder:
        try:
            return build(config.model)
        except CheckpointError as error:
            # Only for a model that is not there: damaged files would break the training as well, so they are reported.
            settings = _with_random_weights(config.model, Path(folder) / "model")
            if settings is not None:
                needs_types = bool(config.windows.match_length)
                settings = _with_known_tokenizer(settings, data, Path(folder) / "tokenizer", needs_types=needs_types)
            if settings is None:
                raise
            for text in (str(error), *_notes(config.model, settings)):
                listen(Note(text))
        return build(settings)


def _with_random_weights(settings: ModelSettings, folder: Path) -> ModelSettings | None:
    """Settings that build the model from its config alone; None if the config is unknown or there are weights."""
    config = known_config(settings.name)
    if config is None and settings.from_scratch:
        return settings
    if config is None and not _has(settings.name, "*.safetensors", "*.bin") and _has(settings.name, "config.json"):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(settings.name)
    if config is None:
        return None
    # Through a folder: building takes a name or a folder, and checks overrides against the config that it loads.
    config.save_pretrained(folder)
    changes = {
        "name": str(folder),
        "from_scratch": True,
        "tokenizer": settings.tokenizer or settings.name,
        "vocab_size": settings.overrides.get("vocab_size", config.vocab_size),
    }
    return settings.model_copy(update=changes)


def _has(source: str, *patterns: str) -> bool:
    """Whether a folder has files that match one of `patterns`."""
    return any(any(Path(source).glob(pattern)) for pattern in patterns)


def _with_known_tokenizer(
    settings: ModelSettings, data: Dataset[Any], folder: Path, *, needs_types: bool
) -> ModelSettings | None:
    """Settings whose tokenizer can be loaded or replaced; None if neither is possible."""
    source = settings.tokenizer or settings.name
    try:
        load_tokenizer(source)
    except CheckpointError:
        known = known_config(source)
        if known is None:
            return None
        # As many rows as the real vocabulary has, so that the model has its real size.
        size = settings.overrides.get("vocab_size", known.vocab_size)
        has_types = needs_types and known.type_vocab_size > 1
        _character_tokenizer(data, size, has_types=has_types).save_pretrained(folder)
        return settings.model_copy(update={"tokenizer": str(folder), "vocab_size": size})
    return settings


def _character_tokenizer(data: Dataset[Any], size: int, *, has_types: bool = False) -> Any:
    """A WordPiece tokenizer of at most `size` tokens, with one token per character of `data`.

    Args:
        has_types: whether it gives token types; not every model takes two of them.
    """
    from transformers import BertTokenizer

    rules = BertTokenizer(vocab={token: number for number, token in enumerate(_SPECIAL_TOKENS)}).backend_tokenizer
    pieces = dict.fromkeys(_SPECIAL_TOKENS)
    for text in dict.fromkeys(data.texts):
        # As in WordPiece: a character within a word is a token of its own, marked with ##.
        for word, _ in rules.pre_tokenizer.pre_tokenize_str(rules.normalizer.normalize_str(text)):
            pieces |= dict.fromkeys([word[0], *("##" + character for character in word[1:])])
    vocab = {piece: number for number, piece in enumerate(list(pieces)[:size])}
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if has_types else [])]
    return BertTokenizer(vocab=vocab, model_input_names=names)


def _notes(wanted: ModelSettings, built: ModelSettings) -> Iterator[str]:
    if not wanted.from_scratch:
        yield f"random weights in the shape of {wanted.name} replace its own"
    own = wanted.tokenizer or wanted.name
    if built.tokenizer != own:
        yield (
            f"a tokenizer made from the training data replaces the one of {own}; it makes a token of each character, "
            "also in words and numbers, so the training itself has somewhat fewer tokens"
        )


@contextmanager
def without_waiting_for_the_hub(settings: ModelSettings) -> Iterator[None]:
    """Inside the block, the hub's client uses only its cache if the hub does not answer."""
    from huggingface_hub import constants, get_session

    # The client itself would retry for minutes, and a dry run is meant to answer at once.
    is_offline = constants.HF_HUB_OFFLINE
    if not is_offline and not all(Path(name).exists() for name in (settings.name, settings.tokenizer) if name):
        try:
            get_session().head(constants.ENDPOINT, timeout=_HUB_PATIENCE)
        except Exception:  # the class depends on the version of the client (requests or httpx)
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = is_offline


def known_config(name: str) -> Any:
    """The transformers config of a checkpoint by its hub name; None for a name that is not in the table."""
    shape = _SHAPES.get(name)
    if shape is None:
        return None
    from transformers import AutoConfig

    return AutoConfig.for_model(**shape)


_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
# BERT's architecture and the 21,128 WordPieces of bert-base-chinese, whatever the name says (RoBERTa, MacBERT, ...).
_CHINESE_BERT = {"model_type": "bert", "vocab_size": 21128, "max_position_embeddings": 512, "type_vocab_size": 2}
_CHINESE_BASE = {**_CHINESE_BERT, **_BASE}
_CHINESE_LARGE = {**_CHINESE_BERT, **_LARGE}
_CHINESE_ELECTRA = {**_CHINESE_BASE, "model_type": "electra", "embedding_size": 768}
_MULTILINGUAL_BERT = {**_CHINESE_BASE, "vocab_size": 119547}
_ENGLISH_BERT = {"model_type": "bert", "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2}
_MINILM_L6 = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
_XLM_ROBERTA = {
    "model_type": "xlm-roberta",
    "vocab_size": 250002,
    "max_position_embeddings": 514,  # RoBERTa counts positions from padding id + 1: 512 tokens
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-5,
}
_SHAPES: dict[str, dict[str, Any]] = {
    "bert-base-chinese": _CHINESE_BASE,
    "google-bert/bert-base-chinese": _CHINESE_BASE,
    "hfl/chinese-bert-wwm-ext": _CHINESE_BASE,
    "hfl/chinese-roberta-wwm-ext": _CHINESE_BASE,
    "hfl/chinese-roberta-wwm-ext-large": _CHINESE_LARGE,
    "hfl/chinese-macbert-base": _CHINESE_BASE,
    "hfl/chinese-macbert-large": _CHINESE_LARGE,
    "hfl/chinese-lert-base": _CHINESE_BASE,
    "hfl/chinese-lert-large": _CHINESE_LARGE,
    "hfl/chinese-pert-base": _CHINESE_BASE,
    "hfl/chinese-pert-large": _CHINESE_LARGE,
    "hfl/chinese-pert-base-mrc": _CHINESE_BASE,
    "hfl/chinese-pert-large-mrc": _CHINESE_LARGE,
    "hfl/chinese-electra-180g-base-discriminator": _CHINESE_ELECTRA,
    "luhua/chinese_pretrain_mrc_macbert_large": _CHINESE_LARGE,
    "luhua/chinese_pretrain_mrc_roberta_wwm_ext_large": _CHINESE_LARGE,
    "NchuNLP/Chinese-Question-Answering": _CHINESE_BASE,
    "bert-base-uncased": {**_ENGLISH_BERT, **_BASE},
    "google-bert/bert-base-uncased": {**_ENGLISH_BERT, **_BASE},
    "sentence-transformers/all-MiniLM-L6-v2": {**_ENGLISH_BERT, **_MINILM_L6},
    "bert-base-multilingual-cased": _MULTILINGUAL_BERT,
    "google-bert/bert-base-multilingual-cased": _MULTILINGUAL_BERT,
    "FacebookAI/xlm-roberta-base": {**_XLM_ROBERTA, **_BASE},
    "FacebookAI/xlm-roberta-large": {**_XLM_ROBERTA, **_LARGE},
}
KNOWN = tuple(_SHAPES)
"""The hub names in the table."""
