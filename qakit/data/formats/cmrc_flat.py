"""The original layout of CMRC 2018: a flat list of contexts, and answers without offsets."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from qakit.data.formats.documents import Document
from qakit.data.formats.shapes import FilledText, Id, Shape, Text, keys_in_use, parse
from qakit.data.formats.source import Source, label
from qakit.data.records import Answer, Paragraph, Record
from qakit.io import write_json

NAMES = {
    "id": "query_id",
    "question": "query_text",
    "context": "context_text",
    "answer text": "answers",
    "answer start": "answers",
}
_REPEATED = "answers occur more than once in their context; the file gives no offsets, so the first place was taken"
_FREE = "answers are free texts that are no span of their context"


class _Question(Shape):
    query_id: Id
    query_text: Text
    answers: list[Text] = Field(default_factory=list)


class _Context(Shape):
    context_id: Id
    context_text: FilledText
    title: Text | None = None
    qas: list[Any]


def read(document: Document, source: Source) -> Iterator[Record]:
    """The questions of a flat CMRC 2018 file.

    An answer stands where its text first occurs; answers that occur more than once, and those that do not occur and so
    are free texts, are noted.
    """
    questions = (question for value in document.value for question in _questions(value))
    required = keys_in_use(questions, ("answers",))
    for number, value in enumerate(document.value):
        place = label(f"[{number}]", value, "context_id")
        context = source.attempt(place, partial(parse, _Context, value), records=len(_questions(value)) or 1)
        if context is None:
            continue
        paragraph = Paragraph(context.context_id, context.context_text, context.title or "")
        for position, inner in enumerate(context.qas):
            place = label(f"[{number}].qas[{position}]", inner, "query_id")
            record = source.record(place, partial(_build, inner, paragraph, source, required))
            if record is not None:
                yield record


def _questions(value: Any) -> list[Any]:
    questions = value.get("qas") if isinstance(value, dict) else None
    return questions if isinstance(questions, list) else []


def _build(value: Any, paragraph: Paragraph, source: Source, required: Collection[str]) -> Record:
    question = parse(_Question, value, required=required)
    answers = tuple(Answer(text, first_place(text, paragraph.text)) for text in question.answers)
    record = Record(question.query_id, question.query_text, (paragraph,), 0, answers)
    source.note(_REPEATED, sum(_is_repeated(answer, paragraph.text) for answer in answers))
    source.note(_FREE, sum(answer.start is None for answer in answers))
    return record


def first_place(text: str, context: str) -> int | None:
    """Offset at which a text first occurs, None where it does not: what the file says of an answer's place."""
    start = context.find(text)
    return None if start < 0 else start


def _is_repeated(answer: Answer, context: str) -> bool:
    return answer.start is not None and context.find(answer.text, answer.start + 1) >= 0


def write(records: Sequence[Record], path: Path) -> list[Path]:
    """Write a flat CMRC 2018 file; questions are put together by context, in the order of first use.

    The file has no offsets, so each answer must be where its text first occurs.
    """
    contexts: dict[Paragraph, list[Record]] = {}
    for record in records:
        contexts.setdefault(record.paragraphs[0], []).append(record)
    values = [
        {
            "context_id": paragraph.id,
            "context_text": paragraph.text,
            "title": paragraph.title,
            "qas": [_question(record) for record in questions],
        }
        for paragraph, questions in contexts.items()
    ]
    write_json(path, values, indent=1)
    return [path]


def _question(record: Record) -> dict[str, Any]:
    answers = [answer.text for answer in record.answers]
    return {"query_id": record.id, "query_text": record.question, "answers": answers}
