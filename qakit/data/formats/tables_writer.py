"""Writing tables with one question a row, so that reading them gives the same records."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qakit.data.records import Record
from qakit.io import csv_text, write_jsonl, write_parquet, write_text

_ALWAYS = frozenset({"id", "question", "answers"})


def write(records: Sequence[Record], path: Path, *, schema: str) -> list[Path]:
    """Write a table. Columns that no record needs are left out.

    Args:
        schema: jsonl, csv (lists are JSON cells) or parquet.
    """
    rows = [_row(record) for record in records]
    if schema == "jsonl":
        write_jsonl(path, ({key: value for key, value in row.items() if value is not None} for row in rows))
        return [path]
    columns = [key for key in _row_keys(rows) if key in _ALWAYS or any(row[key] is not None for row in rows)]
    if schema == "parquet":
        write_parquet(path, {key: [row[key] for row in rows] for key in columns})
    else:
        write_text(path, csv_text(columns, ([_cell(row[key]) for key in columns] for row in rows)))
    return [path]


def _row(record: Record) -> dict[str, Any]:
    first, *others = record.paragraphs
    titles = [paragraph.title for paragraph in record.paragraphs]
    row: dict[str, Any] = {
        "id": record.id,
        "question": record.question,
        "context": None if others else first.text,
        "context_id": None if others else first.id,
        "title": None if others else first.title or None,
        "paragraphs": [paragraph.text for paragraph in record.paragraphs] if others else None,
        "paragraph_ids": [paragraph.id for paragraph in record.paragraphs] if others else None,
        "titles": titles if others and any(titles) else None,
        "relevant": record.relevant if others else None,
        "answers": [{"text": answer.text, "start": answer.start} for answer in record.answers],
        "is_impossible": record.impossible or None,
    }
    return row


def _row_keys(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(rows[0]) if rows else []


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
