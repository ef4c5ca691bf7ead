"""Configs, tokenizers and weights from folders and hub names, and checks that they fit together."""

from copy import copy
from inspect import signature
from pathlib import Path
from typing import Any

from qakit.errors import CheckpointError, ConfigError

BEST = "best"
_NO_LIMIT = 1_000_000  # as tokenizers without a limit have it: a huge number


def load_tokenizer(source: str | Path, **hub: Any) -> Any:
    """A fast tokenizer from a hub name, a folder, the bundled model, or a `vocab.txt` (WordPiece with BERT's rules).

    Args:
        hub: `revision`, `token`, `trust_remote_code`, as in `from_pretrained`.

    Raises:
        CheckpointError: there is no tokenizer.
    """
    from transformers import AutoTokenizer, BertTokenizer

    if Path(source).suffix == ".txt" and Path(source).is_file():
        return BertTokenizer(vocab=str(source))
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(bundled_folder(str(source)) or source), **hub)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise CheckpointError(_not_loaded(str(source), "tokenizer", error)) from None
    # From a folder with a config alone, transformers makes a tokenizer of nothing but special tokens.
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise CheckpointError(
            f"{source}: has no vocabulary: expected tokenizer.json, vocab.txt or the like beside the config"
        )
    return tokenizer


def model_folder(source: str) -> str:
    """The folder of a model: the bundled one, the `best` of a run folder, or `source` itself, which may be a hub name.

    Raises:
        CheckpointError: the folder has no model.
    """
    path = bundled_folder(source) or Path(source)
    if (path / BEST / "config.json").is_file():
        return str(path / BEST)
    if path.is_dir() and not (path / "config.json").is_file():
        raise CheckpointError(f"{source}: holds no trained model: neither best/config.json nor config.json is there")
    return str(path)


def stored_file(source: str, name: str, **hub: Any) -> Path | None:
    """A file of a folder or hub repository; None if it does not exist or the hub does not answer."""
    from transformers.utils import cached_file

    if Path(source).exists():
        file = Path(source) / name
        return file if file.is_file() else None
    # Optional files only: a hub without connection must not stop a model that is in the cache.
    kinds = ("gated_repo", "missing_entries", "connection_errors")
    found = cached_file(source, name, **hub, **{f"_raise_exceptions_for_{kind}": False for kind in kinds})
    return Path(found) if found else None


def pretrained_model(auto: Any, source: str, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """A model with its weights, and transformers' report on missing and mismatched ones.

    Raises:
        CheckpointError: the weights are missing, unreadable, or do not fit the config.
    """
    from safetensors import SafetensorError

    try:
        model, loading = auto.from_pretrained(source, output_loading_info=True, **arguments)
    except RuntimeError:
        raise CheckpointError(f"{source}: the weights do not have the sizes in the model's config") from None
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(_not_loaded(source, "model", error)) from None
    return model, loading


def _not_loaded(source: str, what: str, error: Exception) -> str:
    # The first line names the cause; transformers appends advice on tokens and caches.
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    place = "the folder has no readable" if Path(source).exists() else "no such folder here, and the hub gave no"
    return f"{source}: {place} {what}: {first_line}"


def pretrained_config(name: str, **hub: Any) -> Any:
    """The config of a folder or hub name.

    Args:
        hub: as `load_tokenizer`.

    Raises:
        CheckpointError: the config is missing or unreadable.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    from qakit.modeling.recurrent import register

    register()
    try:
        return AutoConfig.from_pretrained(name, **hub)
    except (OSError, ValueError, KeyError, StrictDataclassError) as error:
        raise CheckpointError(_not_loaded(name, "model config", error)) from None


def drop_unused_token_types(model: Any, tokenizer: Any) -> Any:
    """The tokenizer, or a copy that gives no token types if the model does not take them."""
    names = tokenizer.model_input_names
    if "token_type_ids" not in names or "token_type_ids" in signature(model.forward).parameters:
        return tokenizer
    changed = copy(tokenizer)  # the caller's own tokenizer may serve another model
    changed.model_input_names = [name for name in names if name != "token_type_ids"]
    return changed


def check_positions(model: Any, tokenizer: Any, max_length: int) -> None:
    """Raise `ConfigError` if windows of `max_length` tokens are longer than the model's positions."""
    limit = positions_of(model, tokenizer)
    if max_length > limit:
        raise ConfigError(
            f"windows.max_length is {max_length}, but the model has {limit} positions: use {limit} or less"
        )


def positions_of(model: Any, tokenizer: Any) -> int:
    """Number of tokens in the longest window that a model and its tokenizer take."""
    positions: int = getattr(model.config, "max_position_embeddings", None) or _NO_LIMIT
    if positions < 0:  # XLNet has -1, as its positions are relative
        positions = _NO_LIMIT
    embeddings = getattr(getattr(getattr(model, "base_model", None), "embeddings", None), "position_embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)
    limit: int = tokenizer.model_max_length
    # RoBERTa's family numbers positions from padding id + 1, so 514 positions with padding id 1 hold 512 tokens.
    return min(positions if padding is None else positions - padding - 1, limit)


BUNDLED_MODEL = "mini-zh"
"""Name of the bundled model in every command."""

_ASSETS = Path(__file__).resolve().parent.parent / "assets"


def bundled_folder(name: str) -> Path | None:
    """The folder of the bundled model, if `name` is its name; None for others, and if a local model has this name."""
    here = Path(name)
    if name != BUNDLED_MODEL or (here / "config.json").exists() or (here / "best" / "config.json").exists():
        return None
    return _ASSETS / BUNDLED_MODEL


def own_folder(source: str) -> Path:
    """The folder of a model, to write what was tuned to.

    Raises:
        ConfigError: it is none of the user's own.
    """
    folder = Path(model_folder(source))
    if not (folder / "config.json").is_file() or bundled_folder(source):
        raise ConfigError(f"{source}: only a model in a folder of your own can keep what was tuned")
    return folder
