"""What all commands share: messages on standard error, documents on standard output, errors as exit codes."""

import errno
import functools
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from qakit.errors import WHOLE_FILE, DataError, QakitError, ResourceError
from qakit.signals import Stopped, StopSignals

P = ParamSpec("P")
R = TypeVar("R")

stderr = Console(stderr=True, highlight=False, soft_wrap=True)

_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)] if chr(code) not in "\n\t"}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_state = {"debug": False}


def set_debug(debug: bool) -> None:
    """Whether errors that a message explains show their traceback too."""
    _state["debug"] = debug


def plain(text: str, style: str = "") -> Text:
    """Text of unknown origin for the terminal: no markup, no escape sequences."""
    return Text(text.translate(_CONTROLS), style=style)


def speaks() -> bool:
    """Whether this process is the one that talks, of those that `accelerate launch` or `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str, style: str = "") -> None:
    """A line on standard error."""
    if speaks():
        stderr.print(plain(text, style))


def say_if_remote(*models: str | None) -> None:
    """Say which models are no folder here, since asking the hub for them takes time."""
    for model in models:
        if model and "/" in model and not Path(model).exists():
            say(f"{model}: no such folder here; looking for it on the hub or in its cache")


def emit(text: str) -> None:
    """A document on standard output, in UTF-8 as in a file whatever the locale; a terminal gets no escape sequences."""
    if not speaks():
        return
    if sys.stdout.isatty():
        text = text.translate(_CONTROLS)
    sys.stdout.flush()
    sys.stdout.buffer.write((text if text.endswith("\n") else text + "\n").encode())
    sys.stdout.buffer.flush()


def emit_json(value: Any) -> None:
    """One JSON document on standard output."""
    emit(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose explained errors become a message and an exit code instead of a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with StopSignals():
                result = command(*args, **kwargs)
                _leave_other_processes()
                return result
        except DataError as error:
            in_records = all(problem.record != WHOLE_FILE for problem in error.problems)
            hint = "\n--lenient leaves bad records out and says how many" if in_records else ""
            raise _exit(error, error.exit_code, f"{error}{hint}") from None
        except QakitError as error:
            raise _exit(error, error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except Stopped as stopped:
            raise typer.Exit(stopped.exit_code) from None
        except MemoryError as error:
            raise _exit(error, ResourceError.exit_code, "out of memory; lower the batch size") from None
        except OSError as error:
            is_full = error.errno in _FULL
            if not (is_full or error.filename):
                raise  # typer ends quietly when it was a pipe that nobody reads any more
            code = ResourceError.exit_code if is_full else QakitError.exit_code
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
            raise _exit(error, code, message) from None

    return run


def _leave_other_processes() -> None:
    """Part from the processes that `accelerate launch` started, where there are any."""
    if "WORLD_SIZE" in os.environ and "torch" in sys.modules:
        from qakit.modeling.processes import leave

        leave()


def _exit(error: BaseException, code: int, message: str = "") -> typer.Exit:
    if _state["debug"]:
        traceback.print_exception(error)
    origin = "" if speaks() else f"process {os.environ['RANK']}: "  # the others may have another error to tell
    stderr.print(Text(f"{origin}error: ", style="bold red") + plain(message or str(error)))
    return typer.Exit(code)
