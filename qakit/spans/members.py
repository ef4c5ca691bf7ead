"""Scores files of the same records read side by side, record by record, so that memory holds few."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.spans.scores import HasId, HasModel, ScoresSource, read_ids

Row = TypeVar("Row", bound=HasId)
Info = TypeVar("Info", bound=HasModel)


@dataclass(frozen=True)
class Members(Generic[Row, Info]):
    """Scores files that hold the same records.

    Attributes:
        ids: of the records, in the order of the first file.
        aligned: for each file, whether it has them in that order; others are held in memory whole.
        check: raises where the rows of a record, one a file, cannot be of the same data: two files that number their
            records from 0 may have the same ids.
    """

    files: tuple[ScoresSource[Row, Info], ...]
    ids: tuple[str, ...]
    aligned: tuple[bool, ...]
    check: Callable[[Sequence[Path], Sequence[Row]], None]

    @property
    def infos(self) -> tuple[Info, ...]:
        """The head of each file."""
        return tuple(file.info for file in self.files)

    def __iter__(self) -> Iterator[list[Row]]:
        """For every record its row in each file.

        Raises:
            DataError: a file is damaged, or of other data than another one.
        """
        paths = [file.path for file in self.files]
        for row in zip(*map(self._ordered, self.files, self.aligned), strict=True):
            self.check(paths, row)
            yield list(row)

    def _ordered(self, file: ScoresSource[Row, Info], aligned: bool) -> Iterator[Row]:
        if aligned:
            return file.rows()
        # Another order than the first file's: this file is held in memory, and its rows are given out once each.
        found = {row.id: row for row in file.rows()}
        return (found.pop(name) for name in self.ids)


def open_members(
    paths: Sequence[Path],
    open_file: Callable[[Path], ScoresSource[Row, Info]],
    check: Callable[[Sequence[Path], Sequence[Row]], None],
) -> Members[Row, Info]:
    """Open scores files of any kind that hold the same records.

    Args:
        check: raises where the rows of one record, one a file, cannot be of the same data.

    Raises:
        DataError: a file lacks records of the first one, or has others.
        ConfigError: the same file twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigError("the same scores file is named twice: " + ", ".join(map(str, paths)))
    files = tuple(map(open_file, paths))
    order, *others = map(_distinct_ids, paths)
    for path, ids in zip(paths[1:], others, strict=True):
        if ids != order:
            _check_same_records(order, ids, paths[0], path)
    return Members(files, tuple(order), (True, *(ids == order for ids in others)), check)


def _distinct_ids(path: Path) -> list[str]:
    ids = read_ids(path)
    if not ids:
        raise file_error(path, "id", "has none: the file holds no record")
    if len(set(ids)) < len(ids):
        twice = next(name for name, times in Counter(ids).items() if times > 1)
        raise file_error(path, "id", f"{twice!r} stands twice; expected each record once")
    return ids


def _check_same_records(expected: Sequence[str], found: Sequence[str], first: Path, other: Path) -> None:
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    if missing or extra:
        message = f"has other records than {first}: {_some(missing)} missing, {_some(extra)} more"
        raise file_error(other, "id", message)


def _some(ids: Sequence[str]) -> str:
    return f"{len(ids)} ({', '.join(ids[:3])})" if ids else "none"
