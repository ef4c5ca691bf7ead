"""A record that contradicts itself cannot be built."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.records import Answer, Dataset, Paragraph, Record, shorten
from qakit.errors import RecordError

FIRST = Paragraph("0", "陸特在歐洲。歐洲很大。")
SECOND = Paragraph("1", "梵文")
GOOD: dict[str, Any] = {
    "id": "q",
    "question": "何處？",
    "paragraphs": (SECOND, FIRST),
    "relevant": 1,
    "answers": (Answer("歐洲", 3), Answer("亞洲", None), Answer("歐洲很大", 6)),
}


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"id": ""}, "id", "is empty"),
        ({"question": " \u3000"}, "question", "is empty"),
        ({"paragraphs": ()}, "paragraphs", "at least one"),
        ({"paragraphs": (SECOND, FIRST, Paragraph("2", "\n"))}, "context", "paragraph '2' is empty"),
        ({"relevant": 2}, "relevant", "2 is not a position in 2 paragraphs"),
        ({"relevant": -1}, "relevant", "-1 is not a position"),
        ({"relevant": None}, "relevant", "is missing, but the record has answers"),
        ({"impossible": True}, "answers", "must be empty"),
        ({"answers": (Answer(" ", 3),)}, "answer text", "is empty"),
        ({"answers": (Answer("歐洲", -2),)}, "answer start", "-2 is negative"),
        ({"answers": (Answer("歐洲", 4),)}, "answer start", "has '洲。' at 4, not '歐洲'; the context has it at 3, 6"),
        ({"answers": (Answer("亞洲", 3),)}, "answer start", "the context does not contain it"),
        ({"answers": (Answer("歐洲", 3), Answer("歐洲", 99))}, "answer start", "has '' at 99"),
    ],
)
def test_contradiction_is_refused(change: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        Record(**(GOOD | change))
    assert caught.value.field == field
    assert message in caught.value.message


def test_what_a_record_tells() -> None:
    record = Record(**GOOD)
    assert (record.context, record.span, record.is_labelled) == (FIRST.text, Answer("歐洲", 3), True)
    free = Record(**(GOOD | {"answers": (Answer("亞洲", None),)}))
    assert (free.span, free.is_labelled) == (None, True)
    impossible = Record(**(GOOD | {"answers": (), "impossible": True}))
    assert (impossible.span, impossible.is_labelled) == (None, True)


def test_context_without_a_relevant_paragraph() -> None:
    unlabelled = GOOD | {"answers": (), "relevant": None}
    assert Record(**(unlabelled | {"paragraphs": (FIRST,)})).context == FIRST.text
    record = Record(**unlabelled)
    assert not record.is_labelled
    with pytest.raises(RecordError, match="relevant: is missing, so none of the 2 paragraphs"):
        _ = record.context


@given(before=st.text(max_size=5), text=st.text(min_size=1, max_size=5).filter(str.strip), after=st.text(max_size=5))
def test_every_true_span_is_accepted_and_its_end_is_exclusive(before: str, text: str, after: str) -> None:
    answer = Answer(text, len(before))
    record = Record("q", "？", (Paragraph("p", before + text + after),), 0, (answer,))
    assert answer.end is not None
    assert record.context[answer.start : answer.end] == text
    assert Answer(text, None).end is None


def test_dataset_is_a_sequence_of_records() -> None:
    record = Record(**GOOD)
    dataset = Dataset((record, record), "squad")
    assert (len(dataset), list(dataset)) == (2, [record, record])


def test_shorten() -> None:
    assert shorten("甲" * 40) == repr("甲" * 40)
    assert shorten("甲" * 41) == repr("甲" * 40 + "…")
