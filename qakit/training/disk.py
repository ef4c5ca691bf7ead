"""Disks that are full or cannot be written, as errors that say what was to be written, and how much room there is."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from qakit.errors import ResourceError


@contextmanager
def explained_disk(target: Path, needed: int, advice: str) -> Iterator[None]:
    """Turn what the system says about a disk into a `ResourceError`.

    Args:
        target: what is being written.
        needed: its size in bytes, about.
        advice: ends the message.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if isinstance(error, SafetensorError) and "os error" not in str(error):
            raise
        existing = next(path for path in target.absolute().parents if path.is_dir())
        free = shutil.disk_usage(existing).free
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ResourceError(
            f"{target}: could not be written: {reason}. It needs about {needed} bytes, {free} are free. {advice}"
        ) from error
