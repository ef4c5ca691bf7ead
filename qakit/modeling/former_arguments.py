"""How the former pipeline's arguments say what to load, and where to: what of it is taken, and what is refused."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from qakit.config import Precision
from qakit.errors import ConfigError

_DTYPES: dict[str, Precision] = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
_LOAD_IT = "load the model with transformers and give the objects: pipeline(model=model, tokenizer=tokenizer)"


def refuse(model: Any, *, config: Any, framework: str | None, feature_extractor: Any) -> None:
    """Refuse what is taken and does nothing where it would have to do something.

    Raises:
        ValueError: a framework that is not torch.
        ConfigError: a config of the caller's own, or a feature extractor.
    """
    if framework not in (None, "pt"):
        raise ValueError(f"framework {framework!r}: expected 'pt'; qakit runs on torch alone")
    if feature_extractor is not None:
        raise ConfigError(f"feature_extractor: questions and contexts have none; leave {feature_extractor!r} out")
    if config is not None and config != model and (model is None or isinstance(model, str | PathLike)):
        raise ConfigError(f"config: qakit reads the config that stands beside the weights; for another, {_LOAD_IT}")


def with_more(loading: dict[str, Any], model_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of loading with those of `model_kwargs`, which give way to what was given beside them.

    Raises:
        ConfigError: an argument that is not in `loading`.
    """
    more = {"dtype" if name == "torch_dtype" else name: value for name, value in model_kwargs.items()}
    if unknown := more.keys() - loading.keys():
        raise ConfigError(f"model_kwargs: expected {', '.join(loading)}, not {', '.join(sorted(unknown))}; {_LOAD_IT}")
    return {name: more.get(name) if value is None else value for name, value in loading.items()}


def device_of(device: Any, device_map: Any) -> Any:
    """What a `Reader` takes for a device.

    Raises:
        ConfigError: a map that spreads a model over several devices.
    """
    if isinstance(device_map, Mapping) or device_map in ("balanced", "balanced_low_0", "sequential"):
        raise ConfigError(f"device_map {device_map!r}: expected 'auto' or a device; for a model on several, {_LOAD_IT}")
    if device is None and device_map != "auto":
        device = device_map
    return "cpu" if device == -1 else device


def precision_of(dtype: Any) -> Precision | None:
    """The precision of a number format by its name in torch, or itself; None for `auto`.

    Raises:
        ValueError: another format.
    """
    name = str(dtype).removeprefix("torch.")
    if dtype is None or name == "auto":
        return None
    if name not in _DTYPES:
        raise ValueError(f"dtype {dtype}: expected {', '.join(_DTYPES)} or auto")
    return _DTYPES[name]
