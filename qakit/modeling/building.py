"""The initial model of a training: pretrained weights, or a config with random weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qakit.config import RECURRENT, ModelSettings, WindowSettings
from qakit.data.records import Dataset
from qakit.errors import CheckpointError, ConfigError, suggestion
from qakit.modeling.info import read_info
from qakit.modeling.loading import (
    check_positions,
    drop_unused_token_types,
    load_tokenizer,
    model_folder,
    pretrained_config,
    pretrained_model,
)
from qakit.modeling.token_types import add_token_types, check_token_types, count_token_types, required_token_types
from qakit.modeling.word_vocabulary import (
    WORDS,
    build_word_tokenizer,
    find_vectors,
    read_vectors,
    set_vectors,
    vector_coverage,
    vector_fields,
)

_RECURRENT_HEADS = ("AutoModelForSequenceClassification", "AutoModelForTokenClassification")


def build_for_training(
    settings: ModelSettings,
    auto_class: str,
    windows: WindowSettings,
    *,
    classes: Sequence[str] = (),
    data: Dataset[Any] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Any, Any, list[str]]:
    """The model, in fp32, and the tokenizer that training starts from.

    The model has the token types that `windows.match_length` needs; added ones do not change its outputs yet.

    Args:
        classes: names of the head's outputs, if they have names; a checkpoint's head of another size is initialised
            again.
        data: training data, from which a tokenizer of words is made; `lstm` and `gru` get one by default.
        tell: called with a sentence for the user on how many words have vectors, if vectors are given.

    Returns:
        The model, the tokenizer and the names of newly initialised weights in an otherwise loaded model.

    Raises:
        ConfigError: unknown or invalid config fields, windows longer than the model's positions, a model without the
            token types or the head of the task, or word vectors for none of the data's words.
        CheckpointError: nothing to load under that name.
    """
    import torch
    import transformers

    from qakit.modeling.recurrent import register

    register()
    auto = getattr(transformers, auto_class)
    if settings.embeddings and settings.name not in RECURRENT:
        raise ConfigError(f"model.embeddings {settings.embeddings}: is for {' and '.join(RECURRENT)}; leave it out")
    # Transformers would keep the stored dtype, but the small updates of fine-tuning are lost in 16-bit weights.
    arguments: dict[str, Any] = {"dtype": torch.float32}
    if settings.attention:
        arguments["attn_implementation"] = settings.attention
    if settings.is_untrained:
        model, tokenizer = _build_from_scratch(auto, settings, windows, _class_fields(classes), data, arguments, tell)
        fresh: list[str] = []
    else:
        model, tokenizer, fresh = _load_pretrained(auto, settings, _class_fields(classes), arguments)
    # Checked on the built model: overrides may have changed its positions and token types.
    check_positions(model, tokenizer, windows.max_length)
    tokenizer = drop_unused_token_types(model, tokenizer)
    if windows.match_length and not settings.is_untrained:
        add_token_types(model, tokenizer, windows.match_length, known=known_match_length(settings))
    check_token_types(model.config, tokenizer, windows.match_length)
    return model, tokenizer, fresh


def known_match_length(settings: ModelSettings) -> int:
    """The `windows.match_length` that the initial weights were trained with; 0 if it is not known.

    Raises:
        CheckpointError: the folder has no model, or its `qakit.json` is damaged.
    """
    info = None if settings.is_untrained else read_info(model_folder(settings.name))
    return (info.windows.match_length or 0) if info else 0


def _build_from_scratch(
    auto: Any,
    settings: ModelSettings,
    windows: WindowSettings,
    names: Mapping[str, Any],
    data: Dataset[Any] | None,
    arguments: Mapping[str, Any],
    tell: Callable[[str], None],
) -> tuple[Any, Any]:
    """A model with random weights, except for given word vectors, and its tokenizer."""
    vectors = _vectors(settings)
    tokenizer = _scratch_tokenizer(settings, data, vectors)
    config = _scratch_config(settings, tokenizer, windows, {**names, **vector_fields(vectors)})
    _check_kind(config, auto)
    found = find_vectors(tokenizer.get_vocab(), vectors)
    if settings.embeddings and data is not None:
        tell(vector_coverage(settings.embeddings, tokenizer, data.texts, found))
    with _explained_attention(settings):
        model = _from_config(auto, config, **arguments)
    # After the random initialisation, which would overwrite them.
    set_vectors(model.get_input_embeddings(), tokenizer.get_vocab(), found)
    return model, tokenizer


def _check_kind(config: Any, auto: Any) -> None:
    """Raise `ConfigError` for a recurrent model without a head for the task."""
    if config.model_type in RECURRENT and auto.__name__ not in _RECURRENT_HEADS:
        raise ConfigError(f"model.name: {' and '.join(RECURRENT)} are for tasks on labels; give an encoder")


def _load_pretrained(
    auto: Any, settings: ModelSettings, names: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[Any, Any, list[str]]:
    """A pretrained model, its tokenizer, and the names of weights that are missing or have another size."""
    source = model_folder(settings.name)
    config = pretrained_config(source)
    _check_kind(config, auto)
    _check_fields(config, settings)
    tokenizer = load_tokenizer(settings.tokenizer or source)
    config = _with_fields(config, settings, **names)
    # Another size is accepted only where this training names the classes; elsewhere it is a damaged checkpoint.
    with _explained_attention(settings):
        model, loading = pretrained_model(auto, source, config=config, ignore_mismatched_sizes=bool(names), **arguments)
    return model, tokenizer, sorted([*loading["missing_keys"], *(name for name, *_ in loading["mismatched_keys"])])


def _vectors(settings: ModelSettings) -> Mapping[str, Any]:
    """The given word vectors by word; empty without any."""
    if settings.embeddings is None:
        return {}
    vectors = read_vectors(settings.embeddings)
    size, given = vector_fields(vectors)["embedding_size"], settings.overrides.get("embedding_size")
    if given not in (None, size):
        raise ConfigError(f"model.embedding_size {given}: the vectors of {settings.embeddings} have {size} numbers")
    return vectors


def _class_fields(classes: Sequence[str]) -> dict[str, Any]:
    """Config fields with the names of a head's outputs."""
    names = dict(enumerate(classes))
    return {"id2label": names, "label2id": {name: number for number, name in names.items()}} if names else {}


def _scratch_tokenizer(settings: ModelSettings, data: Dataset[Any] | None, vectors: Mapping[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING

    is_recurrent = settings.name in RECURRENT
    if data is not None and (settings.tokenizer == WORDS or (is_recurrent and settings.tokenizer is None)):
        # Encoders such as BERT classify a text by its first token; recurrent ones take a maximum over all tokens.
        return build_word_tokenizer(data.texts, settings.vocabulary, known=vectors, begin=not is_recurrent)
    if settings.tokenizer is None and (settings.name in CONFIG_MAPPING or Path(settings.name).suffix == ".json"):
        raise ConfigError(
            f"--from-scratch --model {settings.name}: a model type or config file has no vocabulary; give --tokenizer "
            "with a folder, a hub name, a vocab.txt, or `words` for a vocabulary of the training data"
        )
    return load_tokenizer(settings.tokenizer or settings.name)


def _scratch_config(settings: ModelSettings, tokenizer: Any, windows: WindowSettings, known: Mapping[str, Any]) -> Any:
    """Config of a new model: a type's defaults or a config file, then known facts, then the overrides."""
    from transformers import CONFIG_MAPPING, AutoConfig

    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **known}
    if settings.name in RECURRENT:
        facts["unk_token_id"] = tokenizer.unk_token_id
    is_type = settings.name in CONFIG_MAPPING
    config = AutoConfig.for_model(settings.name) if is_type else pretrained_config(settings.name)
    _check_fields(config, settings)
    if windows.match_length:
        facts["type_vocab_size"] = max(count_token_types(config), required_token_types(tokenizer, windows.match_length))
    if not is_type:
        return _with_fields(config, settings, **facts)
    with _explained_fields():  # all fields at once, since the constructor derives some from others
        return AutoConfig.for_model(settings.name, **{**facts, **settings.overrides})


@contextmanager
def _explained_attention(settings: ModelSettings) -> Iterator[None]:
    """Turn errors about the attention implementation into a `ConfigError` that names `model.attention`."""
    try:
        yield
    except (ConfigError, CheckpointError, ImportError) as error:
        # The message alone tells such an error from the others that loading raises with the same classes.
        if settings.attention is None or not any(word in str(error).lower() for word in ("attention", "attn")):
            raise
        raise ConfigError(f"model.attention {settings.attention}: {error}") from None


def _from_config(auto: Any, config: Any, **arguments: Any) -> Any:
    try:
        return auto.from_config(config, **arguments)
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise ConfigError(f"model: these settings make no {type(config).__name__} model: {error}") from None


def _check_fields(config: Any, settings: ModelSettings) -> None:
    """Raise `ConfigError` for an override that is no field of `config`."""
    for field in settings.overrides:
        if not hasattr(config, field):
            near = suggestion(field, [*config.to_dict(), *ModelSettings.model_fields])
            raise ConfigError(f"model.{field}: {type(config).__name__} has no such field{near}")


def _with_fields(config: Any, settings: ModelSettings, **facts: Any) -> Any:
    """`config` with the facts and then the overrides set."""
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
        # The last line says what is wrong; those before it name dataclasses.
        raise ConfigError(f"model: {str(error).splitlines()[-1].strip()}") from None
