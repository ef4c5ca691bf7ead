"""The schema of the HW7 contests (2021 to 2023): questions and paragraphs in one object, `answer_end` inclusive."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qakit.data.formats.documents import Document
from qakit.data.formats.paragraphs import index_paragraphs, paragraph_at
from qakit.data.formats.shapes import Id, Shape, Text, describe, keys_in_use, parse
from qakit.data.formats.source import Source, label
from qakit.data.records import Answer, Paragraph, Record
from qakit.errors import RecordError
from qakit.io import file_error, write_json

NAMES = {
    "question": "question_text",
    "context": "paragraph_id",
    "answer text": "answer_text",
    "answer start": "answer_start",
}
_ANSWER_KEYS = ("answer_text", "answer_start", "answer_end")


class _Question(Shape):
    id: Id
    paragraph_id: int
    question_text: Text
    answer_text: Text | None = None
    answer_start: int | None = None
    answer_end: int | None = None


def read(document: Document, source: Source) -> Iterator[Record]:
    """The questions of an HW7 file; those of a test file have null answers."""
    questions, texts = document.value["questions"], document.value.get("paragraphs")
    for name, value in (("questions", questions), ("paragraphs", texts)):
        if not isinstance(value, list):
            raise file_error(document.path, name, f"found {describe(value)}; expected a list")
    paragraphs = index_paragraphs(texts, source, "paragraphs")
    required = keys_in_use(questions, _ANSWER_KEYS)
    prefix = f"{document.path.stem}:" if source.journal.files > 1 else ""
    for number, value in enumerate(questions):
        record = source.record(
            label(f"questions[{number}]", value), partial(_build, value, paragraphs, required, prefix, source)
        )
        if record is not None:
            yield record


def _build(
    value: Any,
    paragraphs: Sequence[Paragraph | None],
    required: Collection[str],
    prefix: str,
    source: Source,
) -> Record:
    question = parse(_Question, value, required=required)
    paragraph = paragraph_at(paragraphs, question.paragraph_id, "paragraph_id", "the file")
    text, start, end = question.answer_text, question.answer_start, question.answer_end
    if text is None and start is None and end is None:
        return Record(prefix + question.id, question.question_text, (paragraph,), relevant=0)
    if text is None or start is None or end is None:
        empty = next(key for key in _ANSWER_KEYS if getattr(question, key) is None)
        raise RecordError(empty, "is null while the rest of the answer is given; expected all three or none")
    (answer,) = source.mend(prefix + question.id, paragraph.text, [Answer(text, start)])
    record = Record(prefix + question.id, question.question_text, (paragraph,), relevant=0, answers=(answer,))
    last = (answer.end or 0) - 1
    if source.journal.repair is not None:
        source.repaired(record.id, "answer_end", end, last, "answer_start + length - 1")
    elif end != last:
        rule = "this schema names the last character of the answer itself"
        raise RecordError("answer_end", f"is {end}, expected {last} (answer_start + length - 1): {rule}")
    return record


def write(records: Sequence[Record], path: Path) -> list[Path]:
    """Write an HW7 file. Only the first span of several annotators is kept, as in the published files."""
    paragraphs = {paragraph: None for record in records for paragraph in record.paragraphs}
    places = {paragraph: number for number, paragraph in enumerate(paragraphs)}
    keep_ids = all(is_decimal(record.id) for record in records)
    questions = []
    for number, record in enumerate(records):
        span = record.span
        start = span.start if span else None
        questions.append(
            {
                "id": int(record.id) if keep_ids else number,
                "paragraph_id": places[record.paragraphs[0]],
                "question_text": record.question,
                "answer_text": span.text if span else None,
                "answer_start": start,
                "answer_end": None if span is None or start is None else start + len(span.text) - 1,
            }
        )
    write_json(path, {"questions": questions, "paragraphs": [paragraph.text for paragraph in places]}, indent=1)
    return [path]


def is_decimal(text: str) -> bool:
    """Whether an id is a number as JSON writes it, so that the file can hold it."""
    return text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))
