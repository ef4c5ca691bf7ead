"""The SQuAD family, articles of paragraphs of questions: SQuAD 1.1 and 2.0, DRCD, CMRC 2018 in SQuAD's layout."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas.file_content import FileContent
from qakit.data.schemas.shapes import FilledText, Id, Shape, Text, describe, keys_in_use, parse
from qakit.data.schemas.source import Source, with_id
from qakit.io import file_error, write_json

NAMES = {"answer text": "answers.text", "answer start": "answers.answer_start"}
FREE_TEXT_START = -1
_CONVERTED = "answer offsets counted UTF-16 units and were converted to characters"
_FREE = "answers have the offset -1: free texts, not spans of their context"


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


def read(content: FileContent, source: Source, *, schema: str) -> Iterator[Record]:
    """Read the questions of a SQuAD-like file.

    In cmrc an offset of -1 marks a free text, and an offset that fits only when counted in UTF-16 units is converted
    (the published files have a few, in contexts with characters beyond U+FFFF); the notes count both.

    Args:
        schema: squad, squad2, drcd or cmrc.
    """
    articles = content.value["data"]
    if not isinstance(articles, list):
        raise file_error(content.path, "data", f"found {describe(articles)}; expected a list of articles")
    required = keys_in_use(_questions(articles), ("answers", "is_impossible"))
    for place, value, paragraph in _paragraphs(articles, source):
        for number, inner in enumerate(value.qas):
            build = partial(_build, inner, paragraph, source, required, is_cmrc=schema == "cmrc")
            record = source.build_record(with_id(f"{place}.qas[{number}]", inner), build)
            if record is not None:
                yield record


def _paragraphs(articles: list[Any], source: Source) -> Iterator[tuple[str, _Paragraph, Paragraph]]:
    """Each valid paragraph with its place; an invalid one becomes a problem, and all its questions are lost."""
    for number, value in enumerate(articles):
        place = f"data[{number}]"
        lost = sum(1 for _ in _questions([value]))
        article = source.attempt(with_id(place, value), partial(parse, _Article, value), records=lost or 1)
        for position, inner in enumerate(article.paragraphs if article else []):
            inner_place = f"{place}.paragraphs[{position}]"
            lost = sum(1 for _ in _questions([{"paragraphs": [inner]}]))
            shape = source.attempt(with_id(inner_place, inner), partial(parse, _Paragraph, inner), records=lost or 1)
            if article and shape:
                name = shape.id or f"{number}/{position}"
                yield inner_place, shape, Paragraph(name, shape.context, article.title or "")


def _questions(articles: list[Any]) -> Iterator[Any]:
    """All questions that can be found, even if other parts of the file are invalid."""
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
    answers = source.repair_answers(question.id, paragraph.text, stated)
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
    # Two bytes a UTF-16 unit: a character beyond U+FFFF has two units, so offsets behind it are too large.
    units, text = context.encode("utf-16-le"), span.text.encode("utf-16-le")
    before = 2 * start
    if not units.startswith(text, before):
        return start  # wrong in either unit: building the record raises
    return len(units[:before].decode("utf-16-le"))


Groups = Mapping[Paragraph, list[Record]]
"""The questions of one article, by paragraph."""


def write(records: Sequence[Record], path: Path, *, schema: str) -> list[Path]:
    """Write a SQuAD-like file. Questions are grouped by article and paragraph, in the order of first use.

    Args:
        schema: squad, squad2, drcd or cmrc.
    """
    version, render_article, article_key = _LAYOUTS[schema]
    articles: dict[str, dict[Paragraph, list[Record]]] = {}
    for record in records:
        paragraph = record.paragraphs[0]
        articles.setdefault(article_key(paragraph), {}).setdefault(paragraph, []).append(record)
    data = [render_article(number, groups) for number, groups in enumerate(articles.values())]
    write_json(path, {"version": version, "data": data}, indent=1)
    return [path]


def _article_id(paragraph: Paragraph) -> str:
    """The article's part of a paragraph id: "1147" of "1147-5", "3" of "3/0"; otherwise an empty text."""
    match = re.fullmatch("(.*)[-/][^-/]*", paragraph.id, re.DOTALL)
    return match[1] if match else ""


def _article_key(paragraph: Paragraph) -> str:
    return f"{_article_id(paragraph)}\n{paragraph.title}"


def _squad_article(_: int, groups: Groups) -> dict[str, Any]:
    paragraphs = [
        {"context": paragraph.text, "qas": [{**_question(record), "answers": _spans(record)} for record in records]}
        for paragraph, records in groups.items()
    ]
    return {"title": _first(groups).title, "paragraphs": paragraphs}


def _squad2_article(number: int, groups: Groups) -> dict[str, Any]:
    article = _squad_article(number, groups)
    for paragraph, records in zip(article["paragraphs"], groups.values(), strict=True):
        for question, record in zip(paragraph["qas"], records, strict=True):
            question["is_impossible"] = record.impossible
    return article


def _drcd_article(number: int, groups: Groups) -> dict[str, Any]:
    paragraphs = [
        {"context": paragraph.text, "id": paragraph.id, "qas": [_drcd_question(record) for record in records]}
        for paragraph, records in groups.items()
    ]
    first = _first(groups)
    return {"title": first.title, "id": _article_id(first) or str(number), "paragraphs": paragraphs}


def _drcd_question(record: Record) -> dict[str, Any]:
    answers = [{"id": str(number), **span} for number, span in enumerate(_spans(record), start=1)]
    return {"id": record.id, "question": record.question, "answers": answers}


def _cmrc_article(_: int, groups: Groups) -> dict[str, Any]:
    paragraphs = [
        {
            "id": paragraph.id,
            "context": paragraph.text,
            "qas": [{**_question(record), "answers": _spans(record)} for record in records],
        }
        for paragraph, records in groups.items()
    ]
    first = _first(groups)
    return {"paragraphs": paragraphs, "id": first.id, "title": first.title}


def _question(record: Record) -> dict[str, Any]:
    return {"question": record.question, "id": record.id}


def _spans(record: Record) -> list[dict[str, Any]]:
    return [
        {"text": answer.text, "answer_start": FREE_TEXT_START if answer.start is None else answer.start}
        for answer in record.answers
    ]


def _first(groups: Groups) -> Paragraph:
    return next(iter(groups))


_LAYOUTS: Mapping[str, tuple[str, Callable[[int, Groups], dict[str, Any]], Callable[[Paragraph], str]]] = {
    "squad": ("1.1", _squad_article, _article_key),
    "squad2": ("v2.0", _squad2_article, _article_key),
    "drcd": ("1.3", _drcd_article, _article_key),
    # An article of CMRC 2018 is one paragraph.
    "cmrc": ("v1.0", _cmrc_article, lambda paragraph: f"{paragraph.id}\n{paragraph.title}\n{paragraph.text}"),
}
