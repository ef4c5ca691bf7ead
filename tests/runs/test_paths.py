"""Outputs never take the place of inputs, of folders or of each other, and all mistakes of several inputs are told."""

import os
from pathlib import Path

import pytest

from qakit.config import EnsembleConfig, PreprocessConfig
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError, DataError
from qakit.io import atomic_write, check_outputs
from qakit.runs.preprocess import preprocess
from qakit.tasks.requests import EnsembleRequest
from tests.runs.questions import ensemble


def test_an_output_that_is_an_input_is_refused_by_whatever_name(tmp_path: Path):
    data = tmp_path / "data.json"
    data.write_text("{}", encoding="utf-8")
    link = tmp_path / "link.json"
    link.symlink_to(data)
    for output in (data, tmp_path / "x" / ".." / "data.json", link):
        with pytest.raises(ConfigError, match="is an input"):
            check_outputs([None, output], [data])


def test_two_outputs_of_one_name_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="another output"):
        check_outputs([tmp_path / "a.csv", None, tmp_path / "a.csv"], [])
    with pytest.raises(ConfigError, match="is a folder"):
        check_outputs([tmp_path], [])
    check_outputs([tmp_path / "a.csv", tmp_path / "b.csv"], [tmp_path / "c.csv"])


def test_preprocessing_into_the_folder_of_its_input_leaves_the_input_alone(tmp_path: Path, sample_data: Path):
    data = tmp_path / "hw7_dev.json"
    data.write_bytes((sample_data / "hw7" / "hw7_dev.json").read_bytes())
    with pytest.raises(ConfigError, match="is an input"):
        preprocess([data], PreprocessConfig(to="squad"), out=tmp_path)
    assert data.read_bytes() == (sample_data / "hw7" / "hw7_dev.json").read_bytes()


def test_ensemble_does_not_write_over_its_members(tmp_path: Path):
    with pytest.raises(ConfigError, match="is an input"):
        ensemble(EnsembleRequest((tmp_path / "a.parquet",)), EnsembleConfig(), out=tmp_path / "a.parquet")


def test_inputs_of_different_schemas_keep_their_own(tmp_path: Path, sample_data: Path):
    inputs = [sample_data / "hw7" / "hw7_dev.json", sample_data / "source.json"]
    result = preprocess(inputs, PreprocessConfig(), out=tmp_path)
    assert [read_dataset([file]).schema for file in result.files] == ["hw7", "squad"]


def test_the_mistakes_of_all_inputs_are_told_at_once(tmp_path: Path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("{]", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        preprocess([tmp_path / "a.json", tmp_path / "b.json"], PreprocessConfig(), out=tmp_path / "out")
    assert [Path(problem.file).name for problem in caught.value.problems] == ["a.json", "b.json"]
    assert not (tmp_path / "out").exists()


def test_writing_behind_a_link_keeps_the_link_and_a_pipe_stays_a_pipe(tmp_path: Path):
    target, link, pipe = tmp_path / "target.txt", tmp_path / "link.txt", tmp_path / "pipe"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    with atomic_write(link) as file:
        file.write("new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as file:
        file.write("through")
    assert os.read(reader, 100) == b"through"
    assert pipe.is_fifo()
    os.close(reader)
