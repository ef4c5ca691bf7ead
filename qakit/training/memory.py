"""Memory: errors of accelerators that run out of it, and a C library that keeps what is freed."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

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
