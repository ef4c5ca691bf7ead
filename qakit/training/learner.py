"""A model in training: with its optimiser, prepared by accelerate, able to go into a checkpoint and out of one."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from qakit.config import TrainingSettings
from qakit.errors import CheckpointError, ConfigError
from qakit.training.checkpoints import Checkpoint
from qakit.training.loop import Plan, StepEvent, TrainingSet, make_plan, train_steps
from qakit.training.optim import build_optimizer
from qakit.training.state import optimizer_tensors, random_state, restore_optimizer, restore_random_state

_MIXED_PRECISION = {"fp32": "no", "bf16": "bf16", "fp16": "fp16", None: None}


def make_accelerator(settings: TrainingSettings) -> Any:
    """The engine that knows devices, processes and precision; without a precision of ours, as `accelerate config` says.

    Raises:
        ConfigError: the device cannot train in that precision, or there are several processes.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # it keeps the precision of the training before this one in the same process
    try:
        accelerator = Accelerator(mixed_precision=_MIXED_PRECISION[settings.precision])
    except ValueError as error:
        raise ConfigError(f"training.precision {settings.precision}: {error}") from None
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise ConfigError("training.precision fp16 needs a GPU, and there is none; use bf16 or fp32")
    if accelerator.num_processes > 1:
        raise ConfigError(f"this version trains in one process, not in {accelerator.num_processes}; start it alone")
    return accelerator


class Learner:
    """A model, its optimiser and the accelerator that runs them.

    Attributes:
        model: the bare model, as it is saved and evaluated.
        steps_done: updates made so far.
    """

    def __init__(self, model: nn.Module, settings: TrainingSettings, accelerator: Any) -> None:
        self.model = model.to(accelerator.device)
        self.accelerator = accelerator
        self.steps_done = 0
        self._optimizer = build_optimizer(
            model, weight_decay=settings.weight_decay, betas=settings.adam_betas, eps=settings.adam_epsilon
        )
        self._prepared_model, self._prepared_optimizer = accelerator.prepare(model, self._optimizer)
        self._settings = settings

    def plan(self, training_set: TrainingSet) -> Plan:
        """How many steps there are."""
        return make_plan(len(training_set), self._settings, processes=self.accelerator.num_processes)

    def steps(self, training_set: TrainingSet, plan: Plan) -> Iterator[StepEvent]:
        """Train from where this learner is to the end of the plan."""
        self._prepared_model.train()
        events = train_steps(
            self._prepared_model,
            self._prepared_optimizer,
            training_set,
            plan,
            self.accelerator,
            first_step=self.steps_done,
        )
        for event in events:
            self.steps_done = event.step
            yield event

    def checkpoint(self, state: Mapping[str, Any]) -> Checkpoint:
        """This moment, and what the caller wants to find again with it."""
        tensors = {
            "model": self.model.state_dict(),
            "optimizer": optimizer_tensors(self._optimizer, self.model),
        }
        scaler = self.accelerator.scaler
        own = {"random": random_state(), "scaler": scaler.state_dict() if scaler else None}
        return Checkpoint(self.steps_done, tensors, {**state, "learner": own})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the moment of a checkpoint.

        Raises:
            CheckpointError: it is of another model.
        """
        try:
            self.model.load_state_dict(dict(checkpoint.tensors["model"]))
            own = checkpoint.state["learner"]
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint of step {checkpoint.step} is of another model: {error}") from None
        restore_optimizer(self._optimizer, self.model, checkpoint.tensors.get("optimizer", {}))
        if self.accelerator.scaler and own["scaler"]:
            self.accelerator.scaler.load_state_dict(own["scaler"])
        restore_random_state(own["random"])
        self.steps_done = checkpoint.step
