"""The bad records that a run in parts leaves out, in a file beside the parts."""

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from qakit.data.formats.parts import Part
from qakit.data.formats.shapes import surrogate_fault
from qakit.errors import DataError, Problem
from qakit.io import parse_json, write_jsonl

SKIPPED_FILE = "skipped.jsonl"
_KINDS: dict[str, type] = {"part": int, "file": str, "record": str, "fault": str}


class SkippedRecords:
    """`skipped.jsonl`: a line for each record left out, with its `part`, `file`, `record` and `fault`.

    The lines of a part are written before the part, so that none is lost; those of a part that is not there after all
    go when the next run begins, so that none stands twice.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / SKIPPED_FILE
        self.count = 0

    def keep(self, done: Collection[int]) -> None:
        """Keep the lines of parts that are done, and no others."""
        if not self.file.is_file():
            return
        kept = [row for row in read_skipped(self.file) if row["part"] in done]
        self.count = len(kept)
        if kept:
            write_jsonl(self.file, kept)
        else:
            self.file.unlink()

    def add(self, part: Part) -> None:
        """Add those of a part that is about to be written."""
        rows = list(_rows(part))
        if not rows:
            return
        with open(self.file, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())
        self.count += len(rows)


def read_skipped(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of a `skipped.jsonl`, but for the last where a killed run left half of it.

    Raises:
        DataError: a line is no such row.
    """
    with open(file, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                continue
            row = parse_json(line, file, f"line {number}")
            fields = row if isinstance(row, dict) else {}
            for name, kind in _KINDS.items():
                value = fields.get(name)
                if type(value) is not kind:
                    raise _damaged(file, number, name, f"{value!r}: expected {'a number' if kind is int else 'text'}")
                if isinstance(value, str) and surrogate_fault(value):
                    raise _damaged(file, number, name, f"{value!r}: is no UTF-8 text")
            yield {name: fields[name] for name in _KINDS}


def _damaged(file: Path, number: int, field: str, fault: str) -> DataError:
    return DataError([Problem(str(file), f"line {number}", field, f"{fault}; delete the damaged file")])


def _rows(part: Part) -> Iterator[dict[str, Any]]:
    faults: dict[tuple[str, str], list[str]] = {}
    for problem in part.problems:
        faults.setdefault((problem.file, problem.record), []).append(f"{problem.field}: {problem.message}")
    for (file, record), found in faults.items():
        texts = {"file": file, "record": record, "fault": "; ".join(found)}
        yield {"part": part.number, **{name: _written_out(text) for name, text in texts.items()}}


def _written_out(text: str) -> str:
    """The text with what UTF-8 cannot hold, such as the bytes of a file's name that were none, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
