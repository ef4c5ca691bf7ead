"""Fingerprints of trainings: all that decides the weights, so that a checkpoint of another training is not resumed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from qakit import __version__
from qakit.config import TrainConfig
from qakit.data.records import Dataset
from qakit.runs.folder import data_hashes, package_versions
from qakit.training.learner import Learner

# On the weights, and on which of them are the best.
_WITHOUT_EFFECT = ("save_every", "keep_checkpoints", "trackers", "project")
_OF_THE_MACHINE = ("torch", "transformers", "tokenizers", "accelerate", "numpy")
_NOT_OF_THE_MODEL = ("_name_or_path", "transformers_version", "architectures", "dtype")


def identity_of(
    task: str,
    config: TrainConfig,
    datasets: Mapping[str, Dataset[Any] | None],
    *,
    learner: Learner,
    tokenizer: Any,
) -> dict[str, Any]:
    """All that decides the weights and which of them are the best, as JSON.

    Args:
        datasets: the data by its role, such as `training`.
    """
    values = config.model_dump(mode="json")
    for section in ("out", "data", "inference"):
        del values[section]
    for name in _WITHOUT_EFFECT:
        del values["training"][name]
    values["training"]["precision"] = learner.precision
    values["model"]["name"] = Path(config.model.name).name  # a folder may have moved
    del values["model"]["tokenizer"], values["tricks"]["distill"]  # known by their content
    model_config: Any = learner.model.config
    values["model"] |= {name: value for name, value in model_config.to_dict().items() if name not in _NOT_OF_THE_MODEL}
    identity = {
        "task": task,
        **values,
        "processes": learner.accelerator.num_processes,
        "data": {"folds": config.data.folds, "fold": config.data.fold, **_hashes(datasets)},
        "teachers": list(data_hashes(config.tricks.distill).values()),
        "tokenizer": hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
    }
    return dict(json.loads(json.dumps(identity, default=str)))  # as a checkpoint gives it back


def _hashes(datasets: Mapping[str, Dataset[Any] | None]) -> dict[str, str]:
    return {
        f"{role} file {number}": digest
        for role, dataset in datasets.items()
        if dataset is not None
        for number, digest in enumerate(data_hashes(dataset.files).values(), 1)
    }


def machine_of(accelerator: Any) -> dict[str, Any]:
    """Versions and threads, as JSON; where they differ, resuming is exact no longer, and a note says so."""
    versions = {name: found for name, found in package_versions().items() if name in _OF_THE_MACHINE}
    own = {"qakit": __version__, "device": accelerator.device.type, "threads": torch.get_num_threads()}
    return {**own, **versions}


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One line for each value that is not the same, by its dotted name."""
    lines = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"  {prefix}{key}: was {before}, is {after}")
    return lines
