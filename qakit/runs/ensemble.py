"""`ensemble`: one set of predictions from several models' scores files; runs without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qakit.config import EnsembleConfig
from qakit.runs.outputs import check_outputs, chosen_format, write_outputs
from qakit.spans.answers import Prediction
from qakit.spans.ensembling import METHODS
from qakit.spans.scores import read_members


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
    combine = METHODS[config.method]
    check_outputs([out, nbest_out], paths)
    questions, infos = read_members(paths)
    chosen = chosen_format(format, infos[0].schema, out)
    predictions = tuple(combine(members, infos, config.nbest) for members in questions)
    files = write_outputs(predictions, out=out, format=chosen, nbest_out=nbest_out)
    return EnsembleResult(predictions, chosen, tuple(info.model for info in infos), files)
