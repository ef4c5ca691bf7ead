"""Console output of all commands: messages on standard error, documents on standard output, errors as exit codes."""

import errno
import functools
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from unicodedata import category

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from qakit.errors import WHOLE_FILE, DataError, QakitError, ResourceError
from qakit.signals import Stopped, StopSignals

P = ParamSpec("P")
R = TypeVar("R")

stderr = Console(stderr=True, highlight=False, soft_wrap=True)

# Turns of the writing direction make a line read as another than it is, and other line ends than \n make two of it;
# surrogates are bytes that were no UTF-8.
_TURNS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_LINE_ENDS = (0x2028, 0x2029)
_ACTING = (*range(9), *range(11, 32), *range(127, 160), *_TURNS, *_LINE_ENDS, *range(0xD800, 0xE000))
_CONTROLS = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _ACTING}
_CONTROLS_IN_LINE = _CONTROLS | {ord("\n"): "\\n", ord("\t"): "\\t"}
_CONTROLS_IN_JSON = {code: f"\\u{code:04x}" for code in _ACTING}  # which only stand in its strings
_NO_FILE = "command line"  # as `qakit.runs.predict` calls it in a problem
_FULL = (errno.ENOSPC, errno.EDQUOT)
_state = {"debug": False}


def set_debug(debug: bool) -> None:
    """Whether errors that a message explains show their traceback too."""
    _state["debug"] = debug


def inert(text: str) -> str:
    """The text with control characters, and those that turn the direction of writing, as `\\x1b` or `\\u202e`."""
    return text.translate(_CONTROLS)


def plain(text: str, style: str = "") -> Text:
    """Text of unknown origin for the terminal: no markup, no escape sequences."""
    return Text(inert(text), style=style)


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
        text = inert(text)
    _write(text if text.endswith("\n") else text + "\n")


def emit_line(text: str) -> None:
    """A line for people on standard output; a pager or `tee` may stand before their terminal, so it is always inert."""
    if speaks():
        _write(text.translate(_CONTROLS_IN_LINE) + "\n")


def _write(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def shows_styles() -> bool:
    """Whether what is bold or coloured looks so on standard output: on a terminal that knows how."""
    return _page().color_system is not None


def show(text: Text) -> None:
    """A styled text for people on standard output; styles, and line breaks at the edge, are for terminals alone."""
    if speaks():
        page = _page()
        with page.capture() as capture:
            page.print(wrapped(text, page.width) if page.is_terminal else text, soft_wrap=True)
        _write(capture.get())


def _page() -> Console:
    return Console(file=io.StringIO(), force_terminal=sys.stdout.isatty(), highlight=False)


def wrapped(text: Text, width: int) -> Text:
    """The text in lines of at most `width` cells; rich's own way breaks Chinese at its few spaces alone."""
    text = text.copy()
    text.expand_tabs()
    lines = [part for line in text.split("\n", allow_blank=True) for part in line.divide(_breaks(line.plain, width))]
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _breaks(line: str, width: int) -> list[int]:
    """Offsets of the characters that begin a new line; a word too long for a line is cut anywhere."""
    breaks: list[int] = []
    first = chance = cells = 0
    for place, character in enumerate(line):
        if place and _may_part(line[place - 1], character):
            chance = place
        size = cell_len(character)
        while cells + size > width and place > first and not character.isspace():
            first = chance if chance > first else place
            breaks.append(first)
            cells = cell_len(line[first:place])
        cells += size
    return breaks


def _may_part(left: str, right: str) -> bool:
    """Whether a line may end between two characters: behind a space, and beside a wide one if no bracket, comma, ..."""
    if left.isspace() or right.isspace():
        return not right.isspace()
    is_wide = max(cell_len(left), cell_len(right)) > 1
    return is_wide and category(left) not in ("Ps", "Pi") and category(right) not in ("Pe", "Pf", "Po", "Mn")


def emit_json(value: Any) -> None:
    """One JSON document on standard output; what acts on a terminal is escaped in its strings."""
    emit(json.dumps(value, ensure_ascii=False, indent=2, default=str).translate(_CONTROLS_IN_JSON))


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
            in_records = all(problem.record != WHOLE_FILE and problem.file != _NO_FILE for problem in error.problems)
            usual = "--lenient leaves bad records out and says how many" if in_records else ""
            hint = f"\n{error.hint or usual}".rstrip()
            if any(problem.repairable for problem in error.problems):
                hint += "\nqakit preprocess --repair puts answers where their text stands and lists every change"
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
        from qakit.modeling.processes import leave_process_group

        leave_process_group()


def report(error: BaseException, message: str = "") -> None:
    """Tell of an error on standard error, in its own words or in better ones."""
    if _state["debug"]:
        stderr.print(plain("".join(traceback.format_exception(error))), end="")
    origin = "" if speaks() else f"process {os.environ['RANK']}: "  # the others may have another error to tell
    stderr.print(Text(f"{origin}error: ", style="bold red") + plain(message or str(error)))


def _exit(error: BaseException, code: int, message: str = "") -> typer.Exit:
    report(error, message)
    return typer.Exit(code)


class Commands(TyperGroup):
    """Commands whose messages hold no escape sequences, as of names of files that a shell has filled in."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """The context, as typer makes it."""
        with _inert_messages():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, as typer runs it."""
        with _inert_messages():
            return super().invoke(ctx)


@contextmanager
def _inert_messages() -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        error.message = inert(error.message)
        raise
