"""`export`: a trained model in a folder of its own, in the number format asked for."""

import shutil
import tempfile
from pathlib import Path

from qakit.config import Precision
from qakit.errors import ConfigError
from qakit.modeling.info import read_info
from qakit.modeling.models import load_trained, model_folder, save_trained
from qakit.tasks.registry import TASKS

_CARD = "README.md"


def export(model: str, out: Path, *, precision: Precision = "fp32", card: Path | None = None) -> tuple[Path, ...]:
    """Write a model in the hub's layout, which `from_pretrained` reads, and what qakit knows of it.

    Args:
        model: the name of the model that comes with qakit, a run folder, a folder or a hub name.
        out: a new folder; it appears whole or not at all.
        precision: what the weights are stored in. They are converted once, without training.
        card: a file to be its README.md; the model's own, if it has one, when not given.

    Returns:
        The files written.

    Raises:
        ConfigError: `out` is there already, or there is no such card.
        CheckpointError: nothing usable under that name.
    """
    import torch

    if out.exists():
        raise ConfigError(f"--out {out}: is there already; name a new folder")
    if card and not card.is_file():
        raise ConfigError(f"--card {card}: no such file")
    folder = model_folder(model)
    task = TASKS[read_info(folder, "qa").task]
    loaded = load_trained(model, task=task.name, auto_class=task.auto_class)
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as parts:
        save_trained(Path(parts) / out.name, loaded.model.to(dtype), loaded.tokenizer, loaded.info)
        text = card or Path(folder) / _CARD
        if text.is_file():
            shutil.copyfile(text, Path(parts) / out.name / _CARD)
        (Path(parts) / out.name).rename(out)
    return tuple(sorted(out.iterdir()))
