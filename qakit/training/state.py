"""Optimiser and random-generator state, taken out of a running training and restored exactly."""

import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from qakit.errors import CheckpointError


def optimizer_tensors(optimizer: Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimiser's state as `parameter name/exp_avg`, `.../exp_avg_sq` and `.../step`.

    The tensors are the live ones, not copies: save them before the next step. Hyper-parameters are left out, as they
    come from the config. `model` must not have the wrapper of a distributed run, which changes names.
    """
    # By name, where torch's own `state_dict` numbers parameters: a number would silently mean another one as soon as a
    # layer is frozen.
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}/{key}": value
        for group in optimizer.param_groups
        for parameter in group["params"]
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(optimizer: Optimizer, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Restore the tensors of `optimizer_tensors`; they are copied.

    A parameter without tensors, which had no gradient so far, starts with an empty state.

    Raises:
        CheckpointError: a name that the optimiser does not train, or another shape or dtype than the parameter's.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    indices = {names[id(parameter)]: index for index, parameter in enumerate(parameters)}
    state: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for key, value in tensors.items():
        name, _, moment = key.rpartition("/")
        if name not in indices:
            raise CheckpointError(f"optimizer state {key!r} belongs to no trained parameter of this model")
        parameter = parameters[indices[name]]
        # AdamW's step is a scalar in fp32 for every parameter.
        if moment != "step" and (value.shape != parameter.shape or value.dtype != parameter.dtype):
            raise CheckpointError(
                f"optimizer state {key!r} is {tuple(value.shape)} {value.dtype}; "
                f"expected {tuple(parameter.shape)} {parameter.dtype}"
            )
        state[indices[name]][moment] = value.clone()  # torch keeps the tensors it is given
    optimizer.load_state_dict({"state": dict(state), "param_groups": optimizer.state_dict()["param_groups"]})


def random_state() -> dict[str, Any]:
    """State of this process' random generators, as JSON.

    These are Python's, numpy's global one, torch's on the CPU and, with CUDA, torch's on the current device.
    """
    version, words, gauss = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=False)
    key = numpy_state["state"]["key"].tolist()
    state: dict[str, Any] = {
        "python": [version, list(words), gauss],
        "numpy": {**numpy_state, "state": {**numpy_state["state"], "key": key}},
        "torch": _to_hex(torch.get_rng_state()),
    }
    if torch.cuda.is_available():
        state["cuda"] = _to_hex(torch.cuda.get_rng_state())
    return state


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Restore the generators from `random_state`. A CUDA state is ignored on a machine without CUDA.

    Raises:
        CheckpointError: the state is malformed.
    """
    try:
        version, words, gauss = state["python"]
        numpy_state = state["numpy"]
        key = np.array(numpy_state["state"]["key"], dtype=np.uint32)
        torch_state = _from_hex(state["torch"])
        random.setstate((version, tuple(words), gauss))  # JSON made a list of the tuple
        np.random.set_state({**numpy_state, "state": {**numpy_state["state"], "key": key}})
        torch.set_rng_state(torch_state)
        if "cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(_from_hex(state["cuda"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"the state of the random generators is malformed: {error}") from error


def _to_hex(state: Tensor) -> str:
    # Hexadecimal: torch's 5,056 bytes would be 20 kB as a list of numbers.
    return bytes(state.tolist()).hex()


def _from_hex(digits: str) -> Tensor:
    return torch.tensor(list(bytes.fromhex(digits)), dtype=torch.uint8)
