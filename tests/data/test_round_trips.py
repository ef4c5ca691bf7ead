"""Reading what was written gives the same records; reading anything else gives records or an explanation."""

import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import SCHEMAS, read_dataset, write_dataset
from qakit.errors import DataError
from tests.data.samples import SINGLE, TABLES, without_names

SUFFIXES = {"jsonl": ".jsonl", "csv": ".csv", "parquet": ".parquet"}
QUIET = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
ALPHABET = st.one_of(
    st.sampled_from("甲乙丙「」,\"'\r\n\t \u2028\u3000𠀀é\x00"), st.characters(exclude_categories=["Cs"])
)
TEXTS = st.text(ALPHABET, min_size=1, max_size=12).filter(str.strip)
IDS = st.text(string.ascii_letters + string.digits + "_中", min_size=1, max_size=6)


@st.composite
def spans(draw: st.DrawFn, text: str) -> Answer:
    start = draw(st.integers(0, len(text) - 1))
    end = draw(st.integers(start + 1, len(text)))
    found = text[start:end]
    return Answer(found, start) if found.strip() else Answer(text, 0)


@st.composite
def datasets(draw: st.DrawFn, schema: str) -> list[Record]:
    single = schema in SINGLE
    texts = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
    paragraphs = [Paragraph(f"p{number}", text, draw(st.sampled_from(["", "題"]))) for number, text in enumerate(texts)]
    names = draw(st.lists(IDS, min_size=1, max_size=5, unique=True))
    labelled = schema.startswith("adl") and draw(st.booleans())
    return [draw(records(name, paragraphs, schema, single=single, labelled=labelled)) for name in names]


@st.composite
def records(
    draw: st.DrawFn, name: str, paragraphs: list[Paragraph], schema: str, *, single: bool, labelled: bool
) -> Record:
    count = 1 if single else draw(st.integers(1, len(paragraphs)))
    chosen = tuple(draw(st.permutations(paragraphs))[:count])
    place = draw(st.integers(0, count - 1))
    question = draw(TEXTS)
    is_adl = schema.startswith("adl")
    if (is_adl and not labelled) or (not is_adl and draw(st.integers(0, 3)) == 0):
        impossible = schema in ("squad2", *TABLES) and draw(st.booleans())
        return Record(name, question, chosen, 0 if count == 1 else None, impossible=impossible)
    most = 1 if schema in ("hw7", "adl2022") else 3
    answers = draw(st.lists(spans(chosen[place].text), min_size=1, max_size=most))
    if schema == "cmrc-flat":
        answers = [Answer(answer.text, chosen[place].text.find(answer.text)) for answer in answers]
    if schema in ("cmrc", *TABLES) and draw(st.booleans()):
        answers.append(Answer("自由的文字", None))
    return Record(name, question, chosen, place, tuple(answers))


def grouped(items: list[Record]) -> list[Record]:
    """The order of the squad family: by paragraph, in the order of first use, within articles of one title."""
    titles = {record.paragraphs[0].title: None for record in items}
    texts = {record.paragraphs[0]: None for record in items}
    order = [(title, text) for title in titles for text in texts if text.title == title]
    return sorted(items, key=lambda record: order.index((record.paragraphs[0].title, record.paragraphs[0])))


@pytest.mark.parametrize("schema", SCHEMAS)
@QUIET
@given(data=st.data())
def test_there_and_back(schema: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    items = data.draw(datasets(schema))
    path = tmp_path_factory.mktemp("files") / f"data{SUFFIXES.get(schema, '.json')}"
    written = write_dataset(items, path, schema)
    dataset = read_dataset(written[:1])
    assert dataset.skipped == 0
    if schema in ("squad", "squad2", "drcd"):
        items = grouped(items)
    elif schema.startswith("cmrc"):
        places = list({record.paragraphs[0]: None for record in items})
        items = sorted(items, key=lambda record: places.index(record.paragraphs[0]))
    if schema in ("hw7", "adl2021", "adl2022"):
        keep_id = schema != "hw7"
        assert [without_names(record, keep_id=keep_id) for record in dataset] == [
            without_names(record, keep_id=keep_id) for record in items
        ]
    elif schema in ("squad", "squad2"):
        assert [without_names(record) for record in dataset] == [without_names(record) for record in items]
        assert [record.paragraphs[0].title for record in dataset] == [record.paragraphs[0].title for record in items]
    else:
        assert list(dataset) == items


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "paragraphs",
                    "qas",
                    "id",
                    "question",
                    "questions",
                    "answers",
                    "answer",
                    "text",
                    "start",
                    "relevant",
                    "context",
                    "context_text",
                    "query_id",
                    "answer_start",
                    "is_impossible",
                    "version",
                    "titles",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(value=JSON_VALUES, lenient=st.booleans(), lines=st.booleans())
def test_any_json_is_read_or_refused_with_an_explanation(
    value: Any, lenient: bool, lines: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / ("any.jsonl" if lines else "any.json")
    path.write_text(json.dumps(value), encoding="utf-8")
    try:
        dataset = read_dataset([path], lenient=lenient)
    except DataError as error:
        assert error.problems
        assert all(problem.file and problem.record and problem.field for problem in error.problems)
    else:
        assert len(dataset) > 0
