"""A model in training: with its optimiser, prepared by accelerate, able to go into a checkpoint and out of one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from qakit.config import TrainConfig, TrainingSettings, TrickSettings
from qakit.errors import CheckpointError, ConfigError
from qakit.training.adversarial import build_adversary
from qakit.training.averaging import build_average
from qakit.training.checkpoints import Checkpoint
from qakit.training.cpu import fast_dropout, keep_freed_memory, return_freed_memory
from qakit.training.deepspeed_engine import deepspeed_plugin, settle
from qakit.training.loop import Engine, StepEvent, TrainingSet, train_steps
from qakit.training.optim import build_optimizer
from qakit.training.order import Plan, make_plan
from qakit.training.placement import Placement, placement_of
from qakit.training.state import random_state, restore_random_state

_STEPS_OF_KEPT_MEMORY = 32  # it takes some 50 ms to give it back
_MIXED_PRECISION = {"fp32": "no", "bf16": "bf16", "fp16": "fp16", None: None}


def make_accelerator(settings: TrainingSettings, folder: Path | None = None) -> Any:
    """The engine that knows devices, processes and precision; without a precision of ours, as `accelerate config` says.

    Args:
        folder: where trackers that keep files keep them.

    Raises:
        ConfigError: the device cannot train in that precision, a tracker is not installed, or accelerate is set up
            in a way that does not work.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import GradientAccumulationPlugin

    _check_trackers(settings.trackers)
    plugin = deepspeed_plugin(settings.max_gradient_norm)
    AcceleratorState._reset_state()  # it keeps the precision of the training before this one in the same process
    try:
        accelerator = Accelerator(
            mixed_precision=_MIXED_PRECISION[settings.precision],
            log_with=list(settings.trackers) or None,
            project_dir=folder,
            # The loop weighs its passes itself; accelerate would divide each by what `accelerate launch` was told.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            deepspeed_plugin=plugin,
        )
    except (ValueError, ImportError) as error:
        is_ours = settings.precision is not None and "precision" in str(error)
        setting = f"training.precision {settings.precision}" if is_ours else "the set-up of accelerate"
        raise ConfigError(f"{setting}: {error}") from None
    if plugin:
        settle(accelerator)
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise ConfigError("training.precision fp16 needs a GPU, and there is none; use bf16 or fp32")
    if accelerator.device.type == "cpu":
        keep_freed_memory()
    return accelerator


@contextmanager
def tracking(accelerator: Any, config: TrainConfig) -> Iterator[None]:
    """Experiment trackers, where the settings name some, told the settings at the start and closed at the end."""
    if config.training.trackers:
        accelerator.init_trackers(config.training.project, config=_flat(config.model_dump(mode="json")))
    try:
        yield
    finally:
        if config.training.trackers:
            for tracker in accelerator.trackers:  # on the main process; `end_training` would part the processes too
                tracker.finish()


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, int | float | str | bool]:
    """Settings by dotted name, as trackers take them."""
    flat: dict[str, int | float | str | bool] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value if isinstance(value, int | float | str) else str(value)
    return flat


def _check_tricks(accelerator: Any, placement: Placement, tricks: TrickSettings) -> None:
    """Make sure that the tricks find whole weights and gradients.

    Raises:
        ConfigError: they do not.
    """
    used = {"ema": tricks.ema, "swa": tricks.swa, "lora_rank": tricks.lora_rank, "awp": tricks.adversarial == "awp"}
    if found := [name for name in placement.refused if used[name]]:
        kind = accelerator.distributed_type
        raise ConfigError(
            f"tricks {', '.join(found)} need whole weights and gradients, which {kind} spreads over the processes"
        )


def _check_trackers(names: Sequence[str]) -> None:
    """Make sure that all of them will be told: accelerate leaves out in silence what is not installed."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ConfigError(f"training.trackers: {name} is none of {', '.join(LOGGER_TYPE_TO_CLASS)}")
        if name not in map(str, get_available_trackers()):
            raise ConfigError(f"training.trackers: {name} is not installed")


class Learner:
    """A model, its optimiser and the accelerator that runs them.

    Attributes:
        model: the bare model that is trained.
        parameters, trained: number of weights, and of those that training moves.
        model_bytes, checkpoint_bytes: size of the weights, and of a checkpoint: the weights, two moments of each
            trained one, and the average.
        plan: the steps of the training.
        steps_done: updates made so far.
        is_sharded: whether the weights are spread over the processes, so that all of them must run the model together.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, accelerator: Any, training_set: TrainingSet) -> None:
        settings, tricks = config.training, config.tricks
        self._placement = placement_of(accelerator)
        self.is_sharded = self._placement.is_sharded
        _check_tricks(accelerator, self._placement, tricks)
        self.model = model.to(accelerator.device)
        self.accelerator = accelerator
        self.plan: Plan = make_plan(
            training_set.lengths, settings, processes=accelerator.num_processes, rows=training_set.rows
        )
        self.steps_done = 0
        self._training_set = training_set
        self._average = build_average(self.model, tricks, self.plan.total_steps)
        self._measure()
        self._optimizer = build_optimizer(
            self.model,
            weight_decay=settings.weight_decay,
            betas=settings.adam_betas,
            eps=settings.adam_epsilon,
            layer_decay=tricks.layer_decay,
        )
        adversary = build_adversary(self.model, tricks)
        if settings.compile:
            self.model.compile(dynamic=True)
        prepared_model, prepared_optimizer = self._placement.prepare(self.model, self._optimizer)
        self._engine = Engine(prepared_model, prepared_optimizer, accelerator, self.model, tricks, adversary)

    def _measure(self) -> None:
        """Count while the weights are whole."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.trained = sum(parameter.numel() for parameter in trained)
        self.model_bytes: int = sum(tensor.nbytes for tensor in self.model.state_dict().values())
        moments: int = 2 * sum(parameter.nbytes for parameter in trained)
        self.checkpoint_bytes: int = self.model_bytes * (2 if self._average else 1) + moments

    def steps(self) -> Iterator[StepEvent]:
        """Train from where this learner is to the end of the plan."""
        self._engine.model.train()
        with fast_dropout(self.accelerator.device):
            for event in train_steps(self._engine, self._training_set, self.plan, first_step=self.steps_done):
                self.steps_done = event.step
                if self._average:
                    self._average.update(self.model, event.step)
                if self.accelerator.device.type == "cpu" and event.step % _STEPS_OF_KEPT_MEMORY == 0:
                    return_freed_memory()
                yield event

    @property
    def evaluated(self) -> nn.Module:
        """The model to evaluate and keep: the one that is trained, or the average of its weights."""
        return self._average.model_after(self.steps_done, self.model) if self._average else self.model

    @property
    def precision(self) -> str:
        """In which the model runs: `fp32`, `bf16` or `fp16`."""
        found: str = self.accelerator.mixed_precision
        return "fp32" if found == "no" else found

    def agreed(self, signal: int | None) -> int | None:
        """The signal that any process has received: all of them stop after the same step."""
        from accelerate.utils import gather_object

        if self.accelerator.num_processes == 1:
            return signal
        return max(gather_object([signal or 0])) or None

    def weights(self) -> dict[str, Tensor]:
        """The whole weights of the model that is trained. All processes must take part; the main one gets them."""
        return self._placement.weights(self.model)

    def checkpoint(self, state: Mapping[str, Any]) -> Checkpoint:
        """This moment, and what the caller wants to find again with it. All processes must take part."""
        from accelerate.utils import gather_object

        tensors = {"model": self.weights(), "optimizer": self._placement.moments(self.model, self._optimizer)}
        if self._average:
            tensors["average"] = self._average.tensors()
        scaler = self.accelerator.scaler
        own = {"random": gather_object([random_state()]), "scaler": scaler.state_dict() if scaler else None}
        return Checkpoint(self.steps_done, tensors, {**state, "learner": own})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the moment of a checkpoint.

        Raises:
            CheckpointError: it is of another model, or of another number of processes.
        """
        weights, moments = dict(checkpoint.tensors["model"]), checkpoint.tensors.get("optimizer", {})
        try:
            self._placement.restore(self.model, self._optimizer, weights, moments)
            if self._average:
                self._average.restore(checkpoint.tensors["average"])
            own = checkpoint.state["learner"]
            random = own["random"][self.accelerator.process_index]
        except (KeyError, IndexError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint of step {checkpoint.step} is of another model: {error}") from None
        if self.accelerator.scaler and own["scaler"]:
            self.accelerator.scaler.load_state_dict(own["scaler"])
        restore_random_state(random)
        self.steps_done = checkpoint.step
