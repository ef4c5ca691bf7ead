"""Lists of texts whose index is the paragraph id, as HW7 and ADL have them."""

from collections.abc import Sequence
from typing import Any

from qakit.data.formats.shapes import describe, surrogate_fault
from qakit.data.formats.source import Source
from qakit.data.records import Paragraph
from qakit.errors import RecordError


def index_paragraphs(values: Sequence[Any], source: Source, name: str) -> list[Paragraph | None]:
    """One paragraph a text, with its index as id; None, and a problem, where an entry is no text.

    An empty text is a mistake only where a question uses it.

    Args:
        name: what the list is called in a problem's record: `name[3]`.
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
    """The paragraph with this index.

    Raises:
        RecordError: about `field`, when the index names none or one that is no text.
    """
    if not 0 <= number < len(paragraphs):
        raise RecordError(field, f"{number} names no paragraph; {name} has {len(paragraphs)}, counted from 0")
    paragraph = paragraphs[number]
    if paragraph is None:
        raise RecordError(field, f"{number} names a paragraph that is no usable text")
    return paragraph
