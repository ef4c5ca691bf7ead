"""`ensemble`: one set of predictions from several models' scores files; runs without torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from qakit.config import EnsembleConfig
from qakit.runs.outputs import check_outputs, chosen_format, write_outputs
from qakit.spans.answers import Prediction
from qakit.spans.ensembling import Combined, combine
from qakit.spans.members import Members, open_members

_TOGETHER = 256  # questions: their arrays for ten members take some 40 MB


@dataclass(frozen=True)
class EnsembleResult:
    """The combined predictions, in the order of the first scores file, and the files that were written."""

    predictions: tuple[Prediction, ...]
    format: str
    members: tuple[str, ...]
    files: tuple[Path, ...]


def ensemble(
    paths: Sequence[Path],
    config: EnsembleConfig,
    *,
    out: Path | None = None,
    format: str | None = None,
    nbest_out: Path | None = None,
) -> EnsembleResult:
    """Combine scores files of the same questions.

    Args:
        format: of the predictions; what the data's contest takes when not given.
        nbest_out: the n-best lists, one JSON object.

    Raises:
        ConfigError: an unknown format, or members that cannot be combined.
        DataError: a file that is no scores file, or one of other questions.
    """
    check_outputs([out, nbest_out], paths)
    members = open_members(paths)
    chosen = chosen_format(format, members.infos[0].schema, out)
    predictions = tuple(_combined(members, Combined(config.method, nbest=config.nbest)))
    files = write_outputs(predictions, out=out, format=chosen, nbest_out=nbest_out)
    return EnsembleResult(predictions, chosen, tuple(info.model for info in members.infos), files)


def _combined(members: Members, how: Combined) -> Iterator[Prediction]:
    """The combined answers, some questions at a time."""
    rows = iter(members)
    while questions := list(islice(rows, _TOGETHER)):
        yield from combine(questions, members.infos, how)
