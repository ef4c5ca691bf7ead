"""SIGTERM and SIGINT: at once where nothing would be lost, later where something is being made."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """A signal asked the program to stop. No `Exception`, so that nobody takes it for a failure.

    Attributes:
        exit_code: as shells give it: 143 for SIGTERM, 130 for SIGINT.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class StopSignals:
    """While entered, SIGTERM and SIGINT raise `Stopped`: at once, or inside `deferred` only on request.

    A second signal raises at once everywhere. Outside the main thread Python allows no handlers, and nothing changes.

    Attributes:
        received: the number of a signal that waits to be acted upon.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._deferring = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in STOPPING}
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        is_first, self.received = self.received is None, signum
        if not (is_first and self._deferring):
            raise Stopped(signum)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a first signal is only noted; the caller asks `received` where stopping is safe."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Inside, also within `deferred`, a signal raises at once, as does one that was noted before."""
        was_deferring, self._deferring = self._deferring, False
        try:
            if self.received is not None:
                raise Stopped(self.received)
            yield
        finally:
            self._deferring = was_deferring
