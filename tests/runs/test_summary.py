"""The numbers of the data report, counted by hand."""

from qakit.data.records import Answer, Paragraph, Record
from qakit.runs.preprocess import summarise

FIRST = Paragraph("1", "甲在山上，乙在山下。", "山")
SECOND = Paragraph("2", "丙在河邊。", "河")


def test_the_report_is_as_counted_by_hand():
    records = [
        Record("1", "誰在山上？", (FIRST,), 0, (Answer("甲", 0), Answer("甲在山上", 0))),
        Record("2", "山在哪裡呢？", (FIRST,), 0, (Answer("山", 2),)),
        Record("3", "誰？", (SECOND, FIRST), 0, (Answer("丙在河邊", 0),)),
        Record("4", "丁在哪？", (SECOND,), 0, impossible=True),
        Record("5", "戊？", (SECOND,), 0),
    ]
    assert summarise(records) == {
        "questions": 5,
        "paragraphs": 2,
        "articles": 2,
        "candidates": "1-2",
        "unlabelled": 1,
        "impossible": 1,
        "question_length": {"median": 4, "max": 6},
        "paragraph_length": {"median": 7.5, "max": 10},
        "answer_length": {"median": 1, "max": 4},
        "repeated_answers": 33.3,  # 山 stands twice in its paragraph: one of three answers
    }


def test_a_free_text_is_no_answer_span():
    records = [Record("1", "誰？", (FIRST,), 0, (Answer("某人", None),))]
    report = summarise(records)
    assert report["unlabelled"] == 0
    assert report["answer_length"] == {"median": None, "max": None}
    assert report["repeated_answers"] is None


def test_no_records_make_a_report_too():
    report = summarise([])
    assert (report["questions"], report["candidates"], report["repeated_answers"]) == (0, "0", None)
    assert report["question_length"] == {"median": None, "max": None}
