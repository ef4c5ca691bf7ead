"""Reading the SQuAD family: articles of paragraphs of questions. SQuAD 1.1 and 2.0, DRCD, CMRC 2018 in that layout."""

from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

from pydantic import Field

from qakit.data.formats.load import Document
from qakit.data.formats.shapes import FilledText, Id, Shape, Text, describe, keys_in_use, parse
from qakit.data.formats.source import Source, label
from qakit.data.records import Answer, Paragraph, Record
from qakit.io import file_error

NAMES = {"answer text": "answers.text", "answer start": "answers.answer_start"}
FREE_TEXT_START = -1
_CONVERTED = "answer offsets counted UTF-16 units and were converted to characters"
_FREE = "answers have the offset -1: free texts that are no span of their context"


class _Span(Shape):
    text: Text
    answer_start: int


class _Question(Shape):
    id: Id
    question: Text
    answers: list[_Span] = Field(default_factory=list)
    is_impossible: bool = False


class _Paragraph(Shape):
    context: FilledText
    id: Id | None = None
    qas: list[Any]


class _Article(Shape):
    title: Text | None = None
    paragraphs: list[Any]


def read(document: Document, source: Source, *, schema: str) -> Iterator[Record]:
    """The questions of a SQuAD-like file.

    In cmrc an offset of -1 marks a free text, and an offset that fits only when counted in UTF-16 units is converted
    (the published files have a few, in contexts with characters beyond U+FFFF); both are noted.

    Args:
        schema: squad, squad2, drcd or cmrc.
    """
    articles = document.value["data"]
    if not isinstance(articles, list):
        raise file_error(document.path, "data", f"found {describe(articles)}; expected a list of articles")
    required = keys_in_use(_questions(articles), ("answers", "is_impossible"))
    for place, value, paragraph in _paragraphs(articles, source):
        for number, inner in enumerate(value.qas):
            build = partial(_build, inner, paragraph, source, required, is_cmrc=schema == "cmrc")
            record = source.record(label(f"{place}.qas[{number}]", inner), build)
            if record is not None:
                yield record


def _paragraphs(articles: list[Any], source: Source) -> Iterator[tuple[str, _Paragraph, Paragraph]]:
    """Each good paragraph with its place; the bad ones become problems that cost their questions."""
    for number, value in enumerate(articles):
        place = f"data[{number}]"
        lost = sum(1 for _ in _questions([value]))
        article = source.attempt(label(place, value), partial(parse, _Article, value), records=lost or 1)
        for position, inner in enumerate(article.paragraphs if article else []):
            inner_place = f"{place}.paragraphs[{position}]"
            lost = sum(1 for _ in _questions([{"paragraphs": [inner]}]))
            shape = source.attempt(label(inner_place, inner), partial(parse, _Paragraph, inner), records=lost or 1)
            if article and shape:
                name = shape.id or f"{number}/{position}"
                yield inner_place, shape, Paragraph(name, shape.context, article.title or "")


def _questions(articles: list[Any]) -> Iterator[Any]:
    """All questions that can be found, whatever else is wrong with the file."""
    for article in articles:
        for paragraph in _list_in(article, "paragraphs"):
            yield from _list_in(paragraph, "qas")


def _list_in(value: Any, key: str) -> list[Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def _build(value: Any, paragraph: Paragraph, source: Source, required: Collection[str], *, is_cmrc: bool) -> Record:
    question = parse(_Question, value, required=required)
    starts: list[int | None] = [span.answer_start for span in question.answers]
    converted = 0
    if is_cmrc:
        places = [_cmrc_start(paragraph.text, span) for span in question.answers]
        converted = sum(new is not None and new != old for new, old in zip(places, starts, strict=True))
        starts = places
    stated = [Answer(span.text, start) for span, start in zip(question.answers, starts, strict=True)]
    answers = source.mend(question.id, paragraph.text, stated)
    record = Record(question.id, question.question, (paragraph,), 0, answers, question.is_impossible)
    source.note(_CONVERTED, converted)
    source.note(_FREE, starts.count(None))
    return record


def _cmrc_start(context: str, span: _Span) -> int | None:
    """The offset in characters of an answer of CMRC 2018; None for a free text."""
    start = span.answer_start
    if start == FREE_TEXT_START:
        return None
    if start < 0 or context.startswith(span.text, start):
        return start
    units, text = context.encode("utf-16-le"), span.text.encode("utf-16-le")
    before = 2 * start
    if not units.startswith(text, before):
        return start  # wrong either way: the record says so
    return len(units[:before].decode("utf-16-le"))
