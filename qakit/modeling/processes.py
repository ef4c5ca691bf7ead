"""Inference on several processes: each works on a part of the items, and all get every result."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from accelerate import PartialState

Item = TypeVar("Item")
Result = TypeVar("Result")


def process_state() -> "PartialState":
    """Accelerate's state: number and index of the processes, and the device of this one."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # On CPUs accelerate takes each process for the only one unless it is told of `ACCELERATE_USE_CPU`, which only its
    # `Accelerator` reads by itself.
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


def map_over_processes(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Iterable[Result]], *, shares: bool = True
) -> Iterable[Result]:
    """The results of `work` for `items`, one per item and in order; every process computes a part of them.

    Args:
        items: the same items in every process.
        shares: False makes this process compute all of them: the model is sharded over the processes, or the items
            belong to this process alone.
    """
    from accelerate.utils import gather_object

    if not shares or process_state().num_processes == 1:
        return work(items)
    state = process_state()
    # Contiguous parts, so that gathering them by process restores the order.
    first, end = (
        len(items) * number // state.num_processes for number in (state.process_index, state.process_index + 1)
    )
    results: list[Result] = gather_object(list(work(items[first:end])))
    return results


def is_main_process() -> bool:
    """Whether this process writes the files."""
    return bool(process_state().is_main_process)


def leave_process_group() -> None:
    """Leave the process group at the end of a command, if there is one."""
    from torch import distributed

    # Without this the interpreter may crash while it shuts down. Behind a barrier: others may still be gathering.
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
