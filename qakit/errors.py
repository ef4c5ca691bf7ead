"""Exceptions with messages for the user, and the exit code of each."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of  # `Problem` has a field of the name `field`

SHOWN_PROBLEMS = 20
WHOLE_FILE = "whole file"


class QakitError(Exception):
    """An error that its message explains to the user. Exit code 1."""

    exit_code = 1


class ConfigError(QakitError):
    """Wrong flags or settings, or a wrong combination of them. Exit code 2."""

    exit_code = 2


class CheckpointError(QakitError):
    """A model folder or checkpoint is missing, damaged or from another run. Exit code 4."""

    exit_code = 4


class ResourceError(QakitError):
    """The disk or the memory is full. Exit code 5."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one input file.

    Attributes:
        record: the record, as a person would look for it (`questions[3] (id "abc")`), or `WHOLE_FILE`.
        field: the field inside the record, or the aspect of the file (`encoding`, `JSON`).
        repairable: whether repairing answers may correct it.
    """

    file: str
    record: str
    field: str
    message: str
    repairable: bool = field_of(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.file}: {self.record}: {self.field}: {self.message}"


class DataError(QakitError):
    """Input files contain mistakes, all of them listed in `problems`. Exit code 3.

    Attributes:
        hint: advice for the user, where leaving bad records out would not help.
    """

    exit_code = 3

    def __init__(self, problems: Sequence[Problem], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        self.hint = hint
        super().__init__(self._render())

    def _render(self) -> str:
        lines = [str(problem) for problem in self.problems[:SHOWN_PROBLEMS]]
        hidden = len(self.problems) - SHOWN_PROBLEMS
        if hidden > 0:
            lines.append(f"... and {hidden} more")
        return "\n".join(lines)


class RecordError(ValueError):
    """A record contradicts itself. Raised while it is built, when its file is not known yet.

    Readers turn it into a `Problem` of a `DataError`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def suggestion(word: str, known: Iterable[str]) -> str:
    """Suggest a known word for a misspelt one: ` (did you mean ...?)`, or nothing when none is close."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
