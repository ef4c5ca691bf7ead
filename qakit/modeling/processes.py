"""Work without gradients on several processes: each does a part, and all know the whole."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from accelerate import PartialState

Item = TypeVar("Item")
Result = TypeVar("Result")


def processes() -> "PartialState":
    """The processes that were started together, and the device of this one.

    On CPUs accelerate takes each for the only one unless `ACCELERATE_USE_CPU` is set, and then only its `Accelerator`
    looks there.
    """
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


def shared_out(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Iterable[Result]], *, shares: bool = True
) -> Iterable[Result]:
    """What `work` gives for `items`, one result an item and in order; every process does a part of them.

    Args:
        items: the same in every process, where they share them.
        shares: otherwise this process does all of them, as it must where the model's weights are spread over the
            processes, or where its items are its own.
    """
    from accelerate.utils import gather_object

    if not shares or processes().num_processes == 1:
        return work(items)
    state = processes()
    first, end = (
        len(items) * number // state.num_processes for number in (state.process_index, state.process_index + 1)
    )
    results: list[Result] = gather_object(list(work(items[first:end])))
    return results


def is_main_process() -> bool:
    """Whether this is the process that writes files."""
    return bool(processes().is_main_process)


def leave() -> None:
    """Take leave of the other processes at the end: otherwise the interpreter may crash while it shuts down."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
