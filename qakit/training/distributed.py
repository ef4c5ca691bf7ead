"""Distributed training strategies: replicated weights (DDP), fully sharded ones (FSDP) and DeepSpeed's ZeRO.

Checkpoints hold whole weights under every strategy, so a training may resume under another one. DeepSpeed is no
dependency of qakit: nothing imports it before `accelerate launch` asks for it.
"""

import os
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

from qakit.errors import ConfigError
from qakit.training.state import optimizer_tensors, restore_optimizer

_NEED_WHOLE_WEIGHTS = ("ema", "swa", "lora_rank", "awp")  # tricks that read or write weights outside the forward pass
_ZERO_STAGES = (1, 2, 3)  # shards of optimiser states, of gradients too, of weights too
_MOMENTS = ("exp_avg", "exp_avg_sq")
# One copy in the main process is enough to save, and on the CPU it takes no room from the model.
_TO_MAIN = StateDictOptions(full_state_dict=True, cpu_offload=True)
_FROM_EACH = StateDictOptions(full_state_dict=True)


class Strategy(Protocol):
    """Distribution of weights and optimiser states over processes. All processes must call each of its methods."""

    @property
    def is_sharded(self) -> bool:
        """Whether each process has a part of the weights, so that all of them must run the model together."""
        ...

    @property
    def refused(self) -> tuple[str, ...]:
        """Tricks that need whole weights or gradients and do not find them."""
        ...

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
        """Distribute both; returns the model to run and the optimiser to step with."""
        ...

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The whole weights by name, in the main process at least."""
        ...

    def moments(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
        """The whole optimiser state as `parameter name/exp_avg`, `.../exp_avg_sq` and `.../step`, likewise."""
        ...

    def restore(
        self, model: nn.Module, optimizer: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Put back whole weights and moments; every process brings all of them."""
        ...


def choose_strategy(accelerator: Any) -> Strategy:
    """The strategy that `accelerate launch` asks for."""
    kinds: dict[str, Any] = {"FSDP": FullySharded, "DEEPSPEED": DeepSpeed}
    strategy: Strategy = kinds.get(accelerator.distributed_type, Replicated)(accelerator)
    return strategy


class Replicated:
    """Whole weights in each process: a single one, or data parallel (DDP)."""

    is_sharded = False
    refused = ()

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
        """Wrap the model, so that gradients are averaged over the processes."""
        prepared: tuple[Any, Any] = self._accelerator.prepare(model, optimizer)
        return prepared

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The live weights, not copies."""
        return model.state_dict()

    def moments(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
        """The live optimiser state, not copies."""
        return optimizer_tensors(optimizer, model)

    def restore(
        self, model: nn.Module, optimizer: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Copy both into this process."""
        model.load_state_dict(weights)
        restore_optimizer(optimizer, model, moments)


class FullySharded:
    """A shard of each weight, gradient and optimiser state in each process (FSDP)."""

    is_sharded = True
    refused = _NEED_WHOLE_WEIGHTS

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
        """Shard both, in place."""
        prepared: tuple[Any, Any] = self._accelerator.prepare(model, optimizer)
        return prepared

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The whole weights, on the CPU of the main process; empty in the others."""
        weights: Any = get_model_state_dict(model, options=_TO_MAIN)
        return dict(weights)

    def moments(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
        """The whole optimiser state, on the CPU of the main process; empty in the others."""
        whole: Any = get_optimizer_state_dict(model, optimizer, options=_TO_MAIN)
        state = whole.get("state", {})
        return {f"{name}/{moment}": value for name, moments in state.items() for moment, value in moments.items()}

    def restore(
        self, model: nn.Module, optimizer: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Shard whole weights and moments again; each process keeps its part."""
        set_model_state_dict(model, dict(weights), options=_FROM_EACH)
        state: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for key, value in moments.items():
            name, _, moment = key.rpartition("/")
            state[name][moment] = value
        # Torch wants the groups as well; ours come from the config and are not in checkpoints.
        groups = get_optimizer_state_dict(model, optimizer, options=_FROM_EACH)["param_groups"]
        whole: Any = {"state": dict(state), "param_groups": groups}
        set_optimizer_state_dict(model, optimizer, whole, options=_FROM_EACH)


class DeepSpeed:
    """DeepSpeed's ZeRO: optimiser states in shards, and in stage 3 the weights too.

    DeepSpeed's engine makes the update by itself in the last backward pass of a step, and `optimizer.step` does
    nothing. Its own checkpoints are pickled, so they are never written.
    """

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self._deepspeed: Any = None
        self._zero: Any = None
        self.is_sharded = accelerator.state.deepspeed_plugin.zero_stage == 3
        # In every stage the engine consumes gradients before anyone can read them; AWP needs them.
        self.refused = _NEED_WHOLE_WEIGHTS if self.is_sharded else ("awp",)

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
        """Shard both; returns DeepSpeed's engine, and an optimiser whose groups take a learning rate."""
        self._deepspeed = import_module("deepspeed")
        # DeepSpeed calls names that torch will remove; the warning would come several times a pass.
        warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
        # DeepSpeed's own bf16 would round frozen weights for good and add up gradients in bf16. So it is told of fp32
        # only, the model runs under autocast as in all other trainings, and checkpoints get the weights as they are.
        if self._accelerator.mixed_precision == "bf16":
            _run_in_bf16(model, self._accelerator.device)
        with _fp32_config(self._accelerator.state.deepspeed_plugin.deepspeed_config):
            engine, wrapped = self._accelerator.prepare(model, optimizer)
        self._zero = engine.optimizer
        return engine, wrapped

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The whole weights; in stage 3 on the CPU of the main process, and empty in the others."""
        if not self.is_sharded:
            return model.state_dict()
        with self._gathered(model):
            whole = model.state_dict() if self._accelerator.is_main_process else {}
            # Copies: DeepSpeed frees the gathered weights at the end of the block.
            return {name: tensor.cpu().clone() for name, tensor in whole.items()}

    def moments(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
        """The whole optimiser state, on the CPU of the main process; empty in the others."""
        if not optimizer.state:
            return {}
        self._link_moments(optimizer)
        step = optimizer.state[self._flat_shards(optimizer)[0]]["step"]  # the same for all shards
        whole: dict[str, Tensor] = {}
        for name, parameter in _trained_parameters(model):
            for moment in _MOMENTS:
                # Collective: every process must call it, though only the main one keeps the result.
                value = self._deepspeed.utils.safe_get_full_optimizer_state(parameter, moment)
                if self._accelerator.is_main_process:
                    whole |= {f"{name}/{moment}": value.cpu(), f"{name}/step": step}
        return whole

    def restore(
        self, model: nn.Module, optimizer: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Shard whole weights and moments again; each process keeps its part."""
        device, utils = self._accelerator.device, self._deepspeed.utils
        with self._gathered(model, changed=True):
            model.load_state_dict(weights)
        # The optimiser updates fp32 copies of its own; without this its first update would undo the loading.
        for name, parameter in _trained_parameters(model):
            utils.safe_set_full_fp32_param(parameter, weights[name].to(device))
        optimizer.state.clear()
        step = next((value for key, value in moments.items() if key.endswith("/step")), None)
        if step is None:  # a checkpoint from before the first update
            return
        # The setters below write into existing moments, and AdamW makes them only in its first step.
        for shard in self._flat_shards(optimizer):
            zeros = {moment: torch.zeros_like(shard) for moment in _MOMENTS}
            optimizer.state[shard] = {"step": step.to(shard.device, copy=True), **zeros}
        self._link_moments(optimizer)
        for name, parameter in _trained_parameters(model):
            for moment in _MOMENTS:
                utils.safe_set_full_optimizer_state(parameter, moments[f"{name}/{moment}"].to(device), moment)

    def _flat_shards(self, optimizer: Optimizer) -> list[Tensor]:
        """The tensors that the optimiser updates in this process: one flat stretch of weights for each group."""
        if self.is_sharded:
            return list(self._zero.fp32_partitioned_groups_flat)
        return [part for group in optimizer.param_groups for part in group["params"]]

    def _link_moments(self, optimizer: Optimizer) -> None:
        """Make moments findable by parameter: DeepSpeed itself does so only after a step of the first group."""
        if not self.is_sharded:
            for parameters, shard in zip(self._zero.bit16_groups, self._flat_shards(optimizer), strict=True):
                self._deepspeed.utils.lazy_init_hp_params_optimizer_state(parameters, shard, optimizer.state)

    @contextmanager
    def _gathered(self, model: nn.Module, *, changed: bool = False) -> Iterator[None]:
        """Whole weights in each process inside the block; with `changed`, the main process' changes are kept."""
        if not self.is_sharded:
            yield
            return
        with self._deepspeed.zero.GatheredParameters(list(model.parameters()), modifier_rank=0 if changed else None):
            yield


def deepspeed_plugin(max_gradient_norm: float) -> Any:
    """The settings with which accelerate starts DeepSpeed; None if `accelerate launch` did not ask for DeepSpeed.

    Args:
        max_gradient_norm: the norm at which DeepSpeed clips, as it makes the updates; 0 for no limit.

    Raises:
        ConfigError: DeepSpeed is not installed, or is set up in a way that checkpoints do not support.
    """
    from accelerate import PartialState
    from accelerate.utils import DeepSpeedPlugin, is_deepspeed_available

    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() != "true":
        return None
    if not is_deepspeed_available():
        raise ConfigError(
            "DeepSpeed is not installed: pip install deepspeed; or start with --config_file "
            "configs/accelerate/fsdp.yaml, which shards the same and needs no other package"
        )
    if (file := os.environ.get("ACCELERATE_DEEPSPEED_CONFIG_FILE", "none")) != "none":
        raise ConfigError(
            f"deepspeed_config_file {file}: qakit configures DeepSpeed itself; leave it out, and give zero_stage and "
            "the like as in configs/accelerate/deepspeed.yaml"
        )
    plugin = DeepSpeedPlugin(
        gradient_accumulation_steps=1,  # the loop weights its passes itself
        gradient_clipping=max_gradient_norm,
        zero3_init_flag=False,  # weight decay depends on the shapes of whole weights
    )
    if plugin.zero_stage not in _ZERO_STAGES:
        raise ConfigError(f"zero_stage {plugin.zero_stage} shards nothing: use 1, 2 or 3, or take ddp.yaml")
    if "nvme" in (plugin.offload_optimizer_device, plugin.offload_param_device):
        raise ConfigError("offloading to nvme: checkpoints are gathered from memory; use cpu or none")
    # DeepSpeed demands a batch size, but nothing here depends on it. The second keeps our AdamW in its place.
    plugin.deepspeed_config |= {"train_micro_batch_size_per_gpu": 1, "zero_force_ds_cpu_optimizer": False}
    if not torch.accelerator.is_available():
        PartialState(cpu=True)  # otherwise accelerate starts neither processes nor DeepSpeed on a CPU
    return plugin


def finish_deepspeed_setup(accelerator: Any) -> None:
    """Check that accelerate has started DeepSpeed, and let transformers build models with whole weights.

    Raises:
        ConfigError: a switch for the CPU made accelerate leave DeepSpeed out, or the precision is fp16.
    """
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    if accelerator.distributed_type != "DEEPSPEED":
        raise ConfigError(
            "ACCELERATE_USE_CPU (--cpu) turns DeepSpeed off in accelerate; DeepSpeed finds CPUs by itself"
        )
    if accelerator.mixed_precision == "fp16":
        raise ConfigError("training.precision fp16: resuming would lose DeepSpeed's loss scale; use bf16 or fp32")
    unset_hf_deepspeed_config()  # while it is set, stage 3 makes transformers build sharded models


def _trained_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _run_in_bf16(model: Any, device: torch.device) -> None:
    """Run the model under autocast with outputs in fp32, as accelerate does without DeepSpeed."""
    from accelerate.utils import convert_outputs_to_fp32

    model.forward = convert_outputs_to_fp32(torch.autocast(device.type, torch.bfloat16)(model.forward))


@contextmanager
def _fp32_config(config: dict[str, Any]) -> Iterator[None]:
    """Hide from DeepSpeed, inside the block, the precision that accelerate keeps using."""
    wanted = config["bf16"]
    config["bf16"] = {"enabled": False}
    try:
        yield
    finally:
        config["bf16"] = wanted
