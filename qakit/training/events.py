"""Events of a running training for its listener, and its result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from qakit.training.loop import StepEvent
from qakit.training.order import Plan


@dataclass(frozen=True)
class Note:
    """A sentence for the user."""

    text: str


@dataclass(frozen=True)
class Started:
    """Training begins at step `first_step` (from 0) of the plan.

    `parameters` and `trained` count weights; `unit` is the name of the records, such as `questions`.
    """

    plan: Plan
    first_step: int
    parameters: int
    trained: int
    device: str
    precision: str
    processes: int
    unit: str = "questions"


@dataclass(frozen=True)
class Evaluated:
    """Development scores, in percent, after a step (from 1); `is_best` if no earlier ones were as good."""

    step: int
    epoch: float
    scores: Mapping[str, float]
    is_best: bool


Event = Note | Started | StepEvent | Evaluated
Listener = Callable[[Event], None]


@dataclass(frozen=True)
class TrainResult:
    """Result of a training; `best_step` and `scores` (percent) belong to the model in `best`."""

    out: Path
    steps: int
    best_step: int
    scores: Mapping[str, float]
    seconds: float
