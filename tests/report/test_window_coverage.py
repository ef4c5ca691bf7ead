"""What windows hold and cost is drawn as it is, the same each time."""

import warnings

import pytest

from qakit.report.pictures import _coverage_figure, draw_reach
from qakit.report.style import can_show
from qakit.runs.preprocess import draw
from qakit.spans.window_coverage import Reach
from tests.hostile import HOSTILE

FULL = [Reach(length, overlap, 2.0, length + overlap / 2, 99.0, 100.0) for length in (128, 512) for overlap in (0, 64)]
BARE = [Reach(128, 0, 1.0, 90.0, None, None)]
SAME = [Reach(length, 0, 1.0, 90.0, 100.0, 100.0) for length in (128, 256)]


@pytest.mark.parametrize("parts", [{"a": FULL}, {"a": BARE}, {"a": SAME}, {"$a$": FULL, "b" * 60: BARE, "c": SAME}])
def test_both_pictures_are_written_without_a_warning_and_the_same_each_time(tmp_path, parts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = draw_reach(parts, tmp_path / "one" / "r", title="Windows in tokens of $x$")
        second = draw_reach(parts, tmp_path / "two" / "r", title="Windows in tokens of $x$")
    assert [path.name for path in first] == ["r.svg", "r.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("name", ["資料", "\x1b[31mred", "two\nlines", "\x7f", *HOSTILE])
def test_names_that_no_picture_can_hold_are_numbers(name, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("qakit.report.pictures.draw_reach", lambda parts, *_, title: drawn.append((parts, title)))
    draw({name: FULL}, tmp_path, f"tokenizers/{name}")
    ((parts, title),) = drawn
    assert "".join([*parts, title]).isascii()
    assert "".join([*parts, title]).isprintable()
    assert list(parts) == (["part 1"] if not can_show(name) else [name])


def test_a_line_for_each_overlap_and_a_panel_for_each_kind_of_number():
    figure = _coverage_figure({"a": FULL, "b": BARE}, "")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "a: answers whole in one window (%)",
        "a: tokens read a question",
        "b: tokens read a question",
    ]
    lines = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[1].lines}
    assert lines == {"overlap 0": [[128, 128], [512, 512]], "overlap 64": [[128, 160], [512, 544]]}
    assert [text.get_text() for text in figure.axes[1].texts] == ["160", "128", "544", "512"]
    assert max(figure.axes[0].get_yticks()) <= 100
