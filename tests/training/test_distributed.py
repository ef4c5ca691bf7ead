"""What DeepSpeed is asked for, and what of it is refused. What it does: `tests/runs/test_deepspeed.py`."""

from types import SimpleNamespace

import pytest

from qakit.config import TrainingSettings
from qakit.errors import ConfigError
from qakit.training.accelerator import make_accelerator
from qakit.training.distributed import deepspeed_plugin, finish_deepspeed_setup
from tests.modeling.tiny import forget_accelerators


@pytest.fixture
def asked_for(monkeypatch):
    """As `accelerate launch` with `deepspeed.yaml` does, and as if it were installed."""
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setattr("accelerate.utils.is_deepspeed_available", lambda: True)
    yield monkeypatch
    forget_accelerators()


def test_without_being_asked_for_there_is_no_deepspeed(monkeypatch):
    monkeypatch.delenv("ACCELERATE_USE_DEEPSPEED", raising=False)
    assert deepspeed_plugin(1.0) is None


def test_a_missing_deepspeed_is_a_mistake_that_says_what_to_install(asked_for):
    asked_for.setattr("accelerate.utils.is_deepspeed_available", lambda: False)
    with pytest.raises(ConfigError, match=r"^DeepSpeed is not installed: pip install deepspeed; or .*fsdp.yaml"):
        make_accelerator(TrainingSettings())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CONFIG_FILE", "mine.json", r"^deepspeed_config_file mine.json: .*configs/accelerate/deepspeed.yaml"),
        ("ZERO_STAGE", "0", r"^zero_stage 0 .* 1, 2 or 3"),
        ("OFFLOAD_OPTIMIZER_DEVICE", "nvme", r"^offloading to nvme: .* cpu or none"),
        ("OFFLOAD_PARAM_DEVICE", "nvme", r"^offloading to nvme: .* cpu or none"),
    ],
)
def test_what_checkpoints_cannot_hold_is_refused(asked_for, name, value, message):
    asked_for.setenv(f"ACCELERATE_DEEPSPEED_{name}", value)
    with pytest.raises(ConfigError, match=message):
        deepspeed_plugin(1.0)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_accumulation_clipping_and_optimiser_are_ours_whatever_the_launcher_says(asked_for, stage):
    asked_for.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", str(stage))
    asked_for.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "8")
    asked_for.setenv("ACCELERATE_GRADIENT_CLIPPING", "5.0")
    asked_for.setenv("ACCELERATE_DEEPSPEED_ZERO3_INIT", "true")
    plugin = deepspeed_plugin(0.5)
    config = plugin.deepspeed_config
    assert config["zero_optimization"]["stage"] == stage
    assert (config["gradient_accumulation_steps"], config["gradient_clipping"]) == (1, 0.5)
    assert config["zero_force_ds_cpu_optimizer"] is False
    assert plugin.zero3_init_flag is False


def test_no_limit_of_the_gradient_is_none_for_deepspeed(asked_for):
    asked_for.setenv("ACCELERATE_GRADIENT_CLIPPING", "5.0")
    assert not deepspeed_plugin(0.0).deepspeed_config.get("gradient_clipping")


@pytest.mark.parametrize(
    ("kind", "precision", "message"),
    [
        ("MULTI_CPU", "no", r"^ACCELERATE_USE_CPU .* turns DeepSpeed off"),
        ("DEEPSPEED", "fp16", r"^training.precision fp16: .*; use bf16 or fp32"),
    ],
)
def test_what_accelerate_made_of_it_is_checked(kind, precision, message):
    with pytest.raises(ConfigError, match=message):
        finish_deepspeed_setup(SimpleNamespace(distributed_type=kind, mixed_precision=precision))
