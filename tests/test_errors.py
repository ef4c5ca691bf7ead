"""Every kind of error has its exit code, and a data error shows each of its problems in full."""

import pytest

from qakit.errors import (
    SHOWN_PROBLEMS,
    CheckpointError,
    ConfigError,
    DataError,
    Problem,
    QakitError,
    RecordError,
    ResourceError,
)


@pytest.mark.parametrize(
    ("kind", "code"), [(QakitError, 1), (ConfigError, 2), (DataError, 3), (CheckpointError, 4), (ResourceError, 5)]
)
def test_each_kind_has_its_exit_code_and_is_one_family(kind: type[QakitError], code: int):
    assert kind.exit_code == code
    assert issubclass(kind, QakitError)


def test_a_problem_names_file_record_field_and_message_in_this_order():
    assert str(Problem("a.json", "questions[3]", "id", "is empty")) == "a.json: questions[3]: id: is empty"


def test_a_data_error_shows_all_problems_one_a_line():
    problems = [Problem("a.json", f"[{number}]", "id", "is empty") for number in range(3)]
    error = DataError(problems)
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == [str(problem) for problem in problems]


def test_a_data_error_counts_the_problems_that_it_does_not_show():
    problems = [Problem("a.json", f"[{number}]", "id", "is empty") for number in range(SHOWN_PROBLEMS + 7)]
    error = DataError(problems)
    assert len(error.problems) == SHOWN_PROBLEMS + 7
    assert str(error).splitlines()[SHOWN_PROBLEMS:] == ["... and 7 more"]


def test_as_many_problems_as_are_shown_need_no_count():
    problems = [Problem("a.json", f"[{number}]", "id", "is empty") for number in range(SHOWN_PROBLEMS)]
    assert len(str(DataError(problems)).splitlines()) == SHOWN_PROBLEMS


def test_a_record_error_is_no_error_of_the_family_because_it_knows_no_file():
    error = RecordError("question", "is empty")
    assert (error.field, error.message, str(error)) == ("question", "is empty", "question: is empty")
    assert not isinstance(error, QakitError)
