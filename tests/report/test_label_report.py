"""The page of labels keeps hostile text inert; the picture of confusions is the same each time."""

from pathlib import Path

import pytest

from qakit.metrics.classes import Confusion, count_pairs
from qakit.report.error_report import LabelPage, WrongRecord, WrongWord, render_labels
from qakit.report.pictures import draw_confusion

HOSTILE = "<script>alert(1)</script>\u202e"


def page(**changes: object) -> LabelPage:
    values = {
        "title": HOSTILE,
        "facts": [("Model", HOSTILE)],
        "scores": [("accuracy", 97.123)],
        "note": "a note",
        "picture": "<svg/>",
        "confusions": [Confusion(HOSTILE, "b", 3, 9)],
        "records": [
            WrongRecord("1", HOSTILE, HOSTILE, HOSTILE, 0.5),
            WrongRecord("2", "x", "O", "B-a", None, (WrongWord(HOSTILE, "O", "B-a"), WrongWord("x", "B-b", None))),
        ],
    }
    return LabelPage(**{**values, **changes})


def test_no_text_becomes_markup():
    html = render_labels(page())
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 8
    assert "\u202e" not in html.partition("</title>")[2]
    assert "97.12" in html and "0.500" in html
    assert "default-src &#39;none&#39;" in html


def test_a_page_without_errors_has_no_table_of_confusions():
    assert "What is taken for what" not in render_labels(page(confusions=[], picture="", records=[]))


@pytest.mark.parametrize("title", ["", "Intents"])
def test_the_picture_is_the_same_each_time(tmp_path: Path, title: str):
    counts = count_pairs([f"class {n % 40}" for n in range(200)], [f"class {n * n % 40}" for n in range(200)])
    first = [file.read_bytes() for file in draw_confusion(counts, tmp_path / "one", title=title)]
    second = [file.read_bytes() for file in draw_confusion(counts, tmp_path / "two", title=title)]
    assert first == second
    assert first[1].startswith(b"\x89PNG")
    assert first[0].count(b"class ") > 25
