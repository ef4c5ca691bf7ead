"""Where weights and optimiser states are: whole in each process or spread over all. Checkpoints hold them whole."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from qakit.training.deepspeed_engine import DeepSpeed
from qakit.training.sharding import FullySharded
from qakit.training.state import optimizer_tensors, restore_optimizer


class Placement(Protocol):
    """A way to place them. All processes must take part in each of its methods."""

    @property
    def is_sharded(self) -> bool:
        """Whether the weights are spread, so that all processes must run the model together."""
        ...

    @property
    def refused(self) -> tuple[str, ...]:
        """Tricks that find no whole weights or gradients."""
        ...

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
        """Place them; gives the model to run and the optimiser to step with."""
        ...

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The whole weights by name, in the main process at least."""
        ...

    def moments(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
        """The optimiser's whole state as `parameter name/exp_avg`, `.../exp_avg_sq` and `.../step`, likewise."""
        ...

    def restore(
        self, model: nn.Module, optimizer: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Put back what the methods above gave; every process brings the whole."""
        ...


class Replicated:
    """Whole in each process."""

    is_sharded = False
    refused = ()

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
        """Move nothing."""
        prepared: tuple[Any, Any] = self._accelerator.prepare(model, optimizer)
        return prepared

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The live weights."""
        return model.state_dict()

    def moments(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
        """The live state."""
        return optimizer_tensors(optimizer, model)

    def restore(
        self, model: nn.Module, optimizer: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Copy them."""
        model.load_state_dict(weights)
        restore_optimizer(optimizer, model, moments)


def placement_of(accelerator: Any) -> Placement:
    """The way that `accelerate launch` was told to take."""
    kinds: dict[str, Any] = {"FSDP": FullySharded, "DEEPSPEED": DeepSpeed}
    placement: Placement = kinds.get(accelerator.distributed_type, Replicated)(accelerator)
    return placement
