"""Which checkpoints of a folder count, which one a training goes on from, and which ones are deleted."""

import shutil
from collections.abc import Callable
from pathlib import Path

from qakit.errors import CheckpointError
from qakit.training.checkpoints import STEP_NAME, Checkpoint, load_checkpoint, remove_checkpoint

MINIMUM_KEPT = 2
_ASIDE = ".aside"


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first, whole or damaged; none when there is no such folder.

    Unfinished saves do not count. A checkpoint that was just being replaced may stand as `step-000400.replaced`, right
    before the one that replaces it.
    """
    if not folder.is_dir():
        return []
    found = [
        (int(match[1]), match[2] is None, path)
        for path in folder.iterdir()
        if (match := STEP_NAME.fullmatch(path.name)) and path.is_dir()
    ]
    return [path for _, _, path in sorted(found)]


def latest_good_checkpoint(folder: Path, *, warn: Callable[[str], None]) -> tuple[Path, Checkpoint] | None:
    """The newest checkpoint in `folder` that is whole, with its directory; None when there are no checkpoints at all.

    Args:
        warn: called with a message for each damaged one that is passed over; those are left where they are.

    Raises:
        CheckpointError: there are checkpoints, and all of them are damaged.
    """
    problems = []
    for path in reversed(find_checkpoints(folder)):
        try:
            found = load_checkpoint(path)
        except CheckpointError as error:
            problems.append(str(error))
        else:
            for problem in problems:
                warn(f"passing over a damaged checkpoint: {problem}")
            return path, found
    if problems:
        raise CheckpointError(
            "no checkpoint is whole, so the training cannot go on; --overwrite starts anew:\n" + "\n".join(problems)
        )
    return None


def set_aside_after(folder: Path, step: int) -> None:
    """Rename the checkpoints of later steps to `step-000400.aside`: they are damaged, or about to be made again.

    They no longer count as checkpoints, and are deleted by `prune_checkpoints` when their step has been made again.
    """
    for path in find_checkpoints(folder):
        if _step_of(path) > step:
            aside = path.with_name(path.name + _ASIDE)
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)


def _step_of(path: Path) -> int:
    return int(path.name.split("-")[1].split(".")[0])


def prune_checkpoints(folder: Path, *, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints; call it after a new one was saved, never before.

    Those that were set aside go too, as soon as there is one of their step or of a later one again. The best model is
    kept apart from checkpoints, so none has to stay for it.

    Args:
        keep: at least 2, as the newest one may turn out to be damaged.

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
