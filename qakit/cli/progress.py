"""Progress on standard error: a bar on a terminal, otherwise about 20 lines in all."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from qakit.cli.console import say, stderr
from qakit.training.events import Evaluated, Event, Note, Started
from qakit.training.loop import StepEvent

if TYPE_CHECKING:
    from rich.progress import TaskID

T = TypeVar("T")

_LINES = 20  # progress lines of a whole training without a terminal


@contextmanager
def training_progress(*, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """A listener for the events of `qakit.runs.train.train` that prints progress and evaluations."""
    if quiet:
        yield lambda event: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        yield _TrainingView(progress).show


class _TrainingView:
    """Prints the events of a training: progress as a bar or as lines, the rest as messages."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar: TaskID | None = None
        self._records = 0
        self._unit = ""

    def show(self, event: Event) -> None:
        if isinstance(event, Note):
            say(event.text)
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Evaluated):
            scores = "  ".join(f"{name} {value:.2f}" for name, value in event.scores.items())
            say(f"step {event.step}, epoch {event.epoch:.2f}: {scores}" + ("  (best so far)" if event.is_best else ""))
        else:
            self._step(event)

    def _start(self, event: Started) -> None:
        plan = event.plan
        trained = "" if event.trained == event.parameters else f", {event.trained / 1e6:.2f} M of them trained,"
        say(
            f"{event.parameters / 1e6:.2f} M parameters{trained} on {event.device}, {event.precision}, "
            f"{event.processes} process{'es' if event.processes > 1 else ''}; {plan.total_steps} steps of "
            f"{plan.step_records} {event.unit}, {plan.steps_per_epoch} an epoch, {plan.warmup_steps} of warm-up"
        )
        self._records, self._unit = 0, event.unit
        if self._bar is None:
            self._bar = self._progress.add_task("training", total=None, state="")
        # Each fold of a cross-validation starts anew.
        self._progress.reset(self._bar, total=plan.total_steps, completed=event.first_step, state="")

    def _step(self, event: StepEvent) -> None:
        if self._bar is None:
            return
        self._records += event.records
        task = self._progress.tasks[self._bar]
        rate = self._records / task.elapsed if task.elapsed else 0.0
        state = f"loss {event.loss:.3f}  lr {event.learning_rate:.1e}  {rate:.1f} {self._unit}/s"
        self._progress.update(self._bar, completed=event.step, state=state)
        if not stderr.is_terminal and event.step % max(1, int((task.total or 1) // _LINES)) == 0:
            say(f"step {event.step} of {task.total:.0f}: {state}")


@contextmanager
def answer_progress(total: int, *, quiet: bool) -> Iterator[Callable[[Iterable[T]], Iterable[T]]]:
    """A function that passes answers on and counts them in a bar; without a terminal it prints nothing."""
    if quiet or not stderr.is_terminal:
        yield lambda answers: answers
        return
    with Progress(console=stderr, transient=True) as progress:
        yield lambda answers: progress.track(answers, total=total, description="answering")
