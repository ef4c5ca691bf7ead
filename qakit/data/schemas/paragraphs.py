"""Paragraphs stored as a list of texts, where the index is the paragraph id (HW7 and ADL)."""

from collections.abc import Sequence
from typing import Any

from qakit.data.records import Paragraph
from qakit.data.schemas.shapes import describe
from qakit.data.schemas.source import Source
from qakit.errors import RecordError
from qakit.io import surrogate_fault


def index_paragraphs(values: Sequence[Any], source: Source, name: str) -> list[Paragraph | None]:
    """Make a paragraph of each text, with its index as id; an entry that is no text gives None and a problem.

    An empty text is a mistake only if a question uses it.

    Args:
        name: name of the list in messages: `name[3]`.
    """
    paragraphs: list[Paragraph | None] = []
    for number, value in enumerate(values):
        is_text = isinstance(value, str)
        fault = surrogate_fault(value) if is_text else f"found {describe(value)}; expected a string"
        if fault:
            source.reject(f"{name}[{number}]", [("text", fault)], records=0)
        paragraphs.append(None if fault else Paragraph(str(number), value))
    return paragraphs


def paragraph_at(paragraphs: Sequence[Paragraph | None], number: int, field: str, name: str) -> Paragraph:
    """Get the paragraph with an index.

    Args:
        field: the field that holds the index, for messages.
        name: name of the list or file, for messages.

    Raises:
        RecordError: no such index, or the entry is no text.
    """
    if not 0 <= number < len(paragraphs):
        raise RecordError(field, f"{number} names no paragraph; {name} has {len(paragraphs)}, numbered from 0")
    paragraph = paragraphs[number]
    if paragraph is None:
        raise RecordError(field, f"{number} names a paragraph that is not a valid text; its own message says why")
    return paragraph
