"""Checkpoints on full disks and damaged ones: is there always a good one, and is every damage found?

`python benchmarks/durability.py` saves checkpoints of a small model (weights, optimiser, state) and reports

- saves on a disk of b free bytes, b swept over the size of a checkpoint (a tmpfs where mounting is allowed, as root on
  Linux; left out elsewhere): the checkpoint before must stay good, nothing of the failed one may stay behind;
- one flipped bit in a random place of a random file, 200 trials for each file; truncations at every 4 KiB and at 40 odd
  places; zeros in place of a tail; bytes too many; each file deleted, and swapped with that of another step: all must
  be found, and the checkpoint before be used;
- 200 loads of undamaged checkpoints, none of which may be refused;
- the time that hashes and fsync add to a save and a load, for a model of 12 layers of 768.
"""

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForQuestionAnswering

from qakit.errors import CheckpointError, ResourceError
from qakit.training.checkpoints import (
    MANIFEST,
    Checkpoint,
    find_checkpoints,
    latest_good_checkpoint,
    load_checkpoint,
    save_checkpoint,
)

TRIALS = 200
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 500,
}
BASE = {"vocab_size": 21128}


def checkpoint_of(sizes: dict[str, int], step: int) -> Checkpoint:
    torch.manual_seed(step)
    weights = BertForQuestionAnswering(BertConfig(**sizes)).state_dict()
    moments = {f"{name}/{kind}": torch.rand_like(value) for name, value in weights.items() for kind in ("m", "v")}
    return Checkpoint(step, {"model": weights, "optimizer": moments}, {"seed": 1})


def is_good(folder: Path, step: int) -> bool:
    """Whether what would be resumed is the whole checkpoint of `step`."""
    found = latest_good_checkpoint(folder, warn=lambda text: None)
    return found is not None and found[1].step == step


@contextmanager
def disk(size: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def full_disks() -> str:
    first, second = checkpoint_of(SMALL, 1), checkpoint_of(SMALL, 2)
    with tempfile.TemporaryDirectory() as temporary:
        save_checkpoint(Path(temporary), first)
        size = sum(path.stat().st_blocks * 512 for path in Path(temporary).rglob("*"))
    trials, kept, clean, told, saved = 0, 0, 0, 0, 0
    for free in range(0, size + 65536, 4096):
        with disk(size + free + 16384) as folder:
            save_checkpoint(folder, first)
            trials += 1
            try:
                save_checkpoint(folder, second)
                saved += 1
                kept += is_good(folder, 2)
                clean, told = clean + 1, told + 1
            except ResourceError as error:
                kept += is_good(folder, 1)
                clean += [path.name for path in folder.iterdir()] == ["step-000001"]
                told += error.exit_code == 5 and "bytes" in str(error) and str(folder) in str(error)
    return (
        f"full disk, {trials} sizes ({saved} of them enough): last good checkpoint usable {kept}/{trials}, "
        f"nothing left behind {clean}/{trials}, exit code 5 with path and bytes {told}/{trials}"
    )


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    place = random.randrange(len(content) * 8)
    content[place // 8] ^= 1 << (place % 8)
    file.write_bytes(content)


def truncations(size: int) -> Iterator[int]:
    yield from range(0, size, 4096)
    yield from (random.randrange(size) for _ in range(40))


def zeroed(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


def trial(folder: Path, work: Callable[[Path], None], name: str) -> tuple[bool, bool]:
    """Damage a copy of the newest checkpoint: whether that is found, and the one before used."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(folder, Path(temporary) / "checkpoints"))
        newest = find_checkpoints(copy)[-1]
        work(newest / name)
        try:
            load_checkpoint(newest)
            found = False
        except CheckpointError:
            found = True
        return found, is_good(copy, 1)


def damages(folder: Path) -> Iterator[str]:
    newest = find_checkpoints(folder)[-1]
    names = sorted(path.name for path in newest.iterdir())
    sizes = {name: (newest / name).stat().st_size for name in names}
    kinds: dict[str, list[tuple[str, Callable[[Path], None]]]] = {
        "one bit flipped": [(name, flip) for name in names for _ in range(TRIALS)],
        "truncated": [
            (name, lambda file, end=end: file.write_bytes(file.read_bytes()[:end]))
            for name in names
            for end in truncations(sizes[name])
        ],
        "tail of zeros": [(name, zeroed) for name in names],
        "bytes too many": [(name, lambda file: file.write_bytes(file.read_bytes() + b"\0")) for name in names],
        "deleted": [(name, Path.unlink) for name in names],
        "of another step": [
            (name, lambda file: shutil.copy(find_checkpoints(folder)[0] / file.name, file))
            for name in names
            if name != "state.json"  # the same in both
        ],
    }
    for kind, trials in kinds.items():
        results = [trial(folder, work, name) for name, work in trials]
        found, usable = (sum(column) for column in zip(*results, strict=True))
        yield f"{kind}: detected {found}/{len(trials)}, last good checkpoint usable {usable}/{len(trials)}"
    plain = sum(survives_in_safetensors(newest / "model.safetensors") for _ in range(TRIALS))
    yield f"for comparison, one bit flipped in model.safetensors: read by safetensors alone {plain}/{TRIALS}"


def survives_in_safetensors(file: Path) -> bool:
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copy(file, temporary))
        flip(copy)
        try:
            load_file(copy)
        except Exception:
            return False
        return True


def false_alarms(folder: Path) -> str:
    refused = 0
    for _ in range(TRIALS):
        try:
            load_checkpoint(find_checkpoints(folder)[-1])
        except CheckpointError:
            refused += 1
    return f"undamaged: refused {refused}/{TRIALS}"


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cost() -> str:
    checkpoint = checkpoint_of(BASE, 3)
    size = sum(tensor.nbytes for tensors in checkpoint.tensors.values() for tensor in tensors.values())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def bare_save() -> None:
            for stem, tensors in checkpoint.tensors.items():
                save_file(dict(tensors), folder / f"{stem}.safetensors")

        saves = [(timed(lambda: save_checkpoint(folder, checkpoint)), timed(bare_save)) for _ in range(3)]
        path = find_checkpoints(folder)[-1]
        stems = list(checkpoint.tensors)
        loads = [
            (timed(lambda: load_checkpoint(path)), timed(lambda: [load_file(path / f"{s}.safetensors") for s in stems]))
            for _ in range(3)
        ]
    (save, plain_save), (load, plain_load) = (map(median, zip(*pairs, strict=True)) for pairs in (saves, loads))
    return (
        f"cost, {size / 1e6:.0f} MB: save {save:.2f} s ({plain_save:.2f} s without hashes and fsync), "
        f"load {load:.2f} s ({plain_load:.2f} s without hashes; safetensors reads lazily)"
    )


def main() -> None:
    random.seed(0)
    try:
        print(full_disks(), flush=True)
    except (subprocess.CalledProcessError, FileNotFoundError):
        print("full disk: left out, no tmpfs can be mounted here")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for step in (1, 2):
            save_checkpoint(folder, checkpoint_of(SMALL, step))
        assert (folder / "step-000002" / MANIFEST).is_file()
        for line in damages(folder):
            print(line, flush=True)
        print(false_alarms(folder), flush=True)
    print(cost(), flush=True)


if __name__ == "__main__":
    main()
