"""Scores files are read side by side, in the order of the first one, and refused where they do not belong together."""

from pathlib import Path

import pytest

from qakit.errors import ConfigError, DataError
from qakit.spans.ensembling import Members
from qakit.spans.ensembling import open_members as open_any
from qakit.spans.scores import check_same_questions, open_scores, write_scores
from tests.spans.cases import INFO, question_scores, token_scores
from tests.spans.test_scores import written


def open_members(paths: list[Path]) -> Members:
    return open_any(paths, open_scores, check_same_questions)


def test_members_come_in_the_order_of_the_first_file(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a", "q1", "q2", "q3"), written(tmp_path / "b", "q3", "q1", "q2")
    members = open_members([first, second])
    assert [[question.id for question in row] for row in members] == [["q1"] * 2, ["q2"] * 2, ["q3"] * 2]
    assert members.infos == (INFO, INFO)


def test_a_file_with_other_questions_is_refused(tmp_path: Path) -> None:
    first, other = written(tmp_path / "a", "q1", "q2"), written(tmp_path / "b", "q2", "q8", "q9")
    with pytest.raises(DataError, match=r"b: .* other records than .*a: 1 \(q1\) missing, 2 \(q8, q9\) more"):
        open_members([first, other])


def test_a_file_that_read_another_text_as_the_same_paragraph_is_refused(tmp_path: Path) -> None:
    first = written(tmp_path / "a", "q1", "q2")
    texts = {"q1": "甲乙丙", "q2": "丁戊"}
    rows = [question_scores(token_scores([1, 2], [1, 2]), text, name=name) for name, text in texts.items()]
    write_scores(tmp_path / "b", rows, INFO)
    with pytest.raises(DataError, match=r"b: .*paragraph 0 of q2 is another text than in .*a"):
        list(open_members([first, tmp_path / "b"]))


def test_a_file_may_have_read_another_paragraph(tmp_path: Path) -> None:
    first = written(tmp_path / "a", "q1")
    write_scores(tmp_path / "b", [question_scores(token_scores([1], [1]), "丁", name="q1", candidate=2)], INFO)
    (row,) = open_members([first, tmp_path / "b"])
    assert [question.context for question in row] == ["甲乙丙", "丁"]


def test_the_same_file_twice_is_refused_under_any_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a", "q1")
    (tmp_path / "link").symlink_to(path)
    for again in (path, tmp_path / "x" / ".." / "a", tmp_path / "link"):
        with pytest.raises(ConfigError, match="the same scores file is named twice"):
            open_members([path, again])


def test_selections_among_other_numbers_of_candidates_are_of_other_data(tmp_path: Path) -> None:
    for name, selection in (("a", (-0.1, -2.0)), ("b", ()), ("c", (-0.1, -2.0, -3.0))):
        row = question_scores(token_scores([1], [1]), "丁", name="q1", selection=selection)
        write_scores(tmp_path / name, [row], INFO)
    list(open_members([tmp_path / "a", tmp_path / "b"]))
    with pytest.raises(DataError, match=r"c: .*selection: 3 candidates of q1, where .*a has 2"):
        list(open_members([tmp_path / "a", tmp_path / "b", tmp_path / "c"]))
