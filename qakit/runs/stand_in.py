"""For a dry run: the model of a training, or one of its shape where it cannot be loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qakit.config import ModelSettings, TrainConfig
from qakit.data.records import Dataset
from qakit.errors import CheckpointError
from qakit.modeling.building import build_for_training
from qakit.modeling.known import known_config
from qakit.modeling.loading import load_tokenizer
from qakit.runs.events import Listener, Note
from qakit.tasks.base import Task

_HUB_PATIENCE = 3.0  # seconds
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def build_or_stand_in(
    task: Task, config: TrainConfig, data: Dataset[Any], listen: Listener
) -> tuple[Any, Any, list[str]]:
    """What `build_for_training` gives; where it finds nothing, a model of the same shape with random weights.

    That needs a well-known name (`qakit.modeling.known`), or a folder with a config and no weights. In the place of a
    well-known tokenizer one is made from the characters of `data`, the training data. Both are told to `listen`.

    Raises:
        ConfigError, CheckpointError: as `build_for_training`, where the shape is not known or files are damaged.
    """
    build = partial(
        build_for_training,
        auto_class=task.auto_class,
        windows=config.windows,
        classes=task.classes(data),
        data=data,
        tell=lambda text: listen(Note(text)),
    )
    with without_waiting_for_the_hub(config.model), TemporaryDirectory() as folder:
        try:
            return build(config.model)
        except CheckpointError as error:
            settings = _with_random_weights(config.model, Path(folder) / "model")
            if settings is not None:
                needs_types = bool(config.windows.match_length)
                settings = _with_known_tokenizer(settings, data, Path(folder) / "tokenizer", needs_types=needs_types)
            if settings is None:
                raise
            for text in (str(error), *_notes(config.model, settings)):
                listen(Note(text))
        return build(settings)


@contextmanager
def without_waiting_for_the_hub(settings: ModelSettings) -> Iterator[None]:
    """Where the hub does not answer, let its client look in its cache alone: it would try again for minutes."""
    from huggingface_hub import constants, get_session

    is_offline = constants.HF_HUB_OFFLINE
    if not is_offline and not all(Path(name).exists() for name in (settings.name, settings.tokenizer) if name):
        try:
            get_session().head(constants.ENDPOINT, timeout=_HUB_PATIENCE)
        except Exception:  # its kind depends on the client's version
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = is_offline


def _with_random_weights(settings: ModelSettings, folder: Path) -> ModelSettings | None:
    """Settings that build the model from its config alone; None where that is not known, or weights are there."""
    config = known_config(settings.name)
    if config is None and settings.from_scratch:
        return settings
    if config is None and not _has(settings.name, "*.safetensors", "*.bin") and _has(settings.name, "config.json"):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(settings.name)
    if config is None:
        return None
    config.save_pretrained(folder)
    changes = {
        "name": str(folder),
        "from_scratch": True,
        "tokenizer": settings.tokenizer or settings.name,
        "vocab_size": settings.overrides.get("vocab_size", config.vocab_size),
    }
    return settings.model_copy(update=changes)


def _with_known_tokenizer(
    settings: ModelSettings, data: Dataset[Any], folder: Path, *, needs_types: bool
) -> ModelSettings | None:
    """Settings whose tokenizer can be loaded; None where it is not known."""
    source = settings.tokenizer or settings.name
    try:
        load_tokenizer(source)
    except CheckpointError:
        known = known_config(source)
        if known is None:
            return None
        size = settings.overrides.get("vocab_size", known.vocab_size)
        has_types = needs_types and known.type_vocab_size > 1
        _character_tokenizer(data, size, has_types=has_types).save_pretrained(folder)
        return settings.model_copy(update={"tokenizer": str(folder), "vocab_size": size})
    return settings


def _has(source: str, *patterns: str) -> bool:
    """Whether a folder holds such files."""
    return any(any(Path(source).glob(pattern)) for pattern in patterns)


def _character_tokenizer(data: Dataset[Any], size: int, *, has_types: bool = False) -> Any:
    """A WordPiece tokenizer, of at most `size` tokens, that makes a token of each character of `data`.

    Token types are left out unless asked for: not every model takes two of them.
    """
    from transformers import BertTokenizer

    rules = BertTokenizer(vocab={token: number for number, token in enumerate(_SPECIAL_TOKENS)}).backend_tokenizer
    pieces = dict.fromkeys(_SPECIAL_TOKENS)
    for text in dict.fromkeys(data.texts):
        for word, _ in rules.pre_tokenizer.pre_tokenize_str(rules.normalizer.normalize_str(text)):
            pieces |= dict.fromkeys([word[0], *("##" + character for character in word[1:])])
    vocab = {piece: number for number, piece in enumerate(list(pieces)[:size])}
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if has_types else [])]
    return BertTokenizer(vocab=vocab, model_input_names=names)


def _notes(wanted: ModelSettings, built: ModelSettings) -> Iterator[str]:
    if not wanted.from_scratch:
        yield f"random weights in the shape of {wanted.name} take the place of its own"
    own = wanted.tokenizer or wanted.name
    if built.tokenizer != own:
        yield (
            f"a tokenizer made from the training data takes the place of {own}'s; it makes a token of each character, "
            "also in words and numbers, so that the training has somewhat fewer tokens"
        )
