"""A run folder: what a training leaves on disk, each file whole or absent."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from qakit import __version__
from qakit.config import TrainConfig
from qakit.config_files import to_yaml
from qakit.errors import ConfigError
from qakit.io import parse_json, sha256_of, write_json, write_jsonl, write_text

_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "safetensors", "pandas", "pyarrow")


class RunFolder:
    """The files of one training, under one folder.

    Attributes:
        config, manifest, environment: what was run: settings, data hashes, versions and command line.
        metrics: one JSON object a line, one line a step or evaluation.
        best: the best model, in the hub's layout.
        checkpoints: what resuming needs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.manifest = path / "manifest.json"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.curves = path / "curves"
        self.best = path / "best"
        self.checkpoints = path / "checkpoints"

    def open(self, *, resume: bool, overwrite: bool) -> None:
        """Make the folder ready for a training.

        Raises:
            ConfigError: it holds another run, and neither `resume` nor `overwrite` says what to do with it, or both do.
        """
        if resume and overwrite:
            raise ConfigError(f"{self.path}: --resume keeps the run and --overwrite replaces it; give one of them")
        if self.config.exists() and overwrite:
            self._remove()
        elif self.config.exists() and not resume:
            raise ConfigError(f"{self.path}: already holds a run; give --resume auto, --overwrite or another --out")
        elif self.path.exists() and not self.config.exists() and any(self.path.iterdir()):
            raise ConfigError(f"{self.path}: is not empty and not a run folder; choose another --out")
        self.path.mkdir(parents=True, exist_ok=True)

    def describe(self, config: TrainConfig, task: str, data: Mapping[str, str]) -> None:
        """Write what is being run: settings, the SHA-256 of each data file, versions and the command line."""
        write_text(self.config, to_yaml(config))
        write_json(self.manifest, {"task": task, "qakit": __version__, "data": dict(data)})
        write_json(self.environment, environment())

    def log(self, entry: Mapping[str, Any]) -> None:
        """Add one line to the metrics."""
        with open(self.metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop the metrics of later steps, which a resumed training makes again."""
        if self.metrics.exists():
            lines = self.metrics.read_text(encoding="utf-8").splitlines()
            entries = [parse_json(line, self.metrics) for line in lines if line.endswith("}")]
            write_jsonl(self.metrics, [entry for entry in entries if entry["step"] <= step])

    def replace_best(self, write: Callable[[Path], None]) -> None:
        """Let `write` fill a new folder, and put it in the place of the best model."""
        new, old = self._hidden("new"), self._hidden("old")
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        new.mkdir()
        try:
            write(new)
            if self.best.exists():
                self.best.rename(old)
            new.rename(self.best)
        finally:
            if old.exists() and not self.best.exists():
                old.rename(self.best)
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    def _hidden(self, kind: str) -> Path:
        return self.path / f".best.{kind}-{os.getpid()}"

    def _remove(self) -> None:
        for path in (self.config, self.manifest, self.environment, self.metrics):
            path.unlink(missing_ok=True)
        for suffix in (".svg", ".png"):
            self.curves.with_suffix(suffix).unlink(missing_ok=True)
        for folder in (self.best, self.checkpoints):
            shutil.rmtree(folder, ignore_errors=True)


def environment() -> dict[str, Any]:
    """Versions, machine type and command line, as JSON."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {"qakit": __version__} | {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def data_hashes(files: Iterable[Path]) -> dict[str, str]:
    """The SHA-256 of each file, by its path as given."""
    return {str(file): sha256_of(file) for file in files}
