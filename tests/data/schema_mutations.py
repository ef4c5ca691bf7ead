"""Mistakes that only one JSON schema, or one family of them, can have."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.data.layouts import P0, P1, Files, Layout
from tests.data.mutations import Mutation, at, place, set_key, without


def hw7_mutations(layout: Layout) -> Iterator[Mutation]:
    def key(name: str) -> Callable[[Files], tuple[Any, Any]]:
        return lambda files: (layout.question(files["data.json"]), name)

    yield at(key("answer_end"), "end exclusive", 5, "answer_end", "is 5; expected 4")
    yield at(key("answer_end"), "end too near", 3, "answer_end", "is 3; expected 4")
    yield at(key("answer_end"), "end null", None, "answer_end", "expected all of")
    yield at(key("answer_end"), "end string", "4", "answer_end", "expected a whole number")
    yield without(key("answer_end"), "end missing", "answer_end", "is missing")
    yield at(key("answer_text"), "text null", None, "answer_text", "expected all of")
    yield at(
        key("paragraph_id"), "paragraph beyond the list", 2, "paragraph_id", "2 names no paragraph; the file has 2"
    )
    yield at(key("paragraph_id"), "paragraph negative", -1, "paragraph_id", "-1 names no paragraph")
    yield at(key("paragraph_id"), "paragraph string", "1", "paragraph_id", "expected a whole number")
    yield at(key("paragraph_id"), "paragraph bool", True, "paragraph_id", "expected a whole number")
    yield without(key("paragraph_id"), "paragraph missing", "paragraph_id", "is missing")
    for name in ("questions", "paragraphs"):
        find = partial(lambda files, name: (files["data.json"], name), name=name)
        change = partial(set_key, find=find, value={"0": "x"})
        yield Mutation(f"{name} is an object", change, (name,), "expected a list", whole_file=True)


def adl_mutations(layout: Layout) -> Iterator[Mutation]:
    def key(name: str) -> Callable[[Files], tuple[Any, Any]]:
        return lambda files: (layout.question(files["data.json"]), name)

    answer = "answers" if layout.schema == "adl2021" else "answer"
    yield at(key("relevant"), "relevant is no candidate", 9, "relevant", r"9 is not in paragraphs \[1, 2, 3\]")
    yield at(key("relevant"), "relevant null", None, "relevant", "is missing, but the record has answers")
    yield at(key("relevant"), "relevant string", "1", "relevant", "expected a whole number")
    yield without(key("relevant"), "relevant missing", "relevant", "is missing")
    yield at(
        key("paragraphs"), "no such paragraph", [1, 2, 7], "paragraphs", r"7 names no paragraph; context\.json has 4"
    )
    yield at(key("paragraphs"), "negative paragraph", [1, 2, -1], "paragraphs", "-1 names no paragraph")
    yield at(key("paragraphs"), "no candidates", [], "(relevant|paragraphs)", "is not in paragraphs|is empty")
    yield at(key("paragraphs"), "candidates are strings", ["0", 1], r"paragraphs\[0\]", "expected a whole number")
    yield at(key("paragraphs"), "one candidate, no list", 1, "paragraphs", "expected a list")
    yield without(key("paragraphs"), "candidates missing", "paragraphs", "is missing")
    yield at(key(answer), "answer null", None, answer, "is null, but relevant is given")
    yield at(key(answer), "answer is a string", "歐洲", answer, "expected (a list|an object)")
    other: Any = {"text": "歐洲", "start": 3} if layout.schema == "adl2021" else [{"text": "歐洲", "start": 3}]
    yield at(key(answer), "answer of the other year", other, answer, "expected (a list|an object)")
    yield without(key(answer), "answer missing", answer, "is missing")

    def texts(value: bytes) -> Callable[[Files], None]:
        return lambda files: files.update({"context.json": value})

    yield Mutation("no context.json", lambda files: files.pop("context.json") and None, ("context",), "--context", True)
    yield Mutation("context.json broken", texts(b'["x"'), ("JSON",), r"column \d+", True)
    yield Mutation("context.json is an object", texts(b"{}"), ("texts",), "expected a list", True)


def squad_mutations(layout: Layout) -> Iterator[Mutation]:
    def paragraph(name: str) -> Callable[[Files], tuple[Any, Any]]:
        return lambda files: (files["data.json"]["data"][0]["paragraphs"][1], name)

    def article(name: str) -> Callable[[Files], tuple[Any, Any]]:
        return lambda files: (files["data.json"]["data"][0], name)

    question = place(layout, "question")

    def answers(files: Files) -> tuple[Any, Any]:
        return question(files)[0], "answers"

    yield without(paragraph("context"), "context missing", "context", "is missing")
    yield without(paragraph("qas"), "qas missing", "qas", "is missing")
    yield at(paragraph("qas"), "qas is an object", {}, "qas", "expected a list")
    yield without(article("paragraphs"), "paragraphs missing", "paragraphs", "is missing")
    yield at(article("paragraphs"), "paragraphs is a string", "x", "paragraphs", "expected a list")
    yield at(article("title"), "title is a number", 3, "title", "expected a string")
    yield at(answers, "answers is one object", {"text": "歐洲", "answer_start": 3}, "answers", "expected a list")
    yield at(answers, "answers is null", None, "answers", "expected a list")
    yield without(answers, "answers missing", "answers", "is missing")
    yield at(answers, "an answer is a string", ["歐洲"], r"answers\[0\]", "expected an object")
    change = partial(set_key, find=lambda files: (files["data.json"], "data"), value={"0": {}})
    yield Mutation("data is an object", change, ("data",), "expected a list of articles", whole_file=True)
    change = partial(set_key, find=lambda files: (files["data.json"], "data"), value=[])
    yield Mutation("data is empty", change, ("records",), "has no questions", whole_file=True)


def squad2_mutations(layout: Layout) -> Iterator[Mutation]:
    def key(files: Files) -> tuple[Any, Any]:
        return layout.question(files["data.json"]), "is_impossible"

    yield at(key, "impossible with an answer", True, "answers", "must be empty for a question marked impossible")
    yield at(key, "impossible string", "false", "is_impossible", "expected true or false")
    yield at(key, "impossible number", 0, "is_impossible", "expected true or false")
    yield without(key, "impossible missing", "is_impossible", "is missing")


def cmrc_flat_mutations(layout: Layout) -> Iterator[Mutation]:
    def answers(files: Files) -> tuple[Any, Any]:
        return layout.question(files["data.json"]), "answers"

    def context(name: str) -> Callable[[Files], tuple[Any, Any]]:
        return lambda files: (files["data.json"][1], name)

    yield at(answers, "answers is a string", "歐洲", "answers", "expected a list")
    yield at(answers, "an answer is a number", [3], r"answers\[0\]", "expected a string")
    yield at(answers, "an answer is an object", [{"text": "歐洲"}], r"answers\[0\]", "expected a string")
    yield at(answers, "an answer is empty", [""], "answers", "is empty")
    yield without(answers, "answers missing", "answers", "is missing")
    yield without(context("context_text"), "context missing", "context_text", "is missing")
    yield without(context("context_id"), "context id missing", "context_id", "is missing")
    yield without(context("qas"), "qas missing", "qas", "is missing")
    yield at(context("qas"), "qas is an object", {}, "qas", "expected a list")


def jsonl_mutations(layout: Layout) -> Iterator[Mutation]:
    def key(name: str) -> Callable[[Files], tuple[Any, Any]]:
        return lambda files: (layout.question(files["data.jsonl"]), name)

    hub = {"text": ["歐洲"], "answer_start": [3, 4]}
    yield at(key("answers"), "hub lists of two lengths", hub, "answers", "of equal length")
    yield at(key("answers"), "hub start off by one", hub | {"answer_start": [4]}, "start", "the context has it at 3")
    yield at(key("answers"), "hub start is a string", hub | {"answer_start": ["3"]}, "start", "expected a whole number")
    yield at(key("answers"), "answers is a string", "歐洲", "answers", "expected a list")
    yield at(key("answer"), "two answer columns", "歐洲", "answer", "is given together with answers")
    yield at(key("paragraphs"), "context and paragraphs", [P0, P1], "context", "is given together with paragraphs")
    yield at(key("relevant"), "relevant beyond the list", 1, "relevant", "1 is not a position in 1 paragraphs")
    yield at(key("is_impossible"), "impossible with an answer", True, "answers", "must be empty")
    yield without(key("context"), "context missing", "context", "is missing")
    yield without(key("answers"), "answers missing", "answers", "is missing")


SPECIAL = {
    "hw7": [hw7_mutations],
    "adl2021": [adl_mutations],
    "adl2022": [adl_mutations],
    "squad": [squad_mutations],
    "squad2": [squad_mutations, squad2_mutations],
    "drcd": [squad_mutations],
    "cmrc": [squad_mutations],
    "cmrc-flat": [cmrc_flat_mutations],
    "jsonl": [jsonl_mutations],
}
