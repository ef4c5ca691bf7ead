"""Run folders: the files of a training on disk, each whole or absent, and the lock of a folder."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qakit import __version__
from qakit.config import TrainConfig
from qakit.config.files import load_config, to_yaml
from qakit.errors import ConfigError, ResourceError
from qakit.io import parse_json, sha256_of, sync, write_json, write_jsonl, write_text
from qakit.training.checkpoints import (
    Checkpoint,
    explain_disk_errors,
    prune_checkpoints,
    save_checkpoint,
    set_aside_after,
)

_ADVICE = "The run so far is unchanged; make room, then resume."
_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "safetensors", "pandas", "pyarrow")


class RunFolder:
    """The files of one training, under one folder.

    Attributes:
        config, manifest, environment: what was run: settings, data hashes, versions and command line.
        metrics: one JSON object a line, one line a step or evaluation.
        best: the best model, in the hub's layout.
        checkpoints: what resuming needs.
        trackers: the files of experiment trackers that keep some.
        out_of_fold: in a cross-validation, whose trainings have run folders of their own in this one.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        """`writes` is False in all processes but the main one: there, the methods that write do nothing."""
        self.path = path
        self.writes = writes
        self.config = path / "config.yaml"
        self.manifest = path / "manifest.json"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.curves = path / "curves"
        self.best = path / "best"
        self.checkpoints = path / "checkpoints"
        self.trackers = path / "trackers"
        self.out_of_fold = path / "out-of-fold.scores.parquet"

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Make sure that a training may use the folder.

        Raises:
            ConfigError: it holds another run, and neither `resume` nor `overwrite` says what to do with it, or both do.
        """
        if resume and overwrite:
            raise ConfigError(f"{self.path}: --resume keeps the run and --overwrite replaces it; give one of them")
        if self.config.exists() and not (resume or overwrite):
            raise ConfigError(f"{self.path}: already holds a run; give --resume auto, --overwrite or another --out")
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path}: is a file; choose another --out")
        if not self.config.exists() and self._holds_other_things():
            raise ConfigError(f"{self.path}: is not empty and not a run folder; choose another --out")

    def require_same_folds(self, config: TrainConfig) -> None:
        """Make sure that a run which is to go on leaves out the same parts of the data.

        Raises:
            ConfigError: it does not.
        """
        if not (self.writes and self.config.exists()):
            return
        before, now = (
            f"data.folds {data.folds} and data.fold {data.fold}"
            for data in (load_config(TrainConfig, [self.config]).data, config.data)
        )
        if before != now:
            raise ConfigError(f"{self.path}: was made with {before}, not {now}; give --overwrite or another --out")

    @contextmanager
    def opened(self, *, resume: bool, overwrite: bool) -> Iterator[None]:
        """Have the folder for this training alone; a new one that nothing was written to is gone afterwards.

        Raises:
            ConfigError: as `check`, or another training has it.
        """
        if not self.writes:
            yield
            return
        self.check(resume=resume, overwrite=overwrite)
        with lock_folder(self.path):
            yield

    def require_room(self, needed: int) -> None:
        """Make sure that the disk has room for a training's files, some of which may be there from before.

        Raises:
            ResourceError: it has not.
        """
        if not self.writes:
            return
        present = sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())
        free = shutil.disk_usage(self.path).free
        if needed > free + present:
            raise ResourceError(
                f"{self.path}: the training needs up to {needed} bytes for its checkpoints and its best model, "
                f"{free} are free; make room, choose another --out or lower training.keep_checkpoints"
            )

    def prepare(self, *, overwrite: bool, spare: Path | None = None) -> None:
        """Remove the run that is to be replaced, or put right what a kill left half-done.

        Args:
            spare: a fold's folder in this one that is left alone.
        """
        if not self.writes:
            return
        if overwrite:
            self._remove(spare)
        elif not self.best.exists() and (old := sorted(self.path.glob(".best.old-*"))):
            old[-1].rename(self.best)

    def describe(self, config: TrainConfig, task: str, data: Mapping[str, str]) -> None:
        """Write what is being run: settings, the SHA-256 of each data file, versions and the command line."""
        if not self.writes:
            return
        settings = to_yaml(config)
        with explain_disk_errors(self.config, len(settings), _ADVICE):
            write_text(self.config, settings)
            write_json(self.manifest, {"task": task, "qakit": __version__, "data": dict(data)})
            write_json(self.environment, environment())

    def log(self, entry: Mapping[str, Any]) -> None:
        """Add one line to the metrics."""
        if not self.writes:
            return
        line = json.dumps(entry) + "\n"
        with (
            explain_disk_errors(self.metrics, len(line), _ADVICE),
            open(self.metrics, "a", encoding="utf-8") as file,
        ):
            file.write(line)

    def forget_after(self, step: int, *, evaluated: bool = True) -> None:
        """Drop the metrics of later steps, which a resumed training makes again, and set their checkpoints aside.

        Args:
            evaluated: whether the evaluation after `step` counts; otherwise it is made again, and dropped too.
        """
        if not self.writes:
            return
        set_aside_after(self.checkpoints, step)
        if self.metrics.exists():
            lines = self.metrics.read_text(encoding="utf-8").splitlines()
            entries = [parse_json(line, self.metrics) for line in lines if line.endswith("}")]
            kept = [
                entry
                for entry in entries
                if entry["step"] < step or (entry["step"] == step and (evaluated or entry["kind"] != "evaluation"))
            ]
            with explain_disk_errors(self.metrics, self.metrics.stat().st_size, _ADVICE):
                write_jsonl(self.metrics, kept)

    def save(self, checkpoint: Checkpoint, *, keep: int) -> None:
        """Save a checkpoint, and delete all but the newest `keep`."""
        if self.writes:
            save_checkpoint(self.checkpoints, checkpoint)
            prune_checkpoints(self.checkpoints, keep=keep)

    def replace_best(self, write: Callable[[Path], None], *, size: int = 0) -> None:
        """Let `write` fill a new folder, about `size` bytes, and put it in the place of the best model.

        Raises:
            ResourceError: the disk is full or cannot be written; the best model so far is untouched.
        """
        if not self.writes:
            return
        for leftover in self.path.glob(".best.*-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        new, old = self._hidden("new"), self._hidden("old")
        with explain_disk_errors(self.best, size, _ADVICE):
            try:
                new.mkdir()
                write(new)
                for written in (*new.iterdir(), new):
                    sync(written)
                if self.best.exists():
                    self.best.rename(old)
                new.rename(self.best)
                sync(self.path)
            finally:
                if old.exists() and not self.best.exists():
                    old.rename(self.best)
                shutil.rmtree(new, ignore_errors=True)
                shutil.rmtree(old, ignore_errors=True)

    def take_over(self, source: Path) -> None:
        """Take the best model and the metrics of the run folder `source`, where this one has none."""
        if not self.writes:
            return
        if not self.best.exists() and (source / "best").is_dir():
            self.replace_best(lambda new: _copy(source / "best", new))
        if not self.metrics.exists() and (source / "metrics.jsonl").is_file():
            shutil.copyfile(source / "metrics.jsonl", self.metrics)

    def _hidden(self, kind: str) -> Path:
        return self.path / f".best.{kind}-{os.getpid()}"

    def _holds_other_things(self) -> bool:
        """Whether there is anything but what is hidden and the runs of folds that were trained one by one."""
        folds = {file.parent for file in self.path.glob("fold-*/config.yaml")}
        return self.path.is_dir() and any(
            not path.name.startswith(".") and path not in folds for path in self.path.iterdir()
        )

    def _remove(self, spare: Path | None) -> None:
        for path in (self.config, self.manifest, self.environment, self.metrics):
            path.unlink(missing_ok=True)
        for suffix in (".svg", ".png"):
            self.curves.with_suffix(suffix).unlink(missing_ok=True)
        folds = (fold for fold in self.path.glob("fold-*/") if fold != spare)
        for folder in (self.best, self.checkpoints, self.trackers, *folds):
            shutil.rmtree(folder, ignore_errors=True)
        self.out_of_fold.unlink(missing_ok=True)


class FoldFolder(RunFolder):
    """The run folder of a fold, in the one of all folds, which is checked, cleared and described along with it.

    `runs.folds` hands it to `train` in the place of a `RunFolder`, so that no file of the whole is touched before the
    first fold has passed its checks.
    """

    def __init__(self, whole: RunFolder, config: TrainConfig, of_all: TrainConfig) -> None:
        super().__init__(config.out, writes=whole.writes)
        self._whole, self._of_all = whole, of_all

    def require_room(self, needed: int) -> None:
        """Room for all folds."""
        self._whole.require_room(needed * (self._of_all.data.folds or 1))

    def prepare(self, *, overwrite: bool, spare: Path | None = None) -> None:
        """Prepare both; what the whole holds beside this fold goes with `overwrite`."""
        super().prepare(overwrite=overwrite, spare=spare)
        self._whole.prepare(overwrite=overwrite, spare=self.path)

    def describe(self, config: TrainConfig, task: str, data: Mapping[str, str]) -> None:
        """Describe both, the whole by the settings of all folds."""
        super().describe(config, task, data)
        self._whole.describe(self._of_all, task, data)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Have a folder, made where there is none, for this process alone; a new one is gone afterwards if left empty.

    Raises:
        ConfigError: another process has it.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ".lock"
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{folder}: is in use by {_read_owner(file)}; wait for it or stop it") from None
    try:
        file.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        if all(path.name.startswith(".") for path in folder.iterdir()):
            file.unlink(missing_ok=True)
        lock.release()
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _read_owner(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"


def environment() -> dict[str, Any]:
    """Versions, machine type and command line, as JSON."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {"qakit": __version__, **package_versions()},
    }


def package_versions() -> dict[str, str | None]:
    """The installed versions of what a training builds on."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def data_hashes(files: Iterable[Path]) -> dict[str, str]:
    """The SHA-256 of each file, by its path as given."""
    return {str(file): sha256_of(file) for file in files}


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
