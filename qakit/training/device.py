"""Memory and dropout masks of a device: clear out-of-memory errors, glibc's freed memory, fast masks on a CPU."""

import ctypes
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor

from qakit.errors import ResourceError

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's malloc.h
_LARGEST_INT = 2**31 - 1  # mallopt takes an int; never trim below 2 GB
_LEVELS = 2**16  # probabilities that 16 random bits can tell apart


@contextmanager
def explain_out_of_memory(advice: str) -> Iterator[None]:
    """Turn torch's out-of-memory error into a `ResourceError` that ends with `advice`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        # The first two sentences say how much was wanted and what the device has; the rest is about torch's allocator.
        reason = ". ".join(str(error).split(". ")[:2])
        raise ResourceError(f"the device is out of memory ({reason}); {advice}") from None


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next ones; without glibc nothing happens.

    By default large blocks go back to the system, which clears every page anew in each forward pass: a fifth of the
    time on a CPU, or more.
    """
    _call_glibc("mallopt", _MMAP_MAX, 0)  # blocks from mmap go back as soon as they are freed, so use none
    _call_glibc("mallopt", _TRIM_THRESHOLD, _LARGEST_INT)


def return_freed_memory() -> None:
    """Give the kept memory back to the system, which takes about 60 ms.

    Batches of ever new shapes leave gaps that no later tensor fits in: without this a training process grew from 1.1 to
    1.7 GB in 27 steps; with it, 0.4 GB stay.
    """
    _call_glibc("malloc_trim", 0)


def _call_glibc(function: str, *arguments: int) -> None:
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):  # musl and others lack the library or the function
            getattr(ctypes.CDLL("libc.so.6"), function)(*arguments)


def fast_dropout(device: torch.device) -> AbstractContextManager[None]:
    """Inside the block, `bernoulli_` on the CPU, and so every dropout, draws its masks with `draw_mask`.

    Torch's own arithmetic for each element took 29 % of a small encoder's training step. The masks come from torch's
    generator, whose state is all that resuming needs, but they differ from torch's. Other devices are left as they are.
    """
    return _fast_masks() if device.type == "cpu" else nullcontext()


@contextmanager
def _fast_masks() -> Iterator[None]:
    library: Any = torch.library.Library("aten", "IMPL", "CPU")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that a kernel is replaced, which is the purpose
        library.impl("bernoulli_.float", draw_mask, allow_override=True)
    try:
        yield
    finally:
        # Torch has no public way to take a kernel back; code after the training must find torch's own.
        library._destroy()


def draw_mask(mask: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """Fill `mask`, of any shape and dtype, with ones (probability `p`, rounded to 2**-16) and zeros; returns it."""
    kept = round(p * _LEVELS)
    # Each int64 draw is viewed as four int16, for four elements: N elements take ceil(N / 4) draws.
    words = torch.empty(-(-mask.numel() // 4), dtype=torch.int64)
    bits = words.random_(torch.iinfo(torch.int64).min, None, generator=generator).view(torch.int16)
    drawn = bits[: mask.numel()].view(mask.shape)
    if kept == _LEVELS:  # the threshold below would be 2**15, which int16 does not hold
        return mask.fill_(1)
    # Int16 is signed, so `kept` of 2**16 levels are those below kept - 2**15.
    if mask.is_contiguous():
        return torch.lt(drawn, kept - _LEVELS // 2, out=mask)
    return mask.copy_(drawn < kept - _LEVELS // 2)
