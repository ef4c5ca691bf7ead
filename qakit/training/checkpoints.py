"""Checkpoints that survive a kill at any moment: saving, loading, verifying and retention.

A checkpoint is a directory `step-000400` with tensors as safetensors, `state.json`, and `MANIFEST.json`, which is
written last and lists size and SHA-256 of every other file. It is written under a temporary name beside its place,
synced to disk and renamed. Nothing in it is ever unpickled. One process writes to a folder at a time; the caller holds
the lock.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from qakit.errors import CheckpointError, DataError, ResourceError
from qakit.io import parse_json, read_json, read_text, sha256_of, sync, write_json, write_text

FORMAT = 1
MANIFEST = "MANIFEST.json"
STATE = "state.json"
MINIMUM_KEPT = 2  # the newest one may turn out to be damaged

_TENSORS = ".safetensors"
_REPLACED = ".replaced"
_ASIDE = ".aside"
_STEP_NAME = re.compile(rf"step-(\d{{6,}})({re.escape(_REPLACED)})?")
_HIDDEN_NAME = re.compile(r"\.step-\d{6,}(\.replaced)?(\.aside)?\.(tmp|old)-\d+")
# No separators and no dots: a manifest cannot name a file outside its directory.
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]+\.(safetensors|json)")


@dataclass(frozen=True)
class Checkpoint:
    """A moment of a training.

    Attributes:
        step: optimiser steps made.
        tensors: named tensors by file stem (`model`, `optimizer`).
        state: everything else, as JSON: string keys, lists and finite numbers.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint into `folder`, whole or not at all, and return its directory.

    A checkpoint of the same step is replaced, and stays until the new one is complete. Tensors that share memory are
    written separately. Leftovers of interrupted saves in `folder` are removed.

    Raises:
        ResourceError: the disk is full or not writable; older checkpoints are unchanged.
        ValueError, TypeError: a stem that is no plain file name, or a state that is not JSON.
    """
    target = folder / f"step-{checkpoint.step:06d}"
    temporary = _hidden(target, "tmp")
    with explain_disk_errors(target, _bytes_of(checkpoint), "Older checkpoints are unchanged; make room, then resume."):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sync(folder.parent)  # without it a crash may lose a new folder, with everything in it
            _remove_leftovers(folder)
            temporary.mkdir()
            _write_files(temporary, checkpoint)
            _publish(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)  # before the error message counts the free bytes
    return target


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint after checking its sizes and hashes; tensors are on the CPU.

    Raises:
        CheckpointError: as `verify_checkpoint`.
    """
    manifest = _verified_manifest(path)  # first, so that damage is reported as such and not by a parser
    names = [name for name in manifest.files if name.endswith(_TENSORS)]
    try:
        tensors = {name.removesuffix(_TENSORS): load_file(path / name) for name in names}
        state = read_json(path / STATE)
    except (OSError, SafetensorError, DataError) as error:
        raise CheckpointError(f"{path}: cannot be read although its hashes are right: {error}") from error
    return Checkpoint(manifest.step, tensors, state)


def verify_checkpoint(path: Path) -> None:
    """Check that every file of a checkpoint has the size and the SHA-256 of its manifest.

    Raises:
        CheckpointError: the manifest is missing or has another format or step than the directory's name, or a file is
            missing or differs. The message names the file and the expected value.
    """
    _verified_manifest(path)


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first, whole or damaged; empty without such a folder.

    Unfinished saves do not count. A kill during a replacement may leave `step-000400.replaced`, which sorts right
    before the checkpoint that replaces it.
    """
    if not folder.is_dir():
        return []
    found = [
        (int(match[1]), match[2] is None, path)
        for path in folder.iterdir()
        if (match := _STEP_NAME.fullmatch(path.name)) and path.is_dir()
    ]
    return [path for _, _, path in sorted(found)]


def latest_good_checkpoint(folder: Path, *, warn: Callable[[str], None]) -> tuple[Path, Checkpoint] | None:
    """The newest undamaged checkpoint in `folder`, with its directory; None if the folder has no checkpoints at all.

    Args:
        warn: called with a message for each damaged checkpoint that is skipped; these are left where they are.

    Raises:
        CheckpointError: all checkpoints are damaged.
    """
    problems = []
    for path in reversed(find_checkpoints(folder)):
        try:
            found = load_checkpoint(path)
        except CheckpointError as error:
            problems.append(str(error))
        else:
            for problem in problems:
                warn(f"skipping a damaged checkpoint: {problem}")
            return path, found
    if problems:
        raise CheckpointError(
            "every checkpoint is damaged, so the training cannot resume; --overwrite starts it again:\n"
            + "\n".join(problems)
        )
    return None


def set_aside_after(folder: Path, step: int) -> None:
    """Rename the checkpoints of steps after `step` to `step-000400.aside`: damaged, or about to be made again.

    They no longer count as checkpoints; `prune_checkpoints` deletes them when training has reached their step again.
    """
    for path in find_checkpoints(folder):
        if _step_of(path) > step:
            aside = path.with_name(path.name + _ASIDE)
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)


def prune_checkpoints(folder: Path, *, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints; call it after a new one was saved, never before.

    Checkpoints that were set aside are deleted once a checkpoint of their step or a later one exists. The best model is
    stored elsewhere, so no checkpoint is kept for it.

    Args:
        keep: at least 2, as the newest one may be damaged.

    Raises:
        ValueError: `keep` is below 2.
    """
    if keep < MINIMUM_KEPT:
        raise ValueError(f"keep is {keep}; at least {MINIMUM_KEPT} checkpoints must be kept")
    checkpoints = find_checkpoints(folder)
    for path in checkpoints[:-keep]:
        remove_checkpoint(path)
    for aside in folder.glob(f"step-*{_ASIDE}"):
        if checkpoints and _step_of(aside) <= _step_of(checkpoints[-1]):
            remove_checkpoint(aside)


def remove_checkpoint(path: Path) -> None:
    """Delete a checkpoint."""
    # Renamed first: a kill during the deletion must not leave a damaged checkpoint under a valid name.
    shutil.rmtree(path.rename(_hidden(path, "old")))


@contextmanager
def explain_disk_errors(target: Path, needed: int, advice: str) -> Iterator[None]:
    """Turn errors of writing to disk into a `ResourceError`.

    Args:
        target: file or directory being written.
        needed: its approximate size in bytes.
        advice: last sentence of the message.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        # Safetensors has one class for all its errors; only those from the system are about the disk.
        if isinstance(error, SafetensorError) and "os error" not in str(error):
            raise
        # `target` and its folder may not exist yet; free space is counted on the nearest ancestor that does.
        existing = next(path for path in target.absolute().parents if path.is_dir())
        free = shutil.disk_usage(existing).free
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ResourceError(
            f"{target}: could not be written: {reason}. It needs about {needed} bytes, {free} are free. {advice}"
        ) from error


@dataclass(frozen=True, slots=True)
class _Manifest:
    """Step of a checkpoint, and size in bytes and SHA-256 of each file by name."""

    step: int
    files: Mapping[str, tuple[int, str]]

    def text(self) -> str:
        files = {name: {"size": size, "sha256": digest} for name, (size, digest) in sorted(self.files.items())}
        return json.dumps({"format": FORMAT, "step": self.step, "files": files}, indent=2) + "\n"


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    for stem, tensors in checkpoint.tensors.items():
        if not _FILE_NAME.fullmatch(stem + _TENSORS):
            raise ValueError(f"{stem!r} cannot name a file of a checkpoint; use letters, digits, - and _")
        path = folder / (stem + _TENSORS)
        save_file(_separate(tensors), path, metadata={"format": "pt"})
        sync(path)
    write_json(folder / STATE, dict(checkpoint.state), indent=None)
    # Read back from disk: the manifest vouches for what was written, not for what was meant.
    files = {path.name: (path.stat().st_size, sha256_of(path)) for path in folder.iterdir()}
    write_text(folder / MANIFEST, _Manifest(checkpoint.step, files).text())  # last: it completes the checkpoint
    sync(folder)


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous and without shared memory, as safetensors requires."""
    result: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        packed = tensor.detach().cpu().contiguous()
        # Tied weights share a storage, which safetensors refuses; the second and later ones are copied.
        memory = packed.untyped_storage().data_ptr()
        result[name] = packed.clone() if memory in seen else packed
        seen.add(memory)
    return result


def _publish(temporary: Path, target: Path) -> None:
    """Rename a finished checkpoint into place."""
    # A directory cannot be renamed over another, so the old one moves away first, under a name that `find_checkpoints`
    # knows: a kill between the two renames loses neither.
    aside = target.with_name(target.name + _REPLACED)
    if target.exists():
        target.rename(_hidden(target, "old") if aside.exists() else aside)
    try:
        temporary.rename(target)
    finally:
        if aside.exists() and not target.exists():  # the rename failed: undo the first one
            aside.rename(target)
    sync(target.parent)
    with suppress(OSError):  # the new one is in place, and the next save removes leftovers
        _remove_leftovers(target.parent)
        if aside.exists():
            remove_checkpoint(aside)


def _hidden(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}-{os.getpid()}")


def _remove_leftovers(folder: Path) -> None:
    for path in folder.iterdir():
        if _HIDDEN_NAME.fullmatch(path.name):
            shutil.rmtree(path)


def _bytes_of(checkpoint: Checkpoint) -> int:
    tensors = sum(tensor.nbytes for tensors in checkpoint.tensors.values() for tensor in tensors.values())
    # `default`: this only estimates; a state that is not JSON has its own error when it is written.
    return tensors + len(json.dumps(dict(checkpoint.state), default=str))


def _step_of(path: Path) -> int:
    return int(path.name.split("-")[1].split(".")[0])


def _verified_manifest(path: Path) -> _Manifest:
    manifest = _read_manifest(path)
    # A directory copied under another step's name would make the training go on at the wrong step.
    match = _STEP_NAME.fullmatch(path.name)
    if match and int(match[1]) != manifest.step:
        raise CheckpointError(f"{path / MANIFEST}: belongs to step {manifest.step}; expected step {int(match[1])}")
    for name, (size, digest) in manifest.files.items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(f"{file}: is missing; expected {size} bytes")
        # Size before hash: it costs nothing, and a file cut short is the commonest damage.
        if file.stat().st_size != size:
            raise CheckpointError(f"{file}: has {file.stat().st_size} bytes; expected {size}")
        try:
            found = sha256_of(file)
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read: {error.strerror}") from error
        if found != digest:
            raise CheckpointError(f"{file}: its SHA-256 is {found}; expected {digest}")
    return manifest


def _read_manifest(path: Path) -> _Manifest:
    file = path / MANIFEST
    if not path.is_dir():
        raise CheckpointError(f"{path}: no such checkpoint")
    if not file.is_file():
        raise CheckpointError(f"{file}: is missing; expected the list of this checkpoint's files")
    try:
        text = read_text(file)
        value = parse_json(text, file)
    except DataError as error:
        raise CheckpointError(f"{error}; expected the list of this checkpoint's files") from error
    version = value.get("format") if isinstance(value, dict) else None
    if version != FORMAT:
        raise CheckpointError(f"{file}: has format {version!r}; expected {FORMAT}. Was it written by a newer qakit?")
    try:
        files = {str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in value["files"].items()}
        manifest = _Manifest(int(value["step"]), files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{file}: is malformed: {error!r}") from error
    # The manifest has no hash of its own: it must be, to the byte, what its values would be written as.
    if manifest.text() != text or STATE not in files or not all(map(_FILE_NAME.fullmatch, files)):
        raise CheckpointError(f"{file}: differs from what qakit wrote; expected a list of plain files with {STATE}")
    return manifest
