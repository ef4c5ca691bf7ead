"""Mistakes in CSV and parquet tables."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.data.layouts import P0, P1, Files, dump
from tests.data.mutations import Mutation, at, byte_mutations


def table_cell_mutations(name: str, cases: list[tuple[str, str, Any, str, str]]) -> Iterator[Mutation]:
    for case, column, value, where, message in cases:
        find = partial(lambda files, column: (files[name][1], column), column=column)
        yield at(find, case, value, where, message)


SHARED_CELLS: list[tuple[str, str, Any, str, str]] = [
    ("id empty", "id", "", "id", "is empty"),
    ("id repeated", "id", "t0", "id", "is already the id of"),
    ("question empty", "question", "", "question", "is empty"),
    ("question blank", "question", "\u3000", "question", "is empty"),
    ("context blank", "context", " ", "context", "is empty"),
]
CSV_CELLS: list[tuple[str, str, Any, str, str]] = [
    *SHARED_CELLS,
    ("context empty", "context", "", "context", "is missing; expected a text"),
    (
        "answer without a start",
        "answer_start",
        "",
        "answer_start",
        "is missing, and .* occurs 1 time in the context: add it",
    ),
    ("start without an answer", "answer", "", "answer", "is missing, but answer_start is 3"),
    ("answer blank", "answer", " ", "answers.text", "is empty"),
    ("answer absent", "answer", "法國", "start", "the context does not contain it"),
    ("start one too far", "answer_start", "4", "start", "the context has it at 3"),
    ("start one too near", "answer_start", "2", "start", "the context has it at 3"),
    ("start negative", "answer_start", "-1", "start", "-1 is negative"),
    ("start float", "answer_start", "3.0", "answer_start", "expected a whole number"),
    ("start bool", "answer_start", "true", "answer_start", "expected a whole number"),
    ("start word", "answer_start", "三", "answer_start", "is not JSON"),
    ("start NaN", "answer_start", "NaN", "answer_start", "NaN is not JSON"),
    ("start beyond the end", "answer_start", "99", "start", "the context has it at 3"),
]
CSV_COLUMNS: list[tuple[str, str, str, str, str]] = [
    ("answers in Python's notation", "answers", "[{'text': '歐洲', 'start': 3}]", "answers", "is not JSON"),
    ("answers truncated", "answers", '[{"text": "歐', "answers", "is not JSON"),
    ("answers beside answer", "answers", "[]", "answer", "is given together with answers"),
    ("paragraphs beside context", "paragraphs", '["x"]', "context", "is given together with paragraphs"),
    ("paragraphs a string", "paragraphs", '"x"', "paragraphs", "expected a list"),
    ("relevant beyond the list", "relevant", "1", "relevant", "1 is not a position in 1 paragraphs"),
    ("relevant float", "relevant", "0.0", "relevant", "expected a whole number"),
    ("impossible word", "is_impossible", "perhaps", "is_impossible", "expected true or false"),
    ("impossible with an answer", "is_impossible", "True", "answers", "must be empty"),
]


def csv_mutations() -> Iterator[Mutation]:
    name = "data.csv"
    yield from byte_mutations(name)
    yield from table_cell_mutations(name, CSV_CELLS)
    for case, column, cell, where, message in CSV_COLUMNS:

        def add(files: Files, column: str = column, cell: str = cell) -> None:
            files[name] = [row | {column: cell if number else ""} for number, row in enumerate(files[name])]

        yield Mutation(case, add, (where,), message)

    def edit(old: str, new: str) -> Callable[[Files], bytes]:
        return lambda files: dump(name, files[name]).decode().replace(old, new).encode()

    yield Mutation("a cell too few", edit("歐洲,3", "歐洲"), ("row",), "has 4 cells; expected 5")
    yield Mutation("a cell too many", edit("歐洲,3", "歐,洲,3"), ("row",), "has 6 cells; expected 5")
    yield Mutation("a column twice", edit("id,", "question,"), ("header",), "a column name occurs twice", True)
    yield Mutation("an open quote", edit("歐洲,3", '"歐洲,3'), ("CSV",), "line .*unexpected end", whole_file=True)
    yield Mutation(
        "no question column", edit("question,", "query,"), ("schema",), "is not recognised: a csv table", True
    )
    yield Mutation("header only", lambda files: b"id,question,context\n", ("records",), "has no questions", True)


def parquet_mutations() -> Iterator[Mutation]:
    name = "data.parquet"
    span = {"text": "歐洲", "start": 3}
    cells: list[tuple[str, str, Any, str, str]] = [
        *SHARED_CELLS,
        ("id null", "id", None, "id", "expected a string or a whole number"),
        ("question null", "question", None, "question", "expected a string"),
        ("context null", "context", None, "context", "is missing; expected a text"),
        ("context empty", "context", "", "context", "is empty"),
        ("answer null", "answers", [span | {"text": None}], "text", "expected a string"),
        ("answer empty", "answers", [span | {"text": ""}], "text", "is empty"),
        ("answer absent", "answers", [span | {"text": "法國"}], "start", "the context does not contain it"),
        ("second answer off by one", "answers", [span, span | {"start": 4}], "start", "the context has it at 3"),
        ("start one too far", "answers", [span | {"start": 4}], "start", "the context has it at 3"),
        ("start one too near", "answers", [span | {"start": 2}], "start", "the context has it at 3"),
        ("start negative", "answers", [span | {"start": -1}], "start", "-1 is negative"),
        ("start beyond the end", "answers", [span | {"start": 99}], "start", "the context has it at 3"),
    ]
    yield from table_cell_mutations(name, cells)

    def column(key: str, values: list[Any]) -> Callable[[Files], None]:
        def change(files: Files) -> None:
            files[name] = [row | {key: value} for row, value in zip(files[name], values, strict=True)]

        return change

    hub = [{"text": ["印度"], "answer_start": [3]}, {"text": ["歐洲"], "answer_start": [3, 4]}]
    columns: list[tuple[str, str, list[Any], str, str]] = [
        ("ids are floats", "id", [0.0, 1.0], "id", "expected a string or a whole number"),
        ("ids are bools", "id", [True, False], "id", "expected a string or a whole number"),
        ("questions are numbers", "question", [1, 2], "question", "expected a string"),
        ("contexts are lists", "context", [[P0], [P1]], "context", "expected a string"),
        ("answers are strings", "answers", ["印度", "歐洲"], "answers", "expected a list"),
        ("hub lists of two lengths", "answers", hub, "answers", "of equal length"),
        ("paragraphs beside context", "paragraphs", [None, [P1]], "context", "is given together with paragraphs"),
        ("relevant beyond the list", "relevant", [0, 1], "relevant", "1 is not a position in 1 paragraphs"),
        ("relevant with gaps, so floats", "relevant", [0.0, 0.0], "relevant", "expected a whole number"),
        ("impossible with an answer", "is_impossible", [False, True], "answers", "must be empty"),
        ("impossible as a number", "is_impossible", [0, 1], "is_impossible", "expected true or false"),
        ("starts are floats", "answers", [[{"text": "印度", "start": 3.0}], []], "start", "expected a whole number"),
    ]
    for case, key, values, where, message in columns:
        yield Mutation(case, column(key, values), (where,), message)
    truncated: list[tuple[str, Callable[[bytes], bytes]]] = [
        ("truncated", lambda raw: raw[:-20]),
        ("empty", lambda raw: b""),
        ("text under this name", lambda raw: b"id,question\n"),
    ]
    for case, cut in truncated:
        change = partial(lambda files, cut: cut(dump(name, files[name])), cut=cut)
        yield Mutation(case, change, ("parquet",), "cannot be read", whole_file=True)
