"""Handlers for SIGTERM and SIGINT: stop at once, or deferred to a point where no work is lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """A signal asked the program to stop. Not an `Exception`, so that `except Exception` lets it pass.

    Attributes:
        exit_code: as shells report it: 143 for SIGTERM, 130 for SIGINT.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class StopSignals:
    """Context in which SIGTERM and SIGINT raise `Stopped`: at once, except inside `deferred`.

    A second signal always raises at once. Python allows handlers in the main thread only; elsewhere nothing changes.

    Attributes:
        received: the number of a signal that waits to be handled.
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
        """Inside, a first signal is only recorded; the caller checks `received` where stopping is safe."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Inside, even within `deferred`, a signal raises at once, as does one that was recorded before."""
        was_deferring, self._deferring = self._deferring, False
        try:
            if self.received is not None:
                raise Stopped(self.received)
            yield
        finally:
            self._deferring = was_deferring
