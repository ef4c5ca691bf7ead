"""Weights and optimiser states that FSDP has spread over the processes: gathered for a checkpoint, and spread again."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

NEED_WHOLE_WEIGHTS = ("ema", "swa", "lora_rank", "awp")  # tricks

_TO_MAIN = StateDictOptions(full_state_dict=True, cpu_offload=True)
_FROM_EACH = StateDictOptions(full_state_dict=True)


class FullySharded:
    """A part of each weight, gradient and optimiser state in each process."""

    is_sharded = True
    refused = NEED_WHOLE_WEIGHTS

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
        """Spread both, in place."""
        prepared: tuple[Any, Any] = self._accelerator.prepare(model, optimizer)
        return prepared

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The whole weights, on the CPU of the main process; nothing in the others."""
        weights: Any = get_model_state_dict(model, options=_TO_MAIN)
        return dict(weights)

    def moments(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
        """The optimiser's whole state, likewise."""
        whole: Any = get_optimizer_state_dict(model, optimizer, options=_TO_MAIN)
        state = whole.get("state", {})
        return {f"{name}/{moment}": value for name, moments in state.items() for moment, value in moments.items()}

    def restore(
        self, model: nn.Module, optimizer: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Give each process its part of what the methods above gathered; every process brings the whole."""
        set_model_state_dict(model, dict(weights), options=_FROM_EACH)
        state: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for key, value in moments.items():
            name, _, moment = key.rpartition("/")
            state[name][moment] = value
        groups = get_optimizer_state_dict(model, optimizer, options=_FROM_EACH)["param_groups"]
        whole: Any = {"state": dict(state), "param_groups": groups}
        set_optimizer_state_dict(model, optimizer, whole, options=_FROM_EACH)
