"""Scores files of labels give back exactly what was written, and refuse what is none, or of other texts."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from qakit.errors import DataError
from qakit.io import write_parquet
from qakit.spans.ensembling import Members, open_members
from qakit.spans.scores import is_scores_file
from qakit.tasks.labels.scores import (
    LabelScores,
    LabelScoresInfo,
    is_label_scores_file,
    open_label_scores,
    write_label_scores,
)
from qakit.tasks.registry import TASKS, task_of_scores
from tests.spans.test_scores import written
from tests.tasks.labels import INTENTS, TAGS, intent, sentence


def open_label_members(paths: list[Path], task: str = "intent") -> Members:
    return open_members(paths, TASKS[task].open_scores, TASKS[task].check_members)


def test_files_give_back_what_was_written(tmp_path: Path):
    info = LabelScoresInfo("slots", "m", TAGS.names, True, None, ((0.1, -1.5, 2.0),) * 5)
    rows = [sentence((0.1, 0.8, 0.1), (np.nan,) * 3), LabelScores("y", "w", np.zeros((1, 3), np.float32))]
    write_label_scores(tmp_path / "s.parquet", rows, info)
    file = open_label_scores(tmp_path / "s.parquet")
    assert file.info == info
    for row, found in zip(rows, file.rows(), strict=True):
        assert (found.id, found.text) == (row.id, row.text)
        np.testing.assert_array_equal(found.logs, row.logs)
    assert is_label_scores_file(tmp_path / "s.parquet")
    assert not is_scores_file(tmp_path / "s.parquet")


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path):
    def write(name: str, info: LabelScoresInfo, *rows: LabelScores) -> Path:
        write_label_scores(tmp_path / name, rows, info)
        return tmp_path / name

    first = write("a", INTENTS, intent(0.5, 0.3, 0.2), intent(0.5, 0.3, 0.2, name="y"))
    turned = write("b", INTENTS, intent(0.5, 0.3, 0.2, name="y"), intent(0.5, 0.3, 0.2))
    assert [[row.id for row in rows] for rows in open_label_members([first, turned])] == [["x", "x"], ["y", "y"]]
    with pytest.raises(DataError, match=r"c: .*has other records than .*a: 1 \(y\) missing"):
        open_label_members([first, write("c", INTENTS, intent(0.5, 0.3, 0.2))])
    with pytest.raises(DataError, match=r"d: .*task: is slots; expected scores of the task intent"):
        open_label_members([write("e", INTENTS, intent(1, 1, 1)), write("d", TAGS, sentence((1, 1, 1)))])
    with pytest.raises(DataError, match=r"f: .*text: that of x is another text than in .*e"):
        list(open_label_members([tmp_path / "e", write("f", INTENTS, LabelScores("x", "other", intent(1, 1, 1).logs))]))
    with pytest.raises(DataError, match="is not a scores file of labels; `qakit predict --scores FILE`"):
        open_label_members([written(tmp_path / "g", "q1")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": "1"}, "metadata.qakit_labels.format_version: "),
        ({"format_version": 9}, "format_version: 9 is newer"),
        ({"names": None}, "metadata.qakit_labels.names: "),
        ({"names": ["O", "O", "B-date"]}, "metadata.names: is empty, or has a class twice"),
        ({"task": 1}, "metadata.qakit_labels.task: "),
        ({"oos_threshold": "high"}, "metadata.qakit_labels.oos_threshold: "),
        ({"transitions": [[0.0]]}, "metadata.transitions: is no table of 5 by 3"),
        ("{", "metadata.qakit_labels: is not JSON"),
    ],
)
def test_a_damaged_head_is_told_of(tmp_path: Path, changes: dict | str, message: str):
    told = asdict(TAGS) | (changes if isinstance(changes, dict) else {})
    packed = json.dumps({name: value for name, value in told.items() if value is not None or name == "oos_threshold"})
    metadata = {"qakit_labels": packed if isinstance(changes, dict) else changes}
    write_parquet(tmp_path / "s.parquet", {"id": ["x"], "text": ["w"], "logs": [[0.0, 0.0, 0.0]]}, metadata)
    with pytest.raises(DataError, match=rf"s\.parquet: .*{message}"):
        open_label_members([tmp_path / "s.parquet"], "slots")


def test_a_task_that_nobody_knows_is_told_of(tmp_path: Path):
    write_label_scores(tmp_path / "s.parquet", [intent(1, 1, 1)], replace(INTENTS, task="mood"))
    with pytest.raises(DataError, match="task: 'mood' is no task of this qakit"):
        task_of_scores(tmp_path / "s.parquet")


@pytest.mark.parametrize(
    "columns",
    [
        {"id": ["x"], "text": ["w"], "logs": [[0.0, 0.0]]},
        {"id": ["x"], "text": ["w"], "logs": [[]]},
        {"id": ["x"], "text": ["w"], "logs": [None]},
        {"id": ["x"], "text": ["w"]},
        {"id": ["x"], "text": ["w"], "logs": [[float("nan"), 0.0, 0.0]]},
        {"id": ["x"], "text": ["w"], "logs": [[float("-inf")] * 3]},
        {"id": ["x"], "text": ["w"], "logs": [[0.0] * 6]},
    ],
)
def test_damaged_rows_are_told_of(tmp_path: Path, columns: dict):
    arrays = {name: pa.array(values) for name, values in columns.items()}
    if "logs" in arrays:
        arrays["logs"] = pa.array(columns["logs"], type=pa.list_(pa.float32()))
    write_parquet(tmp_path / "s.parquet", arrays, {"qakit_labels": json.dumps(asdict(INTENTS))})
    with pytest.raises(DataError, match=r"s\.parquet: .*rows: are not those of a scores file"):
        list(open_label_members([tmp_path / "s.parquet"]))


def test_a_record_that_stands_twice_and_a_file_without_any_are_refused(tmp_path: Path):
    write_label_scores(tmp_path / "twice", [intent(1, 1, 1), intent(1, 1, 1)], INTENTS)
    with pytest.raises(DataError, match=r"twice: .*id: 'x' stands twice"):
        open_label_members([tmp_path / "twice"])
    write_label_scores(tmp_path / "none", [], INTENTS)
    with pytest.raises(DataError, match=r"none: .*holds no record"):
        open_label_members([tmp_path / "none"])
