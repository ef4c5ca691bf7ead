"""The rows of an evaluation as a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qakit.errors import ConfigError
from qakit.io import csv_text, write_json, write_jsonl, write_parquet, write_text

# What a spreadsheet takes for the beginning of a formula, the full-width forms too (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_details(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the rows of a result as `.csv`, `.json`, `.jsonl` or `.parquet`.

    CSV is for spreadsheets: lists are joined by ` | `, and a text that one would take for a formula begins with `'`.

    Raises:
        ConfigError: another suffix.
    """
    check_details(path)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    if path.suffix == ".json":
        write_json(path, list(rows))
    elif path.suffix == ".jsonl":
        write_jsonl(path, rows)
    elif path.suffix == ".parquet":
        write_parquet(path, columns)
    else:
        write_text(path, csv_text(list(columns), (list(map(_cell, row.values())) for row in rows)))


def check_details(path: Path) -> None:
    """Make sure that the suffix tells how to write.

    Raises:
        ConfigError: it does not.
    """
    if path.suffix not in (".csv", ".json", ".jsonl", ".parquet"):
        raise ConfigError(f"{path}: cannot tell the format by its name; use .csv, .json, .jsonl or .parquet")


def _cell(value: Any) -> Any:
    text = " | ".join(value) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA_STARTS) else text
