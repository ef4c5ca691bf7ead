"""Several scores files of the same questions, read side by side: question by question, so that memory holds few."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.spans.scores import QuestionScores, ScoresFile, ScoresInfo, open_scores


@dataclass(frozen=True)
class Members:
    """Scores files that hold the same questions.

    Attributes:
        ids: of the questions, in the order of the first file.
        aligned: for each file, whether it has them in that order; others are held in memory whole.
    """

    files: tuple[ScoresFile, ...]
    ids: tuple[str, ...]
    aligned: tuple[bool, ...]

    @property
    def infos(self) -> tuple[ScoresInfo, ...]:
        """What each file says of itself."""
        return tuple(file.info for file in self.files)

    def __iter__(self) -> Iterator[list[QuestionScores]]:
        """For every question its scores in each file.

        Raises:
            DataError: a file has another text as a paragraph than the first one that read it, or another number of
                candidates: two files that number their questions from 0 may have the same ids.
        """
        for row in zip(*map(self._ordered, self.files, self.aligned), strict=True):
            self._check(row)
            yield list(row)

    def _ordered(self, file: ScoresFile, aligned: bool) -> Iterator[QuestionScores]:
        if aligned:
            return file.questions()
        found = {question.id: question for question in file.questions()}
        return (found.pop(name) for name in self.ids)

    def _check(self, row: Sequence[QuestionScores]) -> None:
        texts: dict[int, tuple[str, Path]] = {}
        counts: dict[int, Path] = {}
        for file, scores in zip(self.files, row, strict=True):
            text, first = texts.setdefault(scores.candidate, (scores.context, file.path))
            if scores.context != text:
                message = f"paragraph {scores.candidate} of {scores.id} is another text than in {first}"
                raise file_error(file.path, "context", f"{message}: not the same data")
            if scores.selection:
                counts.setdefault(len(scores.selection), file.path)
        if len(counts) > 1:
            (count, first), (other, path) = list(counts.items())[:2]
            message = f"{other} candidates of {row[0].id}, where {first} has {count}: not the same data"
            raise file_error(path, "selection", message)


def open_members(paths: Sequence[Path]) -> Members:
    """Open scores files of the same questions.

    Raises:
        DataError: a file lacks questions of the first one, or has others.
        ConfigError: the same file twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigError("the same scores file is named twice: " + ", ".join(map(str, paths)))
    files = tuple(map(open_scores, paths))
    order, *others = [file.ids() for file in files]
    for file, ids in zip(files[1:], others, strict=True):
        if ids != order:
            _check_same_questions(order, ids, paths[0], file.path)
    return Members(files, tuple(order), (True, *(ids == order for ids in others)))


def _check_same_questions(expected: Sequence[str], found: Sequence[str], first: Path, other: Path) -> None:
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    if missing or extra:
        message = f"has other questions than {first}: {_some(missing)} missing, {_some(extra)} more"
        raise file_error(other, "id", message)


def _some(ids: Sequence[str]) -> str:
    return f"{len(ids)} ({', '.join(ids[:3])})" if ids else "none"
