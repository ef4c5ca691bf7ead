"""`qakit predict --part-size`: how answering in parts is asked for and told of."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from qakit.cli.asked import Asked, Wanted
from qakit.cli.console import emit_json, say
from qakit.errors import ConfigError

if TYPE_CHECKING:
    from qakit.config import ReadConfig
    from qakit.runs.predict import Models
    from qakit.spans.answers import Prediction

_SHOWN = 10  # bad records


def check_parts(asked: Asked, wanted: Wanted, *, interactive: bool) -> tuple[Path, Path]:
    """The questions and the folder, where nothing is asked for that parts have no place for.

    Raises:
        ConfigError: naming the flag.
    """
    if asked.data is None or wanted.out is None:
        raise ConfigError("--part-size needs --data, a file or a folder of jsonl or parquet, and --out, a folder")
    others = {
        "question": asked.question,
        "text": asked.text,
        "corpus": asked.corpus,
        "interactive": interactive,
        "context": asked.context,
        "scores": wanted.scores,
        "nbest-out": wanted.nbest_out,
    }
    for name, value in others.items():
        if value:
            raise ConfigError(f"--part-size does not go with --{name}")
    return asked.data, wanted.out


def answer_in_parts(
    asked: Asked,
    wanted: Wanted,
    size: int,
    load: "Callable[[], Models]",
    settings: "ReadConfig",
    *,
    interactive: bool,
) -> None:
    """Answer all parts that are not there yet; say after each how many answers there are, and last what may be wrong.

    Raises:
        ConfigError: something else is asked for that parts have no place for.
    """
    data, out = check_parts(asked, wanted, interactive=interactive)
    from qakit.data.formats.parts import filled_tables
    from qakit.runs.bulk import predict_parts
    from qakit.runs.lint import fault_note, faults_of

    filled_tables(data)  # before the models are loaded
    answered, faults = 0, Counter[str]()

    def tell(answers: "Sequence[Prediction]") -> None:
        nonlocal answered
        answered += len(answers)
        faults.update(faults_of(answers))
        if not wanted.quiet:
            say(f"{answered} questions answered")

    result = predict_parts(
        data, load(), settings, out=out, size=size, format=wanted.format, lenient=asked.lenient, progress=tell
    )
    if wanted.json:
        emit_json(result._asdict())
    if not wanted.quiet:
        kept = f", {result.kept} of them by an earlier run" if result.kept else ""
        say(f"{result.folder}: {result.parts} parts{kept}")
        if result.skipped_file:
            _tell_skipped(result.skipped_file, result.skipped)
        doubt = fault_note(faults)
        if doubt:
            say(doubt, "yellow")


def _tell_skipped(file: Path, count: int) -> None:
    """Say which records were left out: the first of them, and where all are listed."""
    from qakit.runs.skipped import read_skipped

    say(f"{count} bad records skipped, listed in {file}:", "yellow")
    for row in islice(read_skipped(file), _SHOWN):
        say(f"  {row['file']}: {row['record']}: {row['fault']}")
    if count > _SHOWN:
        say(f"  ... and {count - _SHOWN} more")
