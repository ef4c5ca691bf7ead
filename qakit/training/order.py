"""Order of the training records and plan of the steps: pure functions of (seed, epoch), so nothing has to be restored.

An epoch is a list of passes, each an array of record numbers that go through the model together. A step takes
`accumulation * processes` consecutive passes; process p of P runs the p-th of every P.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qakit.config import TrainingSettings

Index = NDArray[np.int64]

_ORDER = 0  # separates the draws of the order from other draws with the same seed and epoch
_ROUNDING = 1e-9  # 2.1 epochs of 10 steps are 21, though in binary a little more
_POOL = 64  # passes in a pool that is sorted by length: enough to save padding, few enough to stay random


@dataclass(frozen=True)
class Plan:
    """The steps of a training, and the records of each.

    Attributes:
        lengths: tokens of each record's longest window, shape (records,).
        rows: windows of each record, shape (records,).
        processes: number of processes that share a step.
        steps_before: steps before each epoch, and all steps at the end, shape (epochs + 1,).
    """

    settings: TrainingSettings
    lengths: Index
    rows: Index
    processes: int
    steps_before: Index
    warmup_steps: int
    _drawn: dict[int, list[Index]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return int(self.steps_before[-1])

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the first epoch; with `batch_tokens` later epochs may have a few more or less."""
        return len(_steps(self.passes(0), self._step_passes))

    @property
    def step_records(self) -> int:
        """Records of a full step, over all its passes and processes; with `batch_tokens` on average."""
        if self.settings.batch_tokens:
            return math.ceil(len(self.lengths) / self.steps_per_epoch)
        return self.settings.batch_size * self._step_passes

    def step(self, number: int) -> tuple[int, list[Index]]:
        """The epoch of step `number` (from 0), and its passes."""
        epoch = self.epoch_of(number)
        first = (number - int(self.steps_before[epoch])) * self._step_passes
        return epoch, self.passes(epoch)[first : first + self._step_passes]

    def epoch_of(self, step: int) -> int:
        """The epoch (from 0) of step number `step` (from 0)."""
        # side="right": the first step of an epoch belongs to it, not to the epoch before.
        return int(np.searchsorted(self.steps_before, step, side="right")) - 1

    def epochs_done(self, steps: int) -> float:
        """Epochs completed after `steps` steps, with a fraction."""
        epoch = self.epoch_of(steps - 1)  # of the last step made, so that a whole epoch counts as 1.0 of it
        of_epoch = len(_steps(self.passes(epoch), self._step_passes))
        return epoch + (steps - int(self.steps_before[epoch])) / of_epoch

    def is_end_of_epoch(self, steps: int) -> bool:
        """Whether an epoch ends after `steps` steps."""
        return bool((self.steps_before[1:] == steps).any())

    @property
    def _step_passes(self) -> int:
        return self.settings.accumulation * self.processes

    def passes(self, epoch: int) -> list[Index]:
        """The records of each pass of an epoch."""
        if epoch not in self._drawn:
            # The last epoch stays: its steps are reported while the next one's are being loaded.
            for old in list(self._drawn)[:-1]:
                del self._drawn[old]
            self._drawn[epoch] = epoch_passes(
                self.lengths, self.settings, epoch=epoch, processes=self.processes, rows=self.rows
            )
        return self._drawn[epoch]


def make_plan(lengths: Index, settings: TrainingSettings, *, processes: int = 1, rows: Index | None = None) -> Plan:
    """Plan the steps of a training. The last step of an epoch takes the records that are left.

    Args:
        lengths, rows: as in `Plan`; one window per record without `rows`.
    """
    rows = np.ones_like(lengths) if rows is None else rows
    step_passes = settings.accumulation * processes
    steps_before = [0]
    for epoch in range(math.ceil(settings.epochs)):
        if settings.max_steps and steps_before[-1] >= settings.max_steps:
            break  # later epochs are not needed, and drawing them takes time
        # Only a budget of tokens makes the number of passes differ between epochs.
        if epoch == 0 or settings.batch_tokens:
            passes = epoch_passes(lengths, settings, epoch=epoch, processes=processes, rows=rows)
            of_epoch = len(_steps(passes, step_passes))
        # A fraction of an epoch is rounded up: `epochs=0.1` of 3 steps is one step, not none.
        share = min(1.0, settings.epochs - epoch)
        steps_before.append(steps_before[-1] + math.ceil(share * of_epoch - _ROUNDING))
    if settings.max_steps:
        steps_before = [steps for steps in steps_before if steps < settings.max_steps] + (
            [settings.max_steps] if steps_before[-1] >= settings.max_steps else []
        )
    total = steps_before[-1]
    # Below 1 the warm-up is a share of the steps, from 1 on a number of them.
    warmup = settings.warmup * total if settings.warmup < 1 else settings.warmup
    return Plan(settings, lengths, rows, processes, np.array(steps_before), min(int(warmup), total))


def _steps(passes: list[Index], step_passes: int) -> range:
    return range(0, len(passes), step_passes)


def epoch_passes(
    lengths: Index, settings: TrainingSettings, *, epoch: int, processes: int = 1, rows: Index | None = None
) -> list[Index]:
    """The passes of an epoch, which hold every record once.

    Records are shuffled and cut into steps. With `group_by_length` or `batch_tokens`, records of similar length are
    grouped over many passes, and the passes are shuffled.
    """
    # A generator of its own for each epoch: no epoch has to be drawn in order to know a later one.
    generator = np.random.default_rng([settings.seed, epoch, _ORDER])
    order = generator.permutation(len(lengths))
    size = settings.batch_size
    if settings.batch_tokens:
        rows = np.ones_like(lengths) if rows is None else rows
        pool_size = _POOL * max(1, int(settings.batch_tokens / (lengths * rows).mean()))
        passes = [
            part
            for pool in _cut(order, pool_size)
            for part in _within_budget(_by_length(pool, lengths), lengths, rows, settings.batch_tokens)
        ]
    elif settings.group_by_length:
        passes = [part for pool in _cut(order, _POOL * size) for part in _cut(_by_length(pool, lengths), size)]
    else:
        # Sorting by length within a step saves padding and changes no gradient: a step is one mean over its records.
        steps = _cut(order, size * settings.accumulation * processes)
        return [part for step in steps for part in _cut(_by_length(step, lengths), size)]
    return [passes[number] for number in generator.permutation(len(passes))]


def passes_of_process(passes: list[Index], *, process: int, processes: int) -> list[Index]:
    """The passes of one process in a step: the same number for every process, so the last one may be empty."""
    rounds = math.ceil(len(passes) / processes)
    # All processes take part in the exchange of gradients; one without a pass would leave the others waiting.
    padded = [*passes, *[passes[0][:0]] * (rounds * processes - len(passes))]
    return padded[process::processes]


def _cut(index: Index, size: int) -> list[Index]:
    return [index[first : first + size] for first in range(0, len(index), size)]


def _by_length(index: Index, lengths: Index) -> Index:
    # Stable: ties keep the shuffled order, on every platform.
    return index[np.argsort(lengths[index], kind="stable")]


def _within_budget(index: Index, lengths: Index, rows: Index, batch_tokens: int) -> list[Index]:
    """Cut records, sorted by length, into passes of at most `batch_tokens` tokens including padding.

    A record that is longer than the budget makes a pass of its own.
    """
    passes, first, windows = [], 0, 0
    for position, record in enumerate(index.tolist()):
        windows += int(rows[record])
        # Sorted by length, so every window of the pass is padded to the length of this record.
        if position > first and windows * int(lengths[record]) > batch_tokens:
            passes.append(index[first:position])
            first, windows = position, int(rows[record])
    return [*passes, index[first:]]
