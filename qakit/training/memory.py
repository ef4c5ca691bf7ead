"""Accelerators that run out of memory, as errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from qakit.errors import ResourceError


@contextmanager
def explained_memory(advice: str) -> Iterator[None]:
    """Turn torch's out-of-memory error into a `ResourceError` that ends with `advice`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = ". ".join(str(error).split(". ")[:2])
        raise ResourceError(f"the device is out of memory ({reason}); {advice}") from None
