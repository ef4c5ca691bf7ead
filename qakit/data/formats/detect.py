"""Which schema a file follows, told from the shape of its content and never from its name."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from qakit.data.formats.load import Document
from qakit.data.formats.shapes import describe
from qakit.io import file_error

KNOWN = {
    "hw7": 'an object with "questions" and "paragraphs"',
    "adl2021": 'a list of {"id", "question", "paragraphs", "relevant", "answers"}, with context.json',
    "adl2022": 'the same with "answer"',
    "squad": 'an object with "data": articles, "paragraphs", "qas", "answers"',
    "squad2": 'squad with "is_impossible"',
    "drcd": "squad with ids of articles and answers",
    "cmrc": 'squad with version "v1.0" or ids like DEV_0_QUERY_1',
    "cmrc-flat": 'a list of {"context_id", "context_text", "qas"}',
    "jsonl": 'an object a line: "id", "question", "context", "answers"',
    "csv": "a table with those columns",
    "parquet": "the same table",
}
ADL_CANDIDATES = 4


def detect(document: Document) -> str:
    """The name of the document's schema.

    ADL test files do not tell their year: with four candidates a question they count as adl2022, else as adl2021.

    Raises:
        DataError: an unknown shape; the message says what the file looks like and what is known.
    """
    if document.kind == "json":
        schema = _json_schema(document.value)
        looks = f"the top level is {_describe_top(document.value)}"
    else:
        columns = {key: None for row in document.rows if isinstance(row.value, dict) for key in row.value}
        # Rows that are all broken are told apart one by one.
        broken = all(row.problem for row in document.rows)
        schema = document.kind if "question" in columns or broken else None
        looks = f"a {document.kind} table with the columns {', '.join(map(repr, list(columns)[:8])) or 'none'}"
    if schema is None:
        known = "; ".join(f"{name}: {text}" for name, text in KNOWN.items())
        raise file_error(document.path, "schema", f"is not recognised: {looks}. Known are {known}")
    return schema


def _json_schema(value: Any) -> str | None:
    if isinstance(value, list):
        return _list_schema([item for item in value if isinstance(item, dict)])
    if not isinstance(value, dict):
        return None
    if "data" in value:
        return _squad_schema(value)
    if "questions" in value:
        return "hw7"
    return "jsonl" if "question" in value and ("context" in value or "paragraphs" in value) else None


def _list_schema(items: list[dict[str, Any]]) -> str | None:
    keys = Counter(key for item in items for key in item)
    if keys["qas"] or keys["context_text"]:
        return "cmrc-flat"
    if not (keys["question"] and keys["paragraphs"]):
        return None
    if keys["answer"] or keys["answers"]:
        return "adl2022" if keys["answer"] >= keys["answers"] else "adl2021"
    candidates = (item.get("paragraphs") for item in items)
    four = all(isinstance(ids, list) and len(ids) == ADL_CANDIDATES for ids in candidates)
    return "adl2022" if four else "adl2021"


def _squad_schema(value: dict[str, Any]) -> str:
    articles = list(_objects([value], "data"))
    paragraphs = list(_objects(articles, "paragraphs"))
    questions = list(_objects(paragraphs, "qas"))
    version = str(value.get("version", "")).removeprefix("v")
    if version.startswith("2") or any("is_impossible" in question for question in questions):
        return "squad2"
    if _any_id(articles) and _any_id(_objects(questions, "answers")):
        return "drcd"
    query_ids = any("_QUERY_" in str(question.get("id")) for question in questions)
    return "cmrc" if value.get("version") == "v1.0" or (query_ids and _any_id(paragraphs)) else "squad"


def _any_id(values: Iterable[dict[str, Any]]) -> bool:
    return any("id" in value for value in values)


def _objects(values: list[Any], key: str) -> Iterator[dict[str, Any]]:
    """The objects in the lists that `values` hold under `key`, without a word about anything else."""
    for value in values:
        items = value.get(key)
        if isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))


def _describe_top(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return describe(value)
    if all(isinstance(item, str) for item in value):
        return f"a list of {len(value)} strings (the context.json of ADL? name the file of questions)"
    is_labelled = isinstance(value[0], dict) and not {"text", "tokens"}.isdisjoint(value[0])
    hint = " (intents or slots? train-intent and train-slots take them)" if is_labelled else ""
    return f"a list of {len(value)}, the first of them {describe(value[0])}{hint}"
