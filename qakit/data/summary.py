"""Summary of a dataset in counts and lengths; all lengths are in characters."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from qakit.data.records import Record


def summarise(records: Sequence[Record]) -> dict[str, Any]:
    """Count the records of a part of the data, and their lengths, as JSON.

    `repeated_answers` is the percentage of answers whose text occurs more than once in its paragraph, so that searching
    for the text may find the wrong place.
    """
    spans = [(record.span, record.context) for record in records if record.span is not None]
    paragraphs = {paragraph.text for record in records for paragraph in record.paragraphs}
    titles = {paragraph.title for record in records for paragraph in record.paragraphs if paragraph.title}
    repeated = sum(context.count(answer.text) > 1 for answer, context in spans if answer)
    return {
        "questions": len(records),
        "paragraphs": len(paragraphs),
        "articles": len(titles) if titles else None,
        "candidates": _range([len(record.paragraphs) for record in records]),
        "unlabelled": sum(not record.is_labelled for record in records),
        "impossible": sum(record.impossible for record in records),
        "question_length": _lengths([record.question for record in records]),
        "paragraph_length": _lengths(list(paragraphs)),
        "answer_length": _lengths([answer.text for answer, _ in spans if answer]),
        "repeated_answers": round(100 * repeated / len(spans), 1) if spans else None,
    }


def _range(values: Sequence[int]) -> str:
    low, high = min(values, default=0), max(values, default=0)
    return str(low) if low == high else f"{low}-{high}"


def _lengths(texts: Sequence[str]) -> dict[str, float | None]:
    lengths = [len(text) for text in texts]
    return {"median": median(lengths) if lengths else None, "max": max(lengths, default=None)}
