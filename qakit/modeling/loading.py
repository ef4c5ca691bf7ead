"""What is read from folders and hub names: configs, tokenizers, weights; and what of these goes together."""

from copy import copy
from inspect import signature
from pathlib import Path
from typing import Any

from qakit.errors import CheckpointError, ConfigError

BEST = "best"
_NO_LIMIT = 1_000_000  # tokenizers without a length limit state a huge one


def load_tokenizer(source: str | Path, **hub: Any) -> Any:
    """A fast tokenizer from a hub name, a folder, the model in the box, or a `vocab.txt` (WordPiece, BERT's rules).

    Args:
        hub: `revision`, `token`, `trust_remote_code`, as `from_pretrained` takes them.

    Raises:
        CheckpointError: none there.
    """
    from transformers import AutoTokenizer, BertTokenizer

    if Path(source).suffix == ".txt" and Path(source).is_file():
        return BertTokenizer(vocab=str(source))
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(bundled_folder(str(source)) or source), **hub)
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


def stored_file(source: str, name: str, **hub: Any) -> Path | None:
    """A file of a folder, or of a repository of the hub; None where there is none, or the hub cannot be asked."""
    from transformers.utils import cached_file

    if Path(source).exists():
        file = Path(source) / name
        return file if file.is_file() else None
    kinds = ("gated_repo", "missing_entries", "connection_errors")
    found = cached_file(source, name, **hub, **{f"_raise_exceptions_for_{kind}": False for kind in kinds})
    return Path(found) if found else None


def pretrained_model(auto: Any, source: str, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """A model with its weights, and transformers' report on what was loaded.

    Raises:
        CheckpointError: no weights there, or none that can be read or fit the config.
    """
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


def pretrained_config(name: str, **hub: Any) -> Any:
    """The config of a folder or hub name.

    Args:
        hub: as `load_tokenizer`.

    Raises:
        CheckpointError: none there, or none that can be read.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    from qakit.modeling.recurrent import register

    register()
    try:
        return AutoConfig.from_pretrained(name, **hub)
    except (OSError, ValueError, KeyError, StrictDataclassError) as error:
        raise CheckpointError(_not_loaded(name, "model config", error)) from None


def agree_on_inputs(model: Any, tokenizer: Any) -> Any:
    """A model's tokenizer; where it gives token types that the model does not take, a copy that gives none."""
    names = tokenizer.model_input_names
    if "token_type_ids" not in names or "token_type_ids" in signature(model.forward).parameters:
        return tokenizer
    agreed = copy(tokenizer)
    agreed.model_input_names = [name for name in names if name != "token_type_ids"]
    return agreed


def check_positions(model: Any, tokenizer: Any, max_length: int) -> None:
    """Raise `ConfigError` where windows of `max_length` tokens are longer than the model takes."""
    limit = positions_of(model, tokenizer)
    if max_length > limit:
        raise ConfigError(f"windows.max_length {max_length} is more than the {limit} positions of the model; lower it")


def positions_of(model: Any, tokenizer: Any) -> int:
    """Tokens of the longest window that a model and its tokenizer take.

    RoBERTa's family counts its positions from behind the padding token's id.
    """
    positions: int = getattr(model.config, "max_position_embeddings", None) or _NO_LIMIT
    embeddings = getattr(getattr(getattr(model, "base_model", None), "embeddings", None), "position_embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)
    limit: int = tokenizer.model_max_length
    return min(positions if padding is None else positions - padding - 1, limit)


BUNDLED_MODEL = "mini-zh"
"""The name by which every command knows it."""

_ASSETS = Path(__file__).resolve().parent.parent / "assets"


def bundled_folder(name: str) -> Path | None:
    """The folder of the model that comes with the package, if that is its name and no model here has the same one."""
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
