"""Memory: errors of accelerators that run out of it, and a C library that keeps what is freed."""

import ctypes
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor

from qakit.errors import ResourceError

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of glibc's malloc.h
_KEPT_BYTES = 2**31 - 1  # as mallopt takes an int


@contextmanager
def explained_memory(advice: str) -> Iterator[None]:
    """Turn torch's out-of-memory error into a `ResourceError` that ends with `advice`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = ". ".join(str(error).split(". ")[:2])
        raise ResourceError(f"the device is out of memory ({reason}); {advice}") from None


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next ones.

    By default it gives large blocks back to the system, which clears every page anew in each forward pass: a fifth of
    the time on a CPU, or more. Without glibc nothing happens.
    """
    _call_glibc("mallopt", _MMAP_MAX, 0)
    _call_glibc("mallopt", _TRIM_THRESHOLD, _KEPT_BYTES)


def return_freed_memory() -> None:
    """Give back to the system what was kept: batches of ever new shapes leave gaps that no later one fits in."""
    _call_glibc("malloc_trim", 0)


def _call_glibc(function: str, *arguments: int) -> None:
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):  # another C library
            getattr(ctypes.CDLL("libc.so.6"), function)(*arguments)


_LEVELS = 2**16


def fast_dropout(device: torch.device) -> AbstractContextManager[None]:
    """Inside, random masks of tensors on the CPU (`bernoulli_`, so every dropout) are drawn fast; elsewhere as always.

    A probability is rounded to a multiple of 2**-16. The masks come from torch's own generator, whose state is all that
    resuming needs; they are others than torch would draw.
    """
    return _fast_masks() if device.type == "cpu" else nullcontext()


@contextmanager
def _fast_masks() -> Iterator[None]:
    library: Any = torch.library.Library("aten", "IMPL", "CPU")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a kernel that is replaced, which is the purpose
        library.impl("bernoulli_.float", draw_mask, allow_override=True)
    try:
        yield
    finally:
        library._destroy()


def draw_mask(mask: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """Fill a tensor of any shape and type with ones (probability `p`) and zeros; gives the tensor."""
    kept = round(p * _LEVELS)
    words = torch.empty(-(-mask.numel() // 4), dtype=torch.int64)
    bits = words.random_(torch.iinfo(torch.int64).min, None, generator=generator).view(torch.int16)
    drawn = bits[: mask.numel()].view(mask.shape)
    if kept == _LEVELS:
        return mask.fill_(1)
    if mask.is_contiguous():
        return torch.lt(drawn, kept - _LEVELS // 2, out=mask)
    return mask.copy_(drawn < kept - _LEVELS // 2)
