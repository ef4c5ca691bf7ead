"""Trained models: loading with what is known of their training, and saving."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.config import InferenceSettings, WindowSettings
from qakit.errors import CheckpointError
from qakit.io import write_json
from qakit.modeling.info import INFO_FILE, ModelInfo, read_info
from qakit.modeling.loading import (
    check_positions,
    drop_unused_token_types,
    load_tokenizer,
    model_folder,
    positions_of,
    pretrained_config,
    pretrained_model,
)
from qakit.modeling.token_types import check_token_types

_DEFAULTS = InferenceSettings()
_LONGEST_WINDOW = 512  # tokens, for models of other tools, which do not store their windows


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer, its origin, and what is known of its training.

    Attributes:
        source: the folder or hub name it was loaded from.
        is_sharded: each process has a part of the weights.
        is_own: the questions belong to this process alone, even if there are others.
        backend: as in `load_trained`.
    """

    model: Any
    tokenizer: Any
    info: ModelInfo
    source: str
    is_sharded: bool = False
    is_own: bool = False
    backend: str = "torch"

    @property
    def shares(self) -> bool:
        """Whether several processes divide the questions among themselves."""
        return not (self.is_sharded or self.is_own)

    def windows_with(self, given: WindowSettings | None) -> WindowSettings:
        """The windows of the training, overridden by `given`.

        Raises:
            ConfigError: the settings contradict each other or need more positions or token types than the model has.
        """
        settings = self.info.windows_with(given)
        check_positions(self.model, self.tokenizer, settings.max_length)
        check_token_types(self.model.config, self.tokenizer, settings.match_length)
        return settings


def load_trained(
    source: str,
    *,
    task: str,
    auto_class: str,
    backend: str | None = None,
    inference: InferenceSettings = _DEFAULTS,
    hub: Mapping[str, Any] | None = None,
) -> LoadedModel:
    """A trained model: a run folder, its `best`, any folder in the hub's layout, or a hub name.

    Args:
        task: task that the model must have been trained for.
        auto_class: name of its transformers class, such as `AutoModelForQuestionAnswering`.
        backend: `torch`, `onnx` or `int8`; by default the first of these that the folder has weights for.
        inference: precision of the weights (heads compute in fp32 at least), compilation, and the threads of the whole
            process.
        hub: `revision`, `token`, `trust_remote_code`, as in `from_pretrained`; folders need none.

    Raises:
        CheckpointError: the model is missing, unreadable, or of another task.
        ConfigError: the backend is unknown, or its package is not installed.
    """
    import transformers

    from qakit.modeling.onnx import OnnxModel, backend_of, onnx_file
    from qakit.modeling.precision import dtype_to_load

    _set_threads(inference)
    folder = model_folder(source)
    hub = dict(hub or {})
    config = pretrained_config(folder, **hub)  # first, as it fails soonest if there is nothing
    info = read_info(folder, **{name: value for name, value in hub.items() if name != "trust_remote_code"})
    if info and info.task != task:
        raise CheckpointError(f"{source}: was trained for the task {info.task}, not for {task}")
    tokenizer = load_tokenizer(folder, **hub)
    if file := onnx_file(folder, backend):
        model = OnnxModel(file, config).eval()
        info = info or _unknown_info(task, model, tokenizer)
        return LoadedModel(model, tokenizer, info, source, backend=backend_of(file))
    model, loading = pretrained_model(
        getattr(transformers, auto_class), folder, config=config, dtype=dtype_to_load(inference.precision), **hub
    )
    # Transformers would initialise a missing head at random, and answers would be noise.
    if missing := sorted(loading["missing_keys"]):
        raise CheckpointError(
            f"{source}: is not trained for this task: it has no {', '.join(missing[:3])}; train it with qakit first"
        )
    tokenizer = drop_unused_token_types(model, tokenizer)
    _prepare_for_inference(model, inference)
    return LoadedModel(model.eval(), tokenizer, info or _unknown_info(task, model, tokenizer), source)


def is_plain_encoder(source: str) -> bool:
    """Whether a folder or hub name has an encoder alone, or one with a head that qakit trains none of."""
    heads = ("ForQuestionAnswering", "ForMultipleChoice", "ForSequenceClassification", "ForTokenClassification")
    names = pretrained_config(source).architectures or ()
    return read_info(source) is None and not any(name.endswith(heads) for name in names)


def load_encoder(source: str) -> LoadedModel:
    """An encoder without a head, as a training starts from; of its training nothing is known.

    Raises:
        CheckpointError: it is missing or unreadable.
    """
    from transformers import AutoModel

    folder = model_folder(source)
    tokenizer = load_tokenizer(folder)
    model, _ = pretrained_model(AutoModel, folder, config=pretrained_config(folder), dtype="auto")
    return LoadedModel(model.eval(), tokenizer, _unknown_info("", model, tokenizer), source)


def wrap_model(model: Any, tokenizer: Any, *, task: str, inference: InferenceSettings = _DEFAULTS) -> LoadedModel:
    """A model that is already in memory, as `load_trained` would load it from its folder.

    The model itself is prepared for inference; the tokenizer is not changed.

    Args:
        task: task of the model.
        inference: as in `load_trained`; without a precision the weights keep their dtype.

    Raises:
        CheckpointError: the `qakit.json` in its folder is damaged.
    """
    from transformers import PreTrainedModel

    from qakit.modeling.precision import DTYPES

    _set_threads(inference)
    if inference.precision:
        model.to(DTYPES[inference.precision])
    if isinstance(model, PreTrainedModel):
        tokenizer = drop_unused_token_types(model, tokenizer)
        _prepare_for_inference(model, inference)
    info = _info_of(model)
    # Loaded for another task than it was trained for, the model has a new head, of which nothing is known.
    known = info if info and info.task == task else _unknown_info(task, model, tokenizer)
    return LoadedModel(model.eval(), tokenizer, known, type(model).__name__)


def _info_of(model: Any) -> ModelInfo | None:
    """The `qakit.json` in the folder that a model was loaded from; None for models from the hub."""
    # A model from the hub does not store its revision, so the file could be of another one.
    source = getattr(model.config, "_name_or_path", "")
    return read_info(source) if source and Path(source).is_dir() else None


def _set_threads(inference: InferenceSettings) -> None:
    import torch

    if inference.num_threads:
        torch.set_num_threads(inference.num_threads)


def _prepare_for_inference(model: Any, inference: InferenceSettings) -> None:
    """Upcast the heads, fuse the attention and, if requested, compile a model, in place."""
    from qakit.modeling.inference import fuse_attention
    from qakit.modeling.precision import upcast_heads

    upcast_heads(model)
    fuse_attention(model)
    if inference.compile:
        model.compile(dynamic=True)  # batches differ in length, and each length would be compiled


def _unknown_info(task: str, model: Any, tokenizer: Any) -> ModelInfo:
    """Assumed settings of a model that another tool trained."""
    # Windows as long as most encoders have positions hold most paragraphs whole: fewer tokens to read than in several
    # shorter ones, none of them twice.
    longest = min(_LONGEST_WINDOW, positions_of(model, tokenizer))
    # An empty set of given fields tells callers with other defaults, such as the former pipeline, that they may choose.
    return ModelInfo(task=task, windows=WindowSettings.model_construct(set(), max_length=longest))


def save_trained(
    folder: Path, model: Any, tokenizer: Any, info: ModelInfo, *, weights: Mapping[str, Any] | None = None
) -> None:
    """Write a model in the hub's layout, which `from_pretrained` reads, with `qakit.json` beside it.

    Args:
        weights: whole weights to write instead of the model's own, which may be sharded.
    """
    model.save_pretrained(folder, state_dict=weights)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)  # safetensors makes its files private, but models are shared
    tokenizer.save_pretrained(folder)
    write_json(folder / INFO_FILE, info.model_dump(mode="json"))
