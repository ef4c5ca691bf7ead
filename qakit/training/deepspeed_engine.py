"""DeepSpeed, whose ZeRO spreads optimiser states (stage 1), gradients (2) and weights (3) over the processes.

It comes by way of accelerate, and is no dependency: nothing imports it before `accelerate launch` asks for it. Its
engine makes an update by itself in the last backward pass of a step; `optimizer.step` then does nothing.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from qakit.errors import ConfigError
from qakit.training.sharding import NEED_WHOLE_WEIGHTS

_STAGES = (1, 2, 3)
_MOMENTS = ("exp_avg", "exp_avg_sq")


def deepspeed_plugin(max_gradient_norm: float) -> Any:
    """What tells accelerate how to set DeepSpeed up; None where `accelerate launch` did not ask for DeepSpeed.

    Args:
        max_gradient_norm: DeepSpeed clips, as it makes the updates; 0 for no limit.

    Raises:
        ConfigError: DeepSpeed is not installed, or is asked for what checkpoints cannot hold.
    """
    from accelerate import PartialState
    from accelerate.utils import DeepSpeedPlugin, is_deepspeed_available

    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() != "true":
        return None
    if not is_deepspeed_available():
        raise ConfigError(
            "DeepSpeed is not installed: pip install deepspeed; or start with --config_file "
            "configs/accelerate/fsdp.yaml, which shares out the same and needs nothing"
        )
    if (file := os.environ.get("ACCELERATE_DEEPSPEED_CONFIG_FILE", "none")) != "none":
        raise ConfigError(
            f"deepspeed_config_file {file}: qakit sets DeepSpeed up itself; leave it out, and give zero_stage and "
            "the like as configs/accelerate/deepspeed.yaml does"
        )
    plugin = DeepSpeedPlugin(
        gradient_accumulation_steps=1,  # the loop weighs its passes itself
        gradient_clipping=max_gradient_norm,
        zero3_init_flag=False,  # the shapes of whole weights say which of them decay
    )
    if plugin.zero_stage not in _STAGES:
        raise ConfigError(f"zero_stage {plugin.zero_stage} shares out nothing: give 1, 2 or 3, or take ddp.yaml")
    if "nvme" in (plugin.offload_optimizer_device, plugin.offload_param_device):
        raise ConfigError("offloading to nvme: checkpoints are gathered from memory; give cpu or none")
    # The first has no meaning here, where batches are of any size, and must be given; our AdamW stays in its place.
    plugin.deepspeed_config |= {"train_micro_batch_size_per_gpu": 1, "zero_force_ds_cpu_optimizer": False}
    if not torch.accelerator.is_available():
        PartialState(cpu=True)  # accelerate would start neither processes nor DeepSpeed on a CPU
    return plugin


def settle(accelerator: Any) -> None:
    """Make sure that accelerate has set DeepSpeed up, and that models are built as ever.

    Raises:
        ConfigError: it is to run on the CPU by a switch that leaves DeepSpeed out, or in fp16.
    """
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    if accelerator.distributed_type != "DEEPSPEED":
        raise ConfigError("ACCELERATE_USE_CPU (--cpu) makes accelerate leave DeepSpeed out, which finds CPUs by itself")
    if accelerator.mixed_precision == "fp16":
        raise ConfigError("training.precision fp16: resuming would lose DeepSpeed's loss scale; use bf16 or fp32")
    unset_hf_deepspeed_config()  # in stage 3, transformers would build models without whole weights


class DeepSpeed:
    """Weights whole in each process, but in stage 3; optimiser states in parts.

    DeepSpeed itself always works in fp32. Its own bf16 would round frozen weights for good and add up gradients in
    bf16; so the model runs under autocast, as in all other trainings.
    """

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self._deepspeed: Any = None
        self._zero: Any = None
        self.is_sharded = accelerator.state.deepspeed_plugin.zero_stage == 3
        self.refused = NEED_WHOLE_WEIGHTS if self.is_sharded else ("awp",)  # gradients are never to be found

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
        """Place them; gives DeepSpeed's engine, and an optimiser whose groups take a learning rate."""
        self._deepspeed = import_module("deepspeed")
        # It uses names that torch is to drop, and would be told so several times a pass.
        warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
        if self._accelerator.mixed_precision == "bf16":
            _run_in_bf16(model, self._accelerator.device)
        with _in_fp32(self._accelerator.state.deepspeed_plugin.deepspeed_config):
            engine, wrapped = self._accelerator.prepare(model, optimizer)
        self._zero = engine.optimizer
        return engine, wrapped

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The whole weights; in stage 3 on the CPU of the main process, and nothing in the others."""
        if not self.is_sharded:
            return model.state_dict()
        with self._gathered(model):
            whole = model.state_dict() if self._accelerator.is_main_process else {}
            return {name: tensor.cpu().clone() for name, tensor in whole.items()}

    def moments(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
        """The optimiser's whole state, on the CPU of the main process; nothing in the others."""
        if not optimizer.state:
            return {}
        self._link_moments(optimizer)
        step = optimizer.state[self._parts(optimizer)[0]]["step"]  # all parts count the same
        whole: dict[str, Tensor] = {}
        for name, parameter in _trained(model):
            for moment in _MOMENTS:
                value = self._deepspeed.utils.safe_get_full_optimizer_state(parameter, moment)
                if self._accelerator.is_main_process:
                    whole |= {f"{name}/{moment}": value.cpu(), f"{name}/step": step}
        return whole

    def restore(
        self, model: nn.Module, optimizer: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Put back what the methods above gave; every process brings the whole."""
        device, utils = self._accelerator.device, self._deepspeed.utils
        with self._gathered(model, changed=True):
            model.load_state_dict(weights)
        for name, parameter in _trained(model):
            utils.safe_set_full_fp32_param(parameter, weights[name].to(device))
        optimizer.state.clear()
        step = next((value for key, value in moments.items() if key.endswith("/step")), None)
        if step is None:  # before the first
            return
        for part in self._parts(optimizer):
            zeros = {moment: torch.zeros_like(part) for moment in _MOMENTS}
            optimizer.state[part] = {"step": step.to(part.device, copy=True), **zeros}
        self._link_moments(optimizer)
        for name, parameter in _trained(model):
            for moment in _MOMENTS:
                utils.safe_set_full_optimizer_state(parameter, moments[f"{name}/{moment}"].to(device), moment)

    def _parts(self, optimizer: Optimizer) -> list[Tensor]:
        """What the optimiser moves in this process: stretches of the weights of a group, one after the other."""
        if self.is_sharded:
            return list(self._zero.fp32_partitioned_groups_flat)
        return [part for group in optimizer.param_groups for part in group["params"]]

    def _link_moments(self, optimizer: Optimizer) -> None:
        """Let DeepSpeed find them by parameter: by itself it does so after a step of the first group alone."""
        if not self.is_sharded:
            for parameters, part in zip(self._zero.bit16_groups, self._parts(optimizer), strict=True):
                self._deepspeed.utils.lazy_init_hp_params_optimizer_state(parameters, part, optimizer.state)

    @contextmanager
    def _gathered(self, model: nn.Module, *, changed: bool = False) -> Iterator[None]:
        """Inside, each process has the whole weights; what the main one makes of them holds, if they are `changed`."""
        if not self.is_sharded:
            yield
            return
        with self._deepspeed.zero.GatheredParameters(list(model.parameters()), modifier_rank=0 if changed else None):
            yield


def _trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _run_in_bf16(model: Any, device: torch.device) -> None:
    """Let the model run under autocast and give fp32, as accelerate does without DeepSpeed."""
    from accelerate.utils import convert_outputs_to_fp32

    model.forward = convert_outputs_to_fp32(torch.autocast(device.type, torch.bfloat16)(model.forward))


@contextmanager
def _in_fp32(config: dict[str, Any]) -> Iterator[None]:
    """Inside, DeepSpeed hears nothing of the precision that accelerate goes on telling."""
    wanted = config["bf16"]
    config["bf16"] = {"enabled": False}
    try:
        yield
    finally:
        config["bf16"] = wanted
