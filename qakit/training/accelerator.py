"""Set-up of accelerate: device, processes, precision and experiment trackers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qakit.config import TrainConfig, TrainingSettings
from qakit.errors import ConfigError
from qakit.training.device import keep_freed_memory
from qakit.training.distributed import deepspeed_plugin, finish_deepspeed_setup

_MIXED_PRECISION = {"fp32": "no", "bf16": "bf16", "fp16": "fp16", None: None}  # None: as `accelerate config` says


def make_accelerator(settings: TrainingSettings, folder: Path | None = None) -> Any:
    """An `Accelerator` for `settings`; without `settings.precision` it follows `accelerate config`.

    Args:
        folder: directory of the trackers that write files.

    Raises:
        ConfigError: the device cannot train in that precision, a tracker is not installed, or the configuration of
            accelerate does not work.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import GradientAccumulationPlugin

    _check_trackers(settings.trackers)
    plugin = deepspeed_plugin(settings.max_gradient_norm)
    # Accelerate's state is a singleton: it would keep the precision of an earlier training in the same process.
    AcceleratorState._reset_state()
    try:
        accelerator = Accelerator(
            mixed_precision=_MIXED_PRECISION[settings.precision],
            log_with=list(settings.trackers) or None,
            project_dir=folder,
            # The loop weights its passes itself; accelerate would divide losses by a number of `accelerate launch`.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            deepspeed_plugin=plugin,
        )
    except (ValueError, ImportError) as error:
        # The wording tells whose fault it is: accelerate raises ValueError for bad precisions and bad configs alike.
        is_ours = settings.precision is not None and "precision" in str(error)
        setting = f"training.precision {settings.precision}" if is_ours else "the configuration of accelerate"
        raise ConfigError(f"{setting}: {error}") from None
    if plugin:
        finish_deepspeed_setup(accelerator)
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise ConfigError("training.precision fp16 needs a GPU, and there is none; use bf16 or fp32")
    if accelerator.device.type == "cpu":
        keep_freed_memory()
    return accelerator


@contextmanager
def tracking(accelerator: Any, config: TrainConfig) -> Iterator[None]:
    """Start the experiment trackers of `config` with its settings, and close them at the end of the block."""
    if config.training.trackers:
        accelerator.init_trackers(config.training.project, config=_flat(config.model_dump(mode="json")))
    try:
        yield
    finally:
        if config.training.trackers:
            # Not `end_training`: it also ends the process group, which the evaluation after training still needs.
            for tracker in accelerator.trackers:
                tracker.finish()


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, int | float | str | bool]:
    """Settings by dotted name with plain values; TensorBoard takes nothing else."""
    flat: dict[str, int | float | str | bool] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value if isinstance(value, int | float | str) else str(value)
    return flat


def _check_trackers(names: Sequence[str]) -> None:
    """Raise `ConfigError` for a tracker that accelerate does not know or would skip silently."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ConfigError(
                f"training.trackers: {name} is unknown; expected one of {', '.join(LOGGER_TYPE_TO_CLASS)}"
            )
        if name not in map(str, get_available_trackers()):
            raise ConfigError(f"training.trackers: {name} is not installed")
