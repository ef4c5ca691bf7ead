"""Building the model that a training starts from: pretrained, or a config and random weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qakit.config import ModelSettings, WindowSettings
from qakit.data.records import Dataset
from qakit.errors import CheckpointError, ConfigError, suggestion
from qakit.modeling.info import read_info
from qakit.modeling.loading import (
    agree_on_inputs,
    check_positions,
    load_tokenizer,
    model_folder,
    pretrained_config,
    pretrained_model,
)
from qakit.modeling.token_types import add_token_types, check_token_types, token_types, token_types_needed
from qakit.modeling.word_vocabulary import (
    RECURRENT,
    WORDS,
    note_on_vectors,
    put_vectors,
    read_vectors,
    vector_fields,
    vectors_of,
    word_tokenizer,
)

_OF_RECURRENT = ("AutoModelForSequenceClassification", "AutoModelForTokenClassification")


def build_for_training(
    settings: ModelSettings,
    auto_class: str,
    windows: WindowSettings,
    *,
    classes: Sequence[str] = (),
    data: Dataset[Any] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Any, Any, list[str]]:
    """The model and tokenizer that training starts from; its weights are fp32, whatever they were stored in.

    It has the token types that `windows.match_length` needs; those that are added to a checkpoint change no output yet.

    Args:
        classes: names of the outputs of its head, where they have names; a checkpoint's head of another size is drawn
            anew.
        data: what a tokenizer of words is made from, which `lstm` and `gru` have where none is given.
        tell: called with a sentence for the user on the word vectors, where there are any.

    Returns:
        The model, the tokenizer and the names of the weights that were drawn at random though the rest was loaded.

    Raises:
        ConfigError: config fields that are unknown or make no model, windows longer than the model's positions, a model
            that cannot have the token types or is not for the task, or word vectors of other words than the data's.
        CheckpointError: nothing to load under that name.
    """
    import torch
    import transformers

    from qakit.modeling.recurrent import register

    register()
    auto = getattr(transformers, auto_class)
    if settings.embeddings and settings.name not in RECURRENT:
        raise ConfigError(f"model.embeddings {settings.embeddings}: is for {' and '.join(RECURRENT)}; leave it out")
    # transformers takes the dtype that was stored; the small updates of a fine-tuning are lost in 16-bit weights.
    arguments: dict[str, Any] = {"dtype": torch.float32}
    if settings.attention:
        arguments["attn_implementation"] = settings.attention
    from_scratch = _is_from_scratch(settings)
    if from_scratch:
        model, tokenizer = _built(auto, settings, windows, _class_fields(classes), data, arguments, tell)
        fresh: list[str] = []
    else:
        model, tokenizer, fresh = _loaded(auto, settings, _class_fields(classes), arguments)
    check_positions(model, tokenizer, windows.max_length)
    tokenizer = agree_on_inputs(model, tokenizer)
    if windows.match_length and not from_scratch:
        add_token_types(model, tokenizer, windows.match_length, known=known_match_length(settings))
    check_token_types(model.config, tokenizer, windows.match_length)
    return model, tokenizer, fresh


def known_match_length(settings: ModelSettings) -> int:
    """The `windows.match_length` that the weights to start from were trained with; 0 where nothing tells of one.

    Raises:
        CheckpointError: a folder without a model, or what qakit stored there is damaged.
    """
    info = None if _is_from_scratch(settings) else read_info(model_folder(settings.name))
    return (info.windows.match_length or 0) if info else 0


def _is_from_scratch(settings: ModelSettings) -> bool:
    return settings.from_scratch or settings.name in RECURRENT


def _built(
    auto: Any,
    settings: ModelSettings,
    windows: WindowSettings,
    names: Mapping[str, Any],
    data: Dataset[Any] | None,
    arguments: Mapping[str, Any],
    tell: Callable[[str], None],
) -> tuple[Any, Any]:
    """A model of random weights, but for vectors of its words that are given, and its tokenizer."""
    vectors = _vectors(settings)
    tokenizer = _scratch_tokenizer(settings, data, vectors)
    config = _scratch_config(settings, tokenizer, windows, {**names, **vector_fields(vectors)})
    _check_kind(config, auto)
    found = vectors_of(tokenizer.get_vocab(), vectors)
    if settings.embeddings and data is not None:
        tell(note_on_vectors(settings.embeddings, tokenizer, data.texts, found))
    with _explained_attention(settings):
        model = _from_config(auto, config, **arguments)
    put_vectors(model.get_input_embeddings(), tokenizer.get_vocab(), found)
    return model, tokenizer


def _check_kind(config: Any, auto: Any) -> None:
    """Make sure that a recurrent model is built for a task that it has a head for."""
    if config.model_type in RECURRENT and auto.__name__ not in _OF_RECURRENT:
        raise ConfigError(
            f"model.name: {' and '.join(RECURRENT)} are for train-intent and train-slots; give an encoder"
        )


def _loaded(
    auto: Any, settings: ModelSettings, names: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[Any, Any, list[str]]:
    """A pretrained model, its tokenizer, and the names of weights that are missing or of another size."""
    source = model_folder(settings.name)
    config = pretrained_config(source)
    _check_kind(config, auto)
    _check_fields(config, settings)
    tokenizer = load_tokenizer(settings.tokenizer or source)
    config = _with_fields(config, settings, **names)
    with _explained_attention(settings):
        model, loading = pretrained_model(auto, source, config=config, ignore_mismatched_sizes=bool(names), **arguments)
    return model, tokenizer, sorted([*loading["missing_keys"], *(name for name, *_ in loading["mismatched_keys"])])


def _vectors(settings: ModelSettings) -> Mapping[str, Any]:
    """The word vectors to start from, if any."""
    if settings.embeddings is None:
        return {}
    vectors = read_vectors(settings.embeddings)
    size, given = vector_fields(vectors)["embedding_size"], settings.overrides.get("embedding_size")
    if given not in (None, size):
        raise ConfigError(f"model.embedding_size {given}: the vectors of {settings.embeddings} have {size} numbers")
    return vectors


def _class_fields(classes: Sequence[str]) -> dict[str, Any]:
    """How a transformers config names the outputs of a head."""
    names = dict(enumerate(classes))
    return {"id2label": names, "label2id": {name: number for number, name in names.items()}} if names else {}


def _scratch_tokenizer(settings: ModelSettings, data: Dataset[Any] | None, vectors: Mapping[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING

    is_recurrent = settings.name in RECURRENT
    if data is not None and (settings.tokenizer == WORDS or (is_recurrent and settings.tokenizer is None)):
        return word_tokenizer(data.texts, settings.vocabulary, known=vectors, begin=not is_recurrent)
    if settings.tokenizer is None and (settings.name in CONFIG_MAPPING or Path(settings.name).suffix == ".json"):
        raise ConfigError(
            f"--from-scratch --model {settings.name}: a model type or config file has no vocabulary; give --tokenizer, "
            "a folder, a hub name or a vocab.txt; or `words`, for those of the training data"
        )
    return load_tokenizer(settings.tokenizer or settings.name)


def _scratch_config(settings: ModelSettings, tokenizer: Any, windows: WindowSettings, known: Mapping[str, Any]) -> Any:
    """The config of a model to be built: a type's defaults or a config file, what is known, the overrides."""
    from transformers import CONFIG_MAPPING, AutoConfig

    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **known}
    if settings.name in RECURRENT:
        facts["unk_token_id"] = tokenizer.unk_token_id
    is_type = settings.name in CONFIG_MAPPING
    config = AutoConfig.for_model(settings.name) if is_type else pretrained_config(settings.name)
    _check_fields(config, settings)
    if windows.match_length:
        facts["type_vocab_size"] = max(token_types(config), token_types_needed(tokenizer, windows.match_length))
    if not is_type:
        return _with_fields(config, settings, **facts)
    with _explained_fields():  # all at once: some fields follow from others
        return AutoConfig.for_model(settings.name, **{**facts, **settings.overrides})


@contextmanager
def _explained_attention(settings: ModelSettings) -> Iterator[None]:
    """Tell what is wrong with `model.attention` as such: nothing else needs a package or differs between models."""
    try:
        yield
    except (ConfigError, CheckpointError, ImportError) as error:
        if settings.attention is None or not any(word in str(error).lower() for word in ("attention", "attn")):
            raise
        raise ConfigError(f"model.attention {settings.attention}: {error}") from None


def _from_config(auto: Any, config: Any, **arguments: Any) -> Any:
    try:
        return auto.from_config(config, **arguments)
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise ConfigError(f"model: these settings make no {type(config).__name__} model: {error}") from None


def _check_fields(config: Any, settings: ModelSettings) -> None:
    """Make sure that every override is a field of `config`."""
    for field in settings.overrides:
        if not hasattr(config, field):
            near = suggestion(field, [*config.to_dict(), *ModelSettings.model_fields])
            raise ConfigError(f"model.{field}: {type(config).__name__} has no such field{near}")


def _with_fields(config: Any, settings: ModelSettings, **facts: Any) -> Any:
    """`config` with the facts and the overrides set."""
    with _explained_fields():
        for field, value in {**facts, **settings.overrides}.items():
            setattr(config, field, value)
    return config


@contextmanager
def _explained_fields() -> Iterator[None]:
    from huggingface_hub.errors import StrictDataclassError

    try:
        yield
    except (StrictDataclassError, ValueError, TypeError) as error:
        raise ConfigError(f"model: {str(error).splitlines()[-1].strip()}") from None
