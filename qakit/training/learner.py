"""A model in training: its optimiser, its plan of steps, and checkpoints out of it and back into it."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from qakit.config import TrainConfig, TrickSettings
from qakit.errors import CheckpointError, ConfigError
from qakit.training.adversarial import build_adversary
from qakit.training.checkpoints import Checkpoint
from qakit.training.device import fast_dropout, return_freed_memory
from qakit.training.distributed import Strategy, choose_strategy
from qakit.training.loop import Engine, StepEvent, TrainingSet, train_steps
from qakit.training.optim import build_average, build_optimizer
from qakit.training.order import Plan, make_plan
from qakit.training.state import random_state, restore_random_state

_STEPS_OF_KEPT_MEMORY = 32  # between two returns, which take some 50 ms each


class Learner:
    """A model, its optimiser and the accelerator that runs them.

    Attributes:
        model: the trained model, without the wrapper of a distributed run.
        parameters, trained: number of weights, and of those that are not frozen.
        model_bytes, checkpoint_bytes: size of the weights, and of a checkpoint: the weights, two moments of each
            trained one, and the average.
        plan: the steps of the training.
        steps_done: updates made so far.
        is_sharded: whether each process has a part of the weights, so that all of them must run the model together.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, accelerator: Any, training_set: TrainingSet) -> None:
        settings, tricks = config.training, config.tricks
        self._strategy = choose_strategy(accelerator)
        self.is_sharded = self._strategy.is_sharded
        _check_tricks(accelerator, self._strategy, tricks)
        self.model = model.to(accelerator.device)
        self.accelerator = accelerator
        self.plan: Plan = make_plan(
            training_set.lengths, settings, processes=accelerator.num_processes, rows=training_set.rows
        )
        self.steps_done = 0
        self._training_set = training_set
        # Weights must be whole up to `prepare`: the average copies them, decay depends on their shapes, sizes are of
        # the whole.
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
            # In place, so names in checkpoints stay. Dynamic: batches differ in length, and each would be compiled.
            self.model.compile(dynamic=True)
        prepared_model, prepared_optimizer = self._strategy.prepare(self.model, self._optimizer)
        self._engine = Engine(prepared_model, prepared_optimizer, accelerator, self.model, tricks, adversary)

    def _measure(self) -> None:
        """Count weights and bytes, while the weights are whole."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.trained = sum(parameter.numel() for parameter in trained)
        self.model_bytes: int = sum(tensor.nbytes for tensor in self.model.state_dict().values())
        moments: int = 2 * sum(parameter.nbytes for parameter in trained)
        self.checkpoint_bytes: int = self.model_bytes * (2 if self._average else 1) + moments

    def steps(self) -> Iterator[StepEvent]:
        """Train from where this learner is to the end of the plan."""
        self._engine.model.train()  # `from_pretrained` gives models in evaluation mode
        with fast_dropout(self.accelerator.device):
            for event in train_steps(self._engine, self._training_set, self.plan, first_step=self.steps_done):
                # Before the yield: whoever saves a checkpoint on this event must find the step in it.
                self.steps_done = event.step
                if self._average:
                    self._average.update(self.model, event.step)
                if self.accelerator.device.type == "cpu" and event.step % _STEPS_OF_KEPT_MEMORY == 0:
                    return_freed_memory()
                yield event

    @property
    def model_to_evaluate(self) -> nn.Module:
        """The model to evaluate and keep: with the average weights of EMA or SWA, otherwise the trained one."""
        return self._average.model_after(self.steps_done, self.model) if self._average else self.model

    @property
    def precision(self) -> str:
        """Precision that the model computes in: `fp32`, `bf16` or `fp16`."""
        found: str = self.accelerator.mixed_precision
        return "fp32" if found == "no" else found

    def agree_on_signal(self, signal: int | None) -> int | None:
        """The signal that any process has received, so that all of them stop after the same step."""
        from accelerate.utils import gather_object

        if self.accelerator.num_processes == 1:
            return signal
        return max(gather_object([signal or 0])) or None

    def weights(self) -> dict[str, Tensor]:
        """The whole weights of the trained model, in the main process at least; all processes must call it."""
        return self._strategy.weights(self.model)

    def checkpoint(self, state: Mapping[str, Any]) -> Checkpoint:
        """A checkpoint of this moment with the caller's `state`; all processes must call it."""
        from accelerate.utils import gather_object

        tensors = {"model": self.weights(), "optimizer": self._strategy.moments(self.model, self._optimizer)}
        if self._average:
            tensors["average"] = self._average.tensors()
        scaler = self.accelerator.scaler  # of fp16; None otherwise
        # Dropout is seeded by process, so each process' generators have to be kept.
        own = {"random": gather_object([random_state()]), "scaler": scaler.state_dict() if scaler else None}
        return Checkpoint(self.steps_done, tensors, {**state, "learner": own})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint.

        Raises:
            CheckpointError: it belongs to another model, or to another number of processes.
        """
        weights, moments = dict(checkpoint.tensors["model"]), checkpoint.tensors.get("optimizer", {})
        try:
            self._strategy.restore(self.model, self._optimizer, weights, moments)
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


def _check_tricks(accelerator: Any, strategy: Strategy, tricks: TrickSettings) -> None:
    """Raise `ConfigError` for tricks that need whole weights or gradients where the strategy shards them."""
    used = {"ema": tricks.ema, "swa": tricks.swa, "lora_rank": tricks.lora_rank, "awp": tricks.adversarial == "awp"}
    if found := [name for name in strategy.refused if used[name]]:
        kind = accelerator.distributed_type
        raise ConfigError(
            f"tricks {', '.join(found)} need whole weights and gradients, which {kind} spreads over the processes"
        )
