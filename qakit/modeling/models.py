"""Loading and building encoders: hub names, folders, run folders, or a config and random weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from qakit.config import ModelSettings, WindowSettings
from qakit.errors import CheckpointError, ConfigError, suggestion
from qakit.io import write_json
from qakit.modeling.bundled import bundled_folder
from qakit.modeling.info import INFO_FILE, ModelInfo, read_info
from qakit.modeling.token_types import add_token_types, check_token_types, token_types, token_types_needed

BEST = "best"
_NO_LIMIT = 1_000_000  # tokenizers without a length limit state a huge one


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer, where it came from, and what is known of its training.

    `is_sharded` says that its weights are spread over several processes.
    """

    model: Any
    tokenizer: Any
    info: ModelInfo
    source: str
    is_sharded: bool = False

    def windows_with(self, given: WindowSettings | None) -> WindowSettings:
        """The windows of the training, with what was given in its place.

        Raises:
            ConfigError: they contradict themselves, are longer than the model's positions, or need more token types.
        """
        settings = self.info.windows_with(given)
        _check_positions(self.model, self.tokenizer, settings.max_length)
        check_token_types(self.model.config, self.tokenizer, settings.match_length)
        return settings


def load_trained(source: str, *, task: str, auto_class: str, backend: str | None = None) -> LoadedModel:
    """A trained model: a run folder, its `best`, any folder in the hub's layout, or a hub name.

    Args:
        task: what the model must have been trained for.
        auto_class: name of its transformers class, such as `AutoModelForQuestionAnswering`.
        backend: `torch`, `onnx` or `int8`, what runs it; the first of these that the folder has weights for when not
            given.

    Raises:
        CheckpointError: nothing there, nothing readable, or a model of another task.
        ConfigError: an unknown backend, or its package is not installed.
    """
    import torch
    import transformers

    from qakit.modeling.onnx import OnnxModel, onnx_file

    folder = model_folder(source)
    # A CPU computes slowly in fp16, if at all; half the size on disk is no reason to.
    dtype = "auto" if torch.accelerator.is_available() else torch.float32
    info = read_info(folder, task)
    if info.task != task:
        raise CheckpointError(f"{source}: was trained for the task {info.task}, not for {task}")
    config = _pretrained_config(folder)  # first: it fails soonest where there is nothing
    tokenizer = load_tokenizer(folder)
    if file := onnx_file(folder, backend):
        return LoadedModel(OnnxModel(file, config).eval(), tokenizer, info, source)
    model, loading = _from_pretrained(getattr(transformers, auto_class), folder, config=config, dtype=dtype)
    if fresh := sorted(loading["missing_keys"]):
        raise CheckpointError(
            f"{source}: is not trained for this task: it has no {', '.join(fresh[:3])}; train it with qakit first"
        )
    _agree_on_inputs(model, tokenizer)
    return LoadedModel(model.eval(), tokenizer, info, source)


def save_trained(
    folder: Path, model: Any, tokenizer: Any, info: ModelInfo, *, weights: Mapping[str, Any] | None = None
) -> None:
    """Write a model in the hub's layout, which plain `from_pretrained` reads, and `qakit.json` beside it.

    Args:
        weights: the model's own when not given.
    """
    model.save_pretrained(folder, state_dict=weights)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)  # safetensors makes its files private, but a model is there to be shared
    tokenizer.save_pretrained(folder)
    write_json(folder / INFO_FILE, info.model_dump(mode="json"))


def build_for_training(settings: ModelSettings, auto_class: str, windows: WindowSettings) -> tuple[Any, Any, list[str]]:
    """The model and tokenizer that training starts from; its weights are fp32, whatever they were stored in.

    It has the token types that `windows.match_length` needs; those that are added to a checkpoint change no output yet.

    Returns:
        The model, the tokenizer and the names of the weights that were drawn at random though the rest was loaded.

    Raises:
        ConfigError: config fields that are unknown or make no model, windows longer than the model's positions, or a
            model that cannot have the token types.
        CheckpointError: nothing to load under that name.
    """
    import torch
    import transformers

    auto = getattr(transformers, auto_class)
    # transformers takes the dtype that was stored; the small updates of a fine-tuning are lost in 16-bit weights.
    arguments: dict[str, Any] = {"dtype": torch.float32}
    if settings.attention:
        arguments["attn_implementation"] = settings.attention
    if settings.from_scratch:
        tokenizer = _scratch_tokenizer(settings)
        with _explained_attention(settings):
            model, fresh = _from_config(auto, _scratch_config(settings, tokenizer, windows), **arguments), []
    else:
        source = model_folder(settings.name)
        config = _pretrained_config(source)
        _check_fields(config, settings)
        tokenizer = load_tokenizer(settings.tokenizer or source)
        with _explained_attention(settings):
            model, loading = _from_pretrained(auto, source, config=_with_fields(config, settings), **arguments)
        fresh = sorted(loading["missing_keys"])
    _check_positions(model, tokenizer, windows.max_length)
    _agree_on_inputs(model, tokenizer)
    if windows.match_length and not settings.from_scratch:
        known = read_info(source, "").windows.match_length
        add_token_types(model, tokenizer, windows.match_length, known=known)
    check_token_types(model.config, tokenizer, windows.match_length)
    return model, tokenizer, fresh


def load_tokenizer(source: str | Path) -> Any:
    """A fast tokenizer from a hub name, a folder, the model in the box, or a `vocab.txt` (WordPiece, BERT's rules).

    Raises:
        CheckpointError: none there.
    """
    from transformers import AutoTokenizer, BertTokenizer

    if Path(source).suffix == ".txt" and Path(source).is_file():
        return BertTokenizer(vocab=str(source))
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(bundled_folder(str(source)) or source))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise CheckpointError(_not_loaded(str(source), "tokenizer", error)) from None
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes of a folder with a config alone
        raise CheckpointError(
            f"{source}: has no vocabulary: expected tokenizer.json, vocab.txt or the like beside the config"
        )
    return tokenizer


def model_folder(source: str) -> str:
    """The folder of a model: of the one that comes with qakit, a run's `best`, or any; else `source`, a hub name.

    Raises:
        CheckpointError: a folder without a model.
    """
    path = bundled_folder(source) or Path(source)
    if (path / BEST / "config.json").is_file():
        return str(path / BEST)
    if path.is_dir() and not (path / "config.json").is_file():
        raise CheckpointError(f"{source}: holds no trained model: neither best/config.json nor config.json is there")
    return str(path)


def _from_pretrained(auto: Any, source: str, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    from safetensors import SafetensorError

    try:
        model, loading = auto.from_pretrained(source, output_loading_info=True, **arguments)
    except RuntimeError:
        raise CheckpointError(f"{source}: the weights are not of the sizes that the model's config tells") from None
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(_not_loaded(source, "model", error)) from None
    return model, loading


def _not_loaded(source: str, what: str, error: Exception) -> str:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    place = "the folder has no readable" if Path(source).exists() else "no such folder here, and the hub gave no"
    return f"{source}: {place} {what}: {first_line}"


def _pretrained_config(name: str) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError, KeyError, StrictDataclassError) as error:
        raise CheckpointError(_not_loaded(name, "model config", error)) from None


def _scratch_tokenizer(settings: ModelSettings) -> Any:
    from transformers import CONFIG_MAPPING

    if settings.tokenizer is None and (settings.name in CONFIG_MAPPING or Path(settings.name).suffix == ".json"):
        raise ConfigError(
            f"--from-scratch --model {settings.name}: a model type or config file has no vocabulary; give --tokenizer, "
            "a folder, a hub name or a vocab.txt"
        )
    return load_tokenizer(settings.tokenizer or settings.name)


def _scratch_config(settings: ModelSettings, tokenizer: Any, windows: WindowSettings) -> Any:
    """The config of a model to be built: a type's defaults or a config file, the tokenizer's facts, the overrides."""
    from transformers import CONFIG_MAPPING, AutoConfig

    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    is_type = settings.name in CONFIG_MAPPING
    config = AutoConfig.for_model(settings.name) if is_type else _pretrained_config(settings.name)
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


def _agree_on_inputs(model: Any, tokenizer: Any) -> None:
    """Keep a tokenizer of another family from giving its model token types that it does not take."""
    if "token_type_ids" not in signature(model.forward).parameters:
        names = tokenizer.model_input_names
        tokenizer.model_input_names = [name for name in names if name != "token_type_ids"]


def _check_positions(model: Any, tokenizer: Any, max_length: int) -> None:
    limit = min(positions_of(model), tokenizer.model_max_length)
    if max_length > limit:
        raise ConfigError(f"windows.max_length {max_length} is more than the {limit} positions of the model; lower it")


def positions_of(model: Any) -> int:
    """Tokens a model has positions for. RoBERTa's family counts its positions from behind the padding token's id."""
    positions: int = getattr(model.config, "max_position_embeddings", None) or _NO_LIMIT
    embeddings = getattr(getattr(getattr(model, "base_model", None), "embeddings", None), "position_embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)
    return positions if padding is None else positions - padding - 1
