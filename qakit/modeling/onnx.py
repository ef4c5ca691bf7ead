"""Models as ONNX files: written by torch's exporter, with int8 weights by onnxruntime, and run by onnxruntime."""

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
"""The file of each backend, beside config, tokenizer and `qakit.json`."""

_OUTPUTS = ("start_logits", "end_logits", "logits")
_OPSET = 23  # the first with attention as one operation: written out, its masks take as long as the int8 products
_QUANTISED = ("MatMul", "Gather")  # not Attention, which the quantiser takes for an older operation of that name
_INSTALL = "pip install 'qakit[onnx]'"


def onnx_file(folder: str, backend: str | None) -> Path | None:
    """The file in a model folder that a backend runs; None for torch, and for hub names.

    Args:
        backend: as `load_trained`.

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
            f"{folder}: has no {files[0].name}; qakit export MODEL --to {backend} --out DIR makes a folder that has"
        )
    return found


def backend_of(file: Path) -> str:
    """The backend that runs a file of a model folder; `torch` where no other does."""
    return next((kind for kind, name in FILES.items() if name == file.name), "torch")


class OnnxModel(nn.Module):
    """An ONNX file that is called as its transformers model is: tensors by name in, an object of tensors out.

    It runs on the CPU, in as many threads as torch.
    """

    def __init__(self, file: Path, config: Any) -> None:
        """Load the file.

        Args:
            config: the transformers config of the model it was made from.

        Raises:
            CheckpointError: it is no readable ONNX file.
            ConfigError: onnxruntime is not installed.
        """
        super().__init__()
        self.config = config
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)  # tells callers the device, as weights would
        runtime = _imported("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a dozen kinds, none of which says more than its text
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(f"{file}: is no ONNX file that onnxruntime can run: {reason}") from None
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._names = [one.name for one in self._session.get_outputs()]

    def to(self, *_: Any, **__: Any) -> "OnnxModel":
        """The model where it is: on the CPU."""
        return self

    def forward(self, **inputs: Tensor) -> SimpleNamespace:
        """The outputs by name."""
        given = {name: inputs[name].numpy() for name in self._inputs}
        found = self._session.run(self._names, given)
        return SimpleNamespace(
            **{name: torch.from_numpy(value) for name, value in zip(self._names, found, strict=True)}
        )


class _Named(nn.Module):
    """A model with its inputs in order and its outputs as a tuple, as the exporter wants them."""

    def __init__(self, model: nn.Module, inputs: list[str], outputs: list[str]) -> None:
        super().__init__()
        self.model = model
        self.inputs = inputs
        self.outputs = outputs

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        found = self.model(**dict(zip(self.inputs, tensors, strict=True)))
        return tuple(found[name] for name in self.outputs)


def write_onnx(model: nn.Module, inputs: Mapping[str, Tensor], file: Path, *, longest: int) -> None:
    """Write a model in fp32, for batches of any size and up to `longest` tokens.

    Args:
        inputs: a batch as the model is given it, of two windows or more; the last dimension is the tokens.

    Raises:
        ConfigError: torch cannot export the model, or a package for it is not installed.
    """
    for package in ("onnx", "onnxscript"):
        _imported(package)
    names = list(inputs)
    with torch.inference_mode():
        outputs = [name for name in _OUTPUTS if name in model(**inputs)]
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
                external_data=sum(weight.numel() for weight in model.parameters()) > 2**28,  # a file holds 2 GB
            )
    except Exception as error:  # the exporter's errors are of many kinds, and long
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{type(model).__name__}: torch cannot write it as ONNX: {reason}") from None


def write_int8(source: Path, target: Path) -> None:
    """Write an ONNX file with its matrices in int8; what they are multiplied with is quantised as it comes."""
    tools = _imported("onnxruntime.quantization")
    with _silence():
        tools.quantize_dynamic(
            str(source),
            str(target),
            weight_type=tools.QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(_QUANTISED),
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Without the exporters' advice to their developers."""
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
