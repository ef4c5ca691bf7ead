"""Scores files give back exactly what was written, refuse what is no scores file, and need no torch."""

import json
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qakit.errors import DataError
from qakit.spans.scores import (
    FORMAT_VERSION,
    QuestionScores,
    ScoresInfo,
    by_character,
    read_scores,
    write_scores,
)
from tests.spans.cases import INFO, TEXTS, question_scores, token_scores

FLOATS = st.floats(allow_nan=False, width=32)
READ_AND_COMBINE = """
import sys
from pathlib import Path
from qakit.spans.ensembling import combine
from qakit.spans.ensembling import open_members
from qakit.spans.scores import check_same_questions, open_scores
members = open_members([Path(name) for name in sys.argv[1:]], open_scores, check_same_questions)
print(combine(list(members), members.infos)[0].text)
heavy = {"torch", "transformers", "accelerate", "tokenizers"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""


@st.composite
def questions(draw: st.DrawFn) -> QuestionScores:
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    size = sum(lengths)
    start, end = (draw(st.lists(FLOATS, min_size=size, max_size=size)) for _ in range(2))
    starts = draw(st.lists(st.integers(0, 100), min_size=size, max_size=size))
    offsets = [(first, first + draw(st.integers(0, 3))) for first in starts]
    null = draw(st.none() | st.floats(allow_nan=False))
    return QuestionScores(
        id=draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)),
        context=draw(TEXTS),
        candidate=draw(st.integers(0, 5)),
        selection=tuple(draw(st.lists(st.floats(allow_nan=False), max_size=4))),
        tokens=token_scores(start, end, offsets=offsets, lengths=lengths, null=null),
    )


def plain(question: QuestionScores) -> list[Any]:
    """The fields with arrays as their kind of number and their bytes, so that equal means equal to the last bit."""
    own = [getattr(question, field.name) for field in fields(question) if field.name != "tokens"]
    values = [*own, *(getattr(question.tokens, field.name) for field in fields(question.tokens))]
    return [(str(value.dtype), value.tobytes()) if isinstance(value, np.ndarray) else value for value in values]


def written(path: Path, *names: str) -> Path:
    """A small file with questions of these ids."""
    rows = [question_scores(token_scores([1, 3, 2], [3, 1, 2]), "甲乙丙", name=name) for name in names]
    write_scores(path, rows, INFO)
    return path


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(questions(), max_size=4), threshold=st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_read_is_what_was_written(tmp_path: Path, rows: list[QuestionScores], threshold: float) -> None:
    info = ScoresInfo(schema="hw7", model="模型", max_answer_length=20, null_threshold=threshold)
    write_scores(tmp_path / "scores.parquet", iter(rows), info)
    found, found_info = read_scores(tmp_path / "scores.parquet")
    assert list(map(plain, found)) == list(map(plain, rows))
    assert found_info == info


def test_each_position_counts_once_at_its_highest_logit() -> None:
    tokens = token_scores(
        [1, 5, 2, 4, 9], [7, 0, 3, 8, 9], offsets=[(4, 5), (4, 5), (2, 4), (4, 5), (6, 6)], lengths=[2, 3]
    )
    starts, start, ends, end = by_character(tokens)
    assert (starts.tolist(), start.tolist()) == ([2, 4], [2.0, 5.0])
    assert (ends.tolist(), end.tolist()) == ([4, 5], [3.0, 8.0])  # the empty token at 6 is white space


@pytest.mark.parametrize("content", [b"", b"id,answer\nq1,x\n", b'{"q1": "x"}', b"PAR1 and nothing else PAR1"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scores.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"scores\.parquet: .* is not a readable parquet file"):
        read_scores(tmp_path / "scores.parquet")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.parquet", tmp_path):
        with pytest.raises(DataError):
            read_scores(path)


def test_parquet_of_another_kind_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["q1"], "question": ["x"]}), tmp_path / "data.parquet")
    with pytest.raises(DataError, match="is not a scores file of questions; `qakit predict --scores FILE` writes one"):
        read_scores(tmp_path / "data.parquet")


def test_a_file_of_a_newer_qakit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a", "q1")
    newer = json.dumps({**asdict(INFO), "format_version": FORMAT_VERSION + 1, "unknown": 1})
    pq.write_table(pq.read_table(path).replace_schema_metadata({"qakit": newer}), path)
    with pytest.raises(DataError, match=f"{FORMAT_VERSION + 1} is newer than this qakit reads"):
        read_scores(path)


@pytest.mark.parametrize(
    ("older", "expected"),
    [
        ({"max_answer_characters": 40, "format_version": 1}, INFO),
        (
            {"max_answer_characters": 40, "temperature": 2.0, "length_bonus": [0.0, -1.0], "format_version": 2},
            replace(INFO, temperature=2.0, length_bonus=(0.0, -1.0)),
        ),
    ],
)
def test_files_of_older_formats_are_read(tmp_path: Path, older: dict[str, Any], expected: ScoresInfo) -> None:
    path = written(tmp_path / "scores.parquet", "1")
    about = {"schema": INFO.schema, "model": INFO.model, "max_answer_length": INFO.max_answer_length, **older}
    pq.write_table(pq.read_table(path).replace_schema_metadata({"qakit": json.dumps(about)}), path)
    assert replace(read_scores(path)[1], format_version=INFO.format_version) == expected


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a", "q1", "q2")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is not a readable parquet file"):
        read_scores(path)


def test_scores_are_read_and_combined_without_torch(tmp_path: Path) -> None:
    files = [str(written(tmp_path / name, "q1", "q2")) for name in "ab"]
    done = subprocess.run([sys.executable, "-c", READ_AND_COMBINE, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "乙丙"), done.stderr
