"""What commands write: predictions in a contest's form, n-best lists, and what `preprocess` tells of its files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qakit.data.leakage import Leak
from qakit.data.predictions import CONTESTS, PREDICTION_FORMATS, render_predictions, write_predictions
from qakit.data.records import Repair
from qakit.errors import ConfigError, suggestion
from qakit.io import write_json
from qakit.spans.answers import Prediction
from qakit.spans.reachability import Reach

_SQUAD_LIKE = ("squad", "squad2", "drcd", "cmrc", "cmrc-flat")


@dataclass(frozen=True)
class PreprocessResult:
    """What `preprocess` found and did.

    Attributes:
        report: numbers on each part of the data.
        files: those written.
        notes: sentences on what the readers did.
        repairs: every field that was changed.
        leaks: what each two parts share.
        reach: what windows hold and cost, by part, where it was asked for.
    """

    report: Mapping[str, Mapping[str, Any]]
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    repairs: tuple[Repair, ...] = ()
    leaks: tuple[Leak, ...] = ()
    reach: Mapping[str, tuple[Reach, ...]] = field(default_factory=dict)


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Make sure, before any work, that no output takes the place of an input, of a folder or of another output.

    Raises:
        ConfigError: naming the path.
    """
    taken = {path.resolve(): "is an input" for path in inputs}
    for path in filter(None, outputs):
        reason = taken.get(path.resolve(), "is a folder" if path.is_dir() else "")
        if reason:
            raise ConfigError(f"{path}: {reason}; choose another name for the output")
        taken[path.resolve()] = "is the name of another output too"


def chosen_format(given: str | None, schema: str, out: Path | None) -> str:
    """The prediction format that was asked for, else the one that the data and the name of the file ask for.

    Raises:
        ConfigError: there is no such format, or it cannot be written there.
    """
    if given is None:
        return default_format(schema, out)
    if given not in PREDICTION_FORMATS:
        near = suggestion(given, PREDICTION_FORMATS)
        raise ConfigError(f"--format {given}: unknown{near}; expected one of {', '.join(PREDICTION_FORMATS)}")
    if given == "parquet" and out is None:
        raise ConfigError("--format parquet: is not text, so it needs a file; give --out")
    return given


def default_format(schema: str, out: Path | None) -> str:
    """The prediction format that the contest of a data schema takes; another suffix of `out` asks for another.

    Raises:
        ConfigError: the suffix tells no format.
    """
    native = schema if schema in CONTESTS else "squad" if schema in _SQUAD_LIKE else "jsonl"
    if out is None:
        return native
    by_suffix = {
        ".csv": native if native in ("hw7", "adl2022") else "csv",
        ".json": native if native == "adl2021" else "squad",
        ".jsonl": "jsonl",
        ".parquet": "parquet",
    }
    if out.suffix not in by_suffix:
        raise ConfigError(f"{out}: cannot tell the format by its name; use {', '.join(by_suffix)}, or give --format")
    return by_suffix[out.suffix]


def write_outputs(
    predictions: Sequence[Prediction], *, out: Path | None, format: str, nbest_out: Path | None
) -> tuple[Path, ...]:
    """Write the best answers and the n-best lists, each where it is asked for; gives the files written."""
    if out:
        write_predictions(_texts(predictions), out, format)
    if nbest_out:
        write_json(
            nbest_out,
            {prediction.id: [answer._asdict() for answer in prediction.answers] for prediction in predictions},
        )
    return tuple(file for file in (out, nbest_out) if file)


def document(predictions: Sequence[Prediction], format: str) -> str:
    """The prediction document as text, for standard output."""
    return render_predictions(_texts(predictions), format)


def _texts(predictions: Sequence[Prediction]) -> dict[str, str]:
    return {prediction.id: prediction.text for prediction in predictions}
