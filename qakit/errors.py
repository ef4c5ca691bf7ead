"""The exceptions that qakit raises for mistakes it can explain, and the exit code each one ends with."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of

SHOWN_PROBLEMS = 20
WHOLE_FILE = "whole file"


class QakitError(Exception):
    """Something went wrong that a message can explain. Exit code 1."""

    exit_code = 1


class ConfigError(QakitError):
    """A flag, a config file or a combination of the two is wrong. Exit code 2."""

    exit_code = 2


class CheckpointError(QakitError):
    """A model folder or a checkpoint is missing, damaged or of another run. Exit code 4."""

    exit_code = 4


class ResourceError(QakitError):
    """The disk or the memory is full. Exit code 5."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one input file.

    `record` names the record as a person would look for it (`questions[3] (id "abc")`), or says `whole file`;
    `field` names the field inside the record, or the aspect of the file (`encoding`, `JSON`). `repairable` tells that a
    reader which repairs answers may put it right.
    """

    file: str
    record: str
    field: str
    message: str
    repairable: bool = field_of(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.file}: {self.record}: {self.field}: {self.message}"


class DataError(QakitError):
    """One or more input files hold mistakes; all of them are in `problems`. Exit code 3.

    `hint` says what to do, where that is another thing than to leave bad records out.
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
    """A record contradicts itself; raised while it is built, before its file is known.

    Readers turn it into a `Problem` of a `DataError`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
