"""Writing the SQuAD family, each schema in the shape in which it was published."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qakit.data.formats.squad import FREE_TEXT_START
from qakit.data.records import Paragraph, Record
from qakit.io import write_json

Groups = Mapping[Paragraph, list[Record]]


def write(records: Sequence[Record], path: Path, *, schema: str) -> list[Path]:
    """Write a SQuAD-like file. Questions are put together by article and paragraph, in the order of first use.

    Args:
        schema: squad, squad2, drcd or cmrc.
    """
    version, article_of, key_of = _SHAPES[schema]
    articles: dict[str, dict[Paragraph, list[Record]]] = {}
    for record in records:
        paragraph = record.paragraphs[0]
        articles.setdefault(key_of(paragraph), {}).setdefault(paragraph, []).append(record)
    data = [article_of(number, groups) for number, groups in enumerate(articles.values())]
    write_json(path, {"version": version, "data": data}, indent=1)
    return [path]


def _article_id(paragraph: Paragraph) -> str:
    """The part of a paragraph's id that names its article: "1147" of "1147-5", "3" of "3/0"; else nothing."""
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


_SHAPES: Mapping[str, tuple[str, Callable[[int, Groups], dict[str, Any]], Callable[[Paragraph], str]]] = {
    "squad": ("1.1", _squad_article, _article_key),
    "squad2": ("v2.0", _squad2_article, _article_key),
    "drcd": ("1.3", _drcd_article, _article_key),
    # An article of CMRC 2018 is one paragraph.
    "cmrc": ("v1.0", _cmrc_article, lambda paragraph: f"{paragraph.id}\n{paragraph.title}\n{paragraph.text}"),
}
