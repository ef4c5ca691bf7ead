"""One small valid file of every schema, and where it keeps what the mutations change."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

P0 = "梵文是印度的古典語言。"
P1 = "陸特在歐洲研究梵文，後來在英國教書。"
Files = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """Where a schema keeps what the mutations change. All of them change the second question, about the second text."""

    schema: str
    files: Files  # name -> JSON value, rows, or bytes; the first is the data file
    question: Callable[[Any], dict[str, Any]]  # data -> the question
    answer: Callable[[Any], dict[str, Any]] | None  # data -> the object that holds the keys text and start
    context: Callable[[Files], tuple[Any, Any]]  # files -> (container, key)
    keys: dict[str, str]  # id, question, text, start -> key
    context_fields: tuple[str, ...]  # what a problem about the context may call it
    rows: Callable[[Any], list[Any]] | None = None  # data -> the list of records
    record: str = ""  # regular expression for the label of the second question's problems

    @property
    def name(self) -> str:
        return next(iter(self.files))


def dump(name: str, value: Any, *, ascii_only: bool = True) -> bytes:
    if isinstance(value, bytes):
        return value
    if name.endswith(".jsonl"):
        return "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in value).encode()
    if name.endswith(".csv"):
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(value[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(value)
        return buffer.getvalue().encode("utf-8", "surrogatepass")
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({key: [row.get(key) for row in value] for key in value[0]}), sink)
        return sink.getvalue().to_pybytes()
    return json.dumps(value, ensure_ascii=ascii_only, indent=1).encode()


def write(files: Files, folder: Path) -> Path:
    for name, value in files.items():
        (folder / name).write_bytes(dump(name, value))
    return folder / next(iter(files))


def squad_data(*, version: str = "1.1", prefix: str = "q", extra: str = "") -> dict[str, Any]:
    def question(number: int, text: str, start: int) -> dict[str, Any]:
        answer: dict[str, Any] = {"text": text, "answer_start": start}
        if extra == "drcd":
            answer["id"] = "1"
        item = {"id": f"{prefix}{number}", "question": f"問題{number}？", "answers": [answer]}
        return item | ({"is_impossible": False} if extra == "squad2" else {})

    paragraphs = [{"context": P0, "qas": [question(0, "印度", 3)]}, {"context": P1, "qas": [question(1, "歐洲", 3)]}]
    article: dict[str, Any] = {"title": "梵文", "paragraphs": paragraphs}
    if extra in ("drcd", "cmrc"):
        article["id"] = "7"
        for number, paragraph in enumerate(paragraphs):
            paragraph["id"] = f"7-{number}"
    return {"version": version, "data": [article]}


def squad_layout(schema: str, **options: str) -> Layout:
    return Layout(
        schema,
        {"data.json": squad_data(extra=schema, **options)},
        question=lambda data: data["data"][0]["paragraphs"][1]["qas"][0],
        answer=lambda data: data["data"][0]["paragraphs"][1]["qas"][0]["answers"][0],
        context=lambda files: (files["data.json"]["data"][0]["paragraphs"][1], "context"),
        keys={"id": "id", "question": "question", "text": "text", "start": "answer_start"},
        context_fields=("context",),
        rows=lambda data: data["data"][0]["paragraphs"][1]["qas"],
        record=r"data\[0\]\.paragraphs\[1\]",
    )


def hw7_layout() -> Layout:
    questions = [
        {
            "id": 0,
            "paragraph_id": 0,
            "question_text": "哪裡？",
            "answer_text": "印度",
            "answer_start": 3,
            "answer_end": 4,
        },
        {
            "id": 1,
            "paragraph_id": 1,
            "question_text": "何處？",
            "answer_text": "歐洲",
            "answer_start": 3,
            "answer_end": 4,
        },
    ]
    return Layout(
        "hw7",
        {"data.json": {"questions": questions, "paragraphs": [P0, P1]}},
        question=lambda data: data["questions"][1],
        answer=lambda data: data["questions"][1],
        context=lambda files: (files["data.json"]["paragraphs"], 1),
        keys={"id": "id", "question": "question_text", "text": "answer_text", "start": "answer_start"},
        context_fields=("text", "paragraph_id"),
        rows=lambda data: data["questions"],
        record=r"questions\[[12]\]|paragraphs\[1\]",
    )


def adl_layout(schema: str) -> Layout:
    is_2021 = schema == "adl2021"

    def question(number: int, text: str) -> dict[str, Any]:
        span = {"text": text, "start": 3}
        answer = {"answers": [span]} if is_2021 else {"answer": span}
        return {"id": f"a{number}", "question": "何處？", "paragraphs": [number, 2, 3], "relevant": number, **answer}

    return Layout(
        schema,
        {"data.json": [question(0, "印度"), question(1, "歐洲")], "context.json": [P0, P1, "無關一", "無關二"]},
        question=lambda data: data[1],
        answer=lambda data: data[1]["answers"][0] if is_2021 else data[1]["answer"],
        context=lambda files: (files["context.json"], 1),
        keys={"id": "id", "question": "question", "text": "text", "start": "start"},
        context_fields=("text", "paragraphs"),
        rows=lambda data: data,
        record=r"\[[12]\]",
    )


def cmrc_flat_layout() -> Layout:
    def context(number: int, text: str, answer: str) -> dict[str, Any]:
        question = {"query_id": f"Q{number}", "query_text": "何處？", "answers": [answer]}
        return {"context_id": f"C{number}", "context_text": text, "title": "梵文", "qas": [question]}

    return Layout(
        "cmrc-flat",
        {"data.json": [context(0, P0, "印度"), context(1, P1, "歐洲")]},
        question=lambda data: data[1]["qas"][0],
        answer=None,
        context=lambda files: (files["data.json"][1], "context_text"),
        keys={"id": "query_id", "question": "query_text"},
        context_fields=("context_text",),
        rows=lambda data: data[1]["qas"],
        record=r"\[[12]\]",
    )


def table_rows() -> list[dict[str, Any]]:
    return [
        {"id": "t0", "question": "哪裡？", "context": P0, "answers": [{"text": "印度", "start": 3}]},
        {"id": "t1", "question": "何處？", "context": P1, "answers": [{"text": "歐洲", "start": 3}]},
    ]


def jsonl_layout() -> Layout:
    return Layout(
        "jsonl",
        {"data.jsonl": table_rows()},
        question=lambda data: data[1],
        answer=lambda data: data[1]["answers"][0],
        context=lambda files: (files["data.jsonl"][1], "context"),
        keys={"id": "id", "question": "question", "text": "text", "start": "start"},
        context_fields=("context",),
        rows=lambda data: data,
        record=r"line [123]",
    )


def csv_rows() -> list[dict[str, Any]]:
    rows = [{key: row[key] for key in ("id", "question", "context")} for row in table_rows()]
    return [row | {"answer": text, "answer_start": "3"} for row, text in zip(rows, ("印度", "歐洲"), strict=True)]


JSON_LAYOUTS = [
    hw7_layout(),
    adl_layout("adl2021"),
    adl_layout("adl2022"),
    squad_layout("squad"),
    squad_layout("squad2", version="v2.0"),
    squad_layout("drcd", version="1.3"),
    squad_layout("cmrc", version="v1.0", prefix="DEV_7_QUERY_"),
    cmrc_flat_layout(),
    jsonl_layout(),
]
TABLE_FILES: dict[str, Files] = {"csv": {"data.csv": csv_rows()}, "parquet": {"data.parquet": table_rows()}}
