"""Mistakes that every schema can have: in a field, in a record, in the text and in the bytes of a file."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.data.layouts import Files, Layout, dump

SURROGATE = "半\ud800個"


@dataclass(frozen=True)
class Mutation:
    """One mistake. `change` alters the files, or returns the bytes of the data file."""

    name: str
    change: Callable[[Files], bytes | None]
    fields: tuple[str, ...]
    message: str
    whole_file: bool = field(default=False)


def set_key(files: Files, find: Callable[[Files], tuple[Any, Any]], value: Any) -> None:
    container, key = find(files)
    container[key] = value


def drop_key(files: Files, find: Callable[[Files], tuple[Any, Any]]) -> None:
    container, key = find(files)
    del container[key]


WRONG_STRINGS = [
    ("null", None, "found null; expected a string"),
    ("number", 5, "found the number 5; expected a string"),
    ("list", ["x"], "found a list of 1; expected a string"),
    ("object", {"x": 1}, "found an object with 'x'; expected a string"),
    ("lone surrogate", SURROGATE, "half of a surrogate pair"),
]
WRONG_STARTS = [
    ("null", None, "null"),
    ("bool", True, "found true; expected a whole number"),
    ("float", 3.0, r"found the number 3\.0; expected a whole number"),
    ("string", "3", "found the string '3'; expected a whole number"),
    ("list", [3], "found a list of 1; expected a whole number"),
    ("one too far", 4, "the context has it at 3"),
    ("one too near", 2, "the context has it at 3"),
    ("negative", -4, "-4 is negative"),
    ("beyond the end", 900, "the context has it at 3"),
    ("huge", 10**30, "the context has it at 3"),
]
WRONG_IDS = [
    ("null", None, "found null; expected a string or a whole number"),
    ("bool", True, "found true; expected a string or a whole number"),
    ("float", 1.5, r"found the number 1\.5; expected"),
    ("list", [1], "found a list of 1; expected"),
    ("empty", "", "is empty"),
    ("lone surrogate", SURROGATE, "half of a surrogate pair"),
]


def place(layout: Layout, what: str) -> Callable[[Files], tuple[Any, Any]]:
    owner = layout.answer if what in ("text", "start") else layout.question
    assert owner is not None
    return lambda files: (owner(files[layout.name]), layout.keys[what])


def field_mutations(layout: Layout) -> Iterator[Mutation]:
    def wrong(what: str, cases: list[tuple[str, Any, str]]) -> Iterator[Mutation]:
        find, fields = place(layout, what), (layout.keys[what],)
        yield Mutation(f"{what} missing", partial(drop_key, find=find), fields, "is missing; the object has")
        for name, value, message in cases:
            yield Mutation(f"{what} {name}", partial(set_key, find=find, value=value), fields, message)

    empty = [("empty", "", "is empty"), ("blank", " \u3000\n", "is empty")]
    yield from wrong("id", WRONG_IDS)
    yield from wrong("question", [*WRONG_STRINGS, *empty])
    if layout.answer is not None:
        texts = [case for case in WRONG_STRINGS if not (layout.schema == "hw7" and case[0] == "null")]
        yield from wrong("text", [*texts, *empty])
        starts = [case for case in WRONG_STARTS if not (layout.schema == "jsonl" and case[0] == "null")]
        yield from wrong("start", starts)
        absent = partial(set_key, find=place(layout, "text"), value="法國")
        fields = tuple(layout.keys[key] for key in ("text", "start"))
        yield Mutation("text absent from the context", absent, fields, "the context does not contain it")


def context_mutations(layout: Layout) -> Iterator[Mutation]:
    for name, value, message in [*WRONG_STRINGS, ("empty", "", "is empty"), ("blank", " ", "is empty")]:
        absent = layout.schema == "jsonl" and value is None
        expected = "is missing; expected a text" if absent else message
        change = partial(set_key, find=layout.context, value=value)
        yield Mutation(f"context {name}", change, layout.context_fields, expected)


def record_mutations(layout: Layout) -> Iterator[Mutation]:
    for name, value in [("a list", []), ("null", None), ("a string", "x"), ("a number", 3)]:

        def replace(files: Files, value: Any = value) -> None:
            rows = layout.rows(files[layout.name])  # type: ignore[misc]
            rows[-1] = value

        yield Mutation(f"record is {name}", replace, ("value",), "found .*; expected an object")

    def duplicate(files: Files) -> None:
        rows = layout.rows(files[layout.name])  # type: ignore[misc]
        rows.append(copy.deepcopy(layout.question(files[layout.name])))

    yield Mutation("duplicate id", duplicate, (layout.keys["id"],), "is already the id of .*; ids must differ")


def text_mutations(layout: Layout) -> Iterator[Mutation]:
    """Mistakes in the text of a JSON document; those that concern the whole file, but for JSON lines."""
    lines = layout.schema == "jsonl"

    def text(files: Files) -> str:
        return dump(layout.name, files[layout.name], ascii_only=False).decode()

    def repeated(files: Files) -> bytes:
        key = layout.keys["question"]
        return text(files).replace(f'"{key}":', f'"{key}": "x", "{key}":').encode()

    def constant(literal: str) -> Callable[[Files], bytes]:
        def change(files: Files) -> bytes:
            layout.question(files[layout.name])["id"] = "@@"
            return text(files).replace('"@@"', literal).encode()

        return change

    def change_tail(files: Files) -> bytes:
        body = text(files).rstrip()
        return (body[:-1] + "," + body[-1]).encode()

    json_cases: list[tuple[str, Callable[[Files], bytes], str]] = [
        ("truncated", lambda files: text(files).rstrip()[:-5].encode(), r"column \d+: "),
        ("trailing comma", change_tail, r"column \d+: "),
        ("single quotes", lambda files: text(files).replace('"', "'").encode(), r"column \d+: "),
        ("repeated key", repeated, "occurs twice in one object"),
        ("NaN", constant("NaN"), "NaN is not JSON"),
        ("Infinity", constant("-Infinity"), "-Infinity is not JSON"),
        ("raw line end in a string", constant('"a\tb"'), "Invalid control character"),
        ("nested too deeply", constant("[" * 100_000), "nested too deeply"),
    ]
    for name, change, message in json_cases:
        yield Mutation(f"JSON {name}", change, ("JSON",), message, whole_file=not lines)


def byte_mutations(name: str) -> Iterator[Mutation]:
    """Mistakes in the bytes of any text file."""

    def text(files: Files) -> str:
        return dump(name, files[name], ascii_only=False).decode()

    cases: list[tuple[str, Callable[[Files], bytes], str, str]] = [
        ("byte order mark", lambda files: b"\xef\xbb\xbf" + text(files).encode(), "encoding", "byte order mark"),
        ("UTF-16", lambda files: text(files).encode("utf-16"), "encoding", "UTF-16"),
        ("UTF-16 without a mark", lambda files: text(files).encode("utf-16-be"), "encoding", "UTF-16"),
        ("GB18030", lambda files: text(files).encode("gb18030"), "encoding", r"byte 0x.. in line \d+ is not UTF-8"),
        ("Big5", lambda files: text(files).encode("big5"), "encoding", r"byte 0x.. in line \d+ is not UTF-8"),
        ("empty", lambda files: b"", "file", "is empty"),
        ("only blanks", lambda files: b" \n\n", "file", "is empty"),
    ]
    for case, change, where, message in cases:
        yield Mutation(f"bytes {case}", change, (where,), message, whole_file=True)


def top_level_mutations(layout: Layout) -> Iterator[Mutation]:
    cases = [("a number", b"3"), ("a string", b'"x"'), ("null", b"null"), ("an empty list", b"[]"), ("{}", b"{}")]
    for name, raw in [*cases, ("a list of strings", b'["x"]'), ("another object", b'{"rows": []}')]:
        change = partial(lambda files, raw: raw, raw=raw)
        yield Mutation(f"top level is {name}", change, ("schema",), "is not recognised.*hw7.*parquet", whole_file=True)


def at(find: Callable[[Files], tuple[Any, Any]], name: str, value: Any, where: str, message: str) -> Mutation:
    return Mutation(name, partial(set_key, find=find, value=value), (where,), message)


def without(find: Callable[[Files], tuple[Any, Any]], name: str, where: str, message: str) -> Mutation:
    return Mutation(name, partial(drop_key, find=find), (where,), message)
