"""A run folder: opened only where it is safe, its best model replaced whole, its metrics cut back for a resume."""

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from qakit import __version__
from qakit.config import TrainConfig
from qakit.config.files import load_config
from qakit.errors import ConfigError, ResourceError
from qakit.runs.folder import RunFolder, data_hashes, environment
from tests.modeling.tiny import train_config


def make_run(path: Path) -> RunFolder:
    folder = RunFolder(path)
    with folder.opened(resume=False, overwrite=False):
        fill(folder)
    return folder


def fill(folder: RunFolder) -> None:
    folder.describe(train_config(folder.path), "qa", {"train.json": "0" * 64})
    folder.log({"step": 1})
    folder.replace_best(lambda new: (new / "model").write_text("first") and None)
    folder.checkpoints.mkdir()


@pytest.mark.parametrize("resume", [False, True])
def test_a_new_or_empty_folder_is_opened_and_gone_when_nothing_was_written(resume: bool, tmp_path: Path):
    for _ in range(2):
        with RunFolder(tmp_path / "a" / "run").opened(resume=resume, overwrite=False):
            assert (tmp_path / "a" / "run").is_dir()
        assert not (tmp_path / "a" / "run").exists()
    (tmp_path / "a" / "run").mkdir()
    with RunFolder(tmp_path / "a" / "run").opened(resume=resume, overwrite=False):
        pass


def test_a_folder_is_for_one_training_at_a_time(tmp_path: Path):
    second = RunFolder(tmp_path / "run").opened(resume=True, overwrite=False)
    with (
        RunFolder(tmp_path / "run").opened(resume=False, overwrite=False),
        pytest.raises(ConfigError, match=rf"is in use by process {os.getpid()} on "),
        second,
    ):
        pass
    with RunFolder(tmp_path / "run").opened(resume=False, overwrite=False):
        pass


def test_room_is_asked_for_before_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make_run(tmp_path / "run")
    present = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    folder.require_room(1000 + present)
    with pytest.raises(ResourceError, match=rf"needs up to {1001 + present} bytes .* 1000 are free"):
        folder.require_room(1001 + present)


def test_a_process_that_is_not_the_main_one_writes_nothing(tmp_path: Path):
    folder = RunFolder(tmp_path / "run", writes=False)
    with folder.opened(resume=False, overwrite=False):
        folder.prepare(overwrite=True)
        folder.require_room(2**60)
        folder.describe(train_config(folder.path), "qa", {})
        folder.log({"step": 1})
        folder.forget_after(0)
        folder.replace_best(lambda new: None)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_between_two_best_models_leaves_one(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    folder.best.rename(folder.path / ".best.old-123")
    folder.prepare(overwrite=False)
    assert (folder.best / "model").read_text() == "first"


def test_a_run_is_not_written_over_unless_asked(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="already holds a run; give --resume auto, --overwrite or another --out"):
        RunFolder(folder.path).check(resume=False, overwrite=False)
    RunFolder(folder.path).check(resume=True, overwrite=False)
    assert folder.metrics.read_text(encoding="utf-8") == '{"step": 1}\n'


@pytest.mark.parametrize(("resume", "overwrite"), [(False, False), (True, False), (False, True)])
def test_a_folder_of_other_things_is_left_alone(resume: bool, overwrite: bool, tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="not a run folder"):
        RunFolder(tmp_path).check(resume=resume, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_overwriting_removes_the_run_and_nothing_else(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    folder.curves.with_suffix(".svg").write_text("<svg/>")
    (folder.path / "notes.txt").write_text("mine")
    RunFolder(folder.path).prepare(overwrite=True)
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", "notes.txt"]


def test_the_description_repeats_the_run(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    assert load_config(TrainConfig, [folder.config]) == train_config(tmp_path / "run")
    manifest = json.loads(folder.manifest.read_text(encoding="utf-8"))
    assert manifest == {"task": "qa", "qakit": __version__, "data": {"train.json": "0" * 64}}
    assert json.loads(folder.environment.read_text(encoding="utf-8"))["packages"]["torch"]


def test_a_new_best_model_takes_the_place_of_the_old_one(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    folder.replace_best(lambda new: (new / "weights").write_text("second") and None)
    assert [path.name for path in folder.best.iterdir()] == ["weights"]
    assert sorted(path.name for path in folder.path.iterdir() if path.name.startswith(".")) == [".lock"]


def test_a_best_model_that_cannot_be_written_leaves_the_old_one(tmp_path: Path):
    folder = make_run(tmp_path / "run")

    def fail(new: Path) -> None:
        (new / "model").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(
        ResourceError, match=r"best: could not be written: No space left on device. It needs about 7 bytes"
    ):
        folder.replace_best(fail, size=7)
    assert (folder.best / "model").read_text() == "first"
    assert sorted(path.name for path in folder.path.iterdir() if path.name.startswith(".")) == [".lock"]


def test_a_best_model_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    with pytest.raises(ResourceError, match="could not be written"):
        folder.replace_best(lambda new: new.rmdir())
    assert (folder.best / "model").read_text() == "first"
    assert sorted(path.name for path in folder.path.iterdir() if path.name.startswith(".")) == [".lock"]


def test_metrics_after_a_step_are_forgotten_and_a_line_cut_short_too(tmp_path: Path):
    folder = RunFolder(tmp_path)
    entries = [{"kind": "train", "step": step, "loss": 0.5} for step in (1, 2, 3)]
    for entry in entries:
        folder.log(entry)
    with open(folder.metrics, "a", encoding="utf-8") as file:
        file.write('{"kind": "train", "st')
    folder.forget_after(2)
    lines = folder.metrics.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == entries[:2]


def test_forgetting_in_a_folder_without_metrics_does_nothing(tmp_path: Path):
    RunFolder(tmp_path).forget_after(2)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_json_and_names_what_decides_the_numbers():
    known = json.loads(json.dumps(environment()))
    assert {"command", "python", "platform", "machine", "cpus", "packages"} <= known.keys()
    assert {"qakit", "torch", "transformers", "accelerate", "numpy"} <= known["packages"].keys()


def test_data_hashes_are_by_the_path_as_given(tmp_path: Path):
    path = tmp_path / "資料.json"
    path.write_bytes(b"[]")
    assert data_hashes([path]) == {str(path): hashlib.sha256(b"[]").hexdigest()}


def test_a_folder_that_was_there_before_is_kept_with_its_hidden_files(tmp_path: Path):
    (tmp_path / "run" / ".git").mkdir(parents=True)
    (tmp_path / "run" / ".git" / "HEAD").write_text("main")
    with RunFolder(tmp_path / "run").opened(resume=False, overwrite=False):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".git"]
    assert (tmp_path / "run" / ".git" / "HEAD").read_text() == "main"


def test_a_line_that_does_not_fit_on_the_disk_is_told_with_path_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(
        ResourceError, match=r"metrics.jsonl: could not be written: No space left .* needs about 12 bytes"
    ):
        RunFolder(tmp_path).log({"step": 1})
