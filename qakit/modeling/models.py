"""Trained models: loaded with all that is known of their training, and written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qakit.config import InferenceSettings, WindowSettings
from qakit.errors import CheckpointError
from qakit.io import write_json
from qakit.modeling.info import INFO_FILE, ModelInfo, read_info
from qakit.modeling.loading import (
    agree_on_inputs,
    check_positions,
    load_tokenizer,
    model_folder,
    positions_of,
    pretrained_config,
    pretrained_model,
)
from qakit.modeling.token_types import check_token_types

_DEFAULTS = InferenceSettings()
_LONGEST_WINDOW = 512  # of a model that does not tell its windows


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer, where it came from, and what is known of its training.

    `is_sharded` says that its weights are spread over several processes; `is_own` that its questions are those of this
    process alone, whatever others there are; `backend` is what runs it, as `load_trained` has it.
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
        """Whether each of several processes does a part of the questions."""
        return not (self.is_sharded or self.is_own)

    def windows_with(self, given: WindowSettings | None) -> WindowSettings:
        """The windows of the training, with what was given in its place.

        Raises:
            ConfigError: they contradict themselves, are longer than the model's positions, or need more token types.
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
        task: what the model must have been trained for.
        auto_class: name of its transformers class, such as `AutoModelForQuestionAnswering`.
        backend: `torch`, `onnx` or `int8`, what runs it; the first of these that the folder has weights for when not
            given.
        inference: what the weights compute in, heads apart, which do in fp32 at least; whether torch compiles them; the
            threads of the whole process.
        hub: `revision`, `token`, `trust_remote_code`, as `from_pretrained` takes them; folders need none.

    Raises:
        CheckpointError: nothing there, nothing readable, or a model of another task.
        ConfigError: an unknown backend, or its package is not installed.
    """
    import transformers

    from qakit.modeling.onnx import OnnxModel, backend_of, onnx_file
    from qakit.modeling.precision import stored_dtype

    _set_threads(inference)
    folder = model_folder(source)
    hub = dict(hub or {})
    config = pretrained_config(folder, **hub)  # first: it fails soonest where there is nothing
    info = read_info(folder, **{name: value for name, value in hub.items() if name != "trust_remote_code"})
    if info and info.task != task:
        raise CheckpointError(f"{source}: was trained for the task {info.task}, not for {task}")
    tokenizer = load_tokenizer(folder, **hub)
    if file := onnx_file(folder, backend):
        model = OnnxModel(file, config).eval()
        info = info or _unknown_info(task, model, tokenizer)
        return LoadedModel(model, tokenizer, info, source, backend=backend_of(file))
    model, loading = pretrained_model(
        getattr(transformers, auto_class), folder, config=config, dtype=stored_dtype(inference.precision), **hub
    )
    if fresh := sorted(loading["missing_keys"]):
        raise CheckpointError(
            f"{source}: is not trained for this task: it has no {', '.join(fresh[:3])}; train it with qakit first"
        )
    tokenizer = agree_on_inputs(model, tokenizer)
    _make_ready(model, inference)
    return LoadedModel(model.eval(), tokenizer, info or _unknown_info(task, model, tokenizer), source)


def take_loaded(model: Any, tokenizer: Any, *, task: str, inference: InferenceSettings = _DEFAULTS) -> LoadedModel:
    """A model that is in memory already, as `load_trained` would give it by the folder that it was loaded from.

    The model itself is made ready to answer; the tokenizer stays as it is.

    Args:
        task: what it is to do; what its folder stores of another task is passed over: it has a new head then.
        inference: as `load_trained`; the weights stay in their number format without a precision.

    Raises:
        CheckpointError: what is stored in its folder is damaged.
    """
    from transformers import PreTrainedModel

    from qakit.modeling.precision import DTYPES

    _set_threads(inference)
    if inference.precision:
        model.to(DTYPES[inference.precision])
    if isinstance(model, PreTrainedModel):
        tokenizer = agree_on_inputs(model, tokenizer)
        _make_ready(model, inference)
    info = _info_of(model)
    known = info if info and info.task == task else _unknown_info(task, model, tokenizer)
    return LoadedModel(model.eval(), tokenizer, known, type(model).__name__)


def _info_of(model: Any) -> ModelInfo | None:
    """What stands beside the weights in the folder that a model was loaded from.

    A model from the hub does not tell its revision: nothing is known of it.
    """
    source = getattr(model.config, "_name_or_path", "")
    return read_info(source) if source and Path(source).is_dir() else None


def _set_threads(inference: InferenceSettings) -> None:
    import torch

    if inference.num_threads:
        torch.set_num_threads(inference.num_threads)


def _make_ready(model: Any, inference: InferenceSettings) -> None:
    """Let a model compute as answers need it: heads in fp32, attention fused, compiled where that is asked for."""
    from qakit.modeling.fused_attention import fuse_attention
    from qakit.modeling.precision import widen_heads

    widen_heads(model)
    fuse_attention(model)
    if inference.compile:
        model.compile(dynamic=True)


def _unknown_info(task: str, model: Any, tokenizer: Any) -> ModelInfo:
    """What is taken for granted of a model that another tool trained.

    Windows as long as most encoders have positions for hold most paragraphs whole: fewer tokens to read than in
    several shorter ones, and all of the context around an answer.
    """
    longest = min(_LONGEST_WINDOW, positions_of(model, tokenizer))
    # That nobody set it tells callers with other habits, such as the former pipeline, that they may choose.
    return ModelInfo(task=task, windows=WindowSettings.model_construct(set(), max_length=longest))


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
