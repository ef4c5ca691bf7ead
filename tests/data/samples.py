"""What the tests of the formats share."""

import json
from pathlib import Path
from typing import Any

from qakit.data.records import Dataset, Paragraph, Record

SINGLE = ("hw7", "squad", "squad2", "drcd", "cmrc", "cmrc-flat")
TABLES = ("jsonl", "csv", "parquet")


def save(path: Path, value: Any) -> Path:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def squad(context: str, answers: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
    question = {"id": "DEV_0_QUERY_0", "question": "何處？", "answers": answers}
    return {"data": [{"title": "t", "paragraphs": [{"context": context, "qas": [question]}]}], **extra}


def record_of(dataset: Dataset) -> Record:
    (record,) = dataset.records
    return record


def without_names(record: Record, *, keep_id: bool = True) -> Record:
    """The record without the ids and titles of paragraphs, which some schemas have no place for."""
    paragraphs = tuple(Paragraph("-", paragraph.text) for paragraph in record.paragraphs)
    name = record.id if keep_id else "-"
    return Record(name, record.question, paragraphs, record.relevant, record.answers, record.impossible)
