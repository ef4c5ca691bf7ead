"""Wrong usage, which typer tells of: what was typed is quoted, and does nothing on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from qakit.cli.console import inert


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
