"""NTU ADL files (2021, and from 2022 on): questions whose candidate paragraphs are in a `context.json`."""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas.file_content import FileContent
from qakit.data.schemas.paragraphs import index_paragraphs, paragraph_at
from qakit.data.schemas.shapes import Id, Shape, Text, describe, keys_in_use, parse
from qakit.data.schemas.source import Source, with_id
from qakit.errors import ConfigError, RecordError
from qakit.io import file_error, read_json, write_json

CONTEXT_FILE = "context.json"
_SHOWN_IDS = 8
NAMES = {"context": "paragraphs", "answer text": "answer.text", "answer start": "answer.start"}
NAMES_2021 = {"context": "paragraphs", "answer text": "answers.text", "answer start": "answers.start"}


class _Span(Shape):
    text: Text
    start: int


class _Question(Shape):
    answer_key: ClassVar[str]
    id: Id
    question: Text
    paragraphs: list[int]
    relevant: int | None = None

    @abstractmethod
    def spans(self) -> list[_Span]:
        """The answers, whose key differs between the years."""


class _Question2021(_Question):
    answer_key = "answers"
    answers: list[_Span] | None = Field(default=None, min_length=1)

    def spans(self) -> list[_Span]:
        return self.answers or []


class _Question2022(_Question):
    answer_key = "answer"
    answer: _Span | None = None

    def spans(self) -> list[_Span]:
        return [self.answer] if self.answer else []


def read(content: FileContent, source: Source, *, schema: str) -> Iterator[Record]:
    """Read the questions of an ADL file; those of a test file have neither `relevant` nor an answer.

    Args:
        schema: adl2021 or adl2022.

    Raises:
        DataError: the list of texts is missing, or is not a list.
    """
    shape = _Question2021 if schema == "adl2021" else _Question2022
    paragraphs = _paragraphs(source)
    required = keys_in_use(content.value, ("relevant", shape.answer_key))
    for number, value in enumerate(content.value):
        build = partial(_build, value, shape, paragraphs, required, source)
        record = source.build_record(with_id(f"[{number}]", value), build)
        if record is not None:
            yield record


def _paragraphs(source: Source) -> list[Paragraph | None]:
    """The texts of the `context.json` named by `source` or beside it, read once for all files that share them."""
    path = source.path
    file = source.context or path.parent / CONTEXT_FILE
    known = source.log.paragraph_lists
    if file not in known:
        if source.context is None and not file.exists():
            message = f"there is no {CONTEXT_FILE} beside the file: name the list of texts with --context"
            raise file_error(path, "context", message)
        known[file] = index_paragraphs(_texts(file, allow_bom=source.log.lenient), source.about(file), "texts")
    return known[file]


def _texts(path: Path, *, allow_bom: bool = False) -> list[Any]:
    texts = read_json(path, allow_bom=allow_bom)
    if not isinstance(texts, list):
        raise file_error(path, "texts", f"found {describe(texts)}; expected a list of strings")
    return texts


def _build(
    value: Any,
    shape: type[_Question],
    paragraphs: Sequence[Paragraph | None],
    required: Collection[str],
    source: Source,
) -> Record:
    question = parse(shape, value, required=required)
    ids = question.paragraphs
    candidates = tuple(paragraph_at(paragraphs, number, "paragraphs", CONTEXT_FILE) for number in ids)
    answers = tuple(Answer(span.text, span.start) for span in question.spans())
    relevant = _position(question, has_answer=bool(answers))
    if relevant is not None:
        answers = source.repair_answers(question.id, candidates[relevant].text, answers)
    return Record(question.id, question.question, candidates, relevant, answers)


def _position(question: _Question, *, has_answer: bool) -> int | None:
    """Position among the candidates of `relevant`, which is an id. A single candidate is the relevant one."""
    ids, relevant = question.paragraphs, question.relevant
    if relevant is None:
        return 0 if len(ids) == 1 and not has_answer else None
    if not has_answer:
        raise RecordError(question.answer_key, "is null, but relevant is given; expected both or neither")
    if relevant not in ids:
        raise RecordError("relevant", f"{relevant} is not in paragraphs {_shown(ids)}; expected the id of a candidate")
    return ids.index(relevant)


def _shown(ids: list[int]) -> str:
    return f"[{', '.join(map(str, ids[:_SHOWN_IDS]))}{', ...' if len(ids) > _SHOWN_IDS else ''}]"


def write(records: Sequence[Record], path: Path, *, schema: str) -> list[Path]:
    """Write an ADL file, and its texts to the `context.json` beside it.

    Texts that `context.json` already holds keep their index, so that several data files share one list.

    Raises:
        ConfigError: `path` is itself `context.json`.
        DataError: there is a `context.json` that is not a list.
    """
    context = path.parent / CONTEXT_FILE
    if path == context:
        raise ConfigError(f"{path}: ADL files keep their texts under this name; choose another for the questions")
    texts = _texts(context) if context.exists() else []
    places = _places(records, texts)
    # The texts first: if writing stops in between, no data file refers to a text that is missing.
    write_json(context, texts, indent=1)
    write_json(path, [_question(record, places, schema) for record in records], indent=1)
    return [path, context]


def _places(records: Sequence[Record], texts: list[Any]) -> dict[Paragraph, int]:
    """The index of each paragraph in `texts`, to which those not yet there are appended."""
    # Reversed, so that of equal texts the first index wins.
    by_text = {text: number for number, text in reversed(list(enumerate(texts))) if isinstance(text, str)}
    places: dict[Paragraph, int] = {}
    for record in records:
        for paragraph in record.paragraphs:
            if paragraph in places:
                continue
            if paragraph.text not in by_text:
                by_text[paragraph.text] = len(texts)
                texts.append(paragraph.text)
            places[paragraph] = by_text[paragraph.text]
    return places


def _question(record: Record, places: dict[Paragraph, int], schema: str) -> dict[str, Any]:
    ids = [places[paragraph] for paragraph in record.paragraphs]
    question: dict[str, Any] = {"id": record.id, "question": record.question, "paragraphs": ids}
    if record.relevant is None or not record.answers:
        return question
    spans = [{"text": answer.text, "start": answer.start} for answer in record.answers]
    answer = {"answers": spans} if schema == "adl2021" else {"answer": spans[0]}
    return question | {"relevant": ids[record.relevant]} | answer
