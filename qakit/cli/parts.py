"""`qakit predict --part-size`: how answering in parts is asked for and told of."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qakit.cli.console import emit_json, say
from qakit.errors import ConfigError

if TYPE_CHECKING:
    from qakit.config import ReadConfig
    from qakit.runs.predict import Models


def check_parts(data: Path | None, out: Path | None, **others: object) -> None:
    """Make sure that there are questions and a folder, and nothing that parts have no place for.

    Args:
        others: values of the flags that do not go with parts, by name.

    Raises:
        ConfigError: naming the flag.
    """
    if data is None or out is None:
        raise ConfigError("--part-size needs --data, a file or a folder of jsonl or parquet, and --out, a folder")
    for name, value in others.items():
        if value:
            raise ConfigError(f"--part-size does not go with --{name.replace('_', '-')}")


def answer_in_parts(
    data: Path,
    out: Path,
    size: int,
    load: "Callable[[], Models]",
    settings: "ReadConfig",
    *,
    format: str | None,
    lenient: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Answer all parts that are not there yet, and say after each how many questions were answered."""
    from qakit.data.formats.parts import table_files
    from qakit.runs.bulk import predict_parts

    table_files(data)  # before the models are loaded
    answered = 0

    def tell(questions: int) -> None:
        nonlocal answered
        answered += questions
        if not quiet:
            say(f"{answered} questions answered")

    result = predict_parts(data, load(), settings, out=out, size=size, format=format, lenient=lenient, progress=tell)
    if json:
        emit_json(result._asdict())
    if not quiet:
        kept = f", {result.kept} of them by an earlier run" if result.kept else ""
        skipped = f", {result.skipped} bad records skipped" if result.skipped else ""
        say(f"{result.folder}: {result.parts} parts{kept}{skipped}")
