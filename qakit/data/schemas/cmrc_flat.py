"""CMRC 2018 in its original layout: a flat list of contexts, answers without offsets."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas.file_content import FileContent
from qakit.data.schemas.known import first_occurrence
from qakit.data.schemas.shapes import FilledText, Id, Shape, Text, keys_in_use, parse
from qakit.data.schemas.source import Source, with_id
from qakit.io import write_json

NAMES = {
    "id": "query_id",
    "question": "query_text",
    "context": "context_text",
    "answer text": "answers",
    "answer start": "answers",
}
_REPEATED = "answers occur more than once in their context; without offsets in the file, the first place was taken"
_FREE = "answers do not occur in their context: free texts"


class _Question(Shape):
    query_id: Id
    query_text: Text
    answers: list[Text] = Field(default_factory=list)


class _Context(Shape):
    context_id: Id
    context_text: FilledText
    title: Text | None = None
    qas: list[Any]


def read(content: FileContent, source: Source) -> Iterator[Record]:
    """Read the questions of a flat CMRC 2018 file.

    An answer is put where its text first occurs. Answers that occur more than once, or not at all (free texts), are
    counted in the notes.
    """
    questions = (question for value in content.value for question in _questions(value))
    required = keys_in_use(questions, ("answers",))
    for number, value in enumerate(content.value):
        place = with_id(f"[{number}]", value, "context_id")
        context = source.attempt(place, partial(parse, _Context, value), records=len(_questions(value)) or 1)
        if context is None:
            continue
        paragraph = Paragraph(context.context_id, context.context_text, context.title or "")
        for position, inner in enumerate(context.qas):
            place = with_id(f"[{number}].qas[{position}]", inner, "query_id")
            record = source.build_record(place, partial(_build, inner, paragraph, source, required))
            if record is not None:
                yield record


def _questions(value: Any) -> list[Any]:
    questions = value.get("qas") if isinstance(value, dict) else None
    return questions if isinstance(questions, list) else []


def _build(value: Any, paragraph: Paragraph, source: Source, required: Collection[str]) -> Record:
    question = parse(_Question, value, required=required)
    answers = tuple(Answer(text, first_occurrence(text, paragraph.text)) for text in question.answers)
    record = Record(question.query_id, question.query_text, (paragraph,), 0, answers)
    source.note(_REPEATED, sum(_is_repeated(answer, paragraph.text) for answer in answers))
    source.note(_FREE, sum(answer.start is None for answer in answers))
    return record


def _is_repeated(answer: Answer, context: str) -> bool:
    return answer.start is not None and context.find(answer.text, answer.start + 1) >= 0


def write(records: Sequence[Record], path: Path) -> list[Path]:
    """Write a flat CMRC 2018 file; questions are grouped by context, in the order of first use.

    The file has no offsets, so each answer must be where its text first occurs (`check_capacity`).
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
