"""One process at a time in a folder."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from qakit.errors import ConfigError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Have a folder, made where there is none, for this process alone; a new one is gone afterwards if left empty.

    Raises:
        ConfigError: another process has it.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ".lock"
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{folder}: is in use by {_read_owner(file)}; wait for it or stop it") from None
    try:
        file.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        if all(path.name.startswith(".") for path in folder.iterdir()):
            file.unlink(missing_ok=True)
        lock.release()
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _read_owner(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"
