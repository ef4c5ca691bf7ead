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

# Bidirectional controls let a line read as another one, line ends other than \n split it in two, and surrogates are
# bytes that were not UTF-8.
_BIDIRECTIONAL = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_LINE_ENDS = (0x2028, 0x2029)
_UNSAFE = (*range(9), *range(11, 32), *range(127, 160), *_BIDIRECTIONAL, *_LINE_ENDS, *range(0xD800, 0xE000))
_CONTROLS = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _UNSAFE}
_CONTROLS_IN_LINE = _CONTROLS | {ord("\n"): "\\n", ord("\t"): "\\t"}
_CONTROLS_IN_JSON = {code: f"\\u{code:04x}" for code in _UNSAFE}  # only in its strings, so escapes are valid JSON
_NO_FILE = "command line"  # the file of a problem in a question or text given as an option
_FULL = (errno.ENOSPC, errno.EDQUOT)
_state = {"debug": False}


def set_debug(debug: bool) -> None:
    """Show the traceback of explained errors too, or not."""
    _state["debug"] = debug


def escape_controls(text: str) -> str:
    """Write control characters, bidirectional ones too, as escapes: `\\x1b`, `\\u202e`."""
    return text.translate(_CONTROLS)


def plain(text: str, style: str = "") -> Text:
    """Untrusted text for the terminal: no rich markup, no escape sequences."""
    return Text(escape_controls(text), style=style)


def is_main_process() -> bool:
    """Whether this is the only process, or the first of those that `accelerate launch` or `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str, style: str = "") -> None:
    """A line on standard error."""
    if is_main_process():
        stderr.print(plain(text, style))


def say_if_remote(*models: str | None) -> None:
    """Announce models that are not local folders: the hub may take its time."""
    for model in models:
        if model and "/" in model and not Path(model).exists():
            say(f"{model}: no such folder here; looking for it on the hub or in its cache")


def emit(text: str) -> None:
    """A document on standard output, in UTF-8 whatever the locale; a terminal gets no escape sequences."""
    if not is_main_process():
        return
    if sys.stdout.isatty():
        text = escape_controls(text)
    _write(text if text.endswith("\n") else text + "\n")


def emit_json(value: Any) -> None:
    """One JSON document on standard output, with controls escaped in its strings."""
    emit(json.dumps(value, ensure_ascii=False, indent=2, default=str).translate(_CONTROLS_IN_JSON))


def emit_line(text: str) -> None:
    """A line for people on standard output; controls are always escaped, as a pager may pass it to a terminal."""
    if is_main_process():
        _write(text.translate(_CONTROLS_IN_LINE) + "\n")


def _write(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def shows_styles() -> bool:
    """Whether standard output is a terminal that shows bold and coloured text."""
    return _stdout_console().color_system is not None


def show(text: Text) -> None:
    """A styled text for people on standard output; only terminals get styles and line wrapping."""
    if is_main_process():
        page = _stdout_console()
        with page.capture() as capture:
            page.print(wrapped(text, page.width) if page.is_terminal else text, soft_wrap=True)
        _write(capture.get())


def _stdout_console() -> Console:
    return Console(file=io.StringIO(), force_terminal=sys.stdout.isatty(), highlight=False)


def wrapped(text: Text, width: int) -> Text:
    """Wrap text to `width` cells. Rich would break Chinese only at spaces, which are few."""
    text = text.copy()
    text.expand_tabs()
    lines = [part for line in text.split("\n", allow_blank=True) for part in line.divide(_breaks(line.plain, width))]
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _breaks(line: str, width: int) -> list[int]:
    """Offsets of the characters that begin a new line; a word longer than a line is cut anywhere."""
    breaks: list[int] = []
    first = chance = cells = 0
    for place, character in enumerate(line):
        if place and _may_break(line[place - 1], character):
            chance = place  # the last place so far where the line may end
        size = cell_len(character)
        while cells + size > width and place > first and not character.isspace():
            first = chance if chance > first else place
            breaks.append(first)
            cells = cell_len(line[first:place])
        cells += size
    return breaks


def _may_break(left: str, right: str) -> bool:
    """Whether a line may end here: after a space, or beside a wide character if no bracket or comma is torn off."""
    if left.isspace() or right.isspace():
        return not right.isspace()
    is_wide = max(cell_len(left), cell_len(right)) > 1
    return is_wide and category(left) not in ("Ps", "Pi") and category(right) not in ("Pe", "Pf", "Po", "Mn")


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Decorator: explained errors of a command become a message and an exit code instead of a traceback."""

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
            raise _exit_with(error, error.exit_code, f"{error}{hint}") from None
        except QakitError as error:
            raise _exit_with(error, error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except Stopped as stopped:
            raise typer.Exit(stopped.exit_code) from None
        except MemoryError as error:
            raise _exit_with(error, ResourceError.exit_code, "out of memory; lower the batch size") from None
        except OSError as error:
            is_full = error.errno in _FULL
            if not (is_full or error.filename):
                raise  # typer ends quietly when it was a pipe that nobody reads any more
            code = ResourceError.exit_code if is_full else QakitError.exit_code
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
            raise _exit_with(error, code, message) from None

    return run


def _leave_other_processes() -> None:
    """Leave the process group of `accelerate launch`, if there is one."""
    if "WORLD_SIZE" in os.environ and "torch" in sys.modules:
        from qakit.modeling.processes import leave_process_group

        leave_process_group()


def report(error: BaseException, message: str = "") -> None:
    """Print an error on standard error; `message` replaces its own text."""
    if _state["debug"]:
        stderr.print(plain("".join(traceback.format_exception(error))), end="")
    origin = (
        "" if is_main_process() else f"process {os.environ['RANK']}: "
    )  # other processes may have failed for another reason
    stderr.print(Text(f"{origin}error: ", style="bold red") + plain(message or str(error)))


def _exit_with(error: BaseException, code: int, message: str = "") -> typer.Exit:
    report(error, message)
    return typer.Exit(code)


class Commands(TyperGroup):
    """Command group whose usage errors hold no escape sequences: arguments may be file names that a shell filled in."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the arguments as typer does."""
        with _escaped_messages():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, as typer runs it."""
        with _escaped_messages():
            return super().invoke(ctx)


@contextmanager
def _escaped_messages() -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        error.message = escape_controls(error.message)
        raise
