"""What `predict` is asked, and how its answers are to come out."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """The questions and where their answers are looked for, as the options say."""

    data: Path | None = None
    context: Path | None = None
    question: str | None = None
    text: str | None = None
    corpus: tuple[Path, ...] = ()
    lenient: bool = False


@dataclass(frozen=True)
class Wanted:
    """Files and forms, as the options say."""

    out: Path | None = None
    format: str | None = None
    scores: Path | None = None
    nbest_out: Path | None = None
    json: bool = False
    quiet: bool = False

    @property
    def is_view(self) -> bool:
        """Whether answers are to be shown for people: no file, form or JSON is asked for."""
        return not any((self.out, self.format, self.scores, self.nbest_out, self.json))
