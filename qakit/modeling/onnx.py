"""ONNX models: exported by torch, quantised to int8 and run by onnxruntime."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from qakit.errors import CheckpointError, ConfigError

FILES: Mapping[str, str] = {"onnx": "model.onnx", "int8": "model.int8.onnx"}
"""File name of each backend, beside config, tokenizer and `qakit.json`."""

_OUTPUTS = ("start_logits", "end_logits", "logits")
_OPSET = 23  # the first with attention as one operation: as single ones, its masks take as long as the int8 products
_QUANTISED = ("MatMul", "Gather")  # not Attention: the quantiser mistakes it for an older operation of that name
_INSTALL = "pip install 'qakit[onnx]'"


def onnx_file(folder: str, backend: str | None) -> Path | None:
    """The ONNX file of a backend in a model folder; None for torch, and for hub names.

    Args:
        backend: as in `load_trained`.

    Raises:
        ConfigError: an unknown backend.
        CheckpointError: the folder has no such file.
    """
    if backend not in (None, "torch", *FILES):
        raise ConfigError(f"--backend {backend}: expected torch, {' or '.join(FILES)}")
    has_weights = any(any(Path(folder).glob(pattern)) for pattern in ("*.safetensors", "*.bin"))
    if backend == "torch" or (backend is None and has_weights):
        return None
    files = [Path(folder) / name for kind, name in FILES.items() if backend in (None, kind)]
    found = next((file for file in files if file.is_file()), None)
    if found is None and backend:
        raise CheckpointError(
            f"{folder}: has no {files[0].name}; make one with qakit export MODEL --to {backend} --out DIR"
        )
    return found


def backend_of(file: Path) -> str:
    """The backend that runs a file of a model folder; `torch` for files that are not ONNX."""
    return next((kind for kind, name in FILES.items() if name == file.name), "torch")


class OnnxModel(nn.Module):
    """An ONNX file with the interface of its transformers model: tensors by name in, an object of tensors out.

    It runs on the CPU, with as many threads as torch.
    """

    def __init__(self, file: Path, config: Any) -> None:
        """Load the file.

        Args:
            config: the transformers config of the exported model.

        Raises:
            CheckpointError: onnxruntime cannot read the file.
            ConfigError: onnxruntime is not installed.
        """
        super().__init__()
        self.config = config
        # Callers read the device of a model off its first weight.
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)
        runtime = _imported("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors: its warnings are about graph optimisations
        try:
            self._session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a dozen classes without a common base
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(f"{file}: is no ONNX file that onnxruntime can run: {reason}") from None
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._names = [one.name for one in self._session.get_outputs()]

    def to(self, *_: Any, **__: Any) -> "OnnxModel":
        """The model itself: it stays on the CPU."""
        return self

    def forward(self, **inputs: Tensor) -> SimpleNamespace:
        """The outputs by name."""
        # Only what the graph takes: the exporter drops inputs that a model ignores.
        given = {name: inputs[name].numpy() for name in self._inputs}
        found = self._session.run(self._names, given)
        return SimpleNamespace(
            **{name: torch.from_numpy(value) for name, value in zip(self._names, found, strict=True)}
        )


class _Named(nn.Module):
    """A model with positional inputs and a tuple of outputs, as the exporter requires."""

    def __init__(self, model: nn.Module, inputs: list[str], outputs: list[str]) -> None:
        super().__init__()
        self.model = model
        self.inputs = inputs
        self.outputs = outputs

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        found = self.model(**dict(zip(self.inputs, tensors, strict=True)))
        return tuple(found[name] for name in self.outputs)


def write_onnx(model: nn.Module, inputs: Mapping[str, Tensor], file: Path, *, longest: int) -> None:
    """Export a model in fp32, for batches of any size and up to `longest` tokens.

    Args:
        inputs: an example batch of two windows or more; the last dimension is the tokens.

    Raises:
        ConfigError: torch cannot export the model, or a package for it is not installed.
    """
    for package in ("onnx", "onnxscript"):
        _imported(package)
    names = list(inputs)
    with torch.inference_mode():
        outputs = [name for name in _OUTPUTS if name in model(**inputs)]
    # Of two windows or more, and two tokens: the exporter treats sizes 0 and 1 as constants.
    batch, tokens = torch.export.Dim("batch", max=2**16), torch.export.Dim("tokens", min=2, max=longest)
    shapes = [{0: batch, tensor.dim() - 1: tokens} for tensor in inputs.values()]
    try:
        with _silence():
            torch.onnx.export(
                _Named(model.eval(), names, outputs),
                tuple(inputs.values()),
                str(file),
                dynamo=True,
                opset_version=_OPSET,
                verbose=False,
                input_names=names,
                output_names=outputs,
                dynamic_shapes=(tuple(shapes),),
                external_data=sum(weight.numel() for weight in model.parameters())
                > 2**28,  # protobuf files end at 2 GB
            )
    except Exception as error:  # the exporter has many classes of errors, with long texts
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{type(model).__name__}: torch cannot export it to ONNX: {reason}") from None


def write_int8(source: Path, target: Path) -> None:
    """Quantise an ONNX file dynamically: weights to int8 now, activations at inference."""
    tools = _imported("onnxruntime.quantization")
    with _silence():
        tools.quantize_dynamic(
            str(source),
            str(target),
            weight_type=tools.QuantType.QInt8,
            per_channel=True,  # one scale for a whole matrix would lose its small columns
            op_types_to_quantize=list(_QUANTISED),
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress the exporters' logging and warnings inside the block; they are advice to their developers."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _imported(package: str) -> Any:
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError:
        raise ConfigError(f"ONNX needs the package {package.split('.', maxsplit=1)[0]}: {_INSTALL}") from None
