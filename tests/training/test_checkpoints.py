"""Checkpoints: exact round trips, damage found and named, and a good one left after every failure."""

import errno
import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from qakit.errors import CheckpointError, ResourceError
from qakit.training import checkpoints
from qakit.training.checkpoints import (
    MANIFEST,
    STATE,
    Checkpoint,
    find_checkpoints,
    latest_good_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
    verify_checkpoint,
)
from qakit.training.optim import build_optimizer, set_learning_rate
from qakit.training.state import optimizer_tensors, random_state, restore_optimizer, restore_random_state

FILES = ("model.safetensors", "optimizer.safetensors", STATE, MANIFEST)


def example(step, value=0.5):
    return Checkpoint(
        step,
        {
            "model": {"weight": torch.full((40, 30), value), "ids": torch.arange(5), "scalar": torch.tensor(step)},
            "optimizer": {"weight/exp_avg": torch.full((40, 30), -value, dtype=torch.bfloat16)},
        },
        {"epoch": 0.1 + 0.2, "best": None, "note": "字", "words": [2**63, 1]},
    )


def assert_same(found, expected):
    assert (found.step, found.state) == (expected.step, expected.state)
    assert found.tensors.keys() == expected.tensors.keys()
    for stem, tensors in expected.tensors.items():
        assert found.tensors[stem].keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert found.tensors[stem][name].dtype == tensor.dtype
            assert torch.equal(found.tensors[stem][name], tensor)


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Round trips


def test_round_trip_is_exact_and_in_one_directory(tmp_path):
    path = save_checkpoint(tmp_path / "runs" / "a", example(400))
    assert path == tmp_path / "runs" / "a" / "step-000400"
    assert sorted(file.name for file in path.iterdir()) == sorted(FILES)
    assert_same(load_checkpoint(path), example(400))
    assert hidden(path.parent) == []


def test_manifest_lists_every_other_file(tmp_path):
    path = save_checkpoint(tmp_path, example(7))
    manifest = json.loads((path / MANIFEST).read_text())
    assert (manifest["format"], manifest["step"]) == (1, 7)
    assert manifest["files"].keys() == set(FILES) - {MANIFEST}
    assert all(entry["size"] == (path / name).stat().st_size for name, entry in manifest["files"].items())


def test_tensors_that_share_memory_or_are_not_contiguous(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {"a": base, "tied": base, "row": base[1], "turned": base.t(), "empty": torch.zeros(0)}
    path = save_checkpoint(tmp_path, Checkpoint(1, {"model": tensors, "none": {}}, {}))
    loaded = load_checkpoint(path)
    assert loaded.tensors["none"] == {}
    assert all(torch.equal(loaded.tensors["model"][name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("state", [{"best": float("nan")}, {"path": Path()}])
def test_state_that_is_not_json_is_refused_and_leaves_nothing(tmp_path, state):
    with pytest.raises((ValueError, TypeError)):
        save_checkpoint(tmp_path, Checkpoint(1, {}, state))
    assert list(tmp_path.iterdir()) == []


def test_stem_with_a_path_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot name a file"):
        save_checkpoint(tmp_path / "runs", Checkpoint(1, {"../model": {}}, {}))
    assert [path.name for path in tmp_path.rglob("*")] == ["runs"]


# A training that goes on


def network():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 6), nn.Dropout(0.3), nn.LayerNorm(6), nn.Linear(6, 2))
    model[1].bias.requires_grad = False
    return model


def train(model, optimizer, steps):
    for step in steps:
        ids = torch.randint(0, 11, (8,))
        loss = nn.functional.cross_entropy(model(ids), torch.tensor([random.randint(0, 1) for _ in range(8)]))
        loss = loss * float(np.random.rand())
        loss.backward()
        set_learning_rate(optimizer, 0.01 / (1 + step))
        optimizer.step()
        optimizer.zero_grad()


def assert_equal_training(one, other):
    assert all(torch.equal(a, b) for a, b in zip(one[0].parameters(), other[0].parameters(), strict=True))
    moments, others = optimizer_tensors(one[1], one[0]), optimizer_tensors(other[1], other[0])
    assert moments.keys() == others.keys()
    assert all(torch.equal(moments[key], others[key]) for key in moments)


def test_training_goes_on_exactly_where_it_was_saved(tmp_path):
    model = network()
    optimizer = build_optimizer(model, weight_decay=0.1)
    train(model, optimizer, range(5))
    moments = optimizer_tensors(optimizer, model)
    assert set(moments) == {
        f"{name}/{key}"
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        for key in ("exp_avg", "exp_avg_sq", "step")
    }
    saved = Checkpoint(5, {"model": model.state_dict(), "optimizer": moments}, {"random": random_state()})
    path = save_checkpoint(tmp_path, saved)
    train(model, optimizer, range(5, 10))

    resumed = network()
    again = build_optimizer(resumed, weight_decay=0.1)
    checkpoint = load_checkpoint(path)
    resumed.load_state_dict(checkpoint.tensors["model"])
    restore_optimizer(again, resumed, checkpoint.tensors["optimizer"])
    restore_random_state(checkpoint.state["random"])
    train(resumed, again, range(5, 10))
    assert_equal_training((model, optimizer), (resumed, again))
    assert_same(load_checkpoint(path), checkpoint)


def test_restored_moments_are_copies():
    model = network()
    optimizer = build_optimizer(model)
    train(model, optimizer, range(2))
    taken = {key: value.clone() for key, value in optimizer_tensors(optimizer, model).items()}
    before = {key: value.clone() for key, value in taken.items()}
    restore_optimizer(optimizer, model, taken)
    train(model, optimizer, range(2))
    assert all(torch.equal(taken[key], before[key]) for key in taken)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("9.weight/exp_avg", torch.zeros(1), "no trained parameter"),
        ("1.bias/exp_avg", torch.zeros(6), "no trained parameter"),
        ("4.weight/exp_avg", torch.zeros(6, 2), r"is \(6, 2\) torch.float32; expected \(2, 6\)"),
        ("4.weight/exp_avg", torch.zeros(2, 6, dtype=torch.float64), "float64; expected"),
    ],
)
def test_moments_of_another_model_are_refused(key, value, message):
    model = network()
    with pytest.raises(CheckpointError, match=message):
        restore_optimizer(build_optimizer(model), model, {key: value})


def draw():
    return random.gauss(0, 1), np.random.randn(), torch.randn(2).tolist()


def test_random_state_survives_json():
    random.gauss(0, 1)  # leaves a second normal value in the generator, as numpy's does
    np.random.randn()
    state = json.loads(json.dumps(random_state(), allow_nan=False))
    first = draw()
    assert draw() != first
    restore_random_state(state)
    assert draw() == first


@pytest.mark.parametrize("key", ["python", "numpy", "torch"])
@pytest.mark.parametrize("value", ["zz", {}, [3, [1], None], None])
def test_malformed_random_state_is_refused(key, value):
    with pytest.raises(CheckpointError, match="random generators"):
        restore_random_state({**random_state(), key: value})


# Damage


def flip(file, position=0.5):
    raw = bytearray(file.read_bytes())
    raw[int((len(raw) - 1) * position)] ^= 1
    file.write_bytes(raw)


DAMAGE = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "emptied": lambda file: file.write_bytes(b""),
    "lengthened": lambda file: file.write_bytes(file.read_bytes() + b"\n"),
    "zeroed": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "flipped": flip,
    "flipped at the end": lambda file: flip(file, 1.0),
    "deleted": lambda file: file.unlink(),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_named_and_passed_over(tmp_path, name, damage):
    save_checkpoint(tmp_path, example(100, 0.25))
    bad = save_checkpoint(tmp_path, example(200))
    DAMAGE[damage](bad / name)
    # A manifest with one wrong digit is a good manifest of another file.
    named = r"\S+" if (name, damage) == (MANIFEST, "flipped") else name
    with pytest.raises(CheckpointError, match=rf"{bad}/{named}.*expected") as caught:
        load_checkpoint(bad)
    assert caught.value.exit_code == 4
    warnings = []
    path, checkpoint = latest_good_checkpoint(tmp_path, warn=warnings.append)
    assert path.name == "step-000100"
    assert_same(checkpoint, example(100, 0.25))
    assert len(warnings) == 1
    assert str(caught.value) in warnings[0]
    assert bad.is_dir()


def test_every_single_bit_of_the_manifest_counts(tmp_path):
    manifest = save_checkpoint(tmp_path, example(100)) / MANIFEST
    raw = manifest.read_bytes()
    undetected = []
    for bit in random.Random(1).sample(range(8 * len(raw)), 300):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        manifest.write_bytes(damaged)
        try:
            verify_checkpoint(manifest.parent)
        except CheckpointError:
            continue
        undetected.append(bit)
    assert undetected == []


def test_file_of_another_step_and_renamed_directory(tmp_path):
    old, new = save_checkpoint(tmp_path, example(100, 0.25)), save_checkpoint(tmp_path, example(200))
    shutil.copy(old / "model.safetensors", new / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: its SHA-256"):
        verify_checkpoint(new)
    shutil.copy(old / MANIFEST, new / MANIFEST)
    with pytest.raises(CheckpointError, match="belongs to step 100; expected step 200"):
        verify_checkpoint(new)


def test_manifest_that_points_elsewhere_is_refused(tmp_path):
    path = save_checkpoint(tmp_path, example(100))
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"]["../secret"] = manifest["files"][STATE]
    (path / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    with pytest.raises(CheckpointError, match="expected a list of plain files"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("value", "message"), [({"format": 2}, "newer qakit"), ([], "format None"), ({"format": 1}, "malformed")]
)
def test_manifest_of_another_format(tmp_path, value, message):
    path = save_checkpoint(tmp_path, example(100))
    (path / MANIFEST).write_text(json.dumps(value))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_no_checkpoint(tmp_path):
    assert find_checkpoints(tmp_path / "absent") == []
    assert latest_good_checkpoint(tmp_path, warn=pytest.fail) is None
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "step-000001")


# Failures while saving


def test_leftovers_are_ignored_and_removed_by_the_next_save(tmp_path):
    good = save_checkpoint(tmp_path, example(100))
    for name in (f".step-000200.tmp-{os.getpid()}", ".step-000200.tmp-1", ".step-000050.old-1"):
        shutil.copytree(good, tmp_path / name)
    (tmp_path / "step-000300").write_text("a file")
    (tmp_path / "step-12").mkdir()
    assert find_checkpoints(tmp_path) == [good]
    new = save_checkpoint(tmp_path, example(200))
    assert find_checkpoints(tmp_path) == [good, new]
    assert hidden(tmp_path) == []


class Killed(BaseException):
    """Stands for SIGKILL: whatever would still touch the disk fails as well."""


class Disk:
    """Records and passes on what a save does to the disk; the operation number `fail_at` raises `error` instead."""

    def __init__(self, monkeypatch, *, fail_at=None, error=None):
        self.log, self.fail_at, self.error = [], fail_at, error
        self.patch = monkeypatch
        for name in ("write_json", "write_text"):
            self.watch(checkpoints, name, lambda path, *_: f"write {path.name}")
        self.watch(checkpoints, "save_file", lambda tensors, path: f"write {path.name}")
        self.watch(os, "fsync", lambda descriptor: f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        self.watch(Path, "rename", lambda source, target: f"rename {source.name} {target.name}")
        self.watch(shutil, "rmtree", lambda path: f"delete {path.name}")

    def watch(self, owner, name, label):
        original = getattr(owner, name)

        def watched(*arguments, **options):
            if self.fail_at == len(self.log):
                if not isinstance(self.error, Killed):
                    self.log.append("failed")
                raise self.error
            self.log.append(label(*arguments))
            return original(*arguments, **options)

        self.patch.setattr(owner, name, watched)

    @property
    def published(self):
        return any(entry.startswith("rename .step") for entry in self.log)


def test_order_of_writes(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    save_checkpoint(tmp_path, example(400))
    temporary = f".step-000400.tmp-{os.getpid()}"
    written = [entry for entry in disk.log if not entry.startswith("delete")]
    files = [entry for name in FILES[:2] for entry in (f"write {name}", f"sync {name}")]
    unnamed = f"tmp-{os.getpid()}"
    assert written == [
        f"sync {tmp_path.parent.name}",
        *files,
        f"write {STATE}",
        f"sync .{STATE}.{unnamed}",
        f"write {MANIFEST}",
        f"sync .{MANIFEST}.{unnamed}",
        f"sync {temporary}",
        f"rename {temporary} step-000400",
        f"sync {tmp_path.name}",
    ]


@pytest.mark.parametrize(
    ("error", "raised"),
    [(OSError(errno.EIO, "Input/output error"), ResourceError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_failure_at_any_operation_leaves_the_old_ones_and_no_temporary(tmp_path, error, raised):
    save_checkpoint(tmp_path, example(100))
    save_checkpoint(tmp_path, example(200))
    before = content(tmp_path)
    for position in range(100):
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, fail_at=position, error=error)
            with pytest.raises(raised):
                save_checkpoint(tmp_path, example(200, 0.75))
        if disk.published:
            break
        assert content(tmp_path) == before
    assert position > 8
    assert_same(load_checkpoint(tmp_path / "step-000200"), example(200, 0.75))


@pytest.mark.parametrize("damaged", [False, True])
def test_kill_at_any_operation_leaves_a_good_checkpoint_and_the_next_save_works(tmp_path, damaged):
    moments = 0
    for position in range(100):
        folder = tmp_path / str(position)
        save_checkpoint(folder, example(200, 0.25))
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, fail_at=position, error=Killed())
            try:
                save_checkpoint(folder, example(200))
            except Killed:
                moments += 1
            else:
                break
        _, checkpoint = latest_good_checkpoint(folder, warn=pytest.fail)
        assert_same(checkpoint, example(200, float(checkpoint.tensors["model"]["weight"][0, 0])))
        if damaged and (folder / "step-000200").exists():
            (folder / "step-000200" / STATE).unlink()
        path = save_checkpoint(folder, example(200, 0.75))
        assert [file.name for file in folder.iterdir()] == ["step-000200"]
        assert_same(load_checkpoint(path), example(200, 0.75))
    assert moments > 10


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_a_resource_error(tmp_path, monkeypatch, code):
    old = save_checkpoint(tmp_path, example(100))

    def full(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(checkpoints, "write_json", full)
    with pytest.raises(ResourceError) as caught:
        save_checkpoint(tmp_path, example(200))
    needed = 40 * 30 * 4 + 5 * 8 + 8 + 40 * 30 * 2 + len(json.dumps(example(200).state))
    assert caught.value.exit_code == 5
    assert str(tmp_path / "step-000200") in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    assert f"about {needed} bytes" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [old.name]
    verify_checkpoint(old)


def test_full_disk_under_safetensors(tmp_path, monkeypatch):
    def full(*_, **__):
        raise checkpoints.SafetensorError("Error while serializing: I/O error: No space left (os error 28)")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(ResourceError, match="os error 28"):
        save_checkpoint(tmp_path, example(200))
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="Not a directory"):
        save_checkpoint(tmp_path / "file" / "checkpoints", example(1))


# Retention


def test_order_is_by_number(tmp_path):
    for step in (1_000_000, 999_999, 5):
        save_checkpoint(tmp_path, Checkpoint(step, {}, {}))
    assert [path.name for path in find_checkpoints(tmp_path)] == ["step-000005", "step-999999", "step-1000000"]


def test_prune_keeps_the_newest(tmp_path):
    paths = [save_checkpoint(tmp_path, Checkpoint(step, {}, {})) for step in range(1, 7)]
    prune_checkpoints(tmp_path, keep=3)
    assert find_checkpoints(tmp_path) == paths[3:]
    assert hidden(tmp_path) == []
    prune_checkpoints(tmp_path, keep=3)
    assert find_checkpoints(tmp_path) == paths[3:]


@pytest.mark.parametrize("keep", [1, 0, -1])
def test_prune_never_keeps_fewer_than_two(tmp_path, keep):
    save_checkpoint(tmp_path, Checkpoint(1, {}, {}))
    with pytest.raises(ValueError, match="at least 2"):
        prune_checkpoints(tmp_path, keep=keep)
    assert len(find_checkpoints(tmp_path)) == 1
