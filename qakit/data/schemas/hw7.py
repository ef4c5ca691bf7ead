"""HW7 contest files (2021 to 2023): questions and paragraphs in one object, `answer_end` inclusive."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas.file_content import FileContent
from qakit.data.schemas.paragraphs import index_paragraphs, paragraph_at
from qakit.data.schemas.shapes import Id, Shape, Text, describe, keys_in_use, parse
from qakit.data.schemas.source import Source, with_id
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


def read(content: FileContent, source: Source) -> Iterator[Record]:
    """Read the questions of an HW7 file; test files have null answers."""
    questions, texts = content.value["questions"], content.value.get("paragraphs")
    for name, value in (("questions", questions), ("paragraphs", texts)):
        if not isinstance(value, list):
            raise file_error(content.path, name, f"found {describe(value)}; expected a list")
    paragraphs = index_paragraphs(texts, source, "paragraphs")
    required = keys_in_use(questions, _ANSWER_KEYS)
    # Ids count from 0 in each file, so those of several files would collide.
    prefix = f"{content.path.stem}:" if source.log.files > 1 else ""
    for number, value in enumerate(questions):
        record = source.build_record(
            with_id(f"questions[{number}]", value), partial(_build, value, paragraphs, required, prefix, source)
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
        raise RecordError(
            empty, f"is null, but the rest of the answer is given; expected all of {', '.join(_ANSWER_KEYS)} or none"
        )
    (answer,) = source.repair_answers(prefix + question.id, paragraph.text, [Answer(text, start)])
    record = Record(prefix + question.id, question.question_text, (paragraph,), relevant=0, answers=(answer,))
    last = (answer.end or 0) - 1
    if source.log.repair is not None:
        source.note_repair(record.id, "answer_end", end, last, "answer_start + length - 1")
    elif end != last:
        rule = "answer_start + length - 1, the position of the last character"
        raise RecordError("answer_end", f"is {end}; expected {last} ({rule})")
    return record


def write(records: Sequence[Record], path: Path) -> list[Path]:
    """Write an HW7 file. Of several annotators' answers only the first span is kept, as in the published files."""
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
    """Whether an id is a number as JSON writes it (no leading zeros), so that HW7 can hold it."""
    return text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))
